"""The page in a real browser: a person writes, the bot answers with buttons, a tap reaches the bot."""

import contextlib
import json
import re
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Locator, Page, async_playwright, expect
from playwright.async_api import TimeoutError as NotYet

from providers.emulator import Emulator, EmulatorSettings, Phone

CHROMIUM = shutil.which("chromium")
CUSTOMER = Phone("Maya Lindqvist", "+46701234567", "customer", hint="Hi, interested in EBC Trek")
GUIDE = Phone("Pasang Sherpa", "+9779800000001", "guide")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
HOSTILE = "<img src=x onerror=\"document.title='broken'\"> *bold* & <b>not</b>"
SECONDS_JS = """async (source) => {
    const bytes = await (await fetch(source)).arrayBuffer();
    return (await new OfflineAudioContext(1, 1, 48000).decodeAudioData(bytes)).duration;
}"""
LONGER_THAN_NOTHING = re.compile(r"0:(0[1-9]|[1-5]\d)")
PATIENCE = 90_000  # milliseconds: on a busy machine a browser takes its time
expect.set_options(timeout=PATIENCE)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


class Bot:
    """Reads every message, answers texts with two buttons and a list, and taps with thanks."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.emulator: Emulator | None = None
        self.answering = 200

    async def take(self, request: web.Request) -> web.Response:
        value = json.loads(await request.read())["entry"][0]["changes"][0]["value"]
        if self.answering == 200:
            for message in value.get("messages", []):
                self.messages.append(message)
                await self.answer(message)
        return web.Response(status=self.answering)

    async def answer(self, message: dict[str, Any]) -> None:
        await self.post({"status": "read", "message_id": message["id"]})
        to = {"to": "+" + message["from"]}
        if message["type"] == "reaction":
            return
        if message["type"] != "text":
            await self.post(to | {"type": "text", "text": {"body": f"Thanks for the {message['type']}!"}})
            return
        buttons = [
            {"type": "reply", "reply": {"id": "yes:7", "title": "Yes, go on"}},
            {"type": "reply", "reply": {"id": "no:7", "title": "Change"}},
        ]
        rows = [{"id": "d5", "title": "5 December"}, {"id": "d12", "title": "12 December", "description": "2 left"}]
        body = {"text": f"You wrote: {message['text']['body']}"}
        await self.interactive(to, "button", body, {"buttons": buttons})
        await self.interactive(to, "list", {"text": "When?"}, {"button": "Dates", "sections": [{"rows": rows}]})

    async def interactive(self, to: dict[str, str], kind: str, body: dict[str, str], action: dict[str, Any]) -> None:
        await self.post(to | {"type": "interactive", "interactive": {"type": kind, "body": body, "action": action}})

    async def post(self, body: dict[str, Any]) -> None:
        assert self.emulator is not None
        url = f"{self.emulator.base_url}/v25.0/700800900100200/messages"
        body = {"messaging_product": "whatsapp"} | body
        async with (
            aiohttp.ClientSession(headers={"Authorization": "Bearer t"}) as session,
            session.post(url, json=body) as answer,
        ):
            assert answer.status == 200, await answer.text()


@pytest.fixture
async def bot() -> AsyncIterator[Bot]:
    bot = Bot()
    app = web.Application()
    app.router.add_post("/webhook", bot.take)
    async with TestServer(app) as server:
        settings = EmulatorSettings(
            webhook_url=str(server.make_url("/webhook")),
            app_secret="s",
            verify_token="v",
            access_token="t",
            phone_number_id="700800900100200",
            business_account_id="900100200300400",
            business_number="+9771400000000",
            retry_first=timedelta(milliseconds=20),
            retry_cap=timedelta(milliseconds=40),
        )
        async with Emulator(settings, [CUSTOMER, GUIDE]) as bot.emulator:
            yield bot


def is_complaint(kind: str, text: str) -> bool:
    """Errors on the console, save that the emulator could not be reached while it was stopped."""
    return kind == "error" and "net::ERR_" not in text


@pytest.fixture
async def page(bot: Bot) -> AsyncIterator[Page]:
    assert bot.emulator is not None
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
        page = await browser.new_page(viewport={"width": 1500, "height": 950})
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda line: complaints.append(line.text) if is_complaint(line.type, line.text) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(bot.emulator.base_url)
        yield page
        await browser.close()
    assert complaints == []


async def point_at(bubble: Locator, button: str) -> None:
    """Click what a bubble offers while one points at it, also when the chat scrolls away below the mouse meanwhile."""
    while True:
        await bubble.hover()
        with contextlib.suppress(NotYet):
            await bubble.get_by_role("button", name=button, exact=True).click(timeout=3000)
            return


async def test_conversation_by_hand(bot: Bot, page: Page) -> None:
    phone = page.get_by_role("region", name="Maya Lindqvist, customer")
    await phone.get_by_role("button", name=CUSTOMER.hint).click()
    await expect(phone.locator(".mine .meta .read")).to_have_count(1)
    tap = phone.get_by_role("button", name="Yes, go on")
    await tap.click()
    await expect(tap).to_have_attribute("aria-pressed", "true")
    await expect(phone.get_by_text("Thanks for the interactive!")).to_be_visible()
    assert bot.messages[-1]["interactive"]["button_reply"] == {"id": "yes:7", "title": "Yes, go on"}

    await phone.get_by_role("button", name="Dates").click()
    await phone.get_by_role("radio", name="12 December").check()
    await phone.get_by_role("dialog", name="Dates").get_by_role("button", name="Send").click()
    await expect(phone.get_by_text("Thanks for the interactive!")).to_have_count(2)
    picked = {"id": "d12", "title": "12 December", "description": "2 left"}
    assert bot.messages[-1]["interactive"]["list_reply"] == picked

    await phone.get_by_role("button", name="Attach").click()
    await phone.get_by_role("button", name="Location").click()
    await phone.get_by_role("button", name="Namche Bazaar").click()
    await expect(phone.get_by_text("Thanks for the location!")).to_be_visible()
    assert bot.messages[-1]["location"]["name"] == "Namche Bazaar"
    assert bot.emulator is not None
    assert bot.emulator.transcript(GUIDE.number) == []


async def test_reaction_is_put_and_taken_back(bot: Bot, page: Page) -> None:
    phone = page.get_by_role("region", name="Maya Lindqvist, customer")
    await phone.get_by_role("button", name=CUSTOMER.hint).click()
    answered = phone.locator(".said:not(.mine)[data-id]").first
    for shown in (1, 0):
        await point_at(answered, "React")
        await answered.get_by_role("button", name="React with 🙏").click()
        await expect(answered.locator(".reactions", has_text="🙏")).to_have_count(shown)
    assert bot.emulator is not None
    await bot.emulator.settled()
    assert [message["reaction"].get("emoji") for message in bot.messages[1:]] == ["🙏", None]


async def test_what_people_write_stays_text(page: Page) -> None:
    phone = page.get_by_role("region", name="Maya Lindqvist, customer")
    field = phone.get_by_role("textbox", name="Message as Maya Lindqvist")
    await field.fill(HOSTILE)
    await field.press("Enter")
    shown = HOSTILE.replace("*", "")
    await expect(phone.locator(".said:not(.mine) .words").first).to_have_text(f"You wrote: {shown}")
    await expect(phone.locator(".mine .words")).to_have_text(shown)
    await expect(phone.locator(".mine strong")).to_have_text("bold")
    await expect(phone.locator(".log img, .log b")).to_have_count(0)
    await expect(page).to_have_title("Sirdar Treks · phones")


async def test_words_from_right_to_left_stand_at_the_right_and_not_under_the_time(bot: Bot, page: Page) -> None:
    assert bot.emulator is not None
    words = "مرحبا 👋"
    await bot.emulator.say(CUSTOMER.number, words)
    shown = page.get_by_role("region", name="Maya Lindqvist, customer").locator(".mine .words")
    await expect(shown).to_have_text(words)
    await expect(shown).to_have_css("direction", "rtl")
    # Both places at one moment: the chat may still be scrolling.
    gap = await shown.evaluate(
        """node => {
            const time = node.closest('.bubble').querySelector('.meta').getBoundingClientRect();
            return time.top - node.getBoundingClientRect().top - parseFloat(getComputedStyle(node).lineHeight);
        }"""
    )
    assert gap >= -1


async def test_page_says_when_the_bot_is_down_and_reloads_what_it_missed(bot: Bot, page: Page) -> None:
    phone = page.get_by_role("region", name="Pasang Sherpa, guide")
    field = phone.get_by_role("textbox")
    bot.answering = 503
    await field.fill("Anybody there?")
    await phone.get_by_role("button", name="Send").click()
    await expect(page.locator("#link-text")).to_have_text(
        "Retrying: the bot answered 503. 1 webhook waiting, nothing is lost"
    )
    bot.answering = 200
    await expect(phone.get_by_text("You wrote: Anybody there?")).to_be_visible()
    await expect(page.locator("#link-text")).to_have_text("All webhooks delivered")
    assert [message["text"]["body"] for message in bot.messages] == ["Anybody there?"]
    await page.reload()
    await expect(phone.get_by_text("You wrote: Anybody there?")).to_be_visible()


async def test_narrow_screen_shows_one_phone_and_reads_only_that(bot: Bot, page: Page) -> None:
    emulator = bot.emulator
    assert emulator is not None
    await page.set_viewport_size({"width": 400, "height": 800})
    await emulator.say(GUIDE.number, "Reached Lukla")
    guide = page.get_by_role("tab", name="guide")
    await expect(guide).to_have_text("guide2")
    await expect(page.get_by_text("You wrote: Reached Lukla")).to_be_hidden()
    unread = {"sent", "delivered"}
    await emulator.settled()
    assert {bubble.receipt.value for bubble in emulator.transcript(GUIDE.number)[1:]} <= unread
    await guide.click()
    await expect(page.get_by_text("You wrote: Reached Lukla")).to_be_visible()
    await emulator.wait_for(GUIDE.number, lambda bubble: bubble.receipt == "read")


async def test_page_comes_back_with_the_emulator(bot: Bot, page: Page) -> None:
    emulator = bot.emulator
    assert emulator is not None
    port = int(emulator.base_url.rpartition(":")[2])
    await emulator.stop()
    await expect(page.locator("#link-text")).to_have_text("Emulator stopped, reconnecting…")
    await emulator.start(port=port)
    await emulator.say(GUIDE.number, "Back again")
    await expect(page.get_by_text("You wrote: Back again")).to_be_visible()
    await expect(page.locator("#link-text")).to_have_text("All webhooks delivered")


async def test_photo_is_shown_and_sent(bot: Bot, page: Page, tmp_path: Path) -> None:
    picture = tmp_path / "passport.png"
    await page.screenshot(path=picture)
    phone = page.get_by_role("region", name="Maya Lindqvist, customer")
    await phone.get_by_role("button", name="Attach").click()
    async with page.expect_file_chooser() as chooser:
        await phone.get_by_role("button", name="Photo").click()
    await (await chooser.value).set_files(picture)
    await phone.get_by_label("Caption").fill("My passport")
    await phone.get_by_role("dialog", name="Photo").get_by_role("button", name="Send").click()
    await expect(phone.get_by_text("Thanks for the image!")).to_be_visible()
    assert bot.messages[-1]["image"]["caption"] == "My passport"
    image = phone.get_by_role("img", name="My passport")
    await expect(image).to_have_js_property("complete", True)
    await expect(image).not_to_have_js_property("naturalWidth", 0)


async def test_any_file_is_sent_and_can_be_had_back(bot: Bot, page: Page, tmp_path: Path) -> None:
    permit = tmp_path / "permit 7.pdf"
    permit.write_bytes(b"%PDF-1.4 of our own")
    phone = page.get_by_role("region", name="Maya Lindqvist, customer")
    await phone.get_by_role("button", name="Attach").click()
    async with page.expect_file_chooser() as chooser:
        await phone.get_by_role("button", name="Document").click()
    await (await chooser.value).set_files(permit)
    await phone.get_by_role("dialog", name="Document").get_by_role("button", name="Send").click()
    await expect(phone.get_by_text("Thanks for the document!")).to_be_visible()
    assert bot.messages[-1]["document"]["filename"] == "permit 7.pdf"
    async with page.expect_download() as download:
        await phone.get_by_role("link", name="permit 7.pdf").click()
    got = await download.value
    assert got.suggested_filename == "permit 7.pdf"
    assert Path(await got.path()).read_bytes() == permit.read_bytes()


async def test_voice_note_is_recorded_as_ogg_and_plays(bot: Bot, page: Page) -> None:
    assert bot.emulator is not None
    phone = page.get_by_role("region", name="Maya Lindqvist, customer")
    await phone.get_by_role("button", name="Record a voice note").click()
    await expect(phone.get_by_text(LONGER_THAN_NOTHING)).to_be_visible()
    await phone.get_by_role("button", name="Send voice note").click()
    await expect(phone.get_by_text("Thanks for the audio!")).to_be_visible()
    audio = bot.messages[-1]["audio"]
    assert (audio["mime_type"], audio["voice"]) == ("audio/ogg; codecs=opus", True)
    file = bot.emulator._exchange.storeroom.find(audio["id"])
    assert file is not None
    assert file.content.startswith(b"OggS")
    assert b"OpusHead" in file.content[:64]
    # The browser reads the container we wrote. A busy machine records less than the clock shows: perhaps not a second.
    await expect(phone.locator(".audio .length")).to_have_text(re.compile(r"\d:\d\d"))
    source = f"{bot.emulator.base_url}/phones/%2B{CUSTOMER.wa_id}/media/{audio['id']}"
    assert await page.evaluate(SECONDS_JS, source) > 0

    # The bot sends it back: listening to it is reported.
    voice = {"to": CUSTOMER.number, "type": "audio", "audio": {"id": audio["id"], "voice": True}}
    await bot.post(voice)
    play = phone.get_by_role("button", name="Play voice note")
    await expect(play).to_have_count(2)  # or the last one is still the person's own
    await play.last.click()
    await bot.emulator.wait_for(CUSTOMER.number, lambda bubble: bubble.receipt == "played")


async def test_discarded_recording_is_not_sent(bot: Bot, page: Page) -> None:
    assert bot.emulator is not None
    phone = page.get_by_role("region", name="Maya Lindqvist, customer")
    await phone.get_by_role("button", name="Record a voice note").click()
    await phone.get_by_role("button", name="Discard").click()
    await expect(phone.get_by_role("textbox")).to_be_visible()
    assert bot.emulator.transcript(CUSTOMER.number) == []


async def test_reply_quotes_and_contact_is_shared(bot: Bot, page: Page) -> None:
    assert bot.emulator is not None
    phone = page.get_by_role("region", name="Maya Lindqvist, customer")
    await phone.get_by_role("button", name=CUSTOMER.hint).click()
    answered = phone.locator(".said:not(.mine)[data-id]").first
    await point_at(answered, "Reply")
    await expect(phone.locator(".replying")).to_contain_text("You wrote: Hi, interested")
    field = phone.get_by_role("textbox")
    await field.fill("About this one")
    await field.press("Enter")
    await expect(phone.locator(".mine .quote")).to_contain_text("You wrote: Hi, interested")
    await expect(phone.locator(".replying")).to_be_hidden()
    await expect(phone.get_by_text("You wrote: About this one")).to_be_visible()
    quoted = bot.emulator.transcript(CUSTOMER.number)[1].id
    assert bot.messages[-1]["context"]["id"] == quoted

    await phone.get_by_role("button", name="Attach").click()
    await phone.get_by_role("button", name="Contact").click()
    await phone.get_by_role("button", name="Pasang Sherpa").click()
    await expect(phone.get_by_text("Thanks for the contacts!")).to_be_visible()
    await expect(phone.locator(".contact")).to_contain_text("+9779800000001")
    assert bot.messages[-1]["contacts"][0]["name"]["formatted_name"] == "Pasang Sherpa"


async def test_pictures_by_link_forms_and_failures_are_shown(bot: Bot, page: Page) -> None:
    assert bot.emulator is not None
    emulator = bot.emulator
    await emulator.say(CUSTOMER.number, "Hi")
    await emulator.settled()
    phone = page.get_by_role("region", name="Maya Lindqvist, customer")
    to = {"to": CUSTOMER.number}
    shot = emulator._exchange.storeroom.keep(await page.screenshot(), mime_type="image/png", filename="", inbound=False)
    link = f"{emulator.base_url}/phones/%2B46701234567/media/{shot.id}"
    await bot.post(to | {"type": "image", "image": {"link": link, "caption": "The route"}})
    image = phone.get_by_role("img", name="The route")
    await expect(image).not_to_have_js_property("naturalWidth", 0)
    await phone.get_by_role("button", name="Look at The route").click()
    await expect(phone.get_by_role("dialog", name="The route")).to_be_visible()
    await page.keyboard.press("Escape")

    parameters = {"flow_message_version": "3", "flow_id": "7", "flow_cta": "Fill in", "flow_token": "t1"}
    await bot.interactive(to, "flow", {"text": "A form"}, {"name": "flow", "parameters": parameters})
    await phone.get_by_role("button", name="Fill in").click()
    await phone.get_by_label("Field").fill("people")
    await phone.get_by_label("Answer").fill("2")
    await phone.get_by_role("dialog", name="Fill in").get_by_role("button", name="Send").click()
    await expect(phone.get_by_role("button", name="Fill in")).to_have_attribute("aria-pressed", "true")
    await emulator.settled()
    reply = json.loads(bot.messages[-1]["interactive"]["nfm_reply"]["response_json"])
    assert reply == {"flow_token": "t1", "people": "2"}

    await bot.interactive(to, "request_contact_info", {"text": "Your number?"}, {"name": "request_contact_info"})
    await phone.get_by_role("button", name="Share phone number").click()
    await expect(phone.locator(".mine .contact")).to_contain_text(CUSTOMER.number)
    await emulator.settled()
    assert bot.messages[-1]["origin"] == "contact_request"

    await bot.post(to | {"type": "image", "image": {"link": f"{emulator.base_url}/nothing.png"}})
    await expect(phone.get_by_text("Did not arrive here: 131053")).to_be_visible()


async def test_one_role_or_everybody(bot: Bot, page: Page) -> None:
    assert bot.emulator is not None
    maya = page.get_by_role("region", name="Maya Lindqvist, customer")
    pasang = page.get_by_role("region", name="Pasang Sherpa, guide")
    await expect(maya).to_be_visible()
    await page.get_by_role("tab", name="guide").click()
    await expect(maya).to_be_hidden()
    await expect(pasang).to_be_visible()
    await bot.emulator.say(CUSTOMER.number, "Unread by Maya")
    await expect(page.get_by_role("tab", name="customer")).to_have_text("customer2")
    await page.reload()
    await expect(maya).to_be_hidden()
    await page.get_by_role("tab", name="Everybody").click()
    await expect(maya).to_be_visible()
    await expect(page.get_by_role("tab", name="customer")).to_have_text("customer")
    await expect(page.locator("#provider")).to_have_text("Meta Cloud API")
