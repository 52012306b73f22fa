"""Who writes to us: from a phone number or business-scoped id to the contact and the conversation."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.ids import ContactId, ConversationId, TenantId
from storage.base import Channel, NewMessage, Person
from storage.crypto import Vault
from storage.postgres.database import Connection, Postgres, columns

# People are made in a short transaction of their own; the lock keeps two processes from making the same person twice.
_LOCK_PEOPLE = """
SELECT pg_advisory_xact_lock(hashtextextended('contacts', $1))
"""
_FIND = """
SELECT p.place, coalesce(u.contact_id, n.contact_id) AS contact_id, u.contact_id IS NULL AND p.user_id IS NOT NULL
       AS new_user_id, n.contact_id IS NULL AND p.phone IS NOT NULL AS new_phone
FROM unnest($2::bytea[], $3::bytea[]) WITH ORDINALITY AS p (phone, user_id, place)
LEFT JOIN contact_identities n ON n.tenant_id = $1 AND n.identity = p.phone
LEFT JOIN contact_identities u ON u.tenant_id = $1 AND u.identity = p.user_id
ORDER BY p.place
"""
_MAKE_CONTACTS = """
INSERT INTO contacts (tenant_id, name, phone, user_id)
SELECT $1, p.name, p.phone, p.user_id
FROM unnest($2::text[], $3::bytea[], $4::bytea[]) WITH ORDINALITY AS p (name, phone, user_id, place) ORDER BY p.place
RETURNING contact_id
"""
_ADD_IDENTITIES = """
INSERT INTO contact_identities (tenant_id, identity, contact_id, kind)
SELECT $1, i.identity, i.contact_id, i.kind
FROM unnest($2::bytea[], $3::bigint[], $4::text[]) AS i (identity, contact_id, kind)
ON CONFLICT DO NOTHING
"""
_COMPLETE_CONTACT = """
UPDATE contacts c SET phone = coalesce(p.phone, c.phone), user_id = coalesce(p.user_id, c.user_id),
                      name = coalesce(nullif(p.name, ''), c.name)
FROM unnest($2::bigint[], $3::bytea[], $4::bytea[], $5::text[]) AS p (contact_id, phone, user_id, name)
WHERE c.tenant_id = $1 AND c.contact_id = p.contact_id
"""
_CONVERSATIONS = """
WITH made AS (
    INSERT INTO whatsapp_conversations (tenant_id, channel_id, contact_id)
    SELECT $1, $2, c.contact_id FROM unnest($3::bigint[]) AS c (contact_id)
    ON CONFLICT (tenant_id, channel_id, contact_id) DO NOTHING
    RETURNING contact_id, conversation_id
)
SELECT contact_id, conversation_id FROM made
UNION ALL
SELECT w.contact_id, w.conversation_id FROM whatsapp_conversations w
WHERE w.tenant_id = $1 AND w.channel_id = $2 AND w.contact_id = ANY ($3::bigint[])
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a person's messages go."""

    contact_id: ContactId
    conversation_id: ConversationId
    name: str


class Directory:
    """Finds the conversation of everybody who writes; remembers the most recent ones.

    What is remembered never goes stale: a contact and its conversation on a channel are made once and stay.

    Args:
        database: Where people are kept.
        vault: Encrypts their numbers.
        size: How many to remember (about 400 bytes each).
    """

    def __init__(self, database: Postgres, vault: Vault, *, size: int = 50_000) -> None:
        self._database = database
        self._vault = vault
        self._size = size
        self._known: OrderedDict[tuple[int, str | None, str | None], Place] = OrderedDict()

    async def places(self, messages: Sequence[NewMessage]) -> list[Place]:
        """The place of each message's sender, in the same order. New people are stored before this returns."""
        places: dict[tuple[int, str | None, str | None], Place] = {}
        missing: dict[Channel, dict[tuple[int, str | None, str | None], Person]] = {}
        for message in messages:
            key = _key(message.channel, message.person)
            known = self._known.get(key)
            if known is None or (message.person.name and message.person.name != known.name):
                missing.setdefault(message.channel, {})[key] = message.person
            else:
                places[key] = known
        for channel, people in missing.items():
            found = await self._resolve(channel, list(people.values()))
            places.update(zip(people, found, strict=True))
        self._known.update(places)
        while len(self._known) > self._size:
            self._known.popitem(last=False)
        return [places[_key(message.channel, message.person)] for message in messages]

    async def place(self, channel: Channel, person: Person) -> Place:
        """The place of one person, made when they are new."""
        return (await self._resolve(channel, [person]))[0]

    async def _resolve(self, channel: Channel, people: list[Person]) -> list[Place]:
        async with self._database.tenant(channel.tenant_id) as db:
            await db.execute(_LOCK_PEOPLE, channel.tenant_id)
            contacts = await self._contacts(db, channel.tenant_id, people)
            rows = await db.fetch(_CONVERSATIONS, channel.tenant_id, channel.channel_id, sorted(set(contacts)))
        conversations = {row["contact_id"]: row["conversation_id"] for row in rows}
        return [
            Place(contact, conversations[contact], person.name)
            for contact, person in zip(contacts, people, strict=True)
        ]

    async def _contacts(self, db: Connection, tenant: TenantId, people: list[Person]) -> list[ContactId]:
        vault = self._vault
        phones = [vault.identity(tenant, p.phone) if p.phone else None for p in people]
        users = [vault.identity(tenant, p.user_id) if p.user_id else None for p in people]
        found = await db.fetch(_FIND, tenant, phones, users)
        contacts: list[ContactId | None] = [row["contact_id"] for row in found]
        unknown = [place for place, contact in enumerate(contacts) if contact is None]
        # Two spellings of one new person in the same batch are made once: by user id if there is one, else by phone.
        firsts: dict[bytes | None, int] = {}
        for place in unknown:
            firsts.setdefault(users[place] or phones[place], place)
        made = await db.fetch(
            _MAKE_CONTACTS,
            tenant,
            [people[place].name for place in firsts.values()],
            [_sealed(vault, tenant, people[place].phone) for place in firsts.values()],
            [_sealed(vault, tenant, people[place].user_id) for place in firsts.values()],
        )
        fresh = {identity: row["contact_id"] for identity, row in zip(firsts, made, strict=True)}
        known = [
            contact if contact is not None else fresh[users[place] or phones[place]]
            for place, contact in enumerate(contacts)
        ]
        identities = [(phones[place], known[place], "phone") for place, row in enumerate(found) if row["new_phone"]]
        identities += [(users[place], known[place], "user_id") for place, row in enumerate(found) if row["new_user_id"]]
        await db.execute(_ADD_IDENTITIES, tenant, *columns(identities, 3))
        changed = [
            (known[place], _sealed(vault, tenant, p.phone), _sealed(vault, tenant, p.user_id), p.name)
            for place, p in enumerate(people)
            if contacts[place] is not None
        ]
        if changed:
            await db.execute(_COMPLETE_CONTACT, tenant, *columns(changed, 4))
        return known


def _key(channel: Channel, person: Person) -> tuple[int, str | None, str | None]:
    return (channel.channel_id, person.phone, person.user_id)


def _sealed(vault: Vault, tenant: TenantId, value: str | None) -> bytes | None:
    return vault.encrypt(tenant, value) if value else None
