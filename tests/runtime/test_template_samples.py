"""The sample of a file above a template comes from beside the template or from its link, and is what it says it is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.authoring.whatsapp import check_templates
from bot.core.actions import Actions
from bot.core.errors import ProviderError
from bot.core.ids import ChannelId, TenantId
from bot.core.whatsapp import WhatsAppTemplate
from bot.runtime.files import StoredFile
from bot.runtime.links import Links
from bot.runtime.samples import Samples
from tests.conftest import FakeClock

PDF = b"%PDF-1.7 a route"
PARTS = {
    "name": "itinerary", "category": "UTILITY", "body": "Hello, here is your route.", "header_media": "document",
    "header_example": "samples/route.pdf",
}  # fmt: skip


@dataclass
class Files:
    """A library that keeps files in memory."""

    kept: list[bytes] = field(default_factory=list)

    async def add(self, tenant: TenantId, channel: ChannelId, content: bytes, **about: Any) -> int:
        self.kept.append(content)
        return len(self.kept)

    async def find(self, tenant: TenantId, number: int) -> StoredFile:
        return StoredFile(
            media_id=number, kind="document", mime_type="application/pdf", size_bytes=9, sha256="0" * 64,
            filename="route.pdf", key="k",
        )  # fmt: skip


def shelf(folder: Path, base_url: str | None = None) -> Samples:
    links = (
        Links(base_url=base_url, ticket=lambda text: "tag", ticketed=lambda text, tag: tag == "tag")
        if base_url
        else None
    )
    return Samples(
        folder=folder, files=Files(), links=links, tenant=TenantId(1), channel=ChannelId(1), clock=FakeClock()  # type: ignore[arg-type]
    )  # fmt: skip


async def test_a_file_beside_the_template_is_handed_in_or_linked_to(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples/route.pdf").write_bytes(PDF)
    sample = shelf(tmp_path, "https://bot.example.com").of(WhatsAppTemplate.model_validate(PARTS))
    assert sample is not None
    file = await sample.file()
    assert (file.content, file.mime_type, file.filename) == (PDF, "application/pdf", "route.pdf")
    link = await sample.link()
    assert link.startswith("https://bot.example.com/files/1.1.")
    assert link.endswith("/route.pdf")


async def test_what_cannot_be_handed_in_is_told_with_its_remedy(tmp_path: Path) -> None:
    sample = shelf(tmp_path).of(WhatsAppTemplate.model_validate(PARTS))
    assert sample is not None
    with pytest.raises(ProviderError, match=r"samples/route.pdf cannot be read"):
        await sample.file()
    with pytest.raises(ProviderError, match="BOT_PUBLIC_URL"):
        await sample.link()
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples/route.pdf").write_bytes(b"<html>not a route</html>")
    with pytest.raises(ProviderError, match="no document of the type that its name says"):
        await sample.file()


async def test_a_link_is_passed_on_and_fetched_from_public_hosts_only() -> None:
    template = WhatsAppTemplate.model_validate(PARTS | {"header_example": "https://127.0.0.1/route.pdf"})
    sample = shelf(Path()).of(template)
    assert sample is not None
    assert await sample.link() == "https://127.0.0.1/route.pdf"
    with pytest.raises(ProviderError, match=r"127\.0\.0\.1 is an address that is not public"):
        await sample.file()
    assert shelf(Path()).of(WhatsAppTemplate.model_validate({**PARTS, "header_media": "location"} | {
        "header_example": None})) is None  # fmt: skip


def test_the_check_finds_samples_that_are_not_there_or_something_else(tmp_path: Path) -> None:
    folder = tmp_path / "templates/whatsapp"
    folder.mkdir(parents=True)
    (folder / "itinerary.yaml").write_text(
        "name: itinerary\nlanguage: en\ncategory: UTILITY\nheader_media: document\nheader_example: route.pdf\n"
        "body: Hello, here is your route.\n"
    )
    found = [one.message for one in check_templates(tmp_path, Actions()).findings if one.severity == "error"]
    assert found == ["There is no sample route.pdf in templates/whatsapp/."]
    (folder / "route.pdf").write_bytes(b"GIF89a")
    assert check_templates(tmp_path, Actions()).errors == 1
    (folder / "route.pdf").write_bytes(PDF)
    assert check_templates(tmp_path, Actions()).errors == 0
