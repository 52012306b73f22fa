"""Message and media resources as Twilio's REST API shows them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import format_datetime
from typing import Any

from multidict import MultiMapping

from providers.emulator.exchange import Exchange, Sent
from providers.emulator.phones import Bubble, Chat, Receipt
from providers.emulator.storeroom import StoredFile
from providers.emulator.twilio.errors import TwilioError, failed_status, failure_words
from providers.emulator.twilio.events import API_VERSION, CHANNEL, TwilioEvents, media_sid

PAGE_USUAL, PAGE_MOST = 50, 1000

_STATUS = {Receipt.ACCEPTED: "queued", Receipt.PLAYED: "read"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of the account, in either direction."""

    sid: str
    at: datetime
    to: str
    sender: str
    body: str
    inbound: bool
    status: str
    error: int | None
    service: str
    sent_at: datetime | None
    files: tuple[StoredFile, ...]


class Resources:
    """Reads the account's messages from what the phones show and what was sent."""

    def __init__(self, exchange: Exchange, events: TwilioEvents) -> None:
        self._exchange = exchange
        self._events = events
        self._account = exchange.settings.account_sid
        self._business = CHANNEL + exchange.settings.business_number
        self._redacted: set[str] = set()
        self._deleted: set[str] = set()

    def find(self, sid: str) -> Message | None:
        """The message with this sid."""
        return next((message for message in self._all() if message.sid == sid), None)

    def redact(self, sid: str) -> None:
        """Empty a message's body."""
        self._redacted.add(sid)

    def delete(self, sid: str) -> None:
        """Forget a message."""
        self._deleted.add(sid)

    def json(self, message: Message) -> dict[str, Any]:
        """A Message resource."""
        path = f"/{API_VERSION}/Accounts/{self._account}/Messages/{message.sid}"
        return {
            "account_sid": self._account,
            "api_version": API_VERSION,
            "body": "" if message.sid in self._redacted else message.body,
            "date_created": rfc2822(message.at),
            "date_sent": rfc2822(message.sent_at) if message.sent_at else None,
            "date_updated": rfc2822(message.sent_at or message.at),
            "direction": "inbound" if message.inbound else "outbound-api",
            "error_code": message.error,
            "error_message": (failure_words(message.error) or None) if message.error is not None else None,
            "from": message.sender,
            "messaging_service_sid": message.service or None,
            "num_media": str(len(message.files)),
            "num_segments": "1",
            "price": None,
            "price_unit": None,
            "sid": message.sid,
            "status": message.status,
            "subresource_uris": {"media": f"{path}/Media.json"},
            "to": message.to,
            "uri": f"{path}.json",
        }

    def media_json(self, message: Message, file: StoredFile) -> dict[str, Any]:
        """A Media resource."""
        return {
            "sid": media_sid(file.id),
            "account_sid": self._account,
            "parent_sid": message.sid,
            "content_type": file.mime_type.partition(";")[0].strip(),
            "date_created": rfc2822(message.at),
            "date_updated": rfc2822(message.at),
            "uri": self._events.media_path(message.sid, file.id) + ".json",
        }

    def select(self, query: MultiMapping[str]) -> list[Message]:
        """Messages that satisfy `To`, `From` and `DateSent` (with `<` or `>`), newest first."""
        found = [one for one in self._all() if query.get("To") in (None, one.to)]
        found = [one for one in found if query.get("From") in (None, one.sender)]
        for name, holds in _DATES.items():
            if query.get(name):
                wanted = _day(query[name])
                found = [one for one in found if holds((one.sent_at or one.at).astimezone(UTC).date(), wanted)]
        return sorted(found, key=lambda one: one.at, reverse=True)

    def _all(self) -> Iterator[Message]:
        for chat in self._exchange.phones:
            for bubble in chat.bubbles:
                if bubble.author == "person" and bubble.id not in self._deleted:
                    yield self._inbound(chat, bubble)
        for sent in self._exchange.sends:
            if sent.id not in self._deleted:
                yield self._outbound(sent)

    def _inbound(self, chat: Chat, bubble: Bubble) -> Message:
        file = self._events.cards.get(bubble.id) or self._events.file_of(bubble.media)
        address = str(chat.phone.bsuid) if chat.phone.number_hidden else chat.phone.number
        return Message(
            sid=bubble.id,
            at=bubble.at,
            to=self._business,
            sender=CHANNEL + address,
            body=bubble.text,
            inbound=True,
            status="received",
            error=None,
            service=self._exchange.settings.messaging_service_sid,
            sent_at=bubble.at,
            files=(file,) if file is not None else (),
        )

    def _outbound(self, sent: Sent) -> Message:
        chat = self._exchange.phones.find(number=sent.number) if sent.number else None
        bubble = chat.find(sent.id) if chat is not None else None
        service = str(sent.body.get("MessagingServiceSid", ""))
        if sent.cancelled or sent.due_at is not None:
            status = "canceled" if sent.cancelled else "scheduled"
        elif sent.receipt is Receipt.FAILED:
            status = failed_status(sent.failure or 0)
        elif sent.receipt is Receipt.ACCEPTED and service:
            status = "accepted"
        else:
            status = _STATUS.get(sent.receipt, sent.receipt.value)
        file = self._events.file_of(bubble.media) if bubble is not None else None
        return Message(
            sid=sent.id,
            at=sent.at,
            to=sent.to,
            sender=self._business,
            body=bubble.text if bubble is not None else str(sent.body.get("Body", "")),
            inbound=False,
            status=status,
            error=sent.failure if sent.receipt is Receipt.FAILED else None,
            service=service,
            sent_at=next((at for receipt, at in sent.history if receipt is Receipt.SENT), None),
            files=(file,) if file is not None else (),
        )


def page_of(path: str, items: Sequence[Any], query: MultiMapping[str]) -> tuple[Sequence[Any], dict[str, Any]]:
    """One page of a list of the 2010 API, and what it says about itself.

    Raises:
        TwilioError: `PageSize` or `Page` is no number.
    """
    size, number = bounds_of(query)
    rest = "&".join(f"{name}={value}" for name, value in query.items() if name not in ("Page", "PageSize", "PageToken"))
    tail = f"&{rest}" if rest else ""

    def uri(place: int) -> str:
        return f"{path}?PageSize={size}&Page={place}{tail}"

    start, shown = number * size, items[number * size : (number + 1) * size]
    more = start + size < len(items)
    about = {
        "page": number,
        "page_size": size,
        "start": start,
        "end": max(start + len(shown) - 1, 0),
        "uri": uri(number),
        "first_page_uri": uri(0),
        "previous_page_uri": uri(number - 1) if number else None,
        "next_page_uri": f"{uri(number + 1)}&PageToken=PA{number + 1:032x}" if more else None,
    }
    return shown, about


def meta_of(url: str, key: str, items: Sequence[Any], query: MultiMapping[str]) -> tuple[Sequence[Any], dict[str, Any]]:
    """One page of a list of the newer APIs, with its `meta`."""
    size, number = bounds_of(query)

    def address(place: int) -> str:
        return f"{url}?PageSize={size}&Page={place}"

    shown = items[number * size : (number + 1) * size]
    more = (number + 1) * size < len(items)
    meta = {
        "page": number,
        "page_size": size,
        "first_page_url": address(0),
        "previous_page_url": address(number - 1) if number else None,
        "url": address(number),
        "next_page_url": f"{address(number + 1)}&PageToken=PT{number + 1}" if more else None,
        "key": key,
    }
    return shown, meta


def bounds_of(query: MultiMapping[str]) -> tuple[int, int]:
    """`PageSize` and `Page`."""
    size, number = query.get("PageSize", str(PAGE_USUAL)), query.get("Page", "0")
    if not size.isdecimal() or not number.isdecimal() or not 1 <= int(size) <= PAGE_MOST:
        raise TwilioError(20422, f"PageSize lies between 1 and {PAGE_MOST}, Page is a number")
    return int(size), int(number)


def rfc2822(at: datetime) -> str:
    """`Sun, 22 Nov 2026 06:10:00 +0000`."""
    return format_datetime(at.astimezone(UTC))


def _day(text: str) -> date:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise TwilioError(20422, "DateSent is a date as 2026-11-22") from None


_DATES: dict[str, Callable[[date, date], bool]] = {
    "DateSent": lambda at, wanted: at == wanted,
    "DateSent<": lambda at, wanted: at <= wanted,
    "DateSent>": lambda at, wanted: at >= wanted,
}
