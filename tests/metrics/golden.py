"""Golden event logs: a day's events, written into the tables as they would stand there."""

import itertools
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import yaml

from bot.core.ids import ContactId, ConversationId
from storage.base import Person
from storage.postgres import grant_role
from tests.conftest import EPOCH
from tests.storage.support import World

FOLDER = Path(__file__).parent / "golden"

_MESSAGE = """
INSERT INTO whatsapp_messages (tenant_id, message_id, created_at, conversation_id, channel_id, direction, status, kind,
                               content, sent_at)
VALUES ($1, nextval('message_ids'), $2, $3, $4, $5, $6, 'text', '{}', $7)
"""
_RUN = """
INSERT INTO flow_runs (tenant_id, run, flow, version, role, conversation_id, status, outcome, started_at, ended_at)
VALUES ($1, $2, $3, 1, 'customer', $4, $5, $6, $7, $8)
"""
_LEAD = """
INSERT INTO leads (tenant_id, contact_id, conversation_id, assignee_id, created_at) VALUES ($1, $2, $3, $4, $5)
RETURNING lead_id
"""
_QUOTE = """
INSERT INTO quotes (tenant_id, lead_id, version, contact_id, people, currency, total, status, valid_until, created_at,
                    sent_at)
VALUES ($1, $2, 1, $3, 2, 'USD', 10, 'SENT', $4, $4, $4)
"""
_BOOKING = """
INSERT INTO bookings (tenant_id, contact_id, lead_id, people, currency, total, status, hold_until, created_at)
VALUES ($1, $2, $3, 2, 'USD', 10, $4, $5, $5)
"""
_TRIP = """
WITH trek AS (INSERT INTO treks (tenant_id, name) VALUES ($1, 'EBC') RETURNING trek_id)
INSERT INTO trips (tenant_id, code, trek_id, starts_on) SELECT $1, 'TRP1', trek_id, $2 FROM trek RETURNING trip_id
"""
_INCIDENT = """
INSERT INTO incidents (tenant_id, trip_id, contact_id, description, created_at, acknowledged_at, resolved_at)
VALUES ($1, $2, $3, 'x', $4, $5, $6)
"""
_APPROVAL = """
INSERT INTO approvals (tenant_id, object_type, object_id, subject, status, created_at, decided_at)
VALUES ($1, 'quote', $2, 'x', $3, $4, $5)
"""
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Log:
    """A golden event log. `moved` to another day, it must come to the same."""

    name: str
    document: dict[str, Any]
    day: date

    def at(self, text: str | None) -> datetime | None:
        """`09:00:00`, `+1 09:00:00` or `-1 …` as a time."""
        if text is None:
            return None
        shift, _, clock = text.rpartition(" ")
        day = self.day + timedelta(days=int(shift or 0))
        return datetime.combine(day, time.fromisoformat(clock), EPOCH.tzinfo)


def logs() -> list[Log]:
    """All golden logs."""
    found = []
    for path in sorted(FOLDER.glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        found.append(Log(path.stem, document, document["day"]))
    return found


async def write(world: World, log: Log) -> None:
    """Write a log into a tenant's tables."""
    people: dict[str, tuple[ContactId, ConversationId]] = {}
    for name, role in log.document["people"].items():
        person = Person(phone=f"+97798{next(_numbers):08}", user_id=None, name=name)
        if role != "customer":
            await grant_role(world.database, world.vault, world.channel, person, role)
        place = await world.directory.place(world.channel, person)
        people[name] = (place.contact_id, place.conversation_id)
    async with world.database.tenant(world.tenant) as db:
        for one in log.document["messages"]:
            direction = "INBOUND" if one.get("in") else "OUTBOUND"
            await db.execute(
                _MESSAGE, world.tenant, log.at(one["at"]), people[one["who"]][1], world.channel.channel_id, direction,
                one.get("out", "RECEIVED"), log.at(one.get("sent")),
            )  # fmt: skip
        for one in log.document["runs"]:
            ended = log.at(one.get("ended"))
            await db.execute(
                _RUN, world.tenant, f"run {next(_numbers)}", one["flow"], people[one["who"]][1],
                "ENDED" if ended else "ACTIVE", one.get("outcome"), log.at(one["at"]), ended,
            )  # fmt: skip
        for one in log.document["leads"]:
            await _lead(world, db, log, one, people)
        if log.document["incidents"]:
            trip = await db.fetchval(_TRIP, world.tenant, log.day)
            for one in log.document["incidents"]:
                await db.execute(
                    _INCIDENT, world.tenant, trip, 1, log.at(one["at"]), log.at(one.get("acknowledged")),
                    log.at(one.get("resolved")),
                )  # fmt: skip
        for one in log.document["approvals"]:
            await db.execute(
                _APPROVAL, world.tenant, next(_numbers), one["status"], log.at(one["at"]), log.at(one.get("decided"))
            )


async def _lead(world: World, db: Any, log: Log, one: dict[str, Any], people: dict[str, Any]) -> None:
    contact, conversation = people[one["who"]]
    lead = await db.fetchval(
        _LEAD, world.tenant, contact, None if one.get("elsewhere") else conversation,
        people[one["assignee"]][0] if "assignee" in one else None, log.at(one["at"]),
    )  # fmt: skip
    if "quote" in one:
        await db.execute(_QUOTE, world.tenant, lead, contact, log.at(one["quote"]))
    if "booked" in one:
        await db.execute(_BOOKING, world.tenant, contact, lead, one["status"], log.at(one["booked"]))
