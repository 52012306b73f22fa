"""Two senders on one database send no faster from one number than one would."""

import asyncio
from datetime import timedelta
from time import monotonic
from typing import Any

from bot.runtime.bells import Bells
from bot.runtime.loop import Stopping, utc_now
from bot.runtime.outlets import Outlet
from bot.runtime.pacing import Pacer
from bot.runtime.sender import Sender, SendRules
from bot.runtime.sharing import SharedRate
from providers.base import Accepted, OutboundMessage, SendOutcome
from storage.postgres.chores import EVERYBODY
from storage.postgres.shares import SenderShares
from tests.storage.support import build_world, person

RATE = 20.0


class Provider:
    """Takes everything, and counts it."""

    def __init__(self) -> None:
        self.count = 0

    async def send(self, message: OutboundMessage) -> SendOutcome:
        self.count += 1
        return Accepted(provider_message_id=f"wamid.{self.count}")


async def test_two_senders_keep_to_the_rate_of_their_number(database: Any, vault: Any) -> None:
    world, provider, now = await build_world(database, vault), Provider(), utc_now()
    await world.say_to_each([person(number) for number in range(250)], at=now)
    async with database.tenant(world.tenant) as db:
        await db.execute("UPDATE whatsapp_conversations SET last_inbound_at = $1", now)
    rules = SendRules(lease=timedelta(seconds=30), unknown_wait=timedelta(seconds=30))
    senders, stopping = [], Stopping()
    for _ in range(2):
        shared = SharedRate(shares=SenderShares(database))
        outlet = Outlet(provider=provider, concurrency=8, channel=Pacer(0, 1), pair=Pacer(0, 1), rate=RATE)  # type: ignore[arg-type]
        outlets = {world.channel.channel_id: outlet}
        senders.append((Sender(world.outbox, outlets, rules, Bells(None), utc_now, shared), shared, outlets))
    for _ in range(2):  # both have heard of each other
        for _, shared, outlets in senders:
            shared._beat_at = None
            await shared.beat(outlets)
    began = monotonic()
    running = [asyncio.create_task(sender.run(stopping)) for sender, _, _ in senders]
    async with asyncio.timeout(120):
        while provider.count < RATE or monotonic() - began < 1.5:
            await asyncio.sleep(0.05)
    stopping.set()
    await asyncio.gather(*running)
    elapsed = monotonic() - began
    assert RATE <= provider.count <= RATE + RATE * elapsed + 2, (provider.count, elapsed)
    async with database.tenant(EVERYBODY) as db:
        assert await db.fetchval("SELECT count(*) FROM live_senders") == 0
