"""Senders on one database know of each other, and of what the provider takes."""

from datetime import timedelta
from uuid import uuid4

from bot.core.ids import ChannelId
from storage.base import Share
from storage.postgres.chores import EVERYBODY
from storage.postgres.shares import GONE_AFTER, SenderShares
from tests.storage.support import World


async def test_senders_share_the_numbers_they_both_serve(world: World) -> None:
    shares, first, second = SenderShares(world.database), uuid4(), uuid4()
    here, there = world.channel.channel_id, ChannelId(10**9)
    assert await shares.share(first, [here]) == {here: Share(senders=1)}
    assert await shares.share(second, [here, there]) == {here: Share(senders=2), there: Share(senders=1)}
    assert await shares.share(first, [here]) == {here: Share(senders=2)}
    await shares.leave(second)
    assert await shares.share(first, [here]) == {here: Share(senders=1)}


async def test_a_sender_that_died_is_missed_after_a_while(world: World) -> None:
    shares, dead, here = SenderShares(world.database), uuid4(), world.channel.channel_id
    await shares.share(dead, [here])
    async with world.database.tenant(EVERYBODY) as db:
        silent = GONE_AFTER - timedelta(seconds=5)
        await db.execute("UPDATE live_senders SET seen_at = now() - $2::interval WHERE sender_id = $1", dead, silent)
    assert (await shares.share(uuid4(), [here]))[here].senders == 2
    async with world.database.tenant(EVERYBODY) as db:
        await db.execute("UPDATE live_senders SET seen_at = now() - interval '1 hour'")
    assert (await shares.share(uuid4(), [here]))[here].senders == 1


async def test_what_the_provider_takes_comes_along(world: World) -> None:
    async with world.database.tenant(world.tenant) as db:
        await db.execute("UPDATE whatsapp_configurations SET throughput = 1000")
    channel = world.channel.channel_id
    assert await SenderShares(world.database).share(uuid4(), [channel]) == {channel: Share(senders=1, throughput=1000)}
