"""Nobody gets a broadcast twice, whatever dies while it is handed on and sent."""

import asyncio
import signal
from collections import Counter

import pytest

from crash.conftest import Deploy
from crash.deployment import SOAK, Deployment
from crash.meta import Mood
from crash.test_faults import write

pytestmark = [pytest.mark.crash, pytest.mark.xdist_group("crash")]

PEOPLE = 600 if SOAK else 120
_DRAFT = """
INSERT INTO whatsapp_broadcast_lists (tenant_id, name, template, marketing, per_minute, not_before, not_after,
                                      channel_id, status, scheduled_at)
SELECT tenant_id, 'News', 'news', false, 1200, '00:00', '23:59:59.999', channel_id, 'SCHEDULED', now()
FROM whatsapp_configurations RETURNING broadcast_id
"""
_STATUSES = """
SELECT r.status, m.status AS message FROM broadcast_recipients r
LEFT JOIN whatsapp_messages m ON m.message_id = r.message_id AND m.created_at = r.message_created_at
"""
_OPEN = "SELECT status FROM whatsapp_broadcast_lists WHERE status <> 'DONE'"


async def test_a_broadcast_reaches_nobody_twice(deployed: Deploy) -> None:
    """Feeder and sender are killed on the way; who was not reached for certain stays UNKNOWN and is not tried again."""
    async with deployed() as town:
        town.meta.mood = Mood(pause=0.05, drop=0.02)
        await town.start("web:1", "worker:1")
        (sender,) = await town.start("sender:1", failpoints=["sender.before_http=kill@15", "sender.after_http=kill@15"])
        (clock,) = await town.start("clock:1", failpoints=["clock.after_feed=kill@2", "clock.after_feed=kill@2"])
        town.people.clear()
        await write(town, PEOPLE, 1, 3.0)
        await town.settle()
        await town.query(_DRAFT)
        for child in (clock, sender, clock):
            await _more(town, 10)
            child.signal(signal.SIGKILL)
        await town.until("the broadcast is done", lambda: _done(town))
        await town.settle()
        rows = Counter((row["status"], row["message"]) for row in await town.query(_STATUSES))
        reached = Counter(town.meta.templates)
        assert max(reached.values()) == 1, "somebody got it twice"
        assert sum(rows.values()) == PEOPLE
        assert {status for status, _ in rows} == {"HANDED"}
        told = {status for _, status in rows}
        assert told <= {"ACCEPTED", "SENT", "DELIVERED", "UNKNOWN"}
        unknown = rows["HANDED", "UNKNOWN"]
        assert len(reached) >= PEOPLE - unknown, "somebody was left out"
        assert town.fleet.deaths, "nothing was killed"


async def _more(town: Deployment, count: int) -> None:
    goal = min(len(town.meta.templates) + count, PEOPLE - 5)

    async def sent() -> bool:
        return len(town.meta.templates) >= goal

    await town.until("more of the broadcast", sent)


async def _done(town: Deployment) -> bool:
    await asyncio.sleep(0.2)
    return not await town.query(_OPEN)
