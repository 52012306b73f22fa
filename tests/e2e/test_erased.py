"""Somebody who went through the shipped flows, and whom staff spoke of, is erased: nothing anywhere tells of them."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from bot.cli.contact import erase_in
from bot.core.errors import StorageError
from bot.core.ids import TenantId
from bot.operations.privacy import base64_of
from providers.emulator import Card
from storage.crypto import SEALED_ID, Vault
from tests.e2e.canaries import texts_in
from tests.e2e.test_at_rest import TABLES
from tests.e2e.test_both_workflows import CUSTOMER, GUIDE, MANAGER, SALES, Stage, pay, stage

__all__ = ["stage"]  # a fixture

NAME = "Maya Lindqvist"
JPEG = b"\xff\xd8\xff\xe0" + b"the turquoise roof " * 500
LONG = 12
"""Letters from which on words are nobody else's."""
STAFF = {
    "the guide": f"ISSUE TRP123 {NAME} has lost her purple rucksack",
    "sales": "She wants vegetarian momos only",
    "a colleague": f"Dear {NAME}, we mend the striped tent today",
}


async def asks(stage: Stage, text: str, *, who: str = CUSTOMER) -> str:
    """Say something and hear the whole answer."""
    await stage.says(who, text)
    return await answer(stage, who)


async def answer(stage: Stage, who: str = CUSTOMER) -> str:
    return "\n".join(bubble.text for bubble in await stage.theatre.emulator.wait_for(who))


async def until_nothing_waits(stage: Stage) -> None:
    """Neither with us nor with the provider."""
    for queue in ("inbox", "outbox", "delivery_updates"):
        await stage.theatre.emulator.settled()
        await stage.until(f"SELECT 1 FROM {queue}", lambda rows: not rows)


async def buys(stage: Stage) -> None:
    """The customer asks, gets a quote, books and pays: twice, for they are on a trip as well."""
    await asks(stage, "Hi, interested in EBC Trek for 2 people in December")
    await stage.says(CUSTOMER, "yes")
    await stage.hears(CUSTOMER, "LEAD1")
    (lead,) = (await stage.web("sales", "GET", "/leads?status=NEW"))["items"]
    items = [{"description": "Everest Base Camp, per person", "quantity": "2", "unit_price": "1450.00"}]
    offer = await stage.web("sales", "POST", "/quotes", lead=lead["id"], items=items, trip=1, note=STAFF["sales"])
    await stage.web("sales", "POST", f"/quotes/{offer['id']}/send")
    await stage.hears(CUSTOMER, "QUO1")
    await stage.says(CUSTOMER, "Looks good, how do I book?")
    await pay(stage, await stage.hears(CUSTOMER, "/pay/"))
    await stage.hears(CUSTOMER, "your payment has arrived")


async def talks(stage: Stage) -> None:
    """All else that customers say and send."""
    phone = stage.theatre.emulator
    await asks(stage, "I want to give feedback")
    await asks(stage, "5")
    await asks(stage, "The lentils of Namche were unforgettable")
    await asks(stage, "could somebody call me")
    await asks(stage, "yes")
    await phone.send_image(CUSTOMER, JPEG, caption="Our lodge with the turquoise roof")
    await answer(stage)
    await phone.send_location(CUSTOMER, 27.98765, 86.92543, name="Where we left the yak")
    await answer(stage)
    await phone.send_contacts(CUSTOMER, [Card(name="Grandmother Lindqvist", phones=("+46709998877",))])
    said = await phone.wait_for(CUSTOMER)
    await phone.react(CUSTOMER, said[-1].id, "🦚")
    await phone.say(CUSTOMER, "STOP")
    await answer(stage)
    await asks(stage, "START")
    await asks(stage, "I have a complaint")
    await stage.says(CUSTOMER, "The striped tent leaks on our heads every night")


async def are_spoken_of(stage: Stage) -> None:
    """Staff say and are told who it is."""
    (contact,) = await stage.rows(f"SELECT contact_id FROM contacts WHERE name = '{NAME}'")
    (theirs,) = await stage.rows(
        f"SELECT conversation_id FROM whatsapp_conversations WHERE contact_id = {contact['contact_id']}"
    )
    await stage.web("sales", "POST", f"/conversations/{theirs['conversation_id']}/reply", text=STAFF["a colleague"])
    await stage.hears(CUSTOMER, STAFF["a colleague"])
    await stage.says(GUIDE, STAFF["the guide"])
    await stage.hears(GUIDE, "INC1 logged for TRP123")
    await stage.hears(MANAGER, "purple rucksack")
    await asks(stage, "new lead", who=SALES)
    await asks(stage, "Maya", who=SALES)


def told_in(vault: Vault, tenant: TenantId, row: str) -> Iterator[bytes]:
    """What can be read in a row with the key: as it stands, with escapes undone, in hex, sealed."""
    yield row.encode()
    with suppress(ValueError):
        yield row.encode("ascii", "backslashreplace").decode("unicode_escape").encode("utf-8", "surrogateescape")
    for piece in re.findall(r"\\\\?x((?:[0-9a-f]{2})+)", row):
        raw = bytes.fromhex(piece)
        yield raw
        with suppress(StorageError):
            yield vault.unseal(tenant, raw)
    for piece in re.findall(rf"{SEALED_ID}\d+\.[\w+/=]+", row):
        name = vault.open_id(tenant, piece).encode()
        yield name
        yield base64.b64decode(name.rpartition(b".")[2] + b"==", validate=False)


async def telling(stage: Stage, canaries: set[str]) -> set[str]:
    """Tables that tell one of the canaries, with it."""
    foundation, tenant = stage.theatre.system.foundation, stage.theatre.system.channel.tenant_id
    wanted = {
        one: {
            form.lower().encode()
            for form in (
                one,
                json.dumps(one)[1:-1],
                json.dumps(one, ensure_ascii=False)[1:-1],
                quote(one),
                *base64_of(one),
            )
        }
        for one in canaries
    }
    found = set()
    db = await asyncpg.connect(foundation.dsn)
    try:
        for (table,) in await db.fetch(TABLES):
            for (row,) in await db.fetch(f"SELECT t::text FROM {table} t"):
                texts = b"\n".join(told_in(foundation.vault, tenant, row)).lower()
                found |= {f"{table}: {one}" for one, forms in wanted.items() if any(form in texts for form in forms)}
    finally:
        await db.close()
    return found


@pytest.mark.parametrize("stage", ["meta"], indirect=True)
async def test_nobody_is_left_after_a_life_with_all_flows(stage: Stage, tmp_path: Path) -> None:
    system = stage.theatre.system
    for colleague in (SALES, MANAGER, GUIDE):
        await asks(stage, "hello", who=colleague)
    await buys(stage)
    await talks(stage)
    await are_spoken_of(stage)
    await until_nothing_waits(stage)
    await stage.until("SELECT status FROM whatsapp_media", lambda rows: [row["status"] for row in rows] == ["STORED"])

    (contact,) = await stage.rows(f"SELECT contact_id FROM contacts WHERE name = '{NAME}'")
    theirs = f"SELECT conversation_id FROM whatsapp_conversations WHERE contact_id = {contact['contact_id']}"
    runs = {row["run"] for row in await stage.rows(f"SELECT run FROM flow_runs WHERE conversation_id IN ({theirs})")}
    heard = await stage.rows(
        f"SELECT content FROM whatsapp_messages WHERE direction = 'INBOUND' AND conversation_id IN ({theirs})"
    )
    words = {text for row in heard for text in texts_in(json.loads(row["content"])) if len(text) >= LONG}
    assert len(words) > 9, words
    canaries = {NAME, CUSTOMER.lstrip("+"), STAFF["a colleague"], STAFF["sales"], *words}
    before = await telling(stage, canaries)
    assert {one.partition(": ")[2] for one in before} == canaries, "or there would be nothing to erase"
    assert len({one.partition(": ")[0] for one in before}) >= 10
    done = {key["key"] for key in await stage.rows("SELECT key FROM receipts")}
    assert len({key.partition(":")[0] for key in done if runs & set(re.findall(r"r\d+", key))}) > 3

    await erase_in(system, CUSTOMER)

    content = {one for one in before if one.startswith("flow_versions: ")}  # the same words, not theirs
    assert await telling(stage, canaries) == content
    await stage.theatre.emulator.read(CUSTOMER)  # and the provider tells of every message
    await until_nothing_waits(stage)
    assert await telling(stage, canaries) == content
    left = {key["key"] for key in await stage.rows("SELECT key FROM receipts")}
    assert not {key for key in left if runs & set(re.findall(r"r\d+", key))}
    assert left < done, "those of others are still there"
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"turquoise" in path.read_bytes()]
