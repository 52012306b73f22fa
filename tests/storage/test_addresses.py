"""Addresses that change hands: whoever has one now is never taken for who had it, and merging can be undone."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from bot.core.errors import ActionError
from bot.operations.acting import Acting
from bot.operations.merging import BELONGINGS, STAYS
from bot.operations.people import undo_merge, unmerge
from storage.base import NewAddress, Person
from storage.crypto import Vault
from storage.postgres import Directory, Postgres, PostgresIntake, grant_role
from tests.conftest import EPOCH
from tests.storage.support import World, message, owner

PHONE, NUMBER = "+9779800000009", "+9779800000077"
PASANG = Person(phone=PHONE, user_id="NP.pasang", name="Pasang")
NAMERS = """
SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0
  AND a.atttypid = 'bigint'::regtype
  AND a.attname ~ '^(contact_id|merged_into|kept_id|gone_id|.*_by|assignee_id|author_id|actor_id)$'
"""


async def place(world: World, person: Person) -> Any:
    await world.intake.accept([message(world.channel, sender=person)])
    return await world.directory.place(world.channel, person)


async def shown(world: World, contact: int) -> tuple[str | None, str | None]:
    row = await world.row("SELECT phone, user_id FROM contacts WHERE contact_id = $1", contact)
    phone, user_id = (world.vault.decrypt(world.tenant, value) if value else None for value in row.values())
    return phone, user_id


async def roles(world: World, contact: int) -> list[str]:
    return [row["role"] for row in await world.rows("SELECT role FROM contact_roles WHERE contact_id = $1", contact)]


@asynccontextmanager
async def desk(world: World) -> AsyncIterator[tuple[Acting, int]]:
    """Somebody who manages people, and the latest merge."""
    merge = await world.value("SELECT max(merge_id) FROM contact_merges")
    async with world.database.tenant(world.tenant) as db:
        yield Acting(tenant_id=world.tenant, db=db, at=EPOCH, role="manager", name="cli"), merge


async def test_every_column_that_names_a_contact_is_declared(dsn: str) -> None:
    async with owner(dsn) as admin:
        found = {row[0] for row in await admin.fetch(NAMERS)}
    assert found == {f"{table}.{column}" for table, column, _ in BELONGINGS} | set(STAYS)


async def test_who_is_given_a_used_number_is_somebody_new(world: World) -> None:
    """A guide gave the number up; whoever has it now is a customer, and hears nothing that is for the guide."""
    guide = await place(world, PASANG)
    await grant_role(world.database, world.vault, world.channel, PASANG, "field_staff")
    stranger = await place(world, Person(phone=PHONE, user_id="NP.stranger", name="Somebody"))
    assert stranger.contact_id != guide.contact_id
    assert await roles(world, stranger.contact_id) == []
    assert await roles(world, guide.contact_id) == ["field_staff"]
    assert await shown(world, guide.contact_id) == (None, "NP.pasang")
    assert await shown(world, stranger.contact_id) == (PHONE, "NP.stranger")
    assert (await world.directory.place(world.channel, Person(phone=PHONE, user_id=None))).contact_id == (
        stranger.contact_id
    )
    assert (await world.directory.place(world.channel, PASANG)).contact_id == guide.contact_id


async def test_who_has_another_number_now_leaves_the_old_one(world: World) -> None:
    """WhatsApp did not tell: the same account comes with another number."""
    guide = await place(world, PASANG)
    same = await place(world, Person(phone=NUMBER, user_id="NP.pasang", name="Pasang"))
    assert same.contact_id == guide.contact_id
    assert await shown(world, guide.contact_id) == (NUMBER, "NP.pasang")
    assert (await place(world, Person(phone=PHONE, user_id=None))).contact_id != guide.contact_id


async def test_a_number_passes_from_one_account_to_another(world: World) -> None:
    first, second = await place(world, PASANG), await place(world, Person(phone=NUMBER, user_id="NP.2", name="Two"))
    same = await place(world, Person(phone=PHONE, user_id="NP.2", name="Two"))
    assert same.contact_id == second.contact_id
    assert await shown(world, first.contact_id) == (None, "NP.pasang")
    assert await shown(world, second.contact_id) == (PHONE, "NP.2")


async def test_an_id_learnt_later_makes_one_of_two_and_two_again(world: World) -> None:
    """Known by number; then by id alone; then WhatsApp shows both. Undone, each is who they were."""
    known = await place(world, Person(phone=PHONE, user_id=None, name="Pasang"))
    await grant_role(world.database, world.vault, world.channel, Person(phone=PHONE, user_id=None), "field_staff")
    hidden = await place(world, Person(phone=None, user_id="NP.pasang", name="Pasang"))
    assert hidden.contact_id != known.contact_id
    both = await place(world, PASANG)
    assert both.contact_id == known.contact_id
    assert await shown(world, known.contact_id) == (PHONE, "NP.pasang")
    waiting = {row["conversation_id"] for row in await world.rows("SELECT conversation_id FROM inbox")}
    assert waiting == {known.conversation_id}
    async with desk(world) as (acting, merge):
        with pytest.raises(ActionError) as refused:
            await unmerge(acting, merge=merge)
        assert refused.value.code == "needs_key"
        await undo_merge(acting, world.vault, merge)
    assert await shown(world, known.contact_id) == (PHONE, None)
    again = await world.directory.place(world.channel, Person(phone=None, user_id="NP.pasang"))
    assert (again.contact_id, again.conversation_id) == (hidden.contact_id, hidden.conversation_id)
    assert await roles(world, known.contact_id) == ["field_staff"]


async def test_a_changed_number_that_was_another_person_is_undone(world: World) -> None:
    """Everything that changed hands goes back, addresses too; roles were never given to anybody."""
    old = await place(world, Person(phone=PHONE, user_id=None, name="Anna"))
    early = await place(world, Person(phone=NUMBER, user_id=None, name="Bimal"))
    await grant_role(world.database, world.vault, world.channel, Person(phone=NUMBER, user_id=None), "manager")
    async with world.database.tenant(world.tenant) as db:
        lead = await db.fetchval(
            "INSERT INTO leads (tenant_id, contact_id, created_at) VALUES ($1, $2, $3) RETURNING lead_id",
            world.tenant, early.contact_id, EPOCH,
        )  # fmt: skip
    moved = NewAddress(channel=world.channel, old=Person(phone=PHONE, user_id=None),
                       new=Person(phone=NUMBER, user_id=None), at=EPOCH)  # fmt: skip
    for _ in range(2):
        await world.intake.accept([moved])
    row = await world.row("SELECT kept_id, gone_id, merged_by, moved FROM contact_merges")
    assert (row["kept_id"], row["gone_id"], row["merged_by"]) == (old.contact_id, early.contact_id, "provider")
    assert json.loads(row["moved"])["leads.contact_id"] == [lead]
    assert await roles(world, old.contact_id) == await roles(world, early.contact_id) == []
    assert (await place(world, Person(phone=NUMBER, user_id=None))).contact_id == old.contact_id
    async with desk(world) as (acting, merge):
        await undo_merge(acting, world.vault, merge)
    assert await world.value("SELECT contact_id FROM leads") == early.contact_id
    assert await roles(world, early.contact_id) == ["manager"]
    assert (await place(world, Person(phone=NUMBER, user_id=None))).contact_id == early.contact_id
    assert (await place(world, Person(phone=PHONE, user_id=None))).contact_id == old.contact_id
    assert await shown(world, old.contact_id) == (PHONE, None)
    assert await shown(world, early.contact_id) == (NUMBER, None)


async def test_undone_an_address_that_is_a_strangers_by_now_stays_theirs(world: World) -> None:
    old = await place(world, Person(phone=PHONE, user_id=None))
    await place(world, Person(phone=NUMBER, user_id=None))
    await world.intake.accept([NewAddress(channel=world.channel, old=Person(phone=PHONE, user_id=None),
                                          new=Person(phone=NUMBER, user_id=None), at=EPOCH)])  # fmt: skip
    stranger = await place(world, Person(phone=PHONE, user_id=None))
    async with desk(world) as (acting, merge):
        await undo_merge(acting, world.vault, merge)
    assert (await place(world, Person(phone=PHONE, user_id=None))).contact_id == stranger.contact_id
    assert await shown(world, old.contact_id) == (None, None)


async def test_other_processes_know_at_once(world: World, dsn: str, vault: Vault) -> None:
    """What is said to a process that remembers the person who had the number is stored with who has it now."""
    pool = await Postgres.connect(dsn, size=2)
    directory = Directory(pool, vault)
    other = PostgresIntake(pool, vault, directory)
    by_number = Person(phone=PHONE, user_id=None, name="Pasang")
    await other.accept([message(world.channel, sender=by_number, wamid="one")])
    guide = await world.directory.place(world.channel, by_number)
    await world.intake.accept([NewAddress(channel=world.channel, old=by_number,
                                          new=Person(phone=NUMBER, user_id=None), at=EPOCH)])  # fmt: skip
    await other.accept([message(world.channel, sender=by_number, wamid="two", at=EPOCH + timedelta(seconds=1))])
    rows = await world.rows("SELECT conversation_id FROM whatsapp_messages ORDER BY message_id")
    assert [row["conversation_id"] == guide.conversation_id for row in rows] == [True, False]
    await pool.close()


async def test_other_processes_know_at_once_that_two_are_two_again(world: World, dsn: str, vault: Vault) -> None:
    await place(world, Person(phone=PHONE, user_id=None, name="Anna"))
    early = await place(world, Person(phone=NUMBER, user_id=None, name="Bimal"))
    await world.intake.accept([NewAddress(channel=world.channel, old=Person(phone=PHONE, user_id=None),
                                          new=Person(phone=NUMBER, user_id=None), at=EPOCH)])  # fmt: skip
    pool = await Postgres.connect(dsn, size=2)
    other = PostgresIntake(pool, vault, Directory(pool, vault))
    for wamid in ("one", "two"):  # from now on it remembers them
        await other.accept([message(world.channel, sender=Person(phone=NUMBER, user_id=None), wamid=wamid)])
    async with desk(world) as (acting, merge):
        await undo_merge(acting, world.vault, merge)
    await other.accept([message(world.channel, sender=Person(phone=NUMBER, user_id=None), wamid="three")])
    rows = await world.rows("SELECT conversation_id FROM whatsapp_messages ORDER BY message_id DESC LIMIT 2")
    assert [row["conversation_id"] == early.conversation_id for row in rows] == [True, False]
    await pool.close()


async def test_other_processes_know_at_once_that_a_number_has_passed_on(world: World, dsn: str, vault: Vault) -> None:
    await place(world, PASANG)
    pool = await Postgres.connect(dsn, size=2)
    other = PostgresIntake(pool, vault, Directory(pool, vault))
    for wamid in ("one", "two"):  # from now on it remembers them
        await other.accept([message(world.channel, sender=Person(phone=PHONE, user_id=None), wamid=wamid)])
    heir = await place(world, Person(phone=PHONE, user_id="NP.bimal", name="Bimal"))
    await other.accept([message(world.channel, sender=Person(phone=PHONE, user_id=None), wamid="three")])
    rows = await world.rows("SELECT conversation_id FROM whatsapp_messages ORDER BY message_id DESC LIMIT 3")
    assert [row["conversation_id"] == heir.conversation_id for row in rows] == [True, True, False]
    await pool.close()


async def test_the_spellings_of_a_number_are_one_person(world: World) -> None:
    """Brazil's ninth digit, Mexico's 1, Argentina's 9."""
    for one, other in (
        ("+5511987654321", "+551187654321"), ("+5215512345678", "+525512345678"), ("+5491123456789", "+541123456789")
    ):  # fmt: skip
        first, second = [await place(world, Person(phone=phone, user_id=None)) for phone in (one, other)]
        assert first.contact_id == second.contact_id
