"""Nothing that tells of a person is left after they were erased, in any table; and nothing brings it back."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from bot.core.errors import ActionError, StorageError
from bot.core.messages import TextOut
from bot.operations.acting import Acting
from bot.operations.erasing import MediaLeftError, erase_person
from bot.operations.privacy import COLUMNS, base64_of, export_person
from storage.base import AuditEntry, NewEcho, Person, Verdict
from storage.crypto import Vault
from storage.postgres import Postgres
from storage.postgres.audit import AuditChain, Finding, write_audit
from tests.conftest import EPOCH
from tests.storage.support import World, blocked, build_world, message, owner, result, status

WORDS = 'my "secret" wish: 50%_of Zanskar\nin Juli, ज़रूर'
PHONE, USER, NAME = "+9779800077123", "NP.8172635401", "Quirina Voss-Áñez"
QUIRINA = Person(phone=PHONE, user_id=USER, name=NAME)
LATER = EPOCH + timedelta(hours=1)

# Columns whose values a CHECK prescribes, or that tell nothing of anybody.
FIXED = {
    "provider": "meta", "direction": "INBOUND", "category": "UTILITY", "role": "sales", "event_type": "NOTE",
    "source": "WEB", "purpose": "all", "outcome": "ACCEPTED", "contact_identities.kind": "phone", "currency": "USD",
    "check_ins.kind": "STARTED", "inventory_moves.kind": "COUNTED", "payment_events.kind": "paid",
    "metric_responses.kind": "reply", "outside_jobs.kind": "call", "inbox.kind": "message",
    "delivery_updates.status": "SENT", "whatsapp_messages.status": "RECEIVED", "timezone": "UTC", "language": "en",
    "object_type": "lead", "whatsapp_messages.message_id": 900, "active_role": "sales", "action": "NOTE",
    "actor": "cli",
}  # fmt: skip
TYPED: dict[str, Any] = {
    "bigint": 1, "integer": 1, "smallint": 1, "timestamp with time zone": EPOCH, "date": EPOCH.date(), "boolean": True,
    "numeric": 1, "double precision": 1.0, "bigint[]": [1], "time without time zone": EPOCH.time(), "smallint[]": [1],
}  # fmt: skip
# What nobody's words get into: content of the project and of the business, settings, sums, and the audit log, whose
# entries services make of ids (Services._entry).
NOBODYS = {
    "tenants", "whatsapp_configurations", "flow_versions", "whatsapp_templates", "treks", "trips", "inventory_items",
    "business_settings", "chores", "webhook_endpoints", "metric_days", "metric_responses", "whatsapp_audit_logs",
    "audit_seals", "audit_heads", "audit_unsealed", "secret_keys", "kept_keys", "key_progress", "live_senders",
    "people_versions",
}  # fmt: skip
PEOPLE = {"contact_id", "used_by", "requested_by", "author_id", "actor_id"}


def canaries(vault: Vault, tenant: int) -> dict[str, bytes]:
    """What must not be found anywhere, in every encoding there might be."""
    found: dict[str, bytes] = {}
    for name, text in {"words": WORDS, "phone": PHONE.lstrip("+"), "user id": USER, "name": NAME}.items():
        found[name] = text.encode()
        found[f"{name} in JSON"] = json.dumps(text, ensure_ascii=False)[1:-1].encode()
        found[f"{name} in ASCII JSON"] = json.dumps(text)[1:-1].encode()
        found[f"{name} in a URL"] = quote(text).encode()
        found[f"{name} in hex"] = text.encode().hex().encode()
        for shift, part in enumerate(base64_of(text)):
            found[f"{name} in base64 at {shift}"] = part.encode()
    for name, text in {"phone": PHONE, "user id": USER}.items():
        found[f"blind index of the {name}"] = vault.identity(tenant, text)  # type: ignore[arg-type]
    return found


@asynccontextmanager
async def desk(world: World, **more: Any) -> AsyncIterator[Acting]:
    """A transaction of the desk with its audit, as Office makes it."""
    async with world.database.tenant(world.tenant) as db:
        given = {"role": "system", "source": "SYSTEM", "name": "cli", "at": LATER, **more}
        acting = Acting(tenant_id=world.tenant, db=db, trail=[], **given)
        yield acting
        await write_audit(db, world.vault, world.tenant, acting.trail or ())


async def found_in(dsn: str, vault: Vault, tenant: int) -> set[str]:
    """Where canaries are: table, column and kind."""
    found = set()
    async with owner(dsn) as admin:
        for row in await admin.fetch(COLUMNS):
            table, field = row["name"], row["field"]
            for one in await admin.fetch(f'SELECT "{field}" AS value FROM "{table}" WHERE "{field}" IS NOT NULL'):
                value = one["value"]
                raw = value if isinstance(value, bytes) else str(value).encode()
                texts = [raw, *_unpacked(raw)]
                if isinstance(value, bytes):
                    with suppress(StorageError):
                        texts.append(vault.unseal(tenant, value))  # type: ignore[arg-type]
                for name, canary in canaries(vault, tenant).items():
                    if any(canary.lower() in text.lower() for text in texts):
                        found.add(f"{table}.{field}: {name}")
    return found


def _unpacked(raw: bytes) -> list[bytes]:
    try:
        return [json.dumps(json.loads(raw), ensure_ascii=False).encode(), base64.b64decode(raw, validate=True)]
    except ValueError:
        return []


# Columns of text whose values a CHECK prescribes.
CHECKED = """
SELECT c.conrelid::regclass::text || '.' || a.attname AS name FROM pg_constraint c
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
WHERE c.contype = 'c' AND c.conrelid > 0
"""
NEEDED = """
SELECT a.attrelid::regclass::text || '.' || a.attname AS name FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND a.attnotnull AND NOT a.atthasdef
  AND a.attidentity = ''
"""
DOCUMENT = json.dumps({"kind": "text", "body": WORDS, "deep": [{"to": PHONE, NAME: USER}]})


def a_value(vault: Vault, tenant: int, name: str, kind: str, *, checked: bool, needed: bool) -> Any:
    """What to put into a column: canaries, if it takes them; None: leave it to its default."""
    column = name.partition(".")[2]
    fixed = FIXED.get(name, FIXED.get(column))
    if fixed is not None:
        return fixed
    match kind:
        case "text" if not checked:
            return f"{column}: {WORDS} ({NAME}, {PHONE}, {USER})"
        case "text[]" if not checked:
            return [WORDS, NAME]
        case "jsonb":
            return DOCUMENT
        case "bytea" if name == "webhook_events.body":
            return vault.encrypt(tenant, json.dumps({"from": PHONE, "text": WORDS}))  # type: ignore[arg-type]
        case "bytea":
            return b"x"
    return TYPED.get(kind, "OPEN") if needed else None


async def fill_all(world: World, dsn: str, contact: int, conversation: int) -> set[str]:
    """A row of theirs in every table, with canaries wherever something may be written; returns the tables."""
    theirs = {**dict.fromkeys(PEOPLE, contact), "conversation_id": conversation, "tenant_id": world.tenant}
    async with owner(dsn) as admin:
        await admin.execute("SET session_replication_role = replica")
        checked = {row["name"] for row in await admin.fetch(CHECKED)}
        needed = {row["name"] for row in await admin.fetch(NEEDED)}
        tables: dict[str, dict[str, Any]] = {}
        for row in await admin.fetch(COLUMNS):
            table, column = row["name"], row["field"]
            if table in NOBODYS | {"contacts", "contact_identities", "whatsapp_conversations", "erased_addresses"}:
                continue
            name = f"{table}.{column}"
            value = theirs.get(column) or a_value(
                world.vault, world.tenant, name, row["type"], checked=name in checked, needed=name in needed
            )
            if value is not None and name != "whatsapp_media.stored_at":  # files go first, see below
                tables.setdefault(table, {})[column] = value
        for table, given in tables.items():
            names, marks = ", ".join(f'"{name}"' for name in given), ", ".join(f"${n + 1}" for n in range(len(given)))
            await admin.execute(
                f'INSERT INTO "{table}" ({names}) OVERRIDING SYSTEM VALUE VALUES ({marks})', *given.values()
            )
    return set(tables)


@pytest.fixture
async def world(database: Postgres, vault: Vault) -> World:
    return await build_world(database, vault)


async def test_nothing_of_an_erased_person_is_left_in_any_table(world: World, dsn: str) -> None:
    """Generated from the catalogue: a table that is added later has to be covered as well."""
    await world.intake.accept([message(world.channel, WORDS, sender=QUIRINA)])
    (conversation,) = await world.rows("SELECT conversation_id, contact_id FROM whatsapp_conversations")
    filled = await fill_all(world, dsn, conversation["contact_id"], conversation["conversation_id"])
    assert len(filled) > 30
    before = await found_in(dsn, world.vault, world.tenant)
    # Otherwise there would be nothing to erase. These hold numbers only.
    assert filled - {where.partition(".")[0] for where in before} <= {
        "contact_roles", "staff_availability", "trip_assignments", "reached", "outbox", "message_keys",
        "broadcast_recipients", "payment_events", "timers",
    }  # fmt: skip
    async with desk(world) as acting:
        await erase_person(acting, world.vault, PHONE)
    left = await found_in(dsn, world.vault, world.tenant)
    assert left == {"erased_addresses.identity: blind index of the " + what for what in ("phone", "user id")}


KEEP = "INSERT INTO receipts (tenant_id, key, action, result, created_at) VALUES ($1, $2, 'bookings.create', $3, $4)"


async def test_receipts_of_their_runs_go_and_those_of_others_stay(world: World) -> None:
    """Wherever the author put the run: `once: "lead:{{ run.id }}"`, `"place:{{ run.id }}:27.9:86.9"`."""
    await world.intake.accept([message(world.channel, WORDS, sender=QUIRINA)])
    other = Person(phone="+9779800022222", user_id=None, name="Bimal")
    await world.intake.accept([message(world.channel, "hello", sender=other)])
    theirs, others = await world.rows("SELECT conversation_id FROM whatsapp_conversations ORDER BY 1")
    gone = [
        "lead:r71",
        "place:r71:27.98:86.92",
        "photo:r71-2:9",
        "once-r71-2-5",
        "r71-20",
        "r71",
        "r71/x",
        "to:" + PHONE,
        NAME,
    ]
    stay = ["lead:r711", "lead:r7", "xr71", "r71x", "api:1:r71", "booking:71", "lead:r72", "r71-3", "a-r71-3-2"]
    async with world.database.tenant(world.tenant) as db:
        for run, whose in (("r71", theirs), ("r71-2", theirs), ("r71-3", others)):
            await db.execute(
                "INSERT INTO flow_runs (tenant_id, run, conversation_id, flow, version, role, started_at) "
                "VALUES ($1, $2, $3, 'enquiry', 1, 'customer', $4)", world.tenant, run, whose[0], EPOCH,
            )  # fmt: skip
        for key in gone + stay:
            await db.execute(KEEP, world.tenant, key, "{}", EPOCH)
    async with desk(world) as acting:
        await erase_person(acting, world.vault, PHONE)
    assert {key for (key,) in await world.rows("SELECT key FROM receipts")} == set(stay)


async def test_what_was_done_for_them_under_another_key_stays_known_without_their_name(world: World) -> None:
    """`once: "booking:{{ quote.id }}"`: were it forgotten, the next one with this key would do it again."""
    short = replace(QUIRINA, name="Quirina")
    await world.intake.accept([message(world.channel, WORDS, sender=short)])
    conversation = await world.value("SELECT conversation_id FROM whatsapp_conversations")
    result = json.dumps({"code": "BKG5", "customer": "Quirina", "Quirina": 2, "Note": "for quirina, not Quirinal"})
    async with world.database.tenant(world.tenant) as db:
        await db.execute(KEEP, world.tenant, "booking:17", result, EPOCH)
        await db.execute(KEEP, world.tenant, "booking:18", result, LATER)  # of a namesake
        done = AuditEntry(
            at=EPOCH, actor="contact:1", action="bookings.create", conversation_id=conversation,
            detail={"receipt": "booking:17"},
        )  # fmt: skip
        await write_audit(db, world.vault, world.tenant, [done])
    async with desk(world) as acting:
        await erase_person(acting, world.vault, PHONE)
    rows = {row["key"]: json.loads(row["result"]) for row in await world.rows("SELECT key, result FROM receipts")}
    assert rows == {
        "booking:17": {
            "code": "BKG5", "customer": "[erased]", "Quirina": 2, "Note": "for [erased], not Quirinal",
        },
        "booking:18": json.loads(result),
    }  # fmt: skip


async def test_amounts_stay_for_accounting(world: World, dsn: str) -> None:
    await world.intake.accept([message(world.channel, WORDS, sender=QUIRINA)])
    (row,) = await world.rows("SELECT conversation_id, contact_id FROM whatsapp_conversations")
    await fill_all(world, dsn, row["contact_id"], row["conversation_id"])
    query = "SELECT booking_id, contact_id, people, total, created_at FROM bookings"
    before = await world.rows(query), await world.rows("SELECT payment_id, amount, paid_at FROM payments")
    async with desk(world) as acting:
        await erase_person(acting, world.vault, row["contact_id"])
    assert (await world.rows(query), await world.rows("SELECT payment_id, amount, paid_at FROM payments")) == before


async def test_what_staff_were_told_of_them_goes_and_the_rest_stays(world: World) -> None:
    staff, other = Person(phone="+9779800011111", user_id=None, name="Anita"), Person(
        phone="+9779800022222", user_id=None, name="Bimal")  # fmt: skip
    news = f"New lead from {NAME} ({PHONE}): {WORDS}. Call today!"
    said = [message(world.channel, WORDS, sender=QUIRINA), message(world.channel, news, sender=staff),
            message(world.channel, f"I know {NAME}", sender=other)]  # fmt: skip
    await world.intake.accept(said)
    contact = (await world.directory.place(world.channel, staff)).contact_id
    async with world.database.tenant(world.tenant) as db:
        await db.execute("INSERT INTO contact_roles VALUES ($1, $2, 'sales')", world.tenant, contact)
    async with desk(world) as acting:
        await erase_person(acting, world.vault, PHONE)
    bodies = {row[0] for row in await world.rows("SELECT content ->> 'body' FROM whatsapp_messages")}
    assert bodies == {
        "", "New lead from [erased] ([erased]): [erased]. Call today!", f"I know {NAME}"
    }  # fmt: skip


async def test_a_redelivery_brings_nobody_back(world: World, dsn: str) -> None:
    known = message(world.channel, WORDS, sender=QUIRINA)
    missed = message(world.channel, f"{WORDS} again", sender=QUIRINA)
    typed = NewEcho(
        channel=world.channel, person=QUIRINA, provider_message_id="wamid.echo", content=_text(NAME),
        sent_at=EPOCH, received_at=LATER,
    )  # fmt: skip
    await world.intake.accept([known])
    old = await world.value("SELECT contact_id FROM contacts")
    async with desk(world) as acting:
        await erase_person(acting, world.vault, PHONE)
    for _ in range(2):  # the process that remembers the person, then one that does not
        for late in (known, missed, typed):
            await world.intake.accept([late])
            await world.intake.accept([replace(late, person=replace(QUIRINA, user_id=None))])
        world.directory.forget()
    assert await world.value("SELECT count(*) FROM contacts") == 1
    assert {where.partition(".")[0] for where in await found_in(dsn, world.vault, world.tenant)} == {"erased_addresses"}
    await world.intake.accept([message(world.channel, "hello again", sender=QUIRINA, at=LATER + timedelta(seconds=5))])
    await world.intake.accept([missed])
    rows = await world.rows(
        "SELECT c.contact_id, m.content ->> 'body' AS body FROM whatsapp_messages m "
        "JOIN whatsapp_conversations w USING (conversation_id) JOIN contacts c USING (contact_id) "
        "WHERE m.created_at > $1", LATER,
    )  # fmt: skip
    assert [row["body"] for row in rows] == ["hello again"]
    assert rows[0]["contact_id"] != old


async def test_an_erasure_waits_for_who_is_just_storing_their_message(world: World, dsn: str) -> None:
    """Or the message would be there afterwards, and nobody would erase it again."""
    conversation = await world.conversation(QUIRINA)

    async def erase() -> None:
        async with desk(world) as acting:
            await erase_person(acting, world.vault, PHONE)

    async with world.database.tenant(world.tenant) as db:
        await db.execute(
            "INSERT INTO message_keys (tenant_id, key, message_id, created_at) VALUES ($1, 'k', 77, $2)",
            world.tenant, EPOCH,
        )  # fmt: skip
        erasing = asyncio.create_task(erase())
        waiting = asyncio.create_task(blocked(dsn))
        await asyncio.wait((erasing, waiting), return_when=asyncio.FIRST_COMPLETED)
        assert not erasing.done()
        await db.execute(
            "INSERT INTO whatsapp_messages (tenant_id, message_id, created_at, conversation_id, channel_id, direction, "
            "status, kind, content) VALUES ($1, 77, $2, $3, $4, 'INBOUND', 'RECEIVED', 'text', $5)",
            world.tenant, EPOCH, conversation, world.channel.channel_id, json.dumps({"kind": "text", "body": WORDS}),
        )  # fmt: skip
    await erasing
    assert await world.value("SELECT content ->> 'body' FROM whatsapp_messages WHERE message_id = 77") == ""


async def test_what_providers_tell_later_of_messages_to_them_is_not_kept(world: World) -> None:
    """Their ids of messages hold the number; and an answer tells what was said in a message's place."""
    conversation = await world.conversation(QUIRINA)
    await world.say("hello", "again", to=conversation)
    (sent,) = await world.claim()
    (flying,) = await world.claim(result(sent, Verdict.DONE))
    async with desk(world) as acting:
        await erase_person(acting, world.vault, PHONE)
    erased = await world.rows("SELECT * FROM whatsapp_messages ORDER BY message_id")
    assert [row["status"] for row in erased] == ["ACCEPTED", "FAILED"]

    await world.claim(result(flying, Verdict.DONE, content=TextOut(body=WORDS), detail=PHONE))
    for claim in (sent, flying):
        told = status(world.channel, f"wamid.out.{claim.message_id}", "READ", correlation=claim.correlation)
        await world.intake.accept([told])
    assert (await world.settle())["applied"] == 2
    assert await world.rows("SELECT * FROM whatsapp_messages ORDER BY message_id") == erased
    assert await world.rows("SELECT 1 FROM delivery_updates") == []


async def test_a_process_that_remembers_the_person_makes_somebody_new_of_their_next_message(world: World) -> None:
    """Erased by another process: nothing tells this one but the row it looks for after storing."""
    await world.intake.accept([message(world.channel, WORDS, sender=QUIRINA)])
    old = await world.value("SELECT conversation_id FROM whatsapp_conversations")
    async with desk(world) as acting:
        await erase_person(acting, world.vault, PHONE)
    taken = await world.intake.accept([message(world.channel, "hello", sender=QUIRINA, at=LATER)])
    assert taken.messages == 1
    (row,) = await world.rows("SELECT conversation_id FROM inbox")
    assert row["conversation_id"] != old


async def test_hashes_of_erased_addresses_go_a_week_after_everything_else(world: World) -> None:
    await world.intake.accept([message(world.channel, WORDS, sender=QUIRINA)])
    async with desk(world) as acting:
        await erase_person(acting, world.vault, PHONE)
    for days, left in ((7, 2), (9, 0)):
        await world.upkeep.delete_old(world.tenant, LATER + timedelta(days=days))
        assert await world.value("SELECT count(*) FROM erased_addresses") == left


async def test_the_audit_is_whole_and_tells_of_the_erasure(world: World) -> None:
    await world.intake.accept([message(world.channel, WORDS, sender=QUIRINA)])
    chain = AuditChain(world.database, world.vault)
    await chain.found(world.tenant)
    async with desk(world) as acting:
        done = await erase_person(acting, world.vault, PHONE)
    while await chain.seal(world.tenant, LATER):
        pass
    assert [item async for item in chain.verify(world.tenant, None) if isinstance(item, Finding)] == []
    (entry,) = await world.rows("SELECT actor, action, detail FROM whatsapp_audit_logs")
    assert (entry["actor"], entry["action"], json.loads(entry["detail"])["id"]) == ("cli", "people.erase", done["id"])


async def test_files_go_first(world: World, dsn: str) -> None:
    await world.intake.accept([message(world.channel, WORDS, sender=QUIRINA)])
    (row,) = await world.rows("SELECT conversation_id FROM whatsapp_conversations")
    async with world.database.tenant(world.tenant) as db:
        await db.execute(
            "INSERT INTO whatsapp_media (tenant_id, kind, mime_type, status, stored_at, created_at, channel_id, "
            "conversation_id) VALUES ($1, 'image', 'image/png', 'STORED', 'ab/cd', $2, 1, $3)",
            world.tenant, EPOCH, row["conversation_id"],
        )  # fmt: skip
    with pytest.raises(MediaLeftError):
        async with desk(world) as acting:
            await erase_person(acting, world.vault, PHONE)
    assert await world.value("SELECT name FROM contacts") == NAME


async def test_only_who_manages_people_may_and_only_with_the_key(world: World) -> None:
    await world.intake.accept([message(world.channel, WORDS, sender=QUIRINA)])
    for role in ("customer", "sales", "operations", "field_staff"):
        for do in (erase_person, export_person):
            with pytest.raises(ActionError) as caught:
                async with desk(world, role=role) as acting:
                    await do(acting, world.vault, PHONE)
            assert caught.value.code == "forbidden"
    contact = await world.value("SELECT contact_id FROM contacts")
    with pytest.raises(StorageError):
        async with desk(world) as acting:
            await export_person(acting, Vault(bytes(32)), contact)


async def test_the_export_has_what_every_table_says_of_the_person(world: World, dsn: str) -> None:
    await world.intake.accept([message(world.channel, WORDS, sender=QUIRINA)])
    await world.intake.accept([message(world.channel, "somebody else's", sender=Person(phone="+9779800022222",
                               user_id=None, name="Bimal"))])  # fmt: skip
    (row, _) = await world.rows("SELECT conversation_id, contact_id FROM whatsapp_conversations ORDER BY 2")
    await fill_all(world, dsn, row["contact_id"], row["conversation_id"])
    async with desk(world, role="manager") as acting:
        document = await export_person(acting, world.vault, PHONE)
    assert document["person"] == {
        "contacts": [row["contact_id"]], "names": [NAME], "phones": [PHONE], "user_ids": [USER]
    }  # fmt: skip
    assert {
        "contact_roles", "whatsapp_conversations", "whatsapp_messages", "whatsapp_opt_ins", "leads", "quotes",
        "bookings", "payments", "incidents", "feedback", "whatsapp_media", "timeline_entries",
    } <= set(document)  # fmt: skip
    assert "somebody else's" not in json.dumps(document)
    assert WORDS in {message["content"].get("body") for message in document["whatsapp_messages"]}


async def test_an_entry_of_the_timeline_may_lose_its_words_and_nothing_else(world: World) -> None:
    async with world.database.tenant(world.tenant) as db:
        await db.execute(
            "INSERT INTO timeline_entries (tenant_id, object_type, object_id, event_type, source, content, created_at) "
            """VALUES ($1, 'lead', 1, 'NOTE', 'WEB', '{"action": "NOTE", "text": "x"}', $2)""", world.tenant, EPOCH,
        )  # fmt: skip
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="timeline entries do not change"):
        async with world.database.tenant(world.tenant) as db:
            await db.execute("""UPDATE timeline_entries SET content = '{"action": "NOTE", "text": "y"}'""")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with world.database.tenant(world.tenant) as db:
            await db.execute("UPDATE timeline_entries SET object_id = 2")


def _text(words: str) -> TextOut:
    return TextOut(body=words)
