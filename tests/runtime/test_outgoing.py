"""Files of our own are given to the provider once, and sent by its id until that is over."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bot.core.messages import MediaKind, MediaOut, Outgoing, TemplateOut, TextOut
from bot.runtime.files import MediaLibrary
from bot.runtime.links import Links
from bot.runtime.outgoing import WithFiles
from bot.web.files import SharedFiles
from providers.base import (
    Accepted,
    Fault,
    MediaError,
    MediaFile,
    MediaLocation,
    NotSent,
    OutboundMessage,
    Problem,
    Refused,
    SendOutcome,
    Uploaded,
)
from providers.meta.provider import CAPABILITIES
from storage.files import DirectoryStore
from storage.postgres import PostgresMedia
from tests.conftest import FakeClock
from tests.storage.support import World, build_world

JPEG = b"\xff\xd8\xff\xe0" + b"a map" * 2000
PDF = b"%PDF-1.7 an itinerary"


@dataclass
class Provider:
    """A provider in memory: what it was given to send and to keep. `answers` and `trouble` come next, in turn."""

    clock: FakeClock
    name: str = "meta"
    capabilities: Any = CAPABILITIES
    webhook_methods: tuple[str, ...] = ("POST",)
    sent: list[Outgoing] = field(default_factory=list)
    kept: list[MediaFile] = field(default_factory=list)
    answers: list[SendOutcome] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def send(self, message: OutboundMessage) -> SendOutcome:
        self.sent.append(message.content)
        return self.answers.pop(0) if self.answers else Accepted(provider_message_id="wamid.1")

    async def upload(self, file: MediaFile) -> Uploaded:
        if self.trouble:
            raise self.trouble.pop(0)
        if self.gate is not None:
            await self.gate.wait()
        self.kept.append(file)
        return Uploaded(media_id=f"given-{len(self.kept)}", expires_at=self.clock() + timedelta(days=29))

    async def locate(self, media_id: str) -> MediaLocation:
        raise MediaError("not here")

    def download(self, location: MediaLocation, *, limit: int) -> AsyncGenerator[bytes, None]:
        raise MediaError("not here")

    async def delete(self, media_id: str) -> None:
        raise MediaError("not here")

    def handshake(self, query: Mapping[str, str]) -> str | None:
        return None

    def verify(self, request: Any) -> None:
        pass

    def parse(self, request: Any) -> list[Any]:
        return []

    async def mark_read(self, message_id: str, *, typing: bool = False) -> bool:
        return True

    async def look_up(self, provider_message_id: str) -> None:
        return None

    def explain(self, code: int) -> str:
        return ""

    async def close(self) -> None:
        pass


@dataclass
class Bench:
    world: World
    provider: Provider
    files: MediaLibrary
    clock: FakeClock
    carrier: WithFiles

    async def keep(
        self, content: bytes = JPEG, kind: MediaKind = "image", mime: str = "image/jpeg", **more: Any
    ) -> str:
        tenant, channel = self.world.tenant, self.world.channel.channel_id
        return str(await self.files.add(tenant, channel, content, kind=kind, mime_type=mime, **more))

    async def send(self, content: Outgoing) -> SendOutcome:
        return await self.carrier.send(
            OutboundMessage(phone="+15550142233", user_id=None, content=content, correlation="c")
        )


@pytest.fixture
async def bench(database: Any, vault: Any, clock: FakeClock, tmp_path: Path) -> Bench:
    world, provider = await build_world(database, vault), Provider(clock)
    files = MediaLibrary(
        media=PostgresMedia(database), store=DirectoryStore(tmp_path / "media"), folder=tmp_path / "in", clock=clock
    )
    carrier = WithFiles(
        provider=provider, client=provider, files=files,
        links=Links(base_url="https://bot.example", ticket=vault.ticket, ticketed=vault.ticketed), tenant=world.tenant,
        channel=world.channel.channel_id, patience=120.0, clock=clock,
    )  # fmt: skip
    return Bench(world, provider, files, clock, carrier)


async def test_a_file_is_given_to_the_provider_once(bench: Bench) -> None:
    file = await bench.keep()
    again = await bench.keep()
    for number in (file, file, again):
        assert isinstance(await bench.send(MediaOut(media="image", file=number, caption="Map")), Accepted)
    assert [(one.content, one.mime_type) for one in bench.provider.kept] == [(JPEG, "image/jpeg")]
    assert bench.provider.sent == [
        MediaOut(media="image", media_id="given-1", caption="Map", mime_type="image/jpeg", size_bytes=len(JPEG))
    ] * 3  # fmt: skip


async def test_it_is_given_again_when_the_provider_keeps_it_no_longer(bench: Bench) -> None:
    file = await bench.keep()
    await bench.send(MediaOut(media="image", file=file))
    bench.clock.advance(days=27)
    await bench.send(MediaOut(media="image", file=file))
    bench.clock.advance(days=1, hours=1)
    await bench.send(MediaOut(media="image", file=file))
    assert [one.media_id for one in bench.provider.sent if isinstance(one, MediaOut)] == [
        "given-1",
        "given-1",
        "given-2",
    ]


async def test_a_refusal_makes_us_give_it_again_the_next_time(bench: Bench) -> None:
    file = await bench.keep()
    bench.provider.answers = [Refused(problem=Problem(fault=Fault.MEDIA, code=131053), http_status=400)]
    assert isinstance(await bench.send(MediaOut(media="image", file=file)), Refused)
    assert isinstance(await bench.send(MediaOut(media="image", file=file)), Accepted)
    assert len(bench.provider.kept) == 2


async def test_a_document_keeps_its_name_and_templates_have_files_too(bench: Bench) -> None:
    file = await bench.keep(PDF, "document", "application/pdf", filename="../Itinerary EBC.pdf")
    header = MediaOut(media="document", file=file)
    await bench.send(TemplateOut(name="itinerary", language="en", header_media=header))
    (sent,) = bench.provider.sent
    assert isinstance(sent, TemplateOut)
    assert sent.header_media is not None
    assert (sent.header_media.media_id, sent.header_media.filename) == ("given-1", "Itinerary EBC.pdf")


async def test_other_messages_go_by_untouched(bench: Bench) -> None:
    words, link = TextOut(body="hi"), MediaOut(media="image", link="https://a.example/x.jpg")
    assert isinstance(await bench.send(words), Accepted)
    assert isinstance(await bench.send(link), Accepted)
    assert bench.provider.sent == [words, link]
    assert bench.provider.kept == []


@pytest.mark.parametrize("file", ["999", "", "x", "1e3", "-1"])
async def test_a_file_that_is_not_there_is_refused(bench: Bench, file: str) -> None:
    outcome = await bench.send(MediaOut(media="image", file=file)) if file else None
    if outcome is not None:
        assert isinstance(outcome, Refused)
        assert "There is no file" in outcome.problem.detail
    assert bench.provider.sent == []


async def test_another_tenants_file_is_not_there(bench: Bench) -> None:
    other = await build_world(bench.world.database, bench.world.vault, slug="other", address="2")
    theirs = await bench.files.add(other.tenant, other.channel.channel_id, JPEG, kind="image", mime_type="image/jpeg")
    assert isinstance(await bench.send(MediaOut(media="image", file=str(theirs))), Refused)


@pytest.mark.parametrize(
    ("kind", "content", "mime", "told"),
    [
        ("sticker", b"RIFF\x10\0\0\0WEBP" + b"x" * 600_000, "image/webp", "512000 are taken"),
        ("document", b"<html><script>", "text/html", "cannot be sent as document"),
        ("document", b"MZ\x90\x00", "application/pdf", "cannot be sent as document"),
        ("image", b"GIF89a" + b"x" * 100, "image/gif", "cannot be sent as image"),
    ],
)
async def test_what_whatsapp_does_not_take_is_not_even_tried(
    bench: Bench, kind: MediaKind, content: bytes, mime: str, told: str
) -> None:
    file = await bench.keep(content, kind, mime)
    outcome = await bench.send(MediaOut(media=kind, file=file))
    assert isinstance(outcome, Refused)
    assert told in outcome.problem.detail
    assert not outcome.retryable
    assert bench.provider.kept == []


async def test_trouble_with_the_upload_never_loses_or_doubles_the_message(bench: Bench) -> None:
    file = MediaOut(media="image", file=await bench.keep())
    bench.provider.trouble = [MediaError("HTTP 503", retryable=True), MediaError("too many colours", code=131053)]
    assert await bench.send(file) == NotSent(detail="HTTP 503")
    refused = await bench.send(file)
    assert isinstance(refused, Refused)
    assert (refused.problem.code, refused.problem.detail) == (131053, "too many colours")
    assert bench.provider.sent == []
    assert isinstance(await bench.send(file), Accepted)


async def test_an_upload_that_takes_long_goes_on_and_is_found_done(bench: Bench) -> None:
    bench.carrier.patience = 0.01
    bench.provider.gate = asyncio.Event()
    file = MediaOut(media="image", file=await bench.keep())
    assert await bench.send(file) == NotSent(detail="the file is still being uploaded")
    assert await bench.send(file) == NotSent(detail="the file is still being uploaded")
    bench.provider.gate.set()
    bench.carrier.patience = 120.0
    assert isinstance(await bench.send(file), Accepted)
    assert len(bench.provider.kept) == 1


async def test_where_no_files_are_taken_a_link_is_sent(bench: Bench, vault: Any) -> None:
    bench.provider.capabilities = replace(CAPABILITIES, media_ids=False)
    await bench.send(MediaOut(media="image", file=await bench.keep(filename="map of EBC.jpg")))
    (sent,) = bench.provider.sent
    assert isinstance(sent, MediaOut)
    assert sent.link is not None
    assert sent.link.startswith("https://bot.example/files/")
    assert sent.link.endswith("/map%20of%20EBC.jpg")
    assert bench.provider.kept == []
    bench.carrier.links = None
    outcome = await bench.send(MediaOut(media="image", file=await bench.keep()))
    assert isinstance(outcome, Refused)
    assert "BOT_PUBLIC_URL" in outcome.problem.detail


@pytest.fixture
async def shared(bench: Bench, vault: Any) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    app = web.Application()
    links = Links(base_url="", ticket=vault.ticket, ticketed=vault.ticketed)
    SharedFiles(links, bench.files, bench.clock).routes(app)
    bench.carrier.links = links
    async with TestClient(TestServer(app)) as client:
        yield client


async def link_to(bench: Bench, content: bytes = JPEG, kind: MediaKind = "image", mime: str = "image/jpeg") -> str:
    bench.provider.capabilities = replace(CAPABILITIES, media_ids=False)
    await bench.send(MediaOut(media=kind, file=await bench.keep(content, kind, mime)))
    sent = bench.provider.sent[-1]
    assert isinstance(sent, MediaOut)
    assert sent.link is not None
    return sent.link


async def test_whoever_has_the_link_gets_the_file(
    bench: Bench, shared: TestClient[web.Request, web.Application]
) -> None:
    link = await link_to(bench)
    async with shared.get(link) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
        assert hashlib.sha256(await answer.read()).digest() == hashlib.sha256(JPEG).digest()
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
    async with shared.head(link) as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(JPEG)))


async def test_documents_are_only_ever_saved(bench: Bench, shared: TestClient[web.Request, web.Application]) -> None:
    async with shared.get(await link_to(bench, PDF, "document", "application/pdf")) as answer:
        assert answer.headers["Content-Disposition"].startswith("attachment")


async def test_a_link_is_good_for_its_file_and_its_time_only(
    bench: Bench, shared: TestClient[web.Request, web.Application]
) -> None:
    link = await link_to(bench)
    token = link.split("/")[2]
    tenant, number, until, tag = token.split(".")
    made_up = [
        f"{tenant}.{int(number) + 1}.{until}.{tag}", f"{int(tenant) + 1}.{number}.{until}.{tag}",
        f"{tenant}.{number}.{int(until) + 9}.{tag}", f"{tenant}.{number}.{until}.{'x' * 22}",
        f"{tenant}.{number}.{until}", f"{tenant}.{number}.{until}.", "x", "..", "१.१.१.x", "1.2.3.é",
        f"{'9' * 30}.1.1.{tag}", f"{tenant}.{number}.{until}.{tag}.{tag}",
    ]  # fmt: skip
    for token in made_up:
        async with shared.get(f"/files/{token}/x.jpg") as answer:
            assert answer.status == 404, token
    bench.clock.advance(hours=6, seconds=1)
    async with shared.get(link) as answer:
        assert answer.status == 404
