"""Phones and their chats, as people see them: no provider's wire format in here.

A chat holds bubbles in the order they appeared. Bubbles are values: a change (a tick, a pressed button, a reaction)
replaces the bubble and tells every listener, so the page and waiting tests see one stream of changes.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from providers.emulator.settings import Phone

WINDOW = timedelta(hours=24)
BUBBLES_KEPT = 2_000

Author = Literal["person", "business"]
Kind = Literal[
    "text",
    "buttons",
    "list",
    "link",
    "location",
    "location_request",
    "contact_request",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "contacts",
    "flow",
    "template",
]


class EmulatorError(Exception):
    """The caller asked for something that no phone here could do."""


class UnknownPhoneError(EmulatorError):
    """No phone of the emulator has this number."""


class UnknownMessageError(EmulatorError):
    """The chat has no such message, button or row."""


class Receipt(StrEnum):
    """How far a message got. Ranks only grow; `FAILED` is final."""

    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"
    FAILED = "failed"

    @property
    def rank(self) -> int:
        """Position in the life of a message."""
        return list(Receipt).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button under a bubble. `url` set: it opens a page and tells the bot nothing."""

    id: str
    title: str
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a list."""

    id: str
    title: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Rows under a common title."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """A list that opens from its label."""

    label: str
    sections: tuple[Section, ...]

    def row(self, row_id: str) -> Row | None:
        """The row with this id."""
        return next((row for section in self.sections for row in section.rows if row.id == row_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A location, in degrees; name and address only for places, not for a bare pin."""

    latitude: float
    longitude: float
    name: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file on a bubble: stored here under `id`, or only linked to."""

    id: str | None = None
    link: str | None = None
    mime_type: str = ""
    filename: str = ""
    voice: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A contact that one sends the other."""

    name: str
    phones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a person's tap tells the bot."""

    of: Literal["button", "row", "template_button"]
    id: str
    title: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """One message in a chat.

    Attributes:
        id: The provider's message id (a wamid, or a sid of Twilio's).
        author: Who wrote it.
        kind: What it shows.
        at: When it was written (aware, UTC).
        quotes: Id of the message it replies to.
        cards: The contacts of a `contacts` bubble.
        flow_reply: What a person filled into a flow, as JSON.
        shares_number: The contact is the person's own number, which the business had asked for.
        choice: Set on a person's bubble that came from a tap.
        pressed: Id of the button or row that the person tapped last.
        person_reaction: Emoji the person put on it, or ''.
        business_reaction: Emoji the bot put on it, or ''.
        receipt: How far it got. For a person's bubble `delivered` means that the bot took the webhook.
    """

    id: str
    author: Author
    kind: Kind
    at: datetime
    text: str = ""
    header: str = ""
    footer: str = ""
    buttons: tuple[Button, ...] = ()
    menu: Menu | None = None
    place: Place | None = None
    media: Attachment | None = None
    quotes: str | None = None
    cards: tuple[Card, ...] = ()
    flow_reply: str = ""
    shares_number: bool = False
    choice: Choice | None = None
    pressed: str | None = None
    person_reaction: str = ""
    business_reaction: str = ""
    receipt: Receipt = Receipt.SENT

    def button(self, button_id: str) -> Button | None:
        """The button with this id."""
        return next((button for button in self.buttons if button.id == button_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that the page should show: `what` names the field that is set beside it."""

    what: Literal["bubble", "typing", "webhooks", "failure", "reset"]
    number: str | None = None
    bubble: Bubble | None = None
    typing_until: datetime | None = None
    waiting: int = 0
    problem: str | None = None


@dataclass(slots=True)
class Chat:
    """One phone's conversation with the business.

    `reaction_ids` are the person's messages that no bubble shows; the bot may mark them read all the same.
    """

    phone: Phone
    bubbles: list[Bubble] = field(default_factory=list)
    typing_until: datetime | None = None
    last_inbound_at: datetime | None = None
    reaction_ids: deque[str] = field(default_factory=lambda: deque(maxlen=BUBBLES_KEPT))

    def window_open(self, now: datetime) -> bool:
        """Whether the business may send free-form messages: the person wrote within 24 hours."""
        return self.last_inbound_at is not None and now - self.last_inbound_at < WINDOW

    def find(self, bubble_id: str) -> Bubble | None:
        """The bubble with this id, newest first."""
        return next((bubble for bubble in reversed(self.bubbles) if bubble.id == bubble_id), None)

    def answers(self) -> list[Bubble]:
        """What the business wrote since the person's last bubble."""
        latest = next(
            (place for place in range(len(self.bubbles) - 1, -1, -1) if self.bubbles[place].author == "person"), -1
        )
        return self.bubbles[latest + 1 :]


class Phones:
    """All phones of the emulator, and whoever listens to what they show."""

    def __init__(self, phones: Iterable[Phone]) -> None:
        self._chats = {phone.number: Chat(phone) for phone in phones}
        self._listeners: list[Callable[[Change], None]] = []

    def __iter__(self) -> Iterator[Chat]:
        return iter(self._chats.values())

    def chat(self, number: str) -> Chat:
        """The chat of a phone.

        Raises:
            UnknownPhoneError: No phone has this number.
        """
        try:
            return self._chats[number]
        except KeyError:
            raise UnknownPhoneError(f"no phone here has the number {number}") from None

    def find(self, *, number: str | None = None, bsuid: str | None = None) -> Chat | None:
        """The chat with this number or BSUID, if the person is on WhatsApp at all."""
        if number is not None:
            return self._chats.get(number)
        return next((chat for chat in self if bsuid is not None and chat.phone.bsuid == bsuid), None)

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` at every change; returns what stops it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, change: Change) -> None:
        """Hand a change to every listener."""
        for listener in tuple(self._listeners):
            listener(change)

    def show(self, number: str, bubble: Bubble) -> None:
        """Add a bubble to a chat; the business stops typing when it is the author."""
        chat = self.chat(number)
        chat.bubbles.append(bubble)
        del chat.bubbles[:-BUBBLES_KEPT]
        if bubble.author == "business" and chat.typing_until is not None:
            self.type_until(number, None)
        self.tell(Change(what="bubble", number=number, bubble=bubble))

    def alter(self, number: str, bubble: Bubble) -> None:
        """Replace the bubble that has the same id; a bubble that was dropped meanwhile stays dropped."""
        bubbles = self.chat(number).bubbles
        for place in range(len(bubbles) - 1, -1, -1):
            if bubbles[place].id == bubble.id:
                bubbles[place] = bubble
                self.tell(Change(what="bubble", number=number, bubble=bubble))
                return

    def advance(self, number: str, bubble_id: str, receipt: Receipt) -> None:
        """Move a bubble's ticks forward; never back."""
        bubble = self.chat(number).find(bubble_id)
        if bubble is not None and bubble.receipt.rank < receipt.rank:
            self.alter(number, replace(bubble, receipt=receipt))

    def type_until(self, number: str, until: datetime | None) -> None:
        """Show or hide "typing…"."""
        self.chat(number).typing_until = until
        self.tell(Change(what="typing", number=number, typing_until=until))

    def clear(self) -> None:
        """Empty every chat."""
        for chat in self:
            chat.bubbles.clear()
            chat.reaction_ids.clear()
            chat.typing_until = chat.last_inbound_at = None
        self.tell(Change(what="reset"))
