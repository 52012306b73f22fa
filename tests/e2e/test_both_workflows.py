"""Both workflows of the guide, end to end, with each of the three providers.

Phones speak the provider's own HTTP with the server; what the sales rep and the manager do on the web goes through
the JSON API; the customer pays on the payment page. Nothing but WhatsApp itself is left out.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.processes import free_port
from bot.cli.carrier import made_up
from bot.cli.scratch import new_key, play_settings
from bot.cli.theatre import Theatre, perform
from providers.emulator.settings import ProviderName
from storage.postgres.tokens import create_token

CUSTOMER, GUIDE, SALES, MANAGER = "+46701234567", "+9779800000001", "+9779800000002", "+9779800000003"
LEADS = (
    "SELECT COUNT(*) FROM timeline_entries WHERE event_type = 'SYSTEM' "
    "AND content->>'action' = 'LEAD_CREATED' AND source = 'WHATSAPP'"
)


def plain(text: str) -> str:
    """Without WhatsApp's marks."""
    return re.sub(r"[*]|(?<!\w)_|_(?!\w)", "", text)


class Silent:
    """Shows nothing."""

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        yield lambda ended: None


@dataclass(frozen=True, slots=True)
class Stage:
    """The phones, and the web beside them."""

    theatre: Theatre
    http: aiohttp.ClientSession
    tokens: dict[str, str]

    async def says(self, number: str, text: str) -> None:
        await self.theatre.emulator.say(number, text)

    async def hears(self, number: str, words: str) -> str:
        """What somebody is told, since they last wrote, that has these words in it."""
        found = await self.theatre.emulator.wait_for(number, lambda bubble: words in plain(bubble.text))
        return next(plain(bubble.text) for bubble in found if words in plain(bubble.text))

    async def web(self, role: str, method: str, path: str, **body: Any) -> Any:
        """Do something through the API."""
        url = f"{self.theatre.server_url}/api/v1{path}"
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        sent = {"json": body} if method != "GET" else {}
        async with self.http.request(method, url, headers=headers, **sent) as answer:
            assert answer.status in (200, 201), await answer.text()
            return await answer.json()

    async def rows(self, query: str) -> list[dict[str, Any]]:
        system = self.theatre.system
        async with system.foundation.database.tenant(system.channel.tenant_id) as db:
            return [dict(row.items()) for row in await db.fetch(query)]

    async def until(self, query: str, expected: Callable[[list[dict[str, Any]]], bool], seconds: float = 180) -> None:
        """Ask again and again until the rows are as expected."""
        async with asyncio.timeout(seconds):
            while not expected(await self.rows(query)):
                await asyncio.sleep(0.02)

    async def actions(self, object_type: str) -> list[tuple[str, str]]:
        """What the timelines of a kind of object say: what was done, and from where."""
        rows = await self.rows(
            "SELECT content->>'action' AS action, source FROM timeline_entries "
            f"WHERE object_type = '{object_type}' ORDER BY entry_id"
        )
        return [(row["action"], row["source"]) for row in rows]


@pytest.fixture(params=["meta", "twilio", "360dialog"])
async def stage(request: pytest.FixtureRequest, dsn: str, tmp_path: Path) -> AsyncIterator[Stage]:
    provider: ProviderName = request.param
    root = Path(__file__).parents[2]
    base = play_settings(
        bot_database_url=dsn, bot_secret_key=new_key(), bot_data_dir=tmp_path, bot_content_dir=root,
        **made_up(provider),
    )  # fmt: skip
    # Not one port for all: another worker of the tests may be about to take the next one.
    async with (
        perform(base, Silent(), free_port(), signals=False, drain_seconds=60) as theatre,
        aiohttp.ClientSession() as http,
    ):
        system = theatre.system
        async with system.foundation.database.tenant(system.channel.tenant_id) as db:
            tokens = {
                role: (
                    await create_token(
                        db, system.foundation.vault, system.channel.tenant_id, name=role, role=role,
                        scopes=["*:read", "*:write"], at=system.clock(), expires_at=None,
                    )
                )[1]
                for role in ("sales", "manager")
            }  # fmt: skip
        yield Stage(theatre, http, tokens)


async def test_workflow_1_from_enquiry_to_booking(stage: Stage) -> None:
    await stage.says(SALES, "hello")  # she has written today, so that plain words reach her
    await stage.says(CUSTOMER, "Hi, interested in EBC Trek for 2 people in December")
    review = await stage.hears(CUSTOMER, "Everest Base Camp")
    assert "2 people" in review
    assert "December" in review
    await stage.says(CUSTOMER, "yes")
    assert "Anita" in await stage.hears(CUSTOMER, "LEAD1"), "assigned to a sales rep, who is named"
    assert (await stage.rows(LEADS))[0]["count"] == 1

    # The sales rep sees the lead on the web, prepares a quote and sends it.
    (lead,) = (await stage.web("sales", "GET", "/leads?status=NEW"))["items"]
    assert (lead["trek"], lead["people"], lead["assignee"]) == ("Everest Base Camp", 2, "Anita Gurung")
    items = [{"description": "Everest Base Camp, per person", "quantity": "2", "unit_price": "1450.00"}]
    quote = await stage.web("sales", "POST", "/quotes", lead=lead["id"], items=items, trip=3)
    await stage.web("sales", "POST", f"/quotes/{quote['id']}/send")
    assert "USD 2,900" in await stage.hears(CUSTOMER, "QUO1")

    await stage.says(CUSTOMER, "Looks good, how do I book?")
    told = await stage.hears(CUSTOMER, "BKG1")
    await stage.hears(SALES, "has booked BKG1")
    assert (await stage.rows("SELECT taken FROM trips WHERE code = 'TRP130'"))[0]["taken"] == 2

    await pay(stage, told)
    assert "Everest Base Camp is confirmed: BKG1" in await stage.hears(CUSTOMER, "your payment has arrived")
    await stage.hears(SALES, "paid USD 2,900")
    assert await stage.actions("lead") == [
        ("LEAD_CREATED", "WHATSAPP"), ("LEAD_QUOTED", "API"), ("LEAD_CONVERTED", "WHATSAPP"),
    ]  # fmt: skip
    assert await stage.actions("booking") == [
        ("BOOKING_CREATED", "WHATSAPP"), ("PAYMENT_REQUESTED", "WHATSAPP"), ("PAYMENT_RECEIVED", "SYSTEM"),
        ("BOOKING_CONFIRMED", "SYSTEM"),
    ]  # fmt: skip


async def test_workflow_2_a_guides_issue(stage: Stage) -> None:
    await stage.says(MANAGER, "hello")
    await stage.says(CUSTOMER, "hello")
    await stage.hears(CUSTOMER, "treks")
    await travelling(stage)
    await stage.says(GUIDE, "ISSUE TRP123 Vehicle breakdown at checkpoint")
    await stage.hears(GUIDE, "INC1 logged for TRP123")
    await stage.hears(MANAGER, "Vehicle breakdown at checkpoint")

    # The manager sees it on the web, arranges a backup vehicle and says so.
    (incident,) = (await stage.web("manager", "GET", "/incidents?status=OPEN"))["items"]
    assert (incident["description"], incident["code"]) == ("Vehicle breakdown at checkpoint", "INC1")
    await stage.web(
        "manager", "POST", f"/incidents/{incident['id']}/update", text="A backup jeep is with you at 14:00.",
        public="We go on an hour later than planned.",
    )  # fmt: skip
    await stage.hears(GUIDE, "A backup jeep is with you at 14:00.")
    assert "TRP123" in await stage.hears(CUSTOMER, "We go on an hour later than planned.")

    await stage.says(GUIDE, "RESOLVED TRP123")
    await stage.hears(GUIDE, "INC1 on TRP123 is resolved")
    (row,) = await stage.rows("SELECT status FROM incidents")
    assert row["status"] == "RESOLVED"
    assert await stage.actions("trip") == [
        ("INCIDENT_CREATED", "WHATSAPP"), ("INCIDENT_ACKNOWLEDGED", "API"), ("INCIDENT_UPDATED", "API"),
        ("INCIDENT_RESOLVED", "WHATSAPP"),
    ]  # fmt: skip

    await stage.says(CUSTOMER, "ISSUE TRP123 I am no guide")
    await stage.theatre.emulator.wait_for(CUSTOMER)
    assert len(await stage.rows("SELECT * FROM incidents")) == 1, "only guides of the trip report"


async def pay(stage: Stage, told: str) -> None:
    """Open the link in a message, and pay."""
    link = re.search(r"http://\S+/pay/\S+", told)
    assert link is not None, told
    async with stage.http.post(link[0], data={"answer": "pay"}) as page:
        assert "Paid. Thank you!" in await page.text()


async def travelling(stage: Stage) -> None:
    """The customer is on TRP123."""
    (contact,) = await stage.rows(
        "SELECT c.contact_id FROM contacts c WHERE c.name = 'Maya Lindqvist' AND c.merged_into IS NULL"
    )
    lead = await stage.web("sales", "POST", "/leads", trek=1, people=1, contact=contact["contact_id"])
    quote = await stage.web("sales", "POST", "/quotes", lead=lead["id"], trip=1)
    await stage.web("sales", "POST", f"/quotes/{quote['id']}/send")
    booking = await stage.web("sales", "POST", "/bookings", quote=quote["id"])
    await stage.web("sales", "POST", "/payments", booking=booking["id"])
    await pay(stage, await stage.hears(CUSTOMER, "/pay/"))
    await stage.hears(CUSTOMER, "your payment has arrived")
