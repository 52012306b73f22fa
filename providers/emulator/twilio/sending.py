"""`POST …/Messages.json`: what Twilio checks before it takes a message, and what becomes of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import orjson
from multidict import MultiMapping

from providers.emulator.exchange import Exchange, Sent
from providers.emulator.links import fetch
from providers.emulator.phones import Attachment, Bubble, Chat, Place
from providers.emulator.twilio.content import Content, Contents
from providers.emulator.twilio.drawing import REFUSED_CONTENT, Drawing, UndeliverableError, kind_of
from providers.emulator.twilio.errors import TwilioError
from providers.emulator.twilio.events import CHANNEL, TwilioEvents
from providers.emulator.webhooks import Letter

BODY_MOST = 1600
VALIDITY_MOST = 36_000
QUEUE_LASTS = timedelta(hours=4)
SCHEDULED_LEAST, SCHEDULED_MOST = timedelta(minutes=5), timedelta(days=35)
TOTAL_MOST, PICTURE_MOST = 16 * 1024 * 1024, 5 * 1024 * 1024

UNREACHABLE, OUTSIDE_WINDOW, RATE_LIMITED, BAD_MEDIA, BIG_MEDIA = 63024, 63016, 63018, 63019, 63034
QUEUE_OVERFLOW = 30001
_OF_APPROVAL = {"rejected": 63040, "paused": 63041, "disabled": 63042}

_BSUID = re.compile(r"[A-Z]{2}\.\w{1,128}(\.\w{1,128})?")
_GEO = re.compile(r"geo:(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)(?:\|(.*))?")
_BAD_VARIABLE = re.compile(r"[\n\t]| {5,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A send that Twilio has understood."""

    to: str
    chat: Chat | None
    service: str
    body: str
    link: str
    content: Content | None
    variables: dict[str, str]
    place: Place | None
    callback: str | None
    due_at: datetime | None


class Sending:
    """Takes messages for one account."""

    def __init__(self, exchange: Exchange, events: TwilioEvents, contents: Contents) -> None:
        self._exchange = exchange
        self._settings = exchange.settings
        self._events = events
        self._contents = contents
        self.stopped: set[str] = set()

    async def take(self, form: MultiMapping[Any]) -> Sent:
        """Accept a message.

        Raises:
            TwilioError: Twilio refuses it at once.
        """
        order = self._read(form)
        exchange = self._exchange
        sent = Sent(
            id=exchange.wire.new_id("", from_business=True, media=bool(order.link or order.content)),
            to=order.to,
            number=order.chat.phone.number if order.chat else None,
            kind=order.content.whatsapp_type if order.content else "media" if order.link else "text",
            body={name: str(value) for name, value in form.items()},
            opaque=None,
            at=exchange.clock.now(),
            in_window=False,
            callback=order.callback,
            due_at=order.due_at,
        )
        if order.due_at is None:
            await self._go(order, sent)
            return sent
        exchange.sends.append(sent)
        exchange.at(order.due_at, lambda: self._go(order, sent, scheduled=True))
        return sent

    async def _go(self, order: Order, sent: Sent, *, scheduled: bool = False) -> None:
        """Hand a message to WhatsApp: at once, or when its time has come and nobody has called it off."""
        if sent.cancelled:
            return
        exchange, sent.due_at = self._exchange, None
        now = exchange.clock.now()
        sent.in_window = order.chat is not None and order.chat.window_open(now)
        approval = order.content.approval if order.content else None
        if approval is not None and approval.status_at(now) == "approved":
            sent.template_category = approval.category.lower()
        bubble, failure = await self._prepare(order, sent)
        if order.service:
            first = self._events.queued(sent)
            lane = f"{sent.number or sent.to} statuses"
            exchange.courier.post(lane, Letter(write=lambda: first, after=self._settings.status_delay))
        queued = exchange.limits.queue("sends", self._settings.throughput)
        if queued > QUEUE_LASTS:
            failure = QUEUE_OVERFLOW
        exchange.business_sends(order.chat, sent, bubble, failure=failure, queued=queued, known=scheduled)

    async def _prepare(self, order: Order, sent: Sent) -> tuple[Bubble | None, int | None]:
        """The bubble, and why the message fails after all."""
        failure = self._failure(order, sent)
        try:
            bubble = self._draw(order, sent)
        except UndeliverableError as error:
            return None, failure if failure is not None else error.code
        if failure is not None or bubble.media is None:
            return bubble, failure
        fetched = await fetch(self._exchange.courier.session, bubble.media, self._exchange.storeroom)
        if fetched.failed:
            return bubble, BAD_MEDIA
        file = self._events.file_of(fetched.media)
        if file is None:
            return replace(bubble, media=fetched.media), None
        plain = bubble.kind not in ("template", "buttons")
        kind = kind_of(bubble.media.link or "", file.mime_type) if plain else bubble.kind
        most = PICTURE_MOST if kind == "image" else TOTAL_MOST
        shown = replace(bubble, kind=kind, media=fetched.media, text="" if kind == "document" else bubble.text)
        return shown, BIG_MEDIA if len(file.content) > most else None

    def _failure(self, order: Order, sent: Sent) -> int | None:
        if order.chat is None:
            return UNREACHABLE
        approval = order.content.approval if order.content else None
        status = approval.status_at(sent.at) if approval is not None else "unsubmitted"
        if status in _OF_APPROVAL:
            return _OF_APPROVAL[status]
        if sent.template_category is None and not sent.in_window:
            return OUTSIDE_WINDOW
        if sent.template_category and any(_BAD_VARIABLE.search(value) for value in order.variables.values()):
            return REFUSED_CONTENT
        limits = self._exchange.limits
        if not sent.in_window and limits.out_of_reach(order.chat.phone.number, self._settings.reach_limit):
            return RATE_LIMITED
        if self._settings.pair_limit and limits.pair_full(order.chat.phone.number):
            return RATE_LIMITED
        return None

    def _draw(self, order: Order, sent: Sent) -> Bubble:
        drawing = Drawing(id=sent.id, at=sent.at, approved=sent.template_category is not None)
        if order.content is not None:
            return drawing.content(order.content.whatsapp_type, order.content.filled(order.variables))
        if order.place is not None:
            return Bubble(
                id=sent.id, author="business", at=sent.at, kind="location", text=order.body, place=order.place
            )
        if order.link:
            media = Attachment(link=order.link)
            kind = kind_of(order.link)
            text = "" if kind == "document" else order.body
            return Bubble(id=sent.id, author="business", at=sent.at, kind=kind, text=text, media=media)
        return Bubble(id=sent.id, author="business", at=sent.at, kind="text", text=order.body)

    def _read(self, form: MultiMapping[Any]) -> Order:
        to, chat = self._recipient(str(form.get("To", "")))
        service = self._sender(form)
        body, links = str(form.get("Body", "")), [str(link) for link in form.getall("MediaUrl", [])]
        content, variables = self._content(form)
        place = _place(form.get("PersistentAction"))
        if len(body) > BODY_MOST:
            raise TwilioError(21617)
        if len(links) > 1:
            raise TwilioError(21623)
        if links and not is_url(links[0]):
            raise TwilioError(21620)
        if not body and not links and content is None and place is None:
            raise TwilioError(21619)
        callback = str(form.get("StatusCallback", ""))
        if callback and (not is_url(callback) or "_" in (urlsplit(callback).hostname or "")):
            raise TwilioError(21609, f"The StatusCallback URL {callback} is not a valid URL")
        due_at = _due_at(form, service, self._exchange.clock.now())
        return Order(
            to=to,
            chat=chat,
            service=service,
            body=body,
            link=links[0] if links else "",
            content=content,
            variables=variables,
            place=place,
            callback=callback or self._settings.status_callback_url or None,
            due_at=due_at,
        )

    def _recipient(self, to: str) -> tuple[str, Chat | None]:
        if not to:
            raise TwilioError(21604)
        if not to.startswith(CHANNEL):
            raise TwilioError(21910)
        address = to.removeprefix(CHANNEL)
        if address in self.stopped:
            raise TwilioError(21610)
        if address.startswith("+"):
            if not (address[1:].isdecimal() and 7 <= len(address) - 1 <= 15):
                raise TwilioError(21211, f"The 'To' number {to} is not a valid phone number.")
            if address == self._settings.business_number:
                raise TwilioError(63031, "Channel message cannot have the same From and To")
            return to, self._exchange.phones.find(number=address)
        if not _BSUID.fullmatch(address):
            raise TwilioError(21211, f"The 'To' number {to} is not a valid phone number.")
        return to, self._exchange.phones.find(bsuid=address)

    def _sender(self, form: Mapping[str, Any]) -> str:
        """The Messaging Service, or '' when the number itself sends."""
        sender, service = str(form.get("From", "")), str(form.get("MessagingServiceSid", ""))
        if not sender and not service:
            raise TwilioError(21603)
        if service and service != self._settings.messaging_service_sid:
            raise TwilioError(21701, f"The Messaging Service {service} does not exist")
        if sender and not sender.startswith(CHANNEL):
            raise TwilioError(21910)
        if sender and sender != CHANNEL + self._settings.business_number:
            raise TwilioError(63007)
        return service

    def _content(self, form: Mapping[str, Any]) -> tuple[Content | None, dict[str, str]]:
        sid, given = str(form.get("ContentSid", "")), str(form.get("ContentVariables", ""))
        if not sid:
            if given:
                raise TwilioError(21654)
            return None, {}
        content = self._contents.find(sid)
        if content is None:
            raise TwilioError(21655)
        if not given:
            return content, {}
        try:
            variables = orjson.loads(given)
        except orjson.JSONDecodeError:
            raise TwilioError(21656) from None
        if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
            raise TwilioError(21656)
        return content, variables


def is_url(text: str) -> bool:
    """Whether a text is an address that Twilio would call."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _place(action: Any) -> Place | None:
    if action is None:
        return None
    match = _GEO.fullmatch(str(action))
    if match is None or abs(float(match[1])) > 90 or abs(float(match[2])) > 180:
        raise TwilioError(20422, "PersistentAction is geo:<latitude>,<longitude>|<label>")
    return Place(latitude=float(match[1]), longitude=float(match[2]), name=match[3] or "")


def _due_at(form: Mapping[str, Any], service: str, now: datetime) -> datetime | None:
    """When a message is to be sent, if not at once."""
    validity = form.get("ValidityPeriod")
    if validity is not None and not (str(validity).isdecimal() and 1 <= int(str(validity)) <= VALIDITY_MOST):
        raise TwilioError(20422, f"ValidityPeriod lies between 1 and {VALIDITY_MOST} seconds")
    kind, wanted = form.get("ScheduleType"), form.get("SendAt")
    if kind is None:
        return None
    if kind != "fixed":
        raise TwilioError(20422, "ScheduleType must be fixed")
    if wanted is None:
        raise TwilioError(35111)
    if not service:
        raise TwilioError(35118)
    try:
        due_at = datetime.fromisoformat(str(wanted))
    except ValueError:
        raise TwilioError(35114) from None
    due_at = due_at if due_at.tzinfo else due_at.replace(tzinfo=UTC)
    if not SCHEDULED_LEAST <= due_at - now <= SCHEDULED_MOST:
        raise TwilioError(35114)
    return due_at
