"""Two small businesses on one database, an API in front of them, and tokens for everybody."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application

from bot.core.ids import ContactId, TenantId
from bot.operations.acting import Acting
from bot.operations.example import seed
from bot.operations.terms import set_terms
from bot.runtime.pacing import Pacer
from bot.web.api import PREFIX, all_routes, api_application
from storage.base import AuditEntry, Person
from storage.crypto import Vault
from storage.postgres import Directory, Postgres, Upkeep, grant_role
from storage.postgres.audit import write_audit
from storage.postgres.tokens import create_token
from tests.conftest import EPOCH, FakeClock

ROLES = ("customer", "sales", "operations", "field_staff", "manager")
EVERYTHING = sorted({route.scope for route in all_routes().all if route.scope})

# What services do not make.
_MORE = """
INSERT INTO whatsapp_messages (tenant_id, message_id, created_at, conversation_id, channel_id, direction, status, kind,
                               content)
SELECT $1, $2::bigint * 1000 + n, $3::timestamptz + n * interval '1 minute', $4, $5, 'INBOUND', 'RECEIVED', 'text',
       '{"kind": "text", "body": "hello"}'
FROM generate_series(1, 5) n
"""
_TRACE = """
INSERT INTO turn_traces (tenant_id, event_id, created_at, conversation_id, message_id, trace)
VALUES ($1, $2, $3, $4, $2::bigint * 1000 + 1, '[{"kind": "started", "flow": "enquiry"}]')
"""
_TEMPLATE = """
INSERT INTO whatsapp_templates (tenant_id, provider, name, language, category, components)
VALUES ($1, 'meta', 'payment_reminder', 'en', 'UTILITY', '[]')
"""
_OPT_IN = """
INSERT INTO whatsapp_opt_ins (tenant_id, contact_id, purpose, allowed, source, created_at)
VALUES ($1, $2, 'all', true, 'WHATSAPP', $3)
"""
_HANDOFF = """
INSERT INTO handoffs (tenant_id, conversation_id, role, reason, asked_at) VALUES ($1, $2, 'sales', 'stuck', $3)
RETURNING handoff_id
"""
_MERGE = """
INSERT INTO contact_merges (tenant_id, kept_id, gone_id, moved, merged_by, merged_at)
VALUES ($1, $2, $3, '{}', 'token:1', $4) RETURNING merge_id
"""
_FILE = """
INSERT INTO whatsapp_media (tenant_id, media_id, kind, mime_type, channel_id, created_at, status, stored_at, sha256,
                            size_bytes, filename)
VALUES ($1, $2, 'image', 'image/jpeg', $3, $4, 'STORED', 'x/y', decode('ab', 'hex'), 1, '../bent wheel.jpg')
"""
_BROADCAST = "INSERT INTO whatsapp_broadcast_lists (tenant_id, name, template) VALUES ($1, 'Spring', 'spring')"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """One business: its people, and a token for each of them."""

    tenant: TenantId
    people: Mapping[str, ContactId]
    tokens: Mapping[str, str]
    database: Postgres
    client: "TestClient[Any, Application]"

    async def ask(
        self, method: str, path: str, body: Any = None, *, role: str = "manager", token: str | None = None,
        **headers: str,
    ) -> Answer:  # fmt: skip
        """Ask the API as somebody. Header names are written with underscores."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given.setdefault("Authorization", f"Bearer {token or self.tokens[role]}")
        async with self.client.request(method, PREFIX + path, json=body, headers=given) as response:
            return await _answer(response)

    async def get(self, path: str, **more: Any) -> Any:
        """What is at a path; it must be there."""
        answer = await self.ask("GET", path, **more)
        assert answer.status == 200, (path, answer.body)
        return answer.body

    async def post(self, path: str, body: Any = None, **more: Any) -> Any:
        """Do something; it must succeed."""
        answer = await self.ask("POST", path, body or {}, **more)
        assert answer.status in (200, 201), (path, answer.body)
        return answer.body

    async def rows(self, query: str, *args: object) -> list[dict[str, Any]]:
        """Ask the tenant's tables."""
        async with self.database.tenant(self.tenant) as db:
            return [dict(row.items()) for row in await db.fetch(query, *args)]


async def _answer(response: ClientResponse) -> Answer:
    text = await response.read()
    body = await response.json(content_type=None) if text and "json" in response.content_type else text
    return Answer(response.status, response.headers, body)


@pytest.fixture
async def client(database: Postgres, vault: Vault, clock: FakeClock) -> AsyncIterator["TestClient[Any, Application]"]:
    """The API, with tokens that may ask as often as they want."""
    app = Application()
    app.add_subapp(PREFIX, api_application(database, vault, clock, Pacer(0, 1), lambda: None))
    async with TestClient(TestServer(app)) as opened:
        yield opened


async def open_shop(
    client: "TestClient[Any, Application]", database: Postgres, vault: Vault, slug: str, number: int
) -> Shop:
    """A business with treks, trips and people."""
    channel = await Upkeep(database).register_channel(slug, slug.title(), "meta", str(number), "+15550100200")
    tenant = channel.tenant_id
    people: dict[str, ContactId] = {}
    for place, role in enumerate(ROLES):
        person = Person(phone=f"+97798{number:04}{place:04}", user_id=None, name=role.title())
        if role == "customer":
            people[role] = (await Directory(database, vault).place(channel, person)).contact_id
        else:
            people[role] = await grant_role(database, vault, channel, person, role)
    tokens = {}
    async with database.tenant(tenant) as db:
        for role in ROLES:
            _, tokens[role] = await create_token(
                db, vault, tenant, name=role, role=role, scopes=EVERYTHING, at=EPOCH,
                expires_at=EPOCH + timedelta(days=1), contact_id=people[role],
            )  # fmt: skip
        await seed(db, tenant, guide=people["field_staff"], today=date(2026, 12, 1))
        acting = Acting(tenant_id=tenant, db=db, at=EPOCH, role="system", source="SYSTEM", seals=vault)
        await set_terms(acting, public_url="https://pay.example", payment_gateway="demo", link_key=bytes(32))
    return Shop(tenant=tenant, people=people, tokens=tokens, database=database, client=client)


@pytest.fixture
async def shop(client: "TestClient[Any, Application]", database: Postgres, vault: Vault) -> Shop:
    return await open_shop(client, database, vault, "acme", 100)


@pytest.fixture
async def other(client: "TestClient[Any, Application]", database: Postgres, vault: Vault, shop: Shop) -> Shop:
    return await open_shop(client, database, vault, "beta", 200)


async def fill(shop: Shop, vault: Vault) -> dict[str, int]:
    """Let something of everything happen in a business; returns numbers by what they number."""
    treks = (await shop.get("/treks"))["items"]
    lead = await shop.post("/leads", {"trek": treks[0]["id"], "people": 2}, role="customer")
    quote = await shop.post("/quotes", {"lead": lead["id"]})
    await shop.post(f"/quotes/{quote['id']}/send")
    await shop.post(f"/quotes/{quote['id']}/accept", role="customer")
    booking = await shop.post("/bookings", {"quote": quote["id"]})
    payment = await shop.post("/payments", {"booking": booking["id"]})
    assert payment["link"].startswith("https://pay.example/"), "whoever asks for it can pass it on"
    assert (await shop.get(f"/payments/{payment['id']}"))["link"] is None
    trip = (await shop.get("/trips?code=TRP123"))["items"][0]["id"]
    check_in = await shop.post("/check-ins", {"trip": trip, "note": "fine"}, role="field_staff")
    incident = await shop.post("/incidents", {"trip": trip, "text": "Vehicle breakdown"}, role="field_staff")
    await shop.post("/inventory", {"name": "Tent"})
    invite = await shop.post("/invites", {"roles": ["sales"]})
    await shop.post(f"/incidents/{incident['id']}/update", {"text": "On the way", "public": "A little late"})
    (talk,) = await shop.rows(
        "SELECT conversation_id, channel_id FROM whatsapp_conversations WHERE contact_id = $1", shop.people["customer"]
    )
    async with shop.database.tenant(shop.tenant) as db:
        await db.execute(
            _MORE, shop.tenant, int(shop.tenant), EPOCH, talk["conversation_id"], talk["channel_id"]
        )  # fmt: skip
        await db.execute(_TRACE, shop.tenant, int(shop.tenant), EPOCH, talk["conversation_id"])
        await db.execute(_TEMPLATE, shop.tenant)
        await db.execute(_OPT_IN, shop.tenant, shop.people["customer"], EPOCH)
        await db.execute(_BROADCAST, shop.tenant)
        handoff = await db.fetchval(_HANDOFF, shop.tenant, talk["conversation_id"], EPOCH)
        merge = await db.fetchval(_MERGE, shop.tenant, shop.people["sales"], shop.people["operations"], EPOCH)
        await db.execute(_FILE, shop.tenant, int(shop.tenant) * 1000 + 1, talk["channel_id"], EPOCH)
        entry = AuditEntry(at=EPOCH, actor="bot", action="x", conversation_id=None, detail={})
        await write_audit(db, vault, shop.tenant, [entry])
        acting = Acting(
            tenant_id=shop.tenant, db=db, at=EPOCH, role="customer", source="SYSTEM", contact_id=shop.people["customer"]
        )
        await _asks_and_answers(acting)
    return {
        "lead": lead["id"], "quote": quote["id"], "booking": booking["id"], "payment": payment["id"], "trip": trip,
        "check_in": check_in["id"], "incident": incident["id"], "message": int(shop.tenant) * 1000 + 1,
        "conversation": talk["conversation_id"], "contact": shop.people["customer"],
        "person": shop.people["field_staff"], "trek": treks[0]["id"],
        "invite": invite["id"], "handoff": handoff, "merge": merge, "file": int(shop.tenant) * 1000 + 1,
    }  # fmt: skip


async def _asks_and_answers(acting: Acting) -> None:
    from bot.operations import standard_services

    services = standard_services()
    await services["feedback.give"].function(acting, rating=4, comment="nice")
    await acting.db.execute(
        """INSERT INTO approvals (tenant_id, object_type, object_id, subject, created_at)
           VALUES ($1, 'discount', 1, 'May I?', $2)""",
        acting.tenant_id, acting.at,
    )  # fmt: skip
