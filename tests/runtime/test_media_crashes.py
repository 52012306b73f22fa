"""Whoever dies with a file in hand, and wherever: the file is kept once, the message goes out once."""

import asyncio
import hashlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.core.messages import MediaIn, MediaOut
from bot.runtime.files import MediaLibrary
from bot.runtime.media import LEASE, sweep
from providers.emulator import Emulator, EmulatorSettings, Phone
from storage.files import DirectoryStore
from storage.postgres import PostgresMedia
from tests.conftest import FakeClock
from tests.runtime.media_process import LEASE as ATTEMPT
from tests.storage.support import ANNA, World, build_world, message

JPEG = b"\xff\xd8\xff\xe0" + b"the axle" * 3000
ROOT = Path(__file__).parents[2]


@dataclass
class Stage:
    """A database, an emulator, and processes that work between them."""

    world: World
    emulator: Emulator
    dsn: str
    folder: Path
    now: datetime

    async def run(self, what: str, failpoint: str = "") -> int:
        """Let a process do one thing; returns how it ended."""
        environment = {
            **os.environ,
            "BOT_FAILPOINTS": f"{failpoint}=kill" if failpoint else "",
            "PYTHONPATH": str(ROOT),
        }
        child = await asyncio.create_subprocess_exec(
            sys.executable, str(ROOT / "tests/runtime/media_process.py"), what, self.dsn, str(self.folder),
            self.emulator.base_url, self.now.isoformat(), env=environment,
        )  # fmt: skip
        return await child.wait()

    def kept(self) -> list[bytes]:
        return [one.read_bytes() for one in (self.folder / "media").rglob("*") if one.is_file()]


@pytest.fixture
async def stage(database: Any, dsn: str, vault: Any, tmp_path: Path) -> AsyncIterator[Stage]:
    world = await build_world(database, vault, address="700800900100200")
    settings = EmulatorSettings(
        webhook_url="http://127.0.0.1:9/none", business_number="+9771000000", app_secret="s", verify_token="v",
        access_token="t", phone_number_id="700800900100200", business_account_id="900100200300400",
        retry_first=timedelta(hours=1),
    )  # fmt: skip
    async with Emulator(settings, [Phone("Anna", str(ANNA.phone), "customer")]) as emulator:
        yield Stage(world, emulator, dsn, tmp_path, datetime.now(UTC))


@pytest.mark.parametrize("place", ["media.before_put", "media.after_put"])
async def test_dying_between_download_and_record_loses_no_file_and_keeps_it_once(stage: Stage, place: str) -> None:
    await stage.emulator.send_image(str(ANNA.phone), JPEG)
    (bubble,) = stage.emulator.transcript(str(ANNA.phone))
    assert bubble.media is not None
    photo = MediaIn(
        media="image", media_id=str(bubble.media.id), mime_type="image/jpeg", sha256=hashlib.sha256(JPEG).hexdigest()
    )
    await stage.world.intake.accept([replace(message(stage.world.channel, at=stage.now), content=photo)])
    assert await stage.run("fetch", place) == -signal.SIGKILL
    assert await stage.world.value("SELECT status FROM whatsapp_media") == "REFERENCED"
    stage.now += LEASE + timedelta(minutes=1)
    assert await stage.run("fetch") == 0
    assert await stage.world.value("SELECT status FROM whatsapp_media") == "STORED"
    assert stage.kept() == [JPEG]


@pytest.mark.parametrize(
    ("place", "uploads"), [("media.after_upload", 2), ("media.upload_kept", 1), ("sender.before_http", 1)]
)
async def test_dying_between_upload_and_send_sends_once(stage: Stage, place: str, uploads: int) -> None:
    world = stage.world
    await stage.emulator.say(str(ANNA.phone), "hi")
    await world.intake.accept([message(world.channel, at=stage.now)])
    library = MediaLibrary(
        media=PostgresMedia(world.database), store=DirectoryStore(stage.folder / "media"),
        folder=stage.folder / "incoming", clock=FakeClock(stage.now),
    )  # fmt: skip
    number = await library.add(
        world.tenant, world.channel.channel_id, JPEG, kind="image", mime_type="image/jpeg", filename="axle.jpg"
    )
    async with world.database.tenant(world.tenant) as db:
        await db.execute("UPDATE whatsapp_conversations SET last_inbound_at = $1", stage.now)
    await world.say(MediaOut(media="image", file=str(number), caption="The axle"), at=stage.now)
    storeroom = stage.emulator._exchange.storeroom
    assert await stage.run("send", place) == -signal.SIGKILL
    assert not stage.emulator.sends
    stage.now += ATTEMPT + timedelta(seconds=1)
    await world.settle(now=stage.now)  # the lease is over: UNKNOWN
    stage.now += timedelta(minutes=2)
    await world.settle(now=stage.now)  # nobody has told: again
    assert await stage.run("send") == 0
    (sent,) = stage.emulator.sends
    assert sent.kind == "image"
    assert len(storeroom._files) == uploads
    assert await world.value("SELECT status FROM whatsapp_messages WHERE direction = 'OUTBOUND'") == "ACCEPTED"
    assert await stage.run("send") == 0
    assert len(stage.emulator.sends) == 1


def test_what_the_dead_had_begun_is_swept_away_and_nothing_else(tmp_path: Path) -> None:
    old, new = tmp_path / "7-1", tmp_path / "8-2"
    for path in (old, new):
        path.write_bytes(b"half a file")
    long_ago = time.time() - LEASE.total_seconds() - 60
    os.utime(old, (long_ago, long_ago))
    assert sweep(tmp_path) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["8-2"]
    assert sweep(tmp_path / "none") == 0
