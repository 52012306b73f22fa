"""All senders of a number together keep to its rate, and follow it when it is raised."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest

from bot.core.ids import ChannelId
from bot.runtime.outlets import Outlet
from bot.runtime.pacing import Pacer
from bot.runtime.sharing import PART, SharedRate, pace_of
from storage.base import Share

CHANNEL = ChannelId(1)


class Deployment:
    """Senders that hear of each other at once."""

    def __init__(self, throughput: int | None = None) -> None:
        self.senders: set[UUID] = set()
        self.throughput = throughput
        self.asked = 0

    async def share(self, sender: UUID, channels: Sequence[ChannelId]) -> Mapping[ChannelId, Share]:
        self.asked += 1
        self.senders.add(sender)
        return dict.fromkeys(channels, Share(senders=len(self.senders), throughput=self.throughput))

    async def leave(self, sender: UUID) -> None:
        self.senders.discard(sender)


def outlet(rate: float | None) -> Outlet:
    nobody: Any = None
    return Outlet(provider=nobody, concurrency=1, channel=Pacer(0, 1), pair=Pacer(0, 1), rate=rate)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
async def test_any_number_of_senders_together_send_no_more_than_one_would(count: int) -> None:
    deployment = Deployment()
    senders = [(SharedRate(shares=deployment), {CHANNEL: outlet(20)}) for _ in range(count)]
    for _ in range(2):
        for shared, outlets in senders:
            shared._beat_at = None
            await shared.beat(outlets)
    sent = 0
    for tick in range(1000):  # ten seconds, everybody sends whenever they may
        for _, outlets in senders:
            sent += outlets[CHANNEL].channel.take(CHANNEL, tick / 100) == 0
    # Ten seconds at 20 a second, after a burst of one second's worth; parts of messages get lost.
    assert 0.9 * 200 <= sent <= 221


async def test_a_number_that_may_send_faster_does() -> None:
    assert pace_of(None, Share(senders=1)) == (1 / 56, 56)
    assert pace_of(None, Share(senders=2, throughput=1000)) == (pytest.approx(2 / (1000 * PART)), 350)
    assert pace_of(10, Share(senders=1, throughput=1000)) == (0.1, 10)  # the operator's word counts


async def test_it_asks_now_and_then_and_not_at_all_without_a_limit() -> None:
    deployment = Deployment()
    shared, free = SharedRate(shares=deployment), SharedRate(shares=deployment)
    for _ in range(5):
        await shared.beat({CHANNEL: outlet(None)})
        await free.beat({CHANNEL: outlet(0)})
    assert deployment.asked == 1
    await shared.leave()
    await free.leave()
    assert not deployment.senders
