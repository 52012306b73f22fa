"""The emulator as one object: phones to act with, a provider's API to call, a page to look at."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

from providers.emulator.control import Control
from providers.emulator.exchange import Exchange, Sent
from providers.emulator.handshake import knock, shake_hands
from providers.emulator.lines import open_line
from providers.emulator.page import Page
from providers.emulator.phones import (
    Attachment,
    Bubble,
    Card,
    Choice,
    Kind,
    Phones,
    Place,
    UnknownMessageError,
)
from providers.emulator.settings import EmulatorSettings, Phone

REQUEST_MOST = 12 * 1024 * 1024
FLOW_IS_OVER = "SUCCESS"
"""The screen with which a business' endpoint closes a flow."""

_KINDS: dict[str, Kind] = {
    "image/jpeg": "image",
    "image/png": "image",
    "image/webp": "sticker",
    "video/mp4": "video",
    "video/3gpp": "video",
    **dict.fromkeys(("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"), "audio"),
}


class Emulator:
    """One provider's WhatsApp API with people's phones attached.

    Every method that acts as a person returns at once: the webhook is queued and posted until the bot takes it. Use
    `wait_for` to wait for the bot's answer. `async with Emulator(…) as emulator:` starts it on a free local port.

    Args:
        settings: The business account and the pace.
        phones: The people; numbers must differ.
    """

    def __init__(self, settings: EmulatorSettings, phones: Iterable[Phone]) -> None:
        people = tuple(phones)
        if len({phone.number for phone in people}) < len(people):
            raise ValueError("two phones have the same number")
        self.settings = settings
        self._phones = Phones(people)
        self._exchange = Exchange(settings, self._phones)
        self._line = open_line(self._exchange)
        self._page = Page(self._exchange, self)
        self._runner: web.AppRunner | None = None
        self._base_url = ""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def app(self) -> web.Application:
        """Everything over HTTP: the API, the page and the control API. Make it once per emulator."""
        app = web.Application(client_max_size=REQUEST_MOST, middlewares=[self._line.middleware, self._page.guard])
        app.add_routes(Control(self._exchange, self._line, self).routes())
        self._page.mount(app)
        app.add_routes(self._line.routes())
        app.on_startup.append(self._open)
        app.on_cleanup.append(self._close)
        return app

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Serve until `stop`; port 0 takes a free one, then `base_url` tells which."""
        runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=2)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        bound = runner.addresses[0][1]
        self.base_url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::', '') else host}:{bound}"  # noqa: S104 - compared, not bound

    async def stop(self) -> None:
        """Close connections and drop webhooks that are still waiting. Harmless when not running."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @property
    def base_url(self) -> str:
        """Where the emulator is reached, without a slash at the end; '' before `start`."""
        return self._base_url

    @base_url.setter
    def base_url(self, url: str) -> None:
        self._base_url = self._exchange.wire.base_url = url.rstrip("/")

    @property
    def graph_url(self) -> str:
        """Meta only: what a bot is given in place of `https://graph.facebook.com/vNN.0`."""
        return f"{self._base_url}/{self.settings.api_version}"

    @property
    def webhook_url(self) -> str:
        """Where webhooks go; may be set while running, also for those that are waiting."""
        return self._exchange.courier.url

    @webhook_url.setter
    def webhook_url(self, url: str) -> None:
        self._exchange.courier.url = url

    @property
    def phones(self) -> tuple[Phone, ...]:
        """The people, in the order they were given."""
        return tuple(chat.phone for chat in self._phones)

    @property
    def sends(self) -> tuple[Sent, ...]:
        """What the bot sent and the emulator accepted, oldest first."""
        return tuple(self._exchange.sends)

    async def verify_webhook(self) -> None:
        """Do Meta's `hub.challenge` handshake once; the other providers have none, and only knock.

        Raises:
            WebhookRefusedError: The bot cannot be reached, or did not answer 200 with the bare challenge.
        """
        session = self._exchange.courier.session
        if self.settings.provider == "meta":
            await shake_hands(session, self.webhook_url, self.settings.verify_token)
        else:
            await knock(session, self.webhook_url)

    async def say(self, number: str, text: str, *, quote: str | None = None) -> str:
        """Write a text; returns its id. `quote` replies to a message."""
        return self._send(number, "text", text=text, quotes=quote)

    async def tap(self, number: str, message_id: str, button_id: str) -> str:
        """Tap a button of a message; returns the id of the answer.

        Raises:
            UnknownMessageError: There is no such message, it has no such button, or the button only opens a page.
        """
        bubble = self._find(number, message_id)
        button = bubble.button(button_id)
        if button is None or button.url is not None:
            raise UnknownMessageError(f"message {message_id} has no button {button_id!r} to reply with")
        self._phones.alter(number, replace(bubble, pressed=button_id))
        of = Choice(of="template_button" if bubble.kind == "template" else "button", id=button.id, title=button.title)
        return self._send(number, "text", text=button.title, quotes=message_id, choice=of)

    async def pick(self, number: str, message_id: str, row_id: str) -> str:
        """Pick a row of a list; returns the id of the answer.

        Raises:
            UnknownMessageError: There is no such message, or its list has no such row.
        """
        bubble = self._find(number, message_id)
        row = bubble.menu.row(row_id) if bubble.menu is not None else None
        if row is None:
            raise UnknownMessageError(f"message {message_id} has no row {row_id!r}")
        self._phones.alter(number, replace(bubble, pressed=row_id))
        choice = Choice(of="row", id=row.id, title=row.title, description=row.description)
        return self._send(number, "text", text=row.title, quotes=message_id, choice=choice)

    async def send_location(
        self, number: str, latitude: float, longitude: float, *, name: str = "", address: str = ""
    ) -> str:
        """Send a pin, or a place when it has a name; returns its id."""
        place = Place(latitude=latitude, longitude=longitude, name=name, address=address)
        asked = self._phones.chat(number).answers()
        quotes = next((bubble.id for bubble in reversed(asked) if bubble.kind == "location_request"), None)
        return self._send(number, "location", place=place, quotes=quotes)

    async def send_media(
        self,
        number: str,
        content: bytes,
        mime_type: str,
        *,
        caption: str = "",
        filename: str = "",
        voice: bool = False,
        quote: str | None = None,
    ) -> str:
        """Send a file; its MIME type decides what it is: a document, when WhatsApp does not show or play its type."""
        kind = _KINDS.get(mime_type.partition(";")[0].strip(), "document")
        file = self._exchange.storeroom.keep(content, mime_type=mime_type, filename=filename, inbound=True)
        media = Attachment(id=file.id, mime_type=mime_type, filename=filename, voice=voice)
        return self._send(number, kind, text=caption, media=media, quotes=quote)

    async def send_contacts(self, number: str, cards: Iterable[Card]) -> str:
        """Send contacts; returns its id."""
        return self._send(number, "contacts", cards=tuple(cards))

    async def share_number(self, number: str, message_id: str) -> str:
        """Let the business have the phone's number, which a message asks for; returns the id of the answer.

        Raises:
            UnknownMessageError: There is no such message, or it asks for no number.
        """
        bubble = self._find(number, message_id)
        if bubble.kind != "contact_request":
            raise UnknownMessageError(f"message {message_id} asks for no number")
        self._phones.alter(number, replace(bubble, pressed="share"))
        card = Card(name=self._phones.chat(number).phone.name, phones=(number,))
        return self._send(number, "contacts", cards=(card,), quotes=message_id, shares_number=True)

    async def fill_in(self, number: str, message_id: str, filled: Mapping[str, object]) -> str:
        """Fill in the flow that a message opens; returns the id of the answer. The flow's token goes back with it.

        Raises:
            UnknownMessageError: There is no such message, or it opens no flow.
        """
        bubble = self._find(number, message_id)
        if bubble.kind != "flow":
            raise UnknownMessageError(f"message {message_id} opens no flow")
        button = bubble.buttons[0]
        self._phones.alter(number, replace(bubble, pressed=button.id))
        reply = orjson.dumps({"flow_token": button.id, **filled}).decode()
        return self._send(number, "text", text="Sent", quotes=message_id, flow_reply=reply)

    async def step_flow(
        self,
        number: str,
        message_id: str,
        action: str = "INIT",
        *,
        screen: str = "",
        data: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Be inside a flow whose screens the business' endpoint fills: open it, go on (`data_exchange`), or go `BACK`.

        Returns:
            The endpoint's answer: `screen` and `data`. When it closes the flow, its result goes to the chat.

        Raises:
            UnknownMessageError: There is no such message.
            EmulatorError: It opens no flow with an endpoint, or the endpoint does not answer as it should.
        """
        self._find(number, message_id)
        answer = await self._line.flow_step(message_id, action, screen, data or {})
        if answer["screen"] == FLOW_IS_OVER:
            told = answer.get("data", {}).get("extension_message_response", {})
            await self.fill_in(number, message_id, told.get("params", {}) if isinstance(told, dict) else {})
        return answer

    async def send_image(self, number: str, content: bytes, *, mime_type: str = "image/jpeg", caption: str = "") -> str:
        """Send a picture; returns its id."""
        return await self.send_media(number, content, mime_type, caption=caption)

    async def play(self, number: str, message_id: str) -> None:
        """Listen to a voice note of the business."""
        self._exchange.person_plays(number, message_id)

    async def react(self, number: str, message_id: str, emoji: str) -> None:
        """React to a message; an empty emoji takes the reaction back."""
        self._exchange.person_reacts(number, message_id, emoji)

    async def read(self, number: str) -> None:
        """Look at the chat: everything the business wrote becomes read."""
        self._exchange.person_reads(number)

    def transcript(self, number: str) -> list[Bubble]:
        """The chat as it is now, oldest first."""
        return list(self._phones.chat(number).bubbles)

    async def wait_for(
        self,
        number: str,
        condition: int | Callable[[Bubble], bool] = 1,
        timeout: float = 60.0,  # noqa: ASYNC109 - the error quotes the chat, which the caller's own timeout could not
    ) -> list[Bubble]:
        """Wait for the bot's answer on a phone.

        Args:
            number: The phone.
            condition: How many bubbles the business must have written since the person's last one; or a predicate that
                one of those bubbles must satisfy.
            timeout: Seconds.

        Returns:
            All bubbles of the business since the person's last one.

        Raises:
            TimeoutError: It did not happen; the message quotes what there was.
        """

        def met() -> bool:
            answers = chat.answers()
            return len(answers) >= condition if isinstance(condition, int) else any(map(condition, answers))

        chat = self._phones.chat(number)
        changed = asyncio.Event()
        stop_listening = self._phones.listen(lambda _: changed.set())
        try:
            async with asyncio.timeout(timeout):
                while not met():
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            wanted = f"{condition} bubble(s)" if isinstance(condition, int) else "a bubble that satisfies the condition"
            seen = [f"{bubble.author}: {bubble.text[:60]!r}" for bubble in chat.bubbles[-5:]]
            raise TimeoutError(f"{number} waited {timeout:g} s for {wanted}; the chat ends with {seen}") from None
        finally:
            stop_listening()
        return chat.answers()

    async def settled(self, timeout: float = 60.0) -> None:  # noqa: ASYNC109 - the error says what is waiting
        """Wait until the bot has taken every webhook.

        Raises:
            TimeoutError: Some are still waiting; the message says why.
        """
        courier = self._exchange.courier
        try:
            async with asyncio.timeout(timeout):
                await courier.idle()
        except TimeoutError:
            raise TimeoutError(f"{courier.waiting} webhook(s) still waiting: {courier.problem}") from None

    def advance(self, by: timedelta) -> None:
        """Move the emulator's clock forward, for instance past the 24 hour window."""
        self._exchange.clock.advance(by)

    async def reset(self) -> None:
        """Forget conversations, the log, faults and waiting webhooks; templates and files stay."""
        await self._exchange.reset()

    def _find(self, number: str, wamid: str) -> Bubble:
        bubble = self._phones.chat(number).find(wamid)
        if bubble is None:
            raise UnknownMessageError(f"the chat of {number} has no message {wamid}")
        return bubble

    def _send(
        self,
        number: str,
        kind: Kind,
        *,
        text: str = "",
        quotes: str | None = None,
        choice: Choice | None = None,
        place: Place | None = None,
        media: Attachment | None = None,
        cards: tuple[Card, ...] = (),
        flow_reply: str = "",
        shares_number: bool = False,
    ) -> str:
        wa_id = self._phones.chat(number).phone.wa_id
        bubble = Bubble(
            id=self._exchange.wire.new_id(wa_id, from_business=False, media=media is not None or bool(cards)),
            author="person",
            kind=kind,
            at=self._exchange.clock.now(),
            text=text,
            quotes=quotes,
            choice=choice,
            place=place,
            media=media,
            cards=cards,
            flow_reply=flow_reply,
            shares_number=shares_number,
        )
        self._exchange.person_sends(number, bubble)
        return bubble.id

    async def _open(self, _app: web.Application) -> None:
        await self._exchange.courier.start()

    async def _close(self, _app: web.Application) -> None:
        await self._exchange.forget_later()
        await self._exchange.courier.stop()
