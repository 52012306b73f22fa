"""A small business on a real database, and its people."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import pytest

from bot.core.errors import ActionError
from bot.core.ids import ContactId, ConversationId
from bot.operations import standard_services
from bot.operations.acting import Acting
from bot.operations.example import seed
from bot.operations.terms import set_terms
from storage.base import Channel
from storage.crypto import Vault
from storage.postgres import Postgres, Upkeep
from tests.conftest import EPOCH

SERVICES = standard_services()
KEY = bytes(range(32))
SEALS = Vault(bytes(32))


@dataclass(frozen=True, slots=True)
class Desk:
    """Everybody of the business, and calls in their names, within one transaction."""

    channel: Channel
    acting: Acting
    people: dict[str, ContactId]

    def by(self, who: str, role: str, *, source: str = "WEB", at: datetime | None = None) -> Acting:
        """Somebody, in one of their roles."""
        return replace(
            self.acting,
            contact_id=self.people[who],
            role=role,
            source=source,
            at=at or self.acting.at,  # type: ignore[arg-type]
        )

    async def run(self, name: str, who: str, acting_as: str, /, at: datetime | None = None, **arguments: Any) -> Any:
        """Call a service in somebody's name."""
        return await SERVICES[name].function(self.by(who, acting_as, at=at), **arguments)

    async def rows(self, query: str, *args: Any) -> list[dict[str, Any]]:
        """Ask the tables."""
        return [dict(row.items()) for row in await self.acting.db.fetch(query, *args)]

    async def news(self) -> list[tuple[int, str]]:
        """Who was told what, in order; takes it out of the inbox."""
        rows = await self.rows(
            "WITH gone AS (DELETE FROM inbox WHERE kind = 'business' RETURNING *) "
            "SELECT w.contact_id, g.event, g.event_id FROM gone g "
            "JOIN whatsapp_conversations w USING (conversation_id) ORDER BY g.event_id"
        )
        names = {contact: name for name, contact in self.people.items()}
        return [(names[row["contact_id"]], json.loads(row["event"])["name"]) for row in rows]

    async def timeline(self, object_type: str) -> list[str]:
        """What is on the timelines of a kind of object."""
        rows = await self.rows(
            "SELECT content->>'action' AS action FROM timeline_entries WHERE object_type = $1 ORDER BY entry_id",
            object_type,
        )
        return [row["action"] for row in rows]


CAST = {
    "maya": "customer", "noor": "customer", "anita": "sales", "bikram": "sales", "pasang": "field_staff",
    "dawa": "field_staff", "omar": "operations", "tenzing": "manager", "rita": "manager",
}  # fmt: skip


_PEOPLE = """
WITH made AS (
    INSERT INTO contacts (tenant_id, name) SELECT $1, initcap(p.name) FROM unnest($2::text[]) AS p (name)
    RETURNING contact_id
)
INSERT INTO whatsapp_conversations (tenant_id, channel_id, contact_id) SELECT $1, $3, contact_id FROM made
"""
_ROLES = """
INSERT INTO contact_roles (tenant_id, contact_id, role)
SELECT $1, c.contact_id, r.role FROM unnest($2::text[], $3::text[]) AS r (name, role)
JOIN contacts c ON c.tenant_id = $1 AND lower(c.name) = r.name WHERE r.role <> 'customer'
"""


@pytest.fixture
async def people(database: Postgres) -> tuple[Channel, dict[str, ContactId]]:
    """Everybody, with a conversation each."""
    channel = await Upkeep(database).register_channel("acme", "Acme", "meta", "1", "+15550100200")
    async with database.tenant(channel.tenant_id) as db:
        await db.execute(_PEOPLE, channel.tenant_id, list(CAST), channel.channel_id)
        await db.execute(_ROLES, channel.tenant_id, *map(list, zip(*CAST.items(), strict=True)))
        rows = await db.fetch("SELECT contact_id, lower(name) AS name FROM contacts")
    found = {row["name"]: ContactId(row["contact_id"]) for row in rows}
    return channel, found


@pytest.fixture
async def desk(database: Postgres, people: tuple[Channel, dict[str, ContactId]]) -> AsyncIterator[Desk]:
    channel, found = people
    async with database.tenant(channel.tenant_id) as db:
        await seed(db, channel.tenant_id, guide=found["pasang"], today=date(2026, 12, 1))
        acting = Acting(
            tenant_id=channel.tenant_id, db=db, at=EPOCH, role="system", source="SYSTEM",
            conversation_id=ConversationId(1), seals=SEALS,
        )  # fmt: skip
        await set_terms(acting, public_url="https://pay.example", payment_gateway="demo", link_key=KEY)
        yield Desk(channel, acting, found)


# --- Many at once -----------------------------------------------------------------------------------------------------

CONNECTIONS = 12
PEOPLE = {"sales": "anita", "manager": "tenzing", "customer": "maya", "field_staff": "pasang"}


@dataclass(frozen=True, slots=True)
class Crowd:
    """A business, and a way for each of many to do one thing in a transaction of its own."""

    channel: Channel
    people: dict[str, ContactId]
    database: Postgres

    def acting(self, db: Any, role: str, who: str | None = None) -> Acting:
        contact = self.people.get(who or PEOPLE.get(role, ""))
        return Acting(
            tenant_id=self.channel.tenant_id, db=db, at=EPOCH, role=role, source="API", contact_id=contact, seals=SEALS
        )  # fmt: skip

    async def do(self, name: str, role: str, /, by: str | None = None, **arguments: Any) -> Any:
        """One service, committed."""
        async with self.database.tenant(self.channel.tenant_id) as db:
            return await SERVICES[name].function(self.acting(db, role, by), **arguments)

    async def answer(self, name: str, role: str, /, by: str | None = None, **arguments: Any) -> str:
        """The same; what the business refuses is an answer like any other: `done`, or the code of the refusal."""
        try:
            await self.do(name, role, by, **arguments)
        except ActionError as error:
            return error.code
        return "done"

    async def rows(self, query: str) -> list[dict[str, Any]]:
        async with self.database.tenant(self.channel.tenant_id) as db:
            return [dict(row.items()) for row in await db.fetch(query)]


@pytest.fixture
async def crowd(dsn: str, people: tuple[Channel, dict[str, ContactId]]) -> AsyncIterator[Crowd]:
    channel, found = people
    database = await Postgres.connect(dsn, size=CONNECTIONS)
    crowd = Crowd(channel, found, database)
    async with database.tenant(channel.tenant_id) as db:
        await seed(db, channel.tenant_id, guide=found["pasang"], today=date(2026, 12, 1))
        await set_terms(
            crowd.acting(db, "system"), public_url="https://pay.example", payment_gateway="demo", link_key=KEY
        )
    yield crowd
    await database.close()


async def offered(crowd: Crowd, trip: int, people: int = 1) -> int:
    lead = await crowd.do("leads.create", "customer", trek=1, people=people)
    quote = await crowd.do("quotes.draft", "sales", lead=lead["id"], trip=trip, price="100.00")
    await crowd.do("quotes.send", "sales", quote=quote["id"])
    number: int = quote["id"]
    return number
