"""Who writes to us: from a phone number or business-scoped id to the contact and the conversation."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from bot.core.ids import ChannelId, ContactId, ConversationId, TenantId
from bot.operations.merging import LOCK_PEOPLE
from storage.base import Channel, NewEcho, NewMessage, Person
from storage.crypto import Vault
from storage.postgres.database import Connection, Postgres, columns
from storage.postgres.identities import Met, settle
from storage.postgres.keys import kept_keys

REMEMBER_SECONDS = 600.0

# People are made in a short transaction of their own; the lock keeps two processes from making the same person twice.
# coalesce() is computed apart: compared inside, row-level security would keep the index from being used.
_FIND = """
SELECT c.contact_id, c.name, known.new_user_id, known.new_phone, known.by_phone, known.by_user_id
FROM (
    SELECT p.place, n.contact_id AS by_phone, u.contact_id AS by_user_id,
           coalesce(u.contact_id, n.contact_id) AS contact_id,
           u.contact_id IS NULL AND p.user_id IS NOT NULL AS new_user_id,
           n.contact_id IS NULL AND p.phone IS NOT NULL AS new_phone
    FROM unnest($2::bytea[], $3::bytea[]) WITH ORDINALITY AS p (phone, user_id, place)
    LEFT JOIN LATERAL (SELECT i.contact_id FROM contact_identities i
                       WHERE i.tenant_id = $1 AND i.identity = p.phone OFFSET 0) AS n ON true
    LEFT JOIN LATERAL (SELECT i.contact_id FROM contact_identities i
                       WHERE i.tenant_id = $1 AND i.identity = p.user_id OFFSET 0) AS u ON true
    OFFSET 0) AS known
LEFT JOIN LATERAL (SELECT c.contact_id, c.name FROM contacts c
                   WHERE c.tenant_id = $1 AND c.contact_id = known.contact_id OFFSET 0) AS c ON true
ORDER BY known.place
"""
_MAKE_CONTACTS = """
INSERT INTO contacts (tenant_id, name, phone, user_id, language)
SELECT $1, p.name, p.phone, p.user_id, coalesce((SELECT t.language FROM tenants t WHERE t.tenant_id = $1), 'en')
FROM unnest($2::bytea[], $3::bytea[], $4::text[]) WITH ORDINALITY AS p (phone, user_id, name, place) ORDER BY p.place
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
WHERE c.tenant_id = $1 AND c.contact_id = ANY ($2) AND c.contact_id = p.contact_id
"""
# Asks first: ON CONFLICT DO NOTHING would wait for a worker that has changed the row and not committed yet.
_CONVERSATIONS = """
WITH found AS (
    SELECT w.contact_id, w.conversation_id FROM whatsapp_conversations w
    WHERE w.tenant_id = $1 AND w.channel_id = $2 AND w.contact_id = ANY ($3::bigint[])
), made AS (
    INSERT INTO whatsapp_conversations (tenant_id, channel_id, contact_id)
    SELECT $1, $2, c.contact_id FROM unnest($3::bigint[]) AS c (contact_id)
    WHERE (c.contact_id IN (SELECT f.contact_id FROM found f)) IS NOT TRUE
    ON CONFLICT (tenant_id, channel_id, contact_id) DO NOTHING
    RETURNING contact_id, conversation_id
)
SELECT contact_id, conversation_id FROM made UNION ALL SELECT contact_id, conversation_id FROM found
"""


# Of people who were erased, what they wrote before is not taken again, whether it had come by then (its key is known)
# or not. Providers' times are whole seconds.
_ERASED = "SELECT identity, erased_at FROM erased_addresses WHERE tenant_id = $1 AND identity = ANY ($2::bytea[])"
_KNOWN_KEYS = "SELECT k.key FROM message_keys k WHERE k.tenant_id = $1 AND k.key = ANY ($2::bytea[])"

Written = NewMessage | NewEcho
"""What is said in somebody's conversation."""


async def conversations(
    db: Connection, tenant: TenantId, channel: ChannelId, contacts: Collection[ContactId]
) -> dict[ContactId, ConversationId]:
    """The conversations of contacts on a channel, made where there is none."""
    wanted = sorted(set(contacts))
    rows = await db.fetch(_CONVERSATIONS, tenant, channel, wanted)
    if len(rows) < len(wanted):  # somebody made one at this very moment: only the next statement sees it
        rows = await db.fetch(_CONVERSATIONS, tenant, channel, wanted)
    return {row["contact_id"]: row["conversation_id"] for row in rows}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a person's messages go."""

    contact_id: ContactId
    conversation_id: ConversationId
    name: str


class Directory:
    """Finds the conversation of everybody who writes; remembers the most recent ones for ten minutes.

    A contact and its conversation on a channel are made once and stay; what changes is whose an address is. Then the
    version of the tenant's people grows; whoever stores what was said looks at it last, and has this forget.

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
        self._kept: dict[TenantId, Mapping[int, tuple[bytes, int]]] = {}
        self._forget_at = monotonic() + REMEMBER_SECONDS

    async def places(self, messages: Sequence[Written]) -> list[Place | None]:
        """The place of each message's person, in the same order. New people are stored before this returns.

        None for what was written before that person was erased: it must not be stored.
        """
        if monotonic() > self._forget_at:
            self.forget()
        found: list[Place | None] = [None] * len(messages)
        missing: dict[Channel, list[int]] = {}
        for n, message in enumerate(messages):
            known = self._known.get(_key(message.channel, message.person))
            if known is None or (message.person.name and message.person.name != known.name):
                missing.setdefault(message.channel, []).append(n)
            else:
                found[n] = known
        for channel, numbers in missing.items():
            asked = [messages[n] for n in numbers]
            for n, place in zip(numbers, await self._take_in(channel, asked), strict=True):
                found[n] = place
        while len(self._known) > self._size:
            self._known.popitem(last=False)
        return found

    async def _take_in(self, channel: Channel, messages: Sequence[Written]) -> list[Place | None]:
        """The places of messages of one channel whose people are not remembered."""
        tenant = channel.tenant_id
        async with self._database.tenant(tenant) as db:
            await db.execute(LOCK_PEOPLE, tenant)
            erased, late = await self._late(db, tenant, messages)
            people = {
                _key(channel, message.person): message.person
                for message, is_late in zip(messages, late, strict=True)
                if not is_late
            }
            places = dict(zip(people, await self._resolve(db, channel, list(people.values())), strict=True))
        # Of addresses that were erased each message is looked at.
        self._known.update((key, place) for key, place in places.items() if key not in erased)
        return [
            None if is_late else places[_key(channel, message.person)]
            for message, is_late in zip(messages, late, strict=True)
        ]

    async def _late(
        self, db: Connection, tenant: TenantId, messages: Sequence[Written]
    ) -> tuple[set[tuple[int, str | None, str | None]], list[bool]]:
        """Whose addresses were erased, and which messages are from before."""
        identities = [await self._once(db, tenant, m.person) for m in messages]
        rows = await db.fetch(_ERASED, tenant, [one for theirs in identities for one in theirs])
        if not rows:
            return set(), [False] * len(messages)
        since = {row["identity"]: row["erased_at"] for row in rows}
        keys = [self._vault.message_key(tenant, m.channel.channel_id, m.provider_message_id) for m in messages]
        known = {row["key"] for row in await db.fetch(_KNOWN_KEYS, tenant, keys)}
        erased, late = set(), []
        for message, theirs, key in zip(messages, identities, keys, strict=True):
            at = max((since[one] for one in theirs if one in since), default=None)
            if at is not None:
                erased.add(_key(message.channel, message.person))
            late.append(at is not None and (key in known or message.sent_at < at.replace(microsecond=0)))
        return erased, late

    async def _once(self, db: Connection, tenant: TenantId, person: Person) -> list[bytes]:
        """What may be remembered of the addresses of somebody who was erased, under the keys of that time as well."""
        if tenant not in self._kept:
            self._kept[tenant] = await kept_keys(db, self._vault, tenant, "index")
        values = [value for value in (person.phone, person.user_id) if value]
        found = [one for value in values for one in self._vault.identities(tenant, value)]
        for number, (key, _) in self._kept[tenant].items():
            found += [self._vault.kept_identity(tenant, value, number, key) for value in values]
        return found

    def forget(self) -> None:
        """Forget everybody: an address belongs to somebody else now."""
        self._known.clear()
        self._kept.clear()
        self._forget_at = monotonic() + REMEMBER_SECONDS

    async def place(self, channel: Channel, person: Person) -> Place:
        """The place of one person, made when they are new."""
        async with self._database.tenant(channel.tenant_id) as db:
            await db.execute(LOCK_PEOPLE, channel.tenant_id)
            return (await self._resolve(db, channel, [person]))[0]

    async def place_since(self, channel: Channel, person: Person, at: datetime) -> Place | None:
        """The place of somebody something is told of; None when they were erased after that."""
        tenant = channel.tenant_id
        async with self._database.tenant(tenant) as db:
            await db.execute(LOCK_PEOPLE, tenant)
            identities = await self._once(db, tenant, person)
            if any(at < row["erased_at"] for row in await db.fetch(_ERASED, tenant, identities)):
                return None
            return (await self._resolve(db, channel, [person]))[0]

    async def _resolve(self, db: Connection, channel: Channel, people: list[Person]) -> list[Place]:
        if not people:
            return []
        contacts = await self._contacts(db, channel.tenant_id, people)
        found = await conversations(db, channel.tenant_id, channel.channel_id, contacts)
        return [Place(contact, found[contact], person.name) for contact, person in zip(contacts, people, strict=True)]

    async def _contacts(self, db: Connection, tenant: TenantId, people: list[Person]) -> list[ContactId]:
        """The contact of each person; stores the new ones, and what is new about the others."""
        vault = self._vault
        phones = [vault.identity(tenant, p.phone) if p.phone else None for p in people]
        users = [vault.identity(tenant, p.user_id) if p.user_id else None for p in people]
        rows = await db.fetch(_FIND, tenant, phones, users)
        torn = [
            Met(person=person, by_phone=row["by_phone"], by_user_id=row["by_user_id"])
            for person, row in zip(people, rows, strict=True)
            if row["by_phone"] != row["by_user_id"]
        ]
        if torn and await settle(db, vault, tenant, torn):
            rows = await db.fetch(_FIND, tenant, phones, users)
        # Somebody may stand in a batch twice, once with the phone number and once with the user id, or with both.
        groups = _groups(phones, users)
        known = {group: row["contact_id"] for group, row in zip(groups, rows, strict=True) if row["contact_id"]}
        profiles: dict[int, Person] = {}
        for group, row, person in zip(groups, rows, people, strict=True):
            if (
                row["contact_id"] is None
                or row["new_phone"]
                or row["new_user_id"]
                or person.name not in ("", row["name"])
            ):
                profiles[group] = _merged(profiles.get(group), person)
        fresh = [group for group in profiles if group not in known]
        if fresh:
            made = await db.fetch(_MAKE_CONTACTS, tenant, *columns(self._profile_rows(tenant, profiles, fresh), 3))
            known.update((group, row["contact_id"]) for group, row in zip(fresh, made, strict=True))
        contacts = [row["contact_id"] or known[group] for group, row in zip(groups, rows, strict=True)]
        new: list[tuple[bytes, ContactId, str]] = []
        for row, person, contact in zip(rows, people, contacts, strict=True):
            if row["new_phone"] and person.phone:
                new += [(one, contact, "phone") for one in vault.identities(tenant, person.phone)]
            if row["new_user_id"] and person.user_id:
                new += [(one, contact, "user_id") for one in vault.identities(tenant, person.user_id)]
        if new:
            await db.execute(_ADD_IDENTITIES, tenant, *columns(new, 3))
        changed = [group for group in profiles if group not in fresh]
        if changed:
            ids = [known[group] for group in changed]
            values = columns(self._profile_rows(tenant, profiles, changed), 3)
            await db.execute(_COMPLETE_CONTACT, tenant, ids, *values)
        return contacts

    def _profile_rows(
        self, tenant: TenantId, profiles: Mapping[int, Person], groups: Iterable[int]
    ) -> list[tuple[bytes | None, bytes | None, str]]:
        chosen = [profiles[group] for group in groups]
        return [
            (_sealed(self._vault, tenant, p.phone), _sealed(self._vault, tenant, p.user_id), p.name) for p in chosen
        ]


def _groups(phones: Sequence[bytes | None], users: Sequence[bytes | None]) -> list[int]:
    """A number for each person of a batch: the same for those who share an identity, directly or through others."""
    group_of: dict[bytes | None, int] = {}
    groups: list[int] = []
    for place, identities in enumerate(zip(phones, users, strict=True)):
        met = {group_of[identity] for identity in identities if identity in group_of}
        group = min(met, default=place)
        if len(met) > 1:
            groups = [group if other in met else other for other in groups]
            group_of = {identity: group if other in met else other for identity, other in group_of.items()}
        groups.append(group)
        group_of.update((identity, group) for identity in identities if identity is not None)
    return groups


def _merged(one: Person | None, other: Person) -> Person:
    if one is None:
        return other
    return Person(phone=other.phone or one.phone, user_id=other.user_id or one.user_id, name=other.name or one.name)


def _key(channel: Channel, person: Person) -> tuple[int, str | None, str | None]:
    return (channel.channel_id, person.phone, person.user_id)


def _sealed(vault: Vault, tenant: TenantId, value: str | None) -> bytes | None:
    return vault.encrypt(tenant, value) if value else None
