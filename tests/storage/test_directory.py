"""Who writes to us: one person, one contact, one conversation per number."""

import asyncio
import itertools

import pytest

from bot.core.ids import ConversationId
from storage.base import Person
from storage.crypto import Vault
from storage.postgres import Directory, Postgres, grant_role
from tests.storage.support import ANNA, BIMAL, World, build_world, message, owner, person

PHONE, USER = "+9779800000009", "NP.user-9"
BY_PHONE = Person(phone=PHONE, user_id=None, name="Chandra")
BY_USER = Person(phone=None, user_id=USER, name="Chandra")
BY_BOTH = Person(phone=PHONE, user_id=USER, name="Chandra")


async def opened(world: World) -> list[tuple[str, str | None, str | None]]:
    """All contacts: name, phone and user id in clear."""
    rows = await world.rows("SELECT * FROM contacts ORDER BY contact_id")

    def clear(value: bytes | None) -> str | None:
        return world.vault.decrypt(world.tenant, value) if value else None

    return [(row["name"], clear(row["phone"]), clear(row["user_id"])) for row in rows]


async def test_a_new_person_is_stored_once_under_concurrency(dsn: str, vault: Vault, world: World) -> None:
    """Two processes meet the same twenty people at the same instant."""
    other = await Postgres.connect(dsn, size=4)
    directories = [Directory(world.database, vault), Directory(other, vault)]
    people = [person(number) for number in range(20)]
    places = await asyncio.gather(
        *(
            directory.places([message(world.channel, sender=p) for p in group])
            for directory in directories
            for group in (people, people[::-1], people[5:15])
        )
    )
    await other.close()
    assert await world.value("SELECT count(*) FROM contacts") == 20
    assert await world.value("SELECT count(*) FROM contact_identities") == 20
    assert await world.value("SELECT count(*) FROM whatsapp_conversations") == 20
    assert len({place.conversation_id for group in places for place in group}) == 20
    assert [p.conversation_id for p in places[0]] == [p.conversation_id for p in places[1][::-1]]


@pytest.mark.parametrize("order", [*itertools.permutations([BY_PHONE, BY_BOTH])], ids=["phone first", "both first"])
async def test_phone_then_both_is_one_contact(world: World, order: tuple[Person, ...]) -> None:
    found = {(await world.directory.place(world.channel, p)).contact_id for p in (*order, BY_USER, BY_PHONE)}
    assert len(found) == 1
    assert await opened(world) == [("Chandra", PHONE, USER)]


@pytest.mark.parametrize("order", [*itertools.permutations([BY_USER, BY_BOTH])], ids=["user first", "both first"])
async def test_user_id_then_both_is_one_contact(world: World, order: tuple[Person, ...]) -> None:
    found = {(await world.directory.place(world.channel, p)).contact_id for p in (*order, BY_PHONE, BY_USER)}
    assert len(found) == 1
    assert await opened(world) == [("Chandra", PHONE, USER)]


@pytest.mark.parametrize("order", [*itertools.permutations([BY_PHONE, BY_USER, BY_BOTH])])
async def test_in_one_batch_any_order_is_one_contact(world: World, order: tuple[Person, ...]) -> None:
    """With another new person in between, who must not be drawn in."""
    batch = [order[0], BIMAL, *order[1:]]
    places = await world.directory.places([message(world.channel, sender=p) for p in batch])
    assert len({place.contact_id for place in places}) == 2
    assert places[0] == places[2] == places[3] != places[1]
    assert sorted(await opened(world), key=str) == [("Bimal", BIMAL.phone, None), ("Chandra", PHONE, USER)]


@pytest.mark.parametrize("first", [BY_PHONE, BY_USER])
async def test_a_batch_joins_somebody_known(world: World, first: Person) -> None:
    """The other identity comes first in the batch, before the message that ties it to the person we know."""
    known = await world.directory.place(world.channel, first)
    other = BY_USER if first is BY_PHONE else BY_PHONE
    places = await world.directory.places([message(world.channel, sender=p) for p in (other, BY_BOTH)])
    assert {place.contact_id for place in places} == {known.contact_id}
    assert await opened(world) == [("Chandra", PHONE, USER)]


async def test_the_same_phone_in_two_tenants_cannot_be_told_to_be_the_same(dsn: str, world: World) -> None:
    other = await build_world(world.database, world.vault, slug="beta", address="200")
    await world.conversation(ANNA)
    await other.conversation(ANNA)
    async with owner(dsn) as connection:
        rows = await connection.fetch("SELECT phone, identity FROM contacts JOIN contact_identities USING (contact_id)")
    assert len({row["identity"] for row in rows}) == 2
    assert len({row["phone"] for row in rows}) == 2
    assert all(b"98000" not in row["phone"] + row["identity"] for row in rows)


async def test_a_new_name_is_kept_and_a_missing_one_erases_nothing(world: World) -> None:
    for name, expected in [("Anna", "Anna"), ("Anna S.", "Anna S."), ("", "Anna S."), ("Anna S.", "Anna S.")]:
        renamed = Person(phone=ANNA.phone, user_id=None, name=name)
        await world.intake.accept([message(world.channel, sender=renamed)])
        assert await opened(world) == [(expected, ANNA.phone, None)]


async def test_looking_somebody_up_again_writes_nothing(world: World) -> None:
    """A cold process meets everybody again; that must not rewrite every contact."""
    await world.conversation(ANNA)
    before = await world.row("SELECT xmin::text, phone FROM contacts")
    await Directory(world.database, world.vault).place(world.channel, ANNA)
    assert await world.row("SELECT xmin::text, phone FROM contacts") == before


async def test_one_contact_has_a_conversation_per_number(world: World) -> None:
    second = await world.upkeep.register_channel("acme", "Acme", "meta", "101", "+9771000001")
    here = await world.directory.place(world.channel, ANNA)
    there = await world.directory.place(second, ANNA)
    assert here.contact_id == there.contact_id
    assert here.conversation_id != there.conversation_id


async def test_the_directory_forgets_the_oldest_and_finds_them_again(world: World) -> None:
    small = Directory(world.database, world.vault, size=3)
    people = [person(number) for number in range(10)]
    messages = [message(world.channel, sender=p) for p in people]
    first = await small.places(messages)
    assert await small.places(messages) == first
    assert await world.value("SELECT count(*) FROM contacts") == 10


async def test_a_role_is_granted_once(world: World) -> None:
    for _ in range(2):
        await grant_role(world.database, world.vault, world.channel, ANNA, "sales")
    assert await world.value("SELECT count(*) FROM contact_roles") == 1
    async with world.turns.transaction(world.tenant) as store:
        (member,) = await store.staff("sales", world.channel.channel_id)
    assert member.conversation_id == ConversationId(await world.conversation(ANNA))
