"""A simulated chat inside the test, on a database of its own, with or without a screen around it."""

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Static

from bot.cli.cast import CAST
from bot.cli.opening import open_session
from bot.cli.recording import Recorder
from bot.cli.scratch import new_key, play_settings
from bot.cli.screen import scenes
from bot.cli.screen.app import PhoneApp
from bot.cli.screen.chat import Chat
from bot.cli.screen.entry import Entry
from bot.cli.session import Session
from bot.config import Settings
from storage.postgres.history import History
from tests.cli.conftest import REPOSITORY
from tests.conftest import EPOCH

WIDE = (120, 40)
HOPS = 8
ENQUIRY = "Hi, interested in EBC Trek for 2 people in December"


def copied_content(folder: Path) -> Path:
    """A content folder that a test may change."""
    for name in ("flows", "intents", "templates"):
        shutil.copytree(REPOSITORY / name, folder / name)
    return folder


def stage_settings(dsn: str, folder: Path, content: Path = REPOSITORY, actions: str | None = None) -> Settings:
    return play_settings(
        bot_database_url=dsn,
        bot_secret_key=new_key(),
        bot_data_dir=folder,
        bot_content_dir=content,
        bot_actions=actions,
        bot_tenant="simulator",
    )


class Actor:
    """Plays the screen as a person does, and waits until all is quiet."""

    def __init__(self, app: PhoneApp, pilot: "Pilot[None]") -> None:
        self.app = app
        self.pilot = pilot

    @property
    def session(self) -> Session:
        assert self.app.session is not None
        return self.app.session

    async def quiet(self) -> None:
        # What a key sets off goes from widget to widget, and each gets its turn here. That the process idles, for which
        # the pilot waits otherwise, tells nothing where others have the processor.
        for _ in range(HOPS):
            await self.pilot.pause(0)
            await self.app.workers.wait_for_complete()
        await self.pilot.pause()

    async def write(self, text: str) -> None:
        entry = self.app.query_one(Entry)
        entry.focus()
        entry.value = text
        await self.press("enter")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.quiet()

    async def click(self, selector: Any) -> None:
        assert await self.pilot.click(selector)
        await self.quiet()

    @property
    def items(self) -> list[scenes.Item]:
        """What the phone in hand shows."""
        return self.app.query_one(Chat).shown

    @property
    def words(self) -> str:
        """All that is written in the chat."""
        return "\n".join(
            item.said.text if isinstance(item, scenes.Bubble) else item.text if isinstance(item, scenes.Remark) else ""
            for item in self.items
        )

    def text(self, selector: str) -> str:
        """What a part of the screen says."""
        return str(self.app.query_one(selector, Static).render())

    async def count(self, table: str) -> int:
        """How many rows the business has."""
        base, tenant = self.session.machine.system.foundation, self.session.machine.system.channel.tenant_id
        async with base.database.tenant(tenant) as db:
            number: int = await db.fetchval(f"SELECT count(*) FROM {table}")
        return number


@asynccontextmanager
async def on_screen(
    dsn: str, folder: Path, content: Path = REPOSITORY, *, size: tuple[int, int] = WIDE, record: Path | None = None,
    past: History | None = None, actions: str | None = None,
) -> AsyncIterator[Actor]:  # fmt: skip
    """The simulator on a terminal of that size."""
    settings = stage_settings(dsn, folder, content, actions)
    async with AsyncExitStack() as stack:
        app = PhoneApp(
            lambda: stack.enter_async_context(open_session(settings, CAST[0], EPOCH, dsn=dsn)),
            CAST,
            CAST[0],
            recorder=Recorder(record, CAST, CAST[0]) if record is not None else None,
            past=past,
        )
        async with app.run_test(size=size) as pilot:
            actor = Actor(app, pilot)
            await actor.quiet()
            yield actor
