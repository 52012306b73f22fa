"""pywa, a client that knows nothing of us, talks to the emulator as to Meta: only the host is another one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, TypeVar

import httpx
import pytest
import pywa
from aiohttp import web
from aiohttp.test_utils import TestServer
from pywa import errors, types
from pywa.types import templates as t
from pywa.types.calls import CallingSettings, CallingSettingsStatus, SessionDescription
from pywa.types.others import Contact, ProductsSection
from pywa_async import WhatsApp as AsyncWhatsApp

from providers.emulator import Bubble, Card, Emulator, EmulatorSettings, Phone, Receipt
from tests.providers.otherhost import OtherHost

ADA = Phone("Ada Fixture", "+15550142233", "customer", bsuid="US.40000000000000000001")  # pywa needs one
NODE, ACCOUNT, SECRET, TOKEN = "700800900100200", "900100200300400", "app-secret", "token"
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")

T = TypeVar("T")


class Stranger:
    """A bot made with pywa: its client, and what its receiver made of our webhooks."""

    def __init__(self) -> None:
        self.emulator: Any = None
        self.wa: Any = None
        self.linked = ""
        self.refused: list[tuple[str, int]] = []
        self.seen: list[Any] = []

    async def call(self, do: Callable[[], T]) -> T:
        """pywa blocks, so it gets a thread; the emulator answers meanwhile."""
        return await asyncio.to_thread(do)

    async def take(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            query = request.query
            text, status = self.wa.webhook_challenge_handler(query["hub.verify_token"], query["hub.challenge"])
            return web.Response(text=text, status=status)
        body = await request.read()
        refusal = self.wa.webhook_update_validator(body, request.headers.get("X-Hub-Signature-256"))
        if refusal is not None:
            self.refused.append(refusal)
            return web.Response(status=refusal[1])
        _, status = await self.call(lambda: self.wa.webhook_update_handler(body))
        return web.Response(status=status)

    def of(self, kind: type[T]) -> list[T]:
        return [one for one in self.seen if isinstance(one, kind)]

    async def shown(self) -> Bubble:
        """What the phone shows last, once everybody has heard of it."""
        await self.emulator.settled()
        bubble: Bubble = self.emulator.transcript(ADA.number)[-1]
        return bubble


async def picture(_request: web.Request) -> web.Response:
    return web.Response(body=JPEG, content_type="image/jpeg")


@pytest.fixture
async def stranger() -> AsyncIterator[Stranger]:
    stranger = Stranger()
    app = web.Application()
    app.router.add_route("*", "/hook", stranger.take)
    app.router.add_get("/linked.jpg", picture)
    async with TestServer(app) as server:
        settings = EmulatorSettings(
            webhook_url=str(server.make_url("/hook")),
            app_secret=SECRET,
            verify_token="verify",
            access_token=TOKEN,
            phone_number_id=NODE,
            business_account_id=ACCOUNT,
            business_number="+15550100200",
            status_delay=timedelta(0),
            retry_first=timedelta(milliseconds=5),
        )
        async with Emulator(settings, [ADA]) as emulator:
            session = httpx.Client(transport=OtherHost(emulator.base_url))
            stranger.emulator = emulator
            stranger.wa = wa = pywa.WhatsApp(
                phone_id=NODE,
                token=TOKEN,
                session=session,
                waba_id=ACCOUNT,
                app_id=1,
                app_secret=SECRET,
                verify_token="verify",
                webhook_endpoint="/hook",
            )
            for listen in (
                wa.on_message,
                wa.on_message_status,
                wa.on_callback_button,
                wa.on_callback_selection,
                wa.on_flow_completion,
                wa.on_template_status_update,
                wa.on_template_quality_update,
                wa.on_template_category_update,
                wa.on_user_marketing_preferences,
                wa.on_account_update,
                wa.on_raw_update,
            ):
                listen()(lambda _, update: stranger.seen.append(update))
            stranger.linked = str(server.make_url("/linked.jpg"))
            await emulator.say(ADA.number, "Hi")
            await emulator.settled()
            yield stranger
            session.close()


async def test_pywas_receiver_accepts_every_kind_we_send(stranger: Stranger) -> None:
    emulator, wa = stranger.emulator, stranger.wa
    await emulator.verify_webhook()
    buttons = await stranger.call(
        lambda: wa.send_message(ADA.number, "Right?", buttons=[types.Button("Yes", callback_data="yes:1")])
    )
    rows = [types.SectionRow("EBC", callback_data="ebc", description="14 days")]
    menu = types.SectionList("Treks", sections=[types.Section("Treks", rows=rows)])
    listed = await stranger.call(lambda: wa.send_message(ADA.number, "Which?", buttons=menu))
    flow = types.FlowButton(
        "Fill in", flow_id="7", flow_token="tok-1", flow_action_type="navigate", flow_action_screen="START"
    )
    opened = await stranger.call(lambda: wa.send_message(ADA.number, "A form", buttons=flow))
    await emulator.tap(ADA.number, buttons.id, "yes:1")
    await emulator.pick(ADA.number, listed.id, "ebc")
    await emulator.fill_in(ADA.number, opened.id, {"people": 2})
    first = await emulator.say(ADA.number, "As I said", quote=buttons.id)
    await emulator.send_location(ADA.number, 27.98, 86.92, name="Base Camp", address="Khumbu")
    await emulator.send_image(ADA.number, JPEG, caption="Receipt")
    await emulator.send_media(ADA.number, b"OggS", "audio/ogg; codecs=opus", voice=True)
    await emulator.send_media(ADA.number, b"%PDF", "application/pdf", filename="permit.pdf")
    await emulator.send_contacts(ADA.number, [Card(name="Ben Guide", phones=("+9779800000001",))])
    await emulator.react(ADA.number, first, "👍")
    await emulator.settled()

    assert stranger.refused == []
    assert [one.data for one in stranger.of(types.CallbackButton)] == ["yes:1"]
    (picked,) = stranger.of(types.CallbackSelection)
    assert (picked.data, picked.title, picked.description) == ("ebc", "EBC", "14 days")
    (filled,) = stranger.of(types.FlowCompletion)
    assert (filled.token, filled.response["people"]) == ("tok-1", 2)
    messages = stranger.of(types.Message)
    kinds = [str(one.type.value) for one in messages]
    assert kinds == ["text", "text", "location", "image", "audio", "document", "contacts", "reaction"]
    assert messages[1].reply_to_message.id == buttons.id
    assert messages[2].location.name == "Base Camp"
    assert await stranger.call(lambda: messages[3].image.get_bytes()) == JPEG
    assert messages[4].audio.voice
    assert messages[5].document.filename == "permit.pdf"
    assert messages[6].contacts[0].phones[0].phone == "+9779800000001"
    assert messages[7].reaction.emoji == "👍"


async def test_forged_webhook_is_refused_by_pywa(stranger: Stranger) -> None:
    stranger.emulator._exchange.faults.update({"forge_webhooks": 1})
    await stranger.emulator.say(ADA.number, "Genuine")
    await stranger.emulator.settled()
    assert [status for _, status in stranger.refused] == [403]
    assert [one.text for one in stranger.of(types.Message)] == ["Hi", "Genuine"]


SENDS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Bubble], object], object]] = {
    "text": (lambda wa, _: wa.send_message(ADA.number, "*Hi*", preview_url=True), lambda b: b.text, "*Hi*"),
    "buttons with header": (
        lambda wa, s: wa.send_image(
            ADA.number, s.linked, caption="Look", footer="small", buttons=[types.Button("Go", callback_data="go")]
        ),
        lambda b: (b.kind, b.footer, [one.title for one in b.buttons]),
        ("buttons", "small", ["Go"]),
    ),
    "url button": (
        lambda wa, _: wa.send_message(ADA.number, "Pay", buttons=types.URLButton("Pay now", url="https://pay.example")),
        lambda b: (b.kind, b.buttons[0].url),
        ("link", "https://pay.example"),
    ),
    "call button": (
        lambda wa, _: wa.send_message(ADA.number, "Call", buttons=types.VoiceCallButton(title="Ring")),
        lambda b: b.buttons[0].title,
        "Ring",
    ),
    "image by link": (
        lambda wa, s: wa.send_image(ADA.number, s.linked, caption="Map"),
        lambda b: (b.kind, b.text, b.media is not None and b.media.id is not None),
        ("image", "Map", True),
    ),
    "video": (
        lambda wa, _: wa.send_video(ADA.number, b"\x00\x00\x00\x18ftypmp42", mime_type="video/mp4", caption="V"),
        lambda b: (b.kind, b.text),
        ("video", "V"),
    ),
    "document": (
        lambda wa, _: wa.send_document(ADA.number, b"%PDF-1.4", filename="quote.pdf", mime_type="application/pdf"),
        lambda b: (b.kind, b.media and b.media.filename),
        ("document", "quote.pdf"),
    ),
    "audio": (lambda wa, _: wa.send_audio(ADA.number, b"ID3", mime_type="audio/mpeg"), lambda b: b.kind, "audio"),
    "voice": (
        lambda wa, _: wa.send_voice(ADA.number, b"OggS", mime_type="audio/ogg"),
        lambda b: (b.kind, b.media and b.media.voice),
        ("audio", True),
    ),
    "sticker": (
        lambda wa, _: wa.send_sticker(ADA.number, b"RIFF0000WEBP", mime_type="image/webp"),
        lambda b: b.kind,
        "sticker",
    ),
    "location": (
        lambda wa, _: wa.send_location(ADA.number, 27.7, 85.3, name="Thamel", address="Kathmandu"),
        lambda b: b.place and (b.place.latitude, b.place.name),
        (27.7, "Thamel"),
    ),
    "location request": (
        lambda wa, _: wa.request_location(ADA.number, "Where are you?"),
        lambda b: (b.kind, b.text),
        ("location_request", "Where are you?"),
    ),
    "contact request": (
        lambda wa, _: wa.request_contact_info(ADA.number, "Your number?"),
        lambda b: b.text,
        "Your number?",
    ),
    "contact": (
        lambda wa, _: wa.send_contact(
            ADA.number,
            Contact(
                name=Contact.Name(formatted_name="Ben Guide", first_name="Ben"),
                phones=[Contact.Phone(phone="+9779800000001")],
            ),
        ),
        lambda b: b.cards,
        (Card(name="Ben Guide", phones=("+9779800000001",)),),
    ),
    "catalog": (lambda wa, _: wa.send_catalog(ADA.number, "Our treks"), lambda b: b.text, "Our treks"),
    "product": (
        lambda wa, _: wa.send_product(ADA.number, catalog_id="1", sku="ebc", body="This one"),
        lambda b: b.text,
        "This one",
    ),
    "products": (
        lambda wa, _: wa.send_products(
            ADA.number,
            catalog_id="1",
            product_sections=[ProductsSection(title="Treks", skus=["ebc", "abc"])],
            title="Pick",
            body="Two",
        ),
        lambda b: (b.header, b.text),
        ("Pick", "Two"),
    ),
    "carousel": (
        lambda wa, s: wa.send_carousel(
            ADA.number,
            body="Treks",
            cards=[
                types.ImageCarouselCard(image=s.linked, body="EBC", buttons=[types.Button("EBC", callback_data="e")]),
                types.ImageCarouselCard(image=s.linked, body="ABC", buttons=[types.Button("ABC", callback_data="a")]),
            ],
        ),
        lambda b: [one.title for one in b.buttons],
        ["EBC", "ABC"],
    ),
}


@pytest.mark.parametrize("kind", SENDS)
async def test_pywa_sends_every_kind(stranger: Stranger, kind: str) -> None:
    send, look, expected = SENDS[kind]
    sent = await stranger.call(lambda: send(stranger.wa, stranger))
    shown = await stranger.shown()
    assert (shown.id, look(shown)) == (sent.id, expected)
    statuses = [one.status.value for one in stranger.of(types.MessageStatus) if one.id == sent.id]
    assert statuses == ["sent", "delivered"]


async def test_reaction_reply_read_mark_and_typing(stranger: Stranger) -> None:
    wa = stranger.wa
    (hello,) = stranger.of(types.Message)
    await stranger.call(lambda: hello.react("❤️"))
    await stranger.call(lambda: hello.reply("Right away", quote=True, tracker="attempt-7"))
    await stranger.call(lambda: wa.indicate_typing(hello.id))
    first, second = stranger.emulator.transcript(ADA.number)
    assert (first.business_reaction, first.receipt, second.quotes) == ("❤️", Receipt.READ, hello.id)
    await stranger.call(hello.unreact)
    await stranger.emulator.read(ADA.number)
    await stranger.emulator.settled()
    assert stranger.emulator.transcript(ADA.number)[0].business_reaction == ""
    tracked = [(one.status.value, one.tracker) for one in stranger.of(types.MessageStatus) if one.id == second.id]
    assert tracked == [("sent", "attempt-7"), ("delivered", "attempt-7"), ("read", "attempt-7")]


async def test_voice_note_is_reported_as_played(stranger: Stranger) -> None:
    sent = await stranger.call(lambda: stranger.wa.send_voice(ADA.number, b"OggS", mime_type="audio/ogg"))
    await stranger.emulator.settled()
    await stranger.emulator.play(ADA.number, sent.id)
    await stranger.emulator.settled()
    assert [one.status.value for one in stranger.of(types.MessageStatus)] == ["sent", "delivered", "played"]


async def test_media_up_down_and_away(stranger: Stranger) -> None:
    wa = stranger.wa
    media = await stranger.call(lambda: wa.upload_media(JPEG, mime_type="image/jpeg", filename="a.jpg"))
    url = await stranger.call(lambda: wa.get_media_url(media.id))
    assert (url.mime_type, int(url.file_size)) == ("image/jpeg", len(JPEG))
    assert await stranger.call(lambda: wa.get_media_bytes(url.url)) == JPEG
    assert await stranger.call(lambda: wa.delete_media(media.id))
    with pytest.raises(errors.WhatsAppError):
        await stranger.call(lambda: wa.get_media_url(media.id))
    sent = await stranger.call(lambda: wa.send_image(ADA.number, stranger.linked + "-gone"))
    await stranger.emulator.settled()
    # Meta leaves `contacts` out of failed statuses, which pywa's typed update cannot read; its raw one can.
    status = stranger.of(types.RawUpdate)[-1]["entry"][0]["changes"][0]["value"]["statuses"][0]
    assert (status["id"], status["status"], status["errors"][0]["code"]) == (sent.id, "failed", 131053)


def seasonal() -> t.Template:
    return t.Template(
        name="seasonal_promotion",
        category=t.TemplateCategory.MARKETING,
        language=t.TemplateLanguage.ENGLISH_US,
        parameter_format=t.ParamFormat.NAMED,
        components=[
            t.HeaderImage(example=JPEG, mime_type="image/jpeg"),
            t.BodyText("Our {{sale}} is on until {{end}} only.", sale="Summer Sale", end="August"),
            t.FooterText(text="Reply to stop"),
            t.Buttons(
                buttons=[
                    t.QuickReplyButton(text="Stop"),
                    t.URLButton(text="Shop", url="https://x.example/{{1}}", example="a"),
                ]
            ),
        ],
    )


async def test_template_lives_its_whole_life(stranger: Stranger) -> None:
    wa, emulator = stranger.wa, stranger.emulator
    created = await stranger.call(lambda: wa.create_template(seasonal()))
    assert created.status is t.TemplateStatus.PENDING
    await emulator.settled()
    (listed,) = await stranger.call(lambda: list(wa.get_templates()))
    assert (listed.id, listed.status) == (created.id, t.TemplateStatus.APPROVED)

    filled: dict[str, Any] = {
        "to": ADA.number,
        "name": "seasonal_promotion",
        "language": t.TemplateLanguage.ENGLISH_US,
        "params": [
            t.HeaderImage.params(image=JPEG, mime_type="image/jpeg"),
            t.BodyText.params(end="May", sale="Spring Sale"),
            t.QuickReplyButton.params(callback_data="stop:1", index=0),
            t.URLButton.params(url_variable="ebc", index=1),
        ],
    }
    sent = await stranger.call(lambda: wa.send_template(**filled))
    shown = await stranger.shown()
    assert shown.text == "Our Spring Sale is on until May only."
    assert [one.url for one in shown.buttons] == [None, "https://x.example/ebc"]
    await emulator.tap(ADA.number, sent.id, "stop:1")
    await emulator.settled()
    assert [one.data for one in stranger.of(types.CallbackButton)] == ["stop:1"]

    emulator._line.control_template("seasonal_promotion", {"quality": "RED", "status": "PAUSED"})
    await emulator.settled()
    with pytest.raises(errors.TemplatePaused):
        await stranger.call(lambda: wa.send_template(**filled))
    emulator.advance(timedelta(seconds=1))  # pywa takes equal webhooks for duplicates
    assert (await stranger.call(lambda: wa.unpause_template(created.id))).success
    await emulator.settled()
    emulator.advance(timedelta(seconds=1))
    update = {"components": [t.BodyText("Our {{sale}} ends {{end}} for sure.", sale="Sale", end="May")]}
    assert await stranger.call(lambda: wa.update_template(created.id, new_components=update["components"]))
    await emulator.settled()
    assert await stranger.call(lambda: wa.delete_template("seasonal_promotion"))
    await emulator.settled()
    events = [one.new_status.value for one in stranger.of(types.TemplateStatusUpdate)]
    assert events == ["APPROVED", "PAUSED", "APPROVED", "APPROVED", "PENDING_DELETION"]
    assert [one.new_quality_score.value for one in stranger.of(types.TemplateQualityUpdate)] == ["RED"]
    with pytest.raises(errors.TemplateNotExists):
        await stranger.call(lambda: wa.send_template(**filled))


async def test_positional_and_authentication_templates(stranger: Stranger) -> None:
    wa = stranger.wa
    for template in (
        t.Template(
            name="payment",
            category=t.TemplateCategory.UTILITY,
            language=t.TemplateLanguage.ENGLISH,
            components=[t.BodyText("Dear {{1}}, {{2}} is due.", "Ada", "NPR 100")],
        ),
        t.Template(
            name="code",
            category=t.TemplateCategory.AUTHENTICATION,
            language=t.TemplateLanguage.ENGLISH,
            components=[
                t.AuthenticationBody(add_security_recommendation=True),
                t.AuthenticationFooter(code_expiration_minutes=5),
                t.Buttons(buttons=[t.CopyCodeOTPButton(text="Copy code")]),
            ],
        ),
    ):
        await stranger.call(lambda template=template: wa.create_template(template))
    await stranger.emulator.settled()
    english = t.TemplateLanguage.ENGLISH
    body = [t.BodyText.params("Maya", "NPR 500")]
    await stranger.call(lambda: wa.send_template(ADA.number, "payment", english, params=body))
    assert (await stranger.shown()).text == "Dear Maya, NPR 500 is due."
    with pytest.raises(errors.TemplateParamCountMismatch):
        await stranger.call(lambda: wa.send_template(ADA.number, "payment", english, params=[]))
    code = [t.AuthenticationBody.params(otp="4711"), t.CopyCodeOTPButton.params(otp="4711")]
    await stranger.call(lambda: wa.send_template(ADA.number, "code", english, params=code))
    assert "*4711* is your verification code." in (await stranger.shown()).text


async def test_pywa_moves_its_webhooks_and_back(stranger: Stranger) -> None:
    wa, emulator = stranger.wa, stranger.emulator
    usual = emulator.webhook_url
    with pytest.raises(errors.WhatsAppError):
        await stranger.call(lambda: wa.override_waba_callback_url("http://127.0.0.1:9/x", "verify"))
    await stranger.call(lambda: wa.override_phone_callback_url(usual + "?by=phone", "verify"))
    assert emulator.webhook_url == usual + "?by=phone"
    await stranger.call(wa.delete_phone_callback_url)
    assert emulator.webhook_url == usual
    number = await stranger.call(wa.get_business_phone_number)
    assert (number.id, number.verified_name) == (NODE, "Sirdar Treks")


async def test_blocked_people_are_not_heard_and_not_written_to(stranger: Stranger) -> None:
    wa, emulator = stranger.wa, stranger.emulator
    assert (await stranger.call(lambda: wa.block_users([ADA.number]))).added_users
    await emulator.say(ADA.number, "Hello?")
    await emulator.settled()
    assert [one.text for one in stranger.of(types.Message)] == ["Hi"]
    with pytest.raises(errors.WhatsAppError):
        await stranger.call(lambda: wa.send_message(ADA.number, "No"))
    await stranger.call(lambda: wa.unblock_users([ADA.number]))
    await stranger.call(lambda: wa.send_message(ADA.number, "Back"))
    assert (await stranger.shown()).text == "Back"


async def test_a_number_is_registered_set_up_and_taken_back(stranger: Stranger) -> None:
    wa = stranger.wa
    assert (await stranger.call(lambda: wa.register_phone_number(pin="123456"))).success
    with pytest.raises(errors.WhatsAppError, match="133005"):
        await stranger.call(lambda: wa.register_phone_number(pin="654321"))
    assert (await stranger.call(lambda: wa.verify_phone_number(code="123456"))).success
    key = "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"
    assert (await stranger.call(lambda: wa.set_business_public_key(key))).success
    await stranger.call(lambda: wa.update_commerce_settings(is_catalog_visible=True))
    assert (await stranger.call(wa.get_commerce_settings)).is_catalog_visible
    code = await stranger.call(lambda: wa.create_qr_code(prefilled_message="hi", image_type="PNG"))
    assert [one.code for one in await stranger.call(lambda: list(wa.get_qr_codes()))] == [code.code]
    await stranger.call(lambda: wa.update_qr_code(code=code.code, prefilled_message="hello"))
    assert (await stranger.call(lambda: wa.get_qr_code(code=code.code))).prefilled_message == "hello"
    await stranger.call(lambda: wa.delete_qr_code(code=code.code))
    assert await stranger.call(lambda: list(wa.get_qr_codes())) == []
    await stranger.call(wa.deregister_phone_number)
    with pytest.raises(errors.WhatsAppError, match="133010"):
        await stranger.call(lambda: wa.send_message(to=ADA.number, text="Are you there?"))


async def test_what_this_number_may_not_do_is_refused_in_graphs_words(stranger: Stranger) -> None:
    wa, call = stranger.wa, stranger.call
    offer = SessionDescription(sdp_type="offer", sdp="v=0")
    with pytest.raises(errors.CallingNotEnabled):
        await call(lambda: wa.initiate_call(ADA.number, offer))
    enabled = CallingSettings(status=CallingSettingsStatus.ENABLED)
    await call(lambda: wa.update_business_phone_number_settings(calling=enabled))
    with pytest.raises(errors.CallPermissionNotFound):
        await call(lambda: wa.initiate_call(ADA.number, offer))
    assert await call(lambda: list(wa.get_groups())) == []
    with pytest.raises(errors.GroupAPINotEligible):
        await call(lambda: wa.create_group(subject="Trek 7"))
    with pytest.raises(errors.WhatsAppError, match="Unknown path components"):
        await call(lambda: list(wa.get_signups()))


async def test_the_number_has_a_username_and_commands(stranger: Stranger) -> None:
    wa, call = stranger.wa, stranger.call
    with pytest.raises(errors.WhatsAppError, match="3 to 35"):
        await call(lambda: wa.set_username("a..b"))
    await call(lambda: wa.set_username("sirdar.treks"))
    assert (await call(wa.get_current_username)).username == "sirdar.treks"
    await call(wa.delete_username)
    with pytest.raises(errors.WhatsAppError, match="no username"):
        await call(wa.get_current_username)
    commands = [types.Command("quote", "Ask for a quote")]
    told = await call(lambda: wa.update_conversational_automation(ice_breakers=["Treks?"], commands=commands))
    assert told.success


async def test_authentication_templates_are_made_in_several_languages_at_once(stranger: Stranger) -> None:
    languages = [t.TemplateLanguage.ENGLISH_US, t.TemplateLanguage.SPANISH]
    made = await stranger.call(
        lambda: stranger.wa.upsert_authentication_template(
            name="code", languages=languages, otp_button=t.CopyCodeOTPButton(text="Copy"), code_expiration_minutes=5
        )
    )
    assert [one.category.value for one in made.templates] == ["AUTHENTICATION"] * 2
    await stranger.emulator.settled()
    there = await stranger.call(lambda: list(stranger.wa.get_templates()))
    assert {one.language for one in there} == set(languages)


async def test_marketing_goes_by_the_api_for_it(stranger: Stranger) -> None:
    wa, call, english = stranger.wa, stranger.call, t.TemplateLanguage.ENGLISH_US
    for name, category in (("offer", t.TemplateCategory.MARKETING), ("notice", t.TemplateCategory.UTILITY)):
        words = t.Template(name=name, language=english, category=category, components=[t.BodyText("Come along soon.")])
        await call(lambda words=words: wa.create_template(words))
    await stranger.emulator.settled()
    await call(lambda: wa.send_template(ADA.number, "offer", english, params=[], use_mm_lite_api=True))
    assert (await stranger.shown()).text == "Come along soon."
    with pytest.raises(errors.WhatsAppError, match="Marketing Messages API"):
        await call(lambda: wa.send_template(ADA.number, "notice", english, params=[], use_mm_lite_api=True))


async def test_somebody_is_blocked_by_their_business_scoped_id(stranger: Stranger) -> None:
    (heard,) = stranger.of(types.Message)
    assert await stranger.call(heard.block_sender)
    with pytest.raises(errors.WhatsAppError):
        await stranger.call(lambda: stranger.wa.send_message(ADA.number, "No"))
    assert await stranger.call(heard.unblock_sender)
    await stranger.call(lambda: stranger.wa.send_message(ADA.number, "Back"))
    assert (await stranger.shown()).text == "Back"


class OtherHostToo(httpx.AsyncHTTPTransport):
    """The same shim for pywa's other half."""

    def __init__(self, base_url: str) -> None:
        super().__init__(verify=False)
        self._base = httpx.URL(base_url)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme=self._base.scheme, host=self._base.host, port=self._base.port)
        return await super().handle_async_request(request)


async def test_pywas_async_client_sends_fetches_and_asks_too(stranger: Stranger) -> None:
    async with httpx.AsyncClient(transport=OtherHostToo(stranger.emulator.base_url)) as session:
        wa: Any = AsyncWhatsApp(phone_id=NODE, token=TOKEN, session=session, waba_id=ACCOUNT, app_id=1)
        await wa.send_message(ADA.number, "Right?", buttons=[types.Button("Yes", callback_data="yes")])
        assert (await stranger.shown()).buttons[0].title == "Yes"
        kept = await wa.upload_media(JPEG, mime_type="image/jpeg", filename="x.jpg")
        await wa.send_image(ADA.number, kept.id, caption="Look")
        assert (await stranger.shown()).text == "Look"
        place = await wa.get_media_url(kept.id)
        assert await wa.get_media_bytes(url=place.url) == JPEG
        await wa.send_reaction(ADA.number, "👍", stranger.of(types.Message)[0].id)
        assert stranger.emulator.transcript(ADA.number)[0].business_reaction == "👍"
        assert (await wa.get_business_profile()).industry.value == "TRAVEL"
        with pytest.raises(errors.WhatsAppError, match="132001"):
            await wa.send_template(ADA.number, "nothing", t.TemplateLanguage.ENGLISH_US, params=[])


async def test_two_templates_are_compared(stranger: Stranger) -> None:
    made = []
    for name in ("one", "two"):
        body = t.BodyText("Your trek begins soon.")
        words = t.Template(
            name=name, language=t.TemplateLanguage.ENGLISH_US, category=t.TemplateCategory.UTILITY, components=[body]
        )
        made.append((await stranger.call(lambda words=words: stranger.wa.create_template(words))).id)  # type: ignore[misc]
    await stranger.emulator.settled()
    await stranger.call(
        lambda: stranger.wa.send_template(to=ADA.number, name="one", language=t.TemplateLanguage.ENGLISH_US, params=[])
    )
    now = stranger.emulator._exchange.clock.now()
    compared = await stranger.call(
        lambda: stranger.wa.compare_templates(made[0], made[1], start=now - timedelta(days=7), end=now)
    )
    assert compared.times_sent == {made[0]: 1, made[1]: 0}
