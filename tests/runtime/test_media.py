"""Files that people send are fetched once, checked, kept, and shared by messages that have the same one."""

import asyncio
import errno
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from bot.core.messages import MediaIn
from bot.runtime.files import MediaLibrary, file_key
from bot.runtime.media import LEASE, MediaKeeper
from providers.base import MediaError, MediaFile, MediaLocation, Uploaded
from storage.files import DirectoryStore
from storage.postgres import PostgresIntake, PostgresMedia
from tests.conftest import EPOCH, FakeClock
from tests.storage.support import ANNA, BIMAL, World, build_world, message

JPEG = b"\xff\xd8\xff\xe0" + b"a picture" * 1000
SHA = hashlib.sha256(JPEG).hexdigest()
PHOTO = MediaIn(media="image", media_id="61", mime_type="image/jpeg", sha256=SHA, filename="../axle.jpg")


@dataclass
class Provider:
    """A provider in memory. `files` are by id and by address; `trouble` is raised by the next calls, in turn."""

    files: dict[str, bytes] = field(default_factory=lambda: {"61": JPEG})
    calls: list[str] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    pause: asyncio.Event | None = None
    open: int = 0

    async def locate(self, media_id: str) -> MediaLocation:
        self.calls.append(f"locate {media_id}")
        if self.trouble:
            raise self.trouble.pop(0)
        return MediaLocation(url=media_id, **self.told)

    async def download(self, location: MediaLocation, *, limit: int) -> AsyncGenerator[bytes, None]:
        self.calls.append(f"download {location.url}")
        if self.pause is not None:
            await self.pause.wait()
        if location.url not in self.files:
            raise MediaError("HTTP 404", retryable=True)
        body = self.files[location.url]
        self.open += 1
        try:
            for start in range(0, len(body), 4000):
                yield body[start : start + 4000]
        finally:
            self.open -= 1

    async def upload(self, file: MediaFile) -> Uploaded:
        raise MediaError("not here")

    async def delete(self, media_id: str) -> None:
        raise MediaError("not here")

    async def close(self) -> None:
        pass


@dataclass
class Bench:
    world: World
    provider: Provider
    keeper: MediaKeeper
    store: DirectoryStore
    clock: FakeClock
    folder: Path

    async def receive(self, content: MediaIn = PHOTO, **more: Any) -> int:
        """A person sends a file; returns its number."""
        new = replace(message(self.world.channel, at=self.clock(), **more), content=content)
        await self.world.intake.accept([new])
        return int(await self.world.value("SELECT max(media_id) FROM whatsapp_media"))

    async def go(self) -> int:
        """Fetch what is due."""
        started = await self.keeper.start_due()
        await self.keeper.drain()
        return started

    async def row(self, number: int) -> Any:
        return await self.world.row("SELECT * FROM whatsapp_media WHERE media_id = $1", number)

    def kept(self) -> list[str]:
        media = self.folder / "media"
        return sorted(str(one.relative_to(media)) for one in media.rglob("*") if one.is_file())


@pytest.fixture
async def bench(database: Any, vault: Any, clock: FakeClock, tmp_path: Path) -> Bench:
    world, provider, store = await build_world(database, vault), Provider(), DirectoryStore(tmp_path / "media")
    keeper = MediaKeeper(
        media=PostgresMedia(database),
        clients={world.channel.channel_id: provider},
        store=store,
        folder=tmp_path / "incoming",
        limit=50_000,
        clock=clock,
    )
    return Bench(world, provider, keeper, store, clock, tmp_path)


def library(bench: Bench) -> MediaLibrary:
    return MediaLibrary(
        media=bench.keeper.media, store=bench.store, folder=bench.folder / "incoming", clock=bench.clock
    )


async def test_a_file_is_fetched_checked_and_kept(bench: Bench) -> None:
    number = await bench.receive()
    assert number == await bench.world.value("SELECT message_id FROM whatsapp_messages"), "its message's number"
    assert await bench.go() == 1
    row = await bench.row(number)
    assert (row["status"], row["mime_type"], row["size_bytes"]) == ("STORED", "image/jpeg", len(JPEG))
    assert row["sha256"].hex() == SHA
    assert bench.kept() == [file_key(bench.world.tenant, SHA)]
    assert list((bench.folder / "incoming").iterdir()) == []
    file = await library(bench).find(bench.world.tenant, number)
    assert file is not None
    assert file.filename == "axle.jpg"
    assert b"".join([piece async for piece in library(bench).read(file)]) == JPEG
    assert await bench.go() == 0


async def test_a_download_that_is_given_up_is_closed_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk(BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bot.runtime.media._private", lambda _: FullDisk())
    number = await bench.receive()
    rooms = {bench.world.channel.channel_id: 1}
    (claim,) = await bench.keeper.media.claim(bench.clock(), lease=LEASE, rooms=rooms)
    await bench.keeper.fetch(claim)
    assert (bench.provider.calls[-1], bench.provider.open) == ("download 61", 0)
    assert (await bench.row(number))["status"] == "REFERENCED", "it is fetched again after the lease"


async def test_a_delivery_that_comes_again_brings_no_second_file(bench: Bench) -> None:
    for _ in range(3):
        await bench.receive(wamid="wamid.in.1")
        bench.clock.advance(seconds=10)
    assert await bench.world.value("SELECT count(*) FROM whatsapp_media") == 1


async def test_the_flows_know_a_file_by_its_number(bench: Bench) -> None:
    number = await bench.receive()
    (conversation,) = await bench.world.waiting()
    async with bench.world.turns.transaction(bench.world.tenant) as store:
        (work,) = await store.lock([conversation], 1, 10)
    assert work.events[0].event.file == str(number)  # type: ignore[union-attr]


async def test_the_webhooks_address_is_used_while_it_is_good(bench: Bench) -> None:
    bench.provider.files["https://lookaside/1"] = JPEG
    await bench.receive(replace(PHOTO, url="https://lookaside/1"))
    await bench.go()
    late = await bench.receive(replace(PHOTO, url="https://lookaside/1"), sender=BIMAL)
    bench.clock.advance(minutes=5)
    await bench.go()
    gone = await bench.receive(replace(PHOTO, url="https://lookaside/2"))
    await bench.go()
    assert bench.provider.calls == [
        "download https://lookaside/1", "locate 61", "download 61", "download https://lookaside/2", "locate 61",
        "download 61",
    ]  # fmt: skip
    assert {(await bench.row(one))["status"] for one in (late, gone)} == {"STORED"}


async def test_the_same_file_is_kept_once_and_stays_while_somebody_has_it(bench: Bench) -> None:
    old = await bench.receive(sender=ANNA)
    await bench.go()
    bench.clock.advance(days=50)
    new = await bench.receive(sender=BIMAL)
    await bench.go()
    assert len(bench.kept()) == 1
    media, tenant = bench.keeper.media, bench.world.tenant
    bench.clock.advance(days=50)
    now = bench.clock()
    await media.expire(tenant, bench.store, now - timedelta(days=90), now, limit=10)
    assert [(await bench.row(one))["status"] for one in (old, new)] == ["EXPIRED", "STORED"]
    assert len(bench.kept()) == 1
    assert (await bench.row(old))["filename"] is None
    assert await library(bench).find(tenant, old) is None
    bench.clock.advance(days=50)
    now = bench.clock()
    await media.expire(tenant, bench.store, now - timedelta(days=90), now, limit=10)
    assert (await bench.row(new))["status"] == "EXPIRED"
    assert bench.kept() == []
    assert await media.expire(tenant, bench.store, now - timedelta(days=90), now, limit=10) == 0


async def test_forgetting_a_file_leaves_it_to_others(bench: Bench) -> None:
    first, second = await bench.receive(sender=ANNA), await bench.receive(sender=BIMAL)
    await bench.go()
    await bench.keeper.media.forget(bench.world.tenant, bench.store, [first])
    assert [(await bench.row(one))["status"] for one in (first, second)] == ["EXPIRED", "STORED"]
    assert len(bench.kept()) == 1
    await bench.keeper.media.forget(bench.world.tenant, bench.store, [second])
    assert bench.kept() == []


async def test_the_same_bytes_of_two_tenants_are_two_files(bench: Bench) -> None:
    other = await build_world(bench.world.database, bench.world.vault, slug="other", address="2")
    bench.keeper.clients = {**bench.keeper.clients, other.channel.channel_id: bench.provider}
    await bench.receive()
    await other.intake.accept([replace(message(other.channel, at=EPOCH), content=PHOTO)])
    await bench.go()
    assert bench.kept() == sorted(file_key(tenant, SHA) for tenant in (bench.world.tenant, other.tenant))


@pytest.mark.parametrize(
    ("body", "change", "told", "tries"),
    [
        (b"<html><script>alert(1)</script>", {"sha256": None}, "is something else", 1),
        (b"MZ\x90\x00", {"sha256": None}, "is something else", 1),
        (JPEG + b"!", {}, "SHA-256 is another", 3),
        (b"", {"sha256": None}, "is empty", 3),
    ],
    ids=["page", "program", "other", "empty"],
)
async def test_what_is_not_what_it_says_is_refused(
    bench: Bench, body: bytes, change: dict[str, Any], told: str, tries: int
) -> None:
    bench.provider.files["61"] = body
    number = await bench.receive(replace(PHOTO, **change))
    for _ in range(5):
        await bench.go()
        bench.clock.advance(hours=1)
    row = await bench.row(number)
    assert (row["status"], row["attempts"], row["due_at"]) == ("FAILED", tries, None)
    assert told in row["reason"]
    assert bench.kept() == []
    assert list((bench.folder / "incoming").iterdir()) == []


async def test_a_file_that_the_provider_says_is_too_large_is_not_even_begun(bench: Bench) -> None:
    bench.provider.told = {"size_bytes": 50_001}
    number = await bench.receive()
    await bench.go()
    assert (await bench.row(number))["status"] == "FAILED"
    assert bench.provider.calls == ["locate 61"]


async def test_trouble_is_tried_again_ever_more_seldom_until_the_provider_forgets(bench: Bench) -> None:
    bench.provider.trouble = [MediaError("HTTP 503", retryable=True) for _ in range(100)]
    number = await bench.receive()
    waits = []
    while (row := await bench.row(number))["status"] == "REFERENCED":
        waits.append((row["due_at"] - bench.clock()).total_seconds())
        bench.clock.now = row["due_at"]
        await bench.go()
        bench.keeper._brakes.clear()
    assert waits[:8] == [0, 5, 30, 120, 600, 3600, 21_600, 86_400]
    assert timedelta(days=5) < bench.clock() - EPOCH < timedelta(days=7)
    assert (row["status"], row["reason"]) == ("FAILED", "HTTP 503")


async def test_a_refusal_that_is_final_is_not_tried_again(bench: Bench) -> None:
    bench.provider.trouble = [MediaError("no such file", code=100)]
    number = await bench.receive()
    await bench.go()
    bench.clock.advance(days=1)
    assert await bench.go() == 0
    assert (await bench.row(number))["status"] == "FAILED"


async def test_a_channel_from_which_nothing_can_be_had_rests(bench: Bench) -> None:
    """360dialog shuts files off after twenty failures in an hour."""
    bench.provider.trouble = [MediaError("HTTP 503", retryable=True) for _ in range(100)]
    for _ in range(12):
        await bench.receive()
    for _ in range(6):
        await bench.go()
        bench.clock.advance(seconds=1)
    assert len(bench.provider.calls) == 8
    bench.provider.trouble = []
    bench.clock.advance(minutes=31)
    for _ in range(3):
        await bench.go()
    assert {row["status"] for row in await bench.world.rows("SELECT status FROM whatsapp_media")} == {"STORED"}


async def test_a_process_that_dies_leaves_its_file_to_the_next(bench: Bench) -> None:
    number = await bench.receive()
    media, rooms = bench.keeper.media, dict.fromkeys(bench.keeper.clients, 10)
    (first,) = await media.claim(bench.clock(), lease=LEASE, rooms=rooms)
    assert await bench.go() == 0, "while the lease lasts"
    bench.clock.advance(minutes=16)
    (second,) = await media.claim(bench.clock(), lease=LEASE, rooms=rooms)
    assert (second.media_id, second.attempts) == (number, 2)
    await bench.keeper.fetch(first)
    assert (await bench.row(number))["status"] == "REFERENCED", "who slept past the lease writes nothing"
    await media.put_off(first, "asleep", None)
    await bench.keeper.fetch(second)
    assert (await bench.row(number))["status"] == "STORED"


async def test_what_is_deleted_while_it_is_fetched_is_put_there_again(bench: Bench) -> None:
    number = await bench.receive()
    put, kept = bench.store.put, []

    async def put_and_lose(key: str, source: Path) -> None:
        await put(key, source)
        kept.append(key)
        if len(kept) == 1:
            await bench.store.delete(key)

    bench.store.put = put_and_lose  # type: ignore[method-assign]
    await bench.go()
    assert (await bench.row(number))["status"] == "STORED"
    assert len(kept) == 2
    assert len(bench.kept()) == 1


async def test_another_number_s_files_are_left_to_its_process(bench: Bench) -> None:
    await bench.receive()
    bench.keeper.clients = {}
    assert await bench.go() == 0


async def test_media_can_be_turned_off(bench: Bench) -> None:
    world = bench.world
    intake = PostgresIntake(world.database, world.vault, world.directory, media=lambda tenant: False)
    await intake.accept([replace(message(world.channel, at=EPOCH), content=PHOTO)])
    assert await bench.go() == 0
    row = await world.row("SELECT status, reason FROM whatsapp_media")
    assert (row["status"], row["reason"]) == ("REFERENCED", "WHATSAPP_ENABLE_MEDIA is off.")


async def test_a_file_of_our_own(bench: Bench) -> None:
    files, channel = library(bench), bench.world.channel.channel_id
    number = await files.add(
        bench.world.tenant, channel, JPEG, kind="image", mime_type="image/jpeg", filename="map.jpg"
    )
    again = await files.add(bench.world.tenant, channel, JPEG, kind="image", mime_type="image/jpeg")
    found = await files.find(bench.world.tenant, number)
    assert found is not None
    assert (found.mime_type, found.filename, found.sha256) == ("image/jpeg", "map.jpg", SHA)
    assert again != number
    assert len(bench.kept()) == 1
    with pytest.raises(MediaError, match="not of kind image"):
        await files.add(bench.world.tenant, channel, b"<html>", kind="image", mime_type="image/jpeg")
