"""Files and templates at all three providers, against their emulator: what one gives, the other takes."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.core.messages import MediaIn
from bot.core.shapes import filled
from bot.core.whatsapp import WhatsAppTemplate
from providers.base import (
    Accepted,
    InboundMessage,
    MediaClient,
    MediaError,
    MediaFile,
    MediaLocation,
    NumberHealth,
    OutboundMessage,
    Provider,
    Refused,
    TemplateClient,
    TemplateRefused,
    WebhookItem,
    WebhookRequest,
)
from providers.dialog360 import Dialog360Provider, Dialog360Settings
from providers.dialog360.media import Dialog360Media
from providers.dialog360.templates import Dialog360Templates
from providers.emulator import Emulator, EmulatorSettings, Phone
from providers.meta import MetaProvider, MetaSettings
from providers.meta.media import MetaMedia
from providers.meta.templates import MetaTemplates
from providers.templates import build_components, wording
from providers.twilio import TwilioProvider, TwilioSettings
from providers.twilio.media import TwilioMedia
from providers.twilio.templates import TwilioTemplates, build_content, read_content

ADA = Phone("Ada Fixture", "+15550142233", "customer")
ACCOUNT, TOKEN, KEY = "AC" + "0f" * 16, "fixture-auth-token", "fixture-api-key-0001"
JPEG = b"\xff\xd8\xff\xe0" + b"a picture" * 9000
PARTS = {
    "name": "payment_reminder", "language": "en", "category": "UTILITY", "body": "Hi {{1}}, booking {{2}} is open.",
    "examples": ["Asha", "BKG1042"],
}  # fmt: skip
URL = {"type": "url", "text": "Pay", "url": "https://pay.example.com/{{1}}", "example": "https://pay.example.com/7"}
PLAIN = WhatsAppTemplate.model_validate(PARTS)
FULL = WhatsAppTemplate.model_validate(
    PARTS
    | {"name": "full", "header": "For {{1}}", "header_example": "Asha", "footer": "Sirdar Treks"}
    | {"buttons": [URL, {"type": "phone_number", "text": "Call", "phone_number": "+15550100200"}]}
)
QUICK = WhatsAppTemplate.model_validate(
    PARTS
    | {"name": "quick", "buttons": [{"type": "quick_reply", "text": "Yes"}, {"type": "quick_reply", "text": "No"}]}
)
CALL = WhatsAppTemplate.model_validate(PARTS | {"name": "call", "buttons": [URL]})
MIXED = WhatsAppTemplate.model_validate(
    PARTS | {"name": "mixed", "buttons": [URL, {"type": "quick_reply", "text": "Later"}]}
)


@dataclass
class Account:
    """One business at one provider."""

    provider: Provider
    media: MediaClient
    templates: TemplateClient
    emulator: Emulator
    heard: list[WebhookItem] = field(default_factory=list)

    async def file(self) -> MediaIn:
        """The file that came in last."""
        async with asyncio.timeout(60):
            while True:
                for item in reversed(self.heard):
                    if isinstance(item, InboundMessage) and isinstance(item.content, MediaIn):
                        return item.content
                await asyncio.sleep(0.005)

    async def fetched(self, location: MediaLocation, limit: int = 10**6) -> bytes:
        return b"".join([piece async for piece in self.media.download(location, limit=limit)])


def clients(name: str, base: str, private: list[str]) -> tuple[Provider, MediaClient, TemplateClient]:
    match name:
        case "meta":
            meta = MetaSettings(
                app_secrets=("fixture-app-secret-0001",), verify_token="fixture-verify-token",
                access_token="fixture-access-token", phone_number_id="700800900100200",
                business_account_id="900100200300400", base_url=base,
            )  # fmt: skip
            return MetaProvider(meta), MetaMedia(meta, private), MetaTemplates(meta)
        case "twilio":
            twilio = TwilioSettings(
                account_sid=ACCOUNT, auth_tokens=(TOKEN,), phone_number="+15550100200", public_url=base,
                status_path="/s", api_url=base, content_url=base, messaging_url=base,
            )  # fmt: skip
            return TwilioProvider(twilio), TwilioMedia(twilio, private), TwilioTemplates(twilio)
        case _:
            dialog = Dialog360Settings(
                api_key=KEY, webhook_tokens=("fixture-hook-token",), phone_number_id="700800900100200", base_url=base
            )
            return Dialog360Provider(dialog), Dialog360Media(dialog, private), Dialog360Templates(dialog)


@pytest.fixture(params=["meta", "twilio", "360dialog"])
async def account(request: pytest.FixtureRequest) -> AsyncIterator[Account]:
    app = web.Application()
    taken: list[WebhookRequest] = []

    async def take(incoming: web.Request) -> web.Response:
        webhook = WebhookRequest(
            method=incoming.method, url=incoming.path_qs, headers=incoming.headers, query=incoming.query,
            body=await incoming.read(), received_at=datetime.now(UTC),
        )  # fmt: skip
        taken.append(webhook)
        here.heard += here.provider.parse(webhook)
        return web.Response()

    app.router.add_post("/hook", take)
    async with TestServer(app) as server:
        settings = EmulatorSettings(
            provider=request.param, webhook_url=str(server.make_url("/hook")), business_number="+15550100200",
            app_secret="fixture-app-secret-0001", verify_token="fixture-verify-token",
            access_token="fixture-access-token", phone_number_id="700800900100200",
            business_account_id="900100200300400", account_sid=ACCOUNT, auth_token=TOKEN, api_key=KEY,
            status_delay=timedelta(0),
        )  # fmt: skip
        async with Emulator(settings, [ADA]) as emulator:
            private = [emulator.base_url.partition("//")[2]]
            here = Account(*clients(request.param, emulator.base_url, private), emulator)
            yield here
            await here.provider.close()
            await here.media.close()
            await here.templates.close()


async def test_each_provider_tells_of_the_number_what_it_tells(account: Account) -> None:
    account.emulator.settings.reach_limit = 10_000
    health = await account.provider.health()
    told = {
        "meta": NumberHealth(quality="GREEN", status="CONNECTED", reach_limit=10_000, throughput=80),
        "twilio": NumberHealth(quality="HIGH", status="ONLINE", reach_limit=10_000),
        "360dialog": None,
    }
    assert health == told[account.provider.name]


async def test_a_photo_is_located_and_fetched(account: Account) -> None:
    await account.emulator.send_image(ADA.number, JPEG)
    file = await account.file()
    location = await account.media.locate(file.media_id)
    assert await account.fetched(location) == JPEG
    assert location.sha256 in (None, hashlib.sha256(JPEG).hexdigest())
    with pytest.raises(MediaError, match="50000"):
        await account.fetched(location, limit=50_000)


async def test_without_the_operators_word_no_file_comes_from_inside(account: Account) -> None:
    await account.emulator.send_image(ADA.number, JPEG)
    file = await account.file()
    _, strict, _ = clients(account.provider.name, account.emulator.base_url, [])
    with pytest.raises(MediaError, match="not https"):
        async for _ in strict.download(await strict.locate(file.media_id), limit=10**6):
            pass
    await strict.close()


async def test_a_file_is_given_and_found_again(account: Account) -> None:
    file = MediaFile(media="image", content=JPEG, mime_type="image/jpeg", filename="map.jpg")
    if account.provider.name == "twilio":
        with pytest.raises(MediaError, match="takes no uploads"):
            await account.media.upload(file)
        return
    given = await account.media.upload(file)
    assert timedelta(days=28) < given.expires_at - datetime.now(UTC) < timedelta(days=30)
    assert await account.fetched(await account.media.locate(given.media_id)) == JPEG
    await account.media.delete(given.media_id)
    with pytest.raises(MediaError):
        await account.media.locate(given.media_id)


@pytest.mark.parametrize("media_id", ["../../me", "1/2", "1?access_token=x", "", "https://evil.example/x", "१"])
async def test_no_id_leads_to_another_call(account: Account, media_id: str) -> None:
    """Ids come out of webhooks."""
    with pytest.raises(MediaError):
        await account.media.delete(media_id)
    if account.provider.name != "twilio":
        with pytest.raises(MediaError, match="none of the provider"):
            await account.media.locate(media_id)


@pytest.mark.parametrize("template", [PLAIN, FULL, QUICK, CALL, MIXED], ids=lambda one: one.name)
async def test_a_template_is_handed_in_listed_and_deleted(account: Account, template: WhatsAppTemplate) -> None:
    created = await account.templates.create(template)
    assert created.status in ("PENDING", "APPROVED")
    (listed,) = await account.templates.list()
    assert (listed.name, listed.language, listed.status) == (template.name, "en", "APPROVED")
    assert listed.category == "UTILITY"
    assert wording(listed.components) == wording(build_components(template))
    assert await account.templates.status(template.name, "en") == listed
    assert await account.templates.status(template.name, "hi") is None
    await account.templates.delete(listed)
    assert list(await account.templates.list()) == []


@dataclass
class Brought:
    """A sample that is what it is told to be."""

    content: MediaFile

    async def file(self) -> MediaFile:
        return self.content

    async def link(self) -> str:
        return f"https://files.example.com/s/{self.content.filename}"


HEADS = {
    "image": ("map.jpg", JPEG, "image/jpeg"),
    "video": ("pass.mp4", b"\0\0\0\x18ftypmp42" + b"film" * 50, "video/mp4"),
    "document": ("itinerary.pdf", b"%PDF-1.7 " + b"x" * 50, "application/pdf"),
}


@pytest.mark.parametrize("kind", [*HEADS, "location"])
async def test_a_template_with_a_file_or_place_above_it_is_approved_and_sent(account: Account, kind: str) -> None:
    """The sample goes along as each provider wants it, and every send brings a file or place of its own."""
    name, content, mime_type = HEADS.get(kind, ("", b"", ""))
    sample = Brought(MediaFile(media=kind, content=content, mime_type=mime_type, filename=name)) if name else None  # type: ignore[arg-type]
    template = WhatsAppTemplate.model_validate(
        PARTS | {"name": "above", "header_media": kind, "buttons": [URL]} | ({"header_example": name} if name else {})
    )
    if kind == "location" and account.provider.name == "twilio":
        with pytest.raises(TemplateRefused, match="no templates with a place"):
            await account.templates.create(template)
        return
    await account.templates.create(template, sample)
    (listed,) = await account.templates.list()
    assert listed.status == "APPROVED"
    assert wording(listed.components) == wording(build_components(template))

    value = f"https://files.example.com/{name}" if name else "27.9881,86.9250|Everest|Solukhumbu, Nepal"
    message = template.message(["Asha", "BKG1042", value, "7"], "en")
    assert filled(listed.components, "above", "en", ["Asha", "BKG1042", value, "7"]) == message
    sent = await account.provider.send(
        OutboundMessage(phone=ADA.number, user_id=None, content=message, correlation="c")
    )
    assert isinstance(sent, Accepted), sent
    (bubble,) = await account.emulator.wait_for(ADA.number)
    assert (bubble.kind, bubble.text) == ("template", "Hi Asha, booking BKG1042 is open.")
    assert bubble.media.link == value if bubble.media else bubble.header == "Everest"
    assert bubble.buttons[0].url == "https://pay.example.com/7"


async def test_a_code_to_copy_is_sent_as_one(account: Account) -> None:
    code = {"type": "copy_code", "example": "SAVE10"}
    template = WhatsAppTemplate.model_validate(
        PARTS | {"name": "offer", "category": "MARKETING", "buttons": [URL, code]}
    )
    await account.templates.create(template)
    message = template.message(["Asha", "BKG1042", "7", "TREK20"], "en")
    (listed,) = await account.templates.list()
    assert filled(listed.components, "offer", "en", ["Asha", "BKG1042", "7", "TREK20"]) == message
    sent = await account.provider.send(
        OutboundMessage(phone=ADA.number, user_id=None, content=message, correlation="c")
    )
    assert isinstance(sent, Accepted), sent
    (bubble,) = await account.emulator.wait_for(ADA.number)
    assert bubble.buttons[0].url == "https://pay.example.com/7"


async def test_a_file_from_another_host_than_the_sample_is_refused_where_it_would_be_mangled(account: Account) -> None:
    name, content, mime_type = HEADS["image"]
    template = WhatsAppTemplate.model_validate(PARTS | {"header_media": "image", "header_example": name})
    sample = Brought(MediaFile(media="image", content=content, mime_type=mime_type, filename=name))
    await account.templates.create(template, sample)
    message = template.message(["Asha", "B", "https://elsewhere.example.com/map.jpg"], "en")
    sent = await account.provider.send(
        OutboundMessage(phone=ADA.number, user_id=None, content=message, correlation="c")
    )
    if account.provider.name == "twilio":
        assert isinstance(sent, Refused)
        assert "files from https://files.example.com/" in sent.problem.detail
    else:
        assert isinstance(sent, Accepted)


async def test_a_media_header_without_its_sample_is_refused_at_once(account: Account) -> None:
    template = WhatsAppTemplate.model_validate(PARTS | {"header_media": "image", "header_example": "map.jpg"})
    if account.provider.name != "twilio":  # there a card without media is just a card
        with pytest.raises(TemplateRefused, match="header_handle"):
            await account.templates.create(template)


async def test_what_is_there_already_is_refused_and_the_first_one_stays(account: Account) -> None:
    first = await account.templates.create(PLAIN)
    if account.provider.name == "twilio":  # takes it, and WhatsApp rejects it later
        await account.templates.create(PLAIN)
    else:
        with pytest.raises(TemplateRefused, match="code 100"):
            await account.templates.create(PLAIN)
    (listed,) = await account.templates.list()
    assert (listed.provider_template_id, listed.status) == (first.provider_template_id, "APPROVED")


def test_variables_of_a_content_are_numbered_through() -> None:
    made = build_content(FULL)
    card = made["types"]["whatsapp/card"]
    assert card["header_text"] == "For {{3}}"
    assert card["actions"][0] == {"type": "URL", "title": "Pay", "url": "https://pay.example.com/{{4}}"}
    assert made["variables"] == {"1": "Asha", "2": "BKG1042", "3": "Asha", "4": "7"}
    assert list(build_content(QUICK)["types"]) == ["twilio/quick-reply"]
    assert list(build_content(CALL)["types"]) == ["twilio/call-to-action"]
    assert list(build_content(PLAIN)["types"]) == ["twilio/text"]
    assert list(build_content(MIXED)["types"]) == ["whatsapp/card"]


def test_contents_of_ours_that_were_never_handed_in_are_no_templates() -> None:
    layout = {"sid": "HX1", "language": "en", "friendly_name": "layout_ab12", "types": {"twilio/text": {"body": "x"}}}
    assert read_content(layout) is None
    assert read_content(layout | {"approval_requests": {"name": "x", "status": "unsubmitted"}}) is None
    assert read_content({}) is None
