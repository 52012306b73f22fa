"""One message of Meta's → what the person said.

What has a kind we know but a shape we do not becomes `UnsupportedIn`, like a kind we do not know: the person wrote
something, so the conversation must hear of it, and `raw` keeps it. Source: Meta, WhatsApp webhooks reference,
"messages", 2026.
"""

from collections.abc import Callable
from typing import Any, Literal

from bot.core.messages import (
    ChoiceIn,
    ContactsIn,
    EditIn,
    FormReplyIn,
    Incoming,
    LocationIn,
    MediaIn,
    MediaKind,
    OrderIn,
    OrderItem,
    ReactionIn,
    RevokeIn,
    TextIn,
    UnsupportedIn,
)
from providers.fields import (
    Unreadable,
    decimal,
    degrees,
    identifier,
    integer,
    items,
    kept,
    mapping,
    read_json,
    sha256_hex,
    storable,
    string,
)

MAX_KIND = 64
MAX_QUANTITY = 10**6


def read_content(message: dict[str, Any], value_errors: list[Any]) -> Incoming:
    """Read what a message says.

    Args:
        message: An element of `value.messages`.
        value_errors: `value.errors`, which says why an element is incomplete.

    Returns:
        The content; `UnsupportedIn` when the message has none that we can read.
    """
    kind = message.get("type")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    content = reader(message) if reader else None
    return _unsupported(message, value_errors) if content is None else content


def _unsupported(message: dict[str, Any], value_errors: list[Any]) -> UnsupportedIn:
    kind = string(message.get("type")) or "unknown"
    if kind == "unsupported":
        kind = string(mapping(message.get("unsupported")).get("type")) or kind
    elif kind == "interactive":
        inner = string(mapping(message.get("interactive")).get("type"))
        kind = f"interactive.{inner}" if inner else kind
    errors = items(message.get("errors")) or value_errors
    codes = (integer(mapping(error).get("code")) for error in errors)
    return UnsupportedIn(
        original_kind=kind[:MAX_KIND],
        error_code=next((code for code in codes if code is not None), None),
        raw=kept(message),
    )


def _text(message: dict[str, Any]) -> TextIn | None:
    body = string(mapping(message.get("text")).get("body"))
    return None if body is None else TextIn(body=body)


def _media(kind: MediaKind, key: str = "") -> Callable[[dict[str, Any]], MediaIn | None]:
    def read(message: dict[str, Any]) -> MediaIn | None:
        media = mapping(message.get(key or kind))
        media_id = identifier(media.get("id"))
        if media_id is None:
            return None
        return MediaIn(
            media=kind,
            media_id=media_id,
            mime_type=string(media.get("mime_type")) or "application/octet-stream",
            sha256=sha256_hex(media.get("sha256")),
            caption=string(media.get("caption")),
            filename=string(media.get("filename")),
            url=string(media.get("url")),
            voice=media.get("voice") is True or key == "voice",
            animated=media.get("animated") is True,
        )

    return read


def _location(message: dict[str, Any]) -> LocationIn | None:
    place = mapping(message.get("location"))
    latitude = degrees(place.get("latitude"), 90)
    longitude = degrees(place.get("longitude"), 180)
    if latitude is None or longitude is None:
        return None
    return LocationIn(
        latitude=latitude,
        longitude=longitude,
        name=string(place.get("name")),
        address=string(place.get("address")),
    )


def _contacts(message: dict[str, Any]) -> ContactsIn | None:
    cards = tuple(storable(card) for card in items(message.get("contacts")) if isinstance(card, dict))
    if not cards:
        return None
    requested = any(part.get("origin") == "contact_request" for part in (message, *cards))
    return ContactsIn(cards=cards, requested=requested)


def _template_button(message: dict[str, Any]) -> ChoiceIn | None:
    button = mapping(message.get("button"))
    title = string(button.get("text"))
    payload = string(button.get("payload")) or title
    return ChoiceIn(id=payload, title=title or "", origin="template") if payload else None


def _interactive(message: dict[str, Any]) -> Incoming | None:
    answer = mapping(message.get("interactive"))
    # By the key that is there, not by `type`: one says what the other does, and either may be missing.
    if isinstance(reply := answer.get("button_reply"), dict):
        return _choice(reply, "button")
    if isinstance(reply := answer.get("list_reply"), dict):
        return _choice(reply, "list")
    if isinstance(reply := answer.get("nfm_reply"), dict):
        return _form_reply(reply)
    return None


def _choice(reply: dict[str, Any], origin: Literal["button", "list"]) -> ChoiceIn | None:
    choice = string(reply.get("id"))
    if not choice:
        return None
    return ChoiceIn(
        id=choice,
        title=string(reply.get("title")) or "",
        description=string(reply.get("description")),
        origin=origin,
    )


def _form_reply(reply: dict[str, Any]) -> FormReplyIn | None:
    answers = reply.get("response_json")
    if isinstance(answers, str):
        try:
            answers = read_json(answers.encode("utf-8", "replace"))
        except Unreadable:
            return None
    if not isinstance(answers, dict):
        return None
    return FormReplyIn(data=storable(answers), name=string(reply.get("name")) or "flow")


def _reaction(message: dict[str, Any]) -> ReactionIn | None:
    reaction = mapping(message.get("reaction"))
    target = identifier(reaction.get("message_id"))
    # Taken back: `emoji` is missing, or empty.
    return ReactionIn(message_id=target, emoji=string(reaction.get("emoji")) or None) if target else None


def _order(message: dict[str, Any]) -> OrderIn | None:
    order = mapping(message.get("order"))
    lines = [_order_item(mapping(item)) for item in items(order.get("product_items"))]
    read = tuple(line for line in lines if line is not None)
    # All or nothing: a cart without one of its lines would be quoted at the wrong total.
    if not read or len(read) < len(lines):
        return None
    return OrderIn(
        catalog_id=identifier(order.get("catalog_id")) or "",
        items=read,
        text=string(order.get("text")) or "",
    )


def _order_item(item: dict[str, Any]) -> OrderItem | None:
    product = identifier(item.get("product_retailer_id"))
    quantity = integer(item.get("quantity"))
    price = decimal(item.get("item_price"))
    currency = string(item.get("currency"))
    if product is None or quantity is None or price is None or not currency:
        return None
    if not 0 < quantity <= MAX_QUANTITY or price < 0:
        return None
    return OrderItem(product=product, quantity=quantity, price=price, currency=currency)


def _edit(message: dict[str, Any]) -> EditIn | None:
    edit = mapping(message.get("edit"))
    target = identifier(edit.get("original_message_id"))
    if target is None:
        return None
    now = mapping(edit.get("message"))
    words = mapping(now.get("text")).get("body") or mapping(now.get(string(now.get("type")) or "")).get("caption")
    return EditIn(message_id=target, text=string(words))


def _revoke(message: dict[str, Any]) -> RevokeIn | None:
    target = identifier(mapping(message.get("revoke")).get("original_message_id"))
    return RevokeIn(message_id=target) if target else None


_READERS: dict[str, Callable[[dict[str, Any]], Incoming | None]] = {
    "text": _text,
    "image": _media("image"),
    "audio": _media("audio"),
    "voice": _media("audio", "voice"),  # what voice notes were called before Cloud API
    "video": _media("video"),
    "document": _media("document"),
    "sticker": _media("sticker"),
    "location": _location,
    "contacts": _contacts,
    "button": _template_button,
    "interactive": _interactive,
    "reaction": _reaction,
    "order": _order,
    "edit": _edit,
    "revoke": _revoke,
}
