"""Making a simulated chat: a database of its own, the example's business, and the machine that answers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import asyncpg
from pydantic import SecretStr

from bot.cli.cast import CAST, Player, take_places
from bot.cli.deeds import Chat, Desk, Moment
from bot.cli.handset import Handset, SimulatedClock
from bot.cli.machine import Machine
from bot.cli.scratch import new_key, play_settings, scratch_database
from bot.cli.session import Session
from bot.config import DatabaseSettings
from bot.operations.terms import take_payments
from bot.runtime.bootstrap import open_system
from bot.runtime.project import content_dir
from storage.postgres.snapshots import Snapshots

TENANT = "simulator"
_PAYMENT_PAGE = "https://pay.example.com"
"""Nobody serves the page, but flows go on as they do where one is served."""


@asynccontextmanager
async def open_session(
    settings: DatabaseSettings,
    who: Player,
    now: datetime | None = None,
    *,
    cast: Sequence[Player] = CAST,
    dsn: str | None = None,
) -> AsyncIterator[Session]:
    """A session on a database of its own, with the example's people, treks and trips; nothing is left of it.

    Args:
        settings: Where the flows are, and the folder for the embedded database.
        who: Whose phone is in hand first.
        now: When it begins; unset: now.
        cast: Everybody with a phone.
        dsn: An empty database to use instead, as a superuser; it is the caller's to drop.

    Raises:
        ContentErrors: The flows are wrong.
    """
    clock = SimulatedClock(now or datetime.now(UTC))
    async with AsyncExitStack() as stack:
        if dsn is None:
            dsn = await stack.enter_async_context(scratch_database(settings.bot_data_dir))
        play = play_settings(
            bot_database_url=SecretStr(dsn),
            bot_secret_key=new_key(),
            bot_data_dir=settings.bot_data_dir,
            bot_content_dir=content_dir(settings),
            bot_actions=settings.bot_actions,
            bot_tenant=TENANT,
            bot_event_attempts=1,
        )
        handset = Handset()
        system = await stack.enter_async_context(open_system(play, clock=clock, migrate=True, provider=handset))
        await take_places(system, clock.now.date(), cast)
        async with system.office.acting(system.channel.tenant_id) as acting:
            await take_payments(acting, play.bot_payment_gateway, _PAYMENT_PAGE)
        keeper = await asyncpg.connect(dsn)
        stack.push_async_callback(keeper.close)
        snapshots = Snapshots(keeper)
        desk = Desk(part=who.part, now=clock.now, chats={one.part: Chat() for one in cast})
        beginning = Moment(await snapshots.take(), desk)
        yield Session(Machine(system, handset, clock), snapshots, beginning, cast)
