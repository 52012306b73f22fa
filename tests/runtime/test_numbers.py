"""What a provider says of a number is asked for now and then, and counts from then on."""

import json
from datetime import timedelta
from typing import Any

import pytest

from bot.runtime.bells import Bells
from bot.runtime.intake import GroupCommit
from bot.runtime.numbers import EVERY, NumberKeeper
from providers.base import NumberHealth
from providers.limits import read_reach
from storage.postgres import Chores
from tests.conftest import EPOCH
from tests.storage.support import World, build_world


@pytest.mark.parametrize(
    ("told", "limit"),
    [
        ("TIER_50", 50), ("TIER_250", 250), ("TIER_1K", 1000), ("TIER_2K", 2000), ("TIER_100K", 100_000),
        ("TIER_UNLIMITED", -1), ("Unlimited", -1), ("-1", -1), (-1, -1), (2000, 2000), ("2000", 2000),
        (10**12, 2**31 - 1), ("10K Customers/24hr", 10_000), ("250 Customers/24hr", 250), ("TIER_NOT_SET", None),
        (None, None), (True, None), ("", None), ("many", None), ([], None),
    ],
)  # fmt: skip
def test_limits_as_providers_write_them(told: Any, limit: int | None) -> None:
    assert read_reach(told) == limit


class Told:
    """A provider that tells what the test says."""

    def __init__(self, *answers: NumberHealth | None) -> None:
        self.answers = list(answers)

    async def health(self) -> NumberHealth | None:
        return self.answers.pop(0)


async def test_a_number_is_asked_about_every_hour_and_silence_changes_nothing(database: Any, vault: Any) -> None:
    world: World = await build_world(database, vault)
    first = NumberHealth(quality="GREEN", status="CONNECTED", reach_limit=2000, throughput=80)
    provider = Told(first, None, NumberHealth(reach_limit=-1, throughput=1000))
    keeper = NumberKeeper(
        provider=provider, channel=world.channel, intake=GroupCommit(world.intake, Bells(None)), chores=Chores(database)  # type: ignore[arg-type]
    )  # fmt: skip

    async def row() -> tuple[Any, Any]:
        found = await world.row("SELECT reach_limit, throughput FROM whatsapp_configurations")
        return found["reach_limit"], found["throughput"]

    assert await keeper.keep(EPOCH) is not None
    assert await row() == (2000, 80)
    health = json.loads(await world.value("SELECT health FROM whatsapp_configurations"))
    assert (health["number"]["quality"], health["number"]["status"]) == ("GREEN", "CONNECTED")
    assert await keeper.keep(EPOCH + timedelta(minutes=5)) is None
    assert await keeper.keep(EPOCH + EVERY) is None  # no answer
    assert await row() == (2000, 80)
    await keeper.keep(EPOCH + 2 * EVERY)
    assert await row() == (None, 1000)
    assert not provider.answers
