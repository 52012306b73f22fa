"""What people say and what we say, whichever provider carries it.

Limits are WhatsApp's (characters); a provider that allows less says so in its capabilities.
Source: Meta Cloud API reference, messages and webhooks, 2026.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from bot.core.frozen import dataclass

MAX_TEXT = 4096
MAX_BUTTONS = 3
MAX_BUTTON_TITLE = 20
MAX_BUTTON_BODY = 1024
MAX_ROWS = 10
MAX_ROW_TITLE = 24
MAX_ROW_DESCRIPTION = 72
MAX_LIST_LABEL = 20
MAX_CHOICE_ID = 200  # rows; reply buttons may have 256, Twilio 200
MAX_CAPTION = 1024
MAX_CARDS = 5  # the pages say 257, the OpenAPI description 5: the smaller one always works
MAX_FORM_LABEL = 20  # older pages 20, newer 30

MediaKind = Literal["image", "audio", "video", "document", "sticker"]

# --- Incoming -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TextIn:
    """Words somebody typed."""

    body: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceIn:
    """A button or list row somebody tapped. Route by `id`; `title` is only what the person saw."""

    id: str
    title: str
    description: str | None = None
    origin: Literal["button", "list", "template"] = "button"
    kind: Literal["choice"] = "choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaIn:
    """A file. `sha256` is lower-case hex; `filename` and `caption` are the sender's and untrusted."""

    media: MediaKind
    media_id: str
    mime_type: str
    sha256: str | None = None
    caption: str | None = None
    filename: str | None = None
    url: str | None = None
    voice: bool = False
    animated: bool = False
    kind: Literal["media"] = "media"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationIn:
    """A place or pin, WGS 84 degrees."""

    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None
    kind: Literal["location"] = "location"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsIn:
    """Contact cards, as the provider sent them: every key is optional."""

    cards: tuple[dict[str, Any], ...]
    requested: bool = False
    kind: Literal["contacts"] = "contacts"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionIn:
    """An emoji on a message; None takes it back."""

    message_id: str
    emoji: str | None = None
    kind: Literal["reaction"] = "reaction"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderItem:
    """One line of a cart; `price` in units of `currency`."""

    product: str
    quantity: int
    price: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIn:
    """A cart sent from the catalogue."""

    catalog_id: str
    items: tuple[OrderItem, ...]
    text: str = ""
    kind: Literal["order"] = "order"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormReplyIn:
    """A WhatsApp Flow that was completed: its data, decoded."""

    data: dict[str, Any]
    name: str = "flow"
    kind: Literal["form_reply"] = "form_reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemIn:
    """The person's number or id changed. `phone` is E.164 with +."""

    change: str
    body: str = ""
    phone: str | None = None
    user_id: str | None = None
    kind: Literal["system"] = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class EditIn:
    """Somebody edited a message they had sent; `text` is None when only its media changed."""

    message_id: str
    text: str | None = None
    kind: Literal["edit"] = "edit"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeIn:
    """Somebody deleted a message for everyone."""

    message_id: str
    kind: Literal["revoke"] = "revoke"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsupportedIn:
    """A kind we cannot read, kept raw so that nothing is lost."""

    original_kind: str
    error_code: int | None = None
    raw: dict[str, Any] | None = None
    kind: Literal["unsupported"] = "unsupported"


Incoming = Annotated[
    TextIn
    | ChoiceIn
    | MediaIn
    | LocationIn
    | ContactsIn
    | ReactionIn
    | OrderIn
    | FormReplyIn
    | SystemIn
    | EditIn
    | RevokeIn
    | UnsupportedIn,
    Field(discriminator="kind"),
]

# --- Outgoing -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOut:
    """Text, with WhatsApp's *bold* and _italic_."""

    body: str
    preview_url: bool = False
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One thing to tap: `id` comes back as `ChoiceIn.id`."""

    id: str
    title: str
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonsOut:
    """Text with 1 to 3 reply buttons."""

    body: str
    buttons: tuple[Choice, ...]
    kind: Literal["buttons"] = "buttons"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOut:
    """Text with a button `label` that opens 1 to 10 rows."""

    body: str
    label: str
    rows: tuple[Choice, ...]
    kind: Literal["list"] = "list"


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlOut:
    """Text with one button that opens `url`. A tap is not reported."""

    body: str
    label: str
    url: str
    kind: Literal["url"] = "url"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationOut:
    """A place on the map, WGS 84 degrees."""

    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None
    kind: Literal["location"] = "location"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationRequestOut:
    """Text with a button that sends where the person is: a `LocationIn` comes back."""

    body: str
    kind: Literal["location_request"] = "location_request"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRequestOut:
    """Text with a button that shares the person's own number: `ContactsIn` with `requested` comes back."""

    body: str
    kind: Literal["contact_request"] = "contact_request"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactCard:
    """Somebody to get in touch with. `name` is what is shown; phones are E.164 with +."""

    name: str
    first_name: str
    last_name: str | None = None
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    company: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsOut:
    """1 to 5 contact cards."""

    cards: tuple[ContactCard, ...]
    kind: Literal["contacts"] = "contacts"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionOut:
    """An emoji on a message of theirs, by the provider's id; None takes it back."""

    message_id: str
    emoji: str | None = None
    kind: Literal["reaction"] = "reaction"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaOut:
    """A file: one of `media_id` (uploaded to the provider), `link` (public, https) and `file` (a key of our own store).

    A `file` is given an id or a link before a provider sees it. `mime_type` and `size_bytes` are checked where known.
    """

    media: MediaKind
    media_id: str | None = None
    link: str | None = None
    file: str | None = None
    mime_type: str | None = None
    size_bytes: int | None = None
    caption: str | None = None
    filename: str | None = None
    voice: bool = False
    kind: Literal["media"] = "media"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormOut:
    """Text with a button that opens a WhatsApp Flow: a `FormReplyIn` comes back.

    `token` comes back with it; `screen` is where it opens, with `data` filled in.
    """

    body: str
    label: str
    flow_id: str
    token: str
    screen: str | None = None
    data: dict[str, Any] | None = None
    draft: bool = False
    kind: Literal["form"] = "form"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateOut:
    """A message template approved by WhatsApp: the only thing that may be sent outside the 24-hour window.

    `parameters` fill {{1}}, {{2}}… of the body, or what `names` names, one for each; `header_parameters`,
    `header_media` or `header_location` the header. `button_parameters` are the dynamic part of each button by position
    (empty: none), the end of an address or, where `button_kinds` says `copy_code`, a code; `button_payloads` what a
    quick reply gives back.
    """

    name: str
    language: str
    parameters: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    header_parameters: tuple[str, ...] = ()
    header_names: tuple[str, ...] = ()
    header_media: MediaOut | None = None
    header_location: LocationOut | None = None
    button_parameters: tuple[str, ...] = ()
    button_kinds: tuple[str, ...] = ()
    button_payloads: tuple[str, ...] = ()
    kind: Literal["template"] = "template"


Outgoing = Annotated[
    TextOut
    | ButtonsOut
    | ListOut
    | UrlOut
    | LocationOut
    | LocationRequestOut
    | ContactRequestOut
    | ContactsOut
    | ReactionOut
    | MediaOut
    | FormOut
    | TemplateOut,
    Field(discriminator="kind"),
]

INCOMING: TypeAdapter[Incoming] = TypeAdapter(Incoming)
OUTGOING: TypeAdapter[Outgoing] = TypeAdapter(Outgoing)
