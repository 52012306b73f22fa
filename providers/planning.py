"""What we want to say → messages that a provider can carry, in order.

A message that is too long becomes several; what a provider has no shape for is said in another way. Each message of the
plan is a row of its own in the outbox, so that after a crash the rest goes out, and in order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from bot.core.choices import shorten
from bot.core.messages import (
    MAX_BUTTON_TITLE,
    MAX_BUTTONS,
    MAX_CAPTION,
    MAX_CARDS,
    MAX_FORM_LABEL,
    MAX_ROWS,
    ButtonsOut,
    ContactRequestOut,
    ContactsOut,
    FormOut,
    ListOut,
    LocationOut,
    LocationRequestOut,
    MediaOut,
    Outgoing,
    ReactionOut,
    TemplateOut,
    TextOut,
    UrlOut,
)
from bot.core.plain import numbered, plain_text
from bot.core.splitting import split_text
from providers.base import Capabilities

_CAPTIONED = ("image", "video", "document")
_T = TypeVar("_T")
_WithBody = TypeVar("_WithBody", bound=ButtonsOut | ListOut | UrlOut | FormOut | LocationRequestOut | ContactRequestOut)


def plan(content: Outgoing, able: Capabilities) -> list[Outgoing]:
    """Plan one message of ours.

    Args:
        content: What we want to say.
        able: What the provider can carry.

    Returns:
        What to send, in order. Empty only for a reaction where there are none, since words would say more than that.
    """
    match content:
        case TextOut():
            return _text(content, able)
        case TemplateOut() | LocationOut():
            return [content]
        case ButtonsOut():
            return list(_buttons(content, able))
        case ListOut():
            return list(_list(content, able))
        case UrlOut():
            return _link(content, able)
        case LocationRequestOut() | ContactRequestOut() | FormOut():
            return _asked(content, able)
        case ContactsOut():
            if not able.contacts:
                return _words(content, able)
            return [ContactsOut(cards=cards) for cards in _pages(content.cards, MAX_CARDS)]
        case ReactionOut():
            return [content] if able.reactions else []
        case MediaOut():
            return list(_media(content, able))


def _text(content: TextOut, able: Capabilities) -> list[Outgoing]:
    if len(content.body) * 2 <= able.max_text:  # the usual case
        return [content]
    return [replace(content, body=part) for part in split_text(content.body, able.max_text)] or [content]


def _words(content: Outgoing, able: Capabilities) -> list[Outgoing]:
    return _text(TextOut(body=plain_text(content)), able)


def _buttons(content: ButtonsOut, able: Capabilities) -> Iterator[Outgoing]:
    titles = [one.title for one in content.buttons]
    if able.lists and len(titles) > MAX_BUTTONS:
        yield from _list(ListOut(body=content.body, label="…", rows=content.buttons), able)
    elif not able.buttons or len(titles) > MAX_BUTTONS or max(map(len, titles), default=0) > MAX_BUTTON_TITLE:
        yield from _text(TextOut(body=numbered(content)), able)
    else:
        yield from _body_first(content, able.max_button_body, able)


def _list(content: ListOut, able: Capabilities) -> Iterator[Outgoing]:
    if not able.lists:
        yield from _text(TextOut(body=numbered(content)), able)
        return
    first, *rest = _pages(content.rows, MAX_ROWS) or [()]
    yield from _body_first(replace(content, rows=first), able.max_list_body, able)
    for rows in rest:
        yield ListOut(body=content.label, label=content.label, rows=rows)


def _link(content: UrlOut, able: Capabilities) -> list[Outgoing]:
    if not able.url_buttons:
        return _words(content, able)
    if len(content.label) > MAX_BUTTON_TITLE:
        content = replace(content, label=shorten(content.label, MAX_BUTTON_TITLE))
    return list(_body_first(content, able.max_button_body, able))


def _asked(content: LocationRequestOut | ContactRequestOut | FormOut, able: Capabilities) -> list[Outgoing]:
    match content:
        case LocationRequestOut():
            can = able.location_requests
        case ContactRequestOut():
            can = able.contact_requests
        case FormOut():
            can = able.forms
            content = replace(content, label=shorten(content.label, MAX_FORM_LABEL))
    return list(_body_first(content, able.max_button_body, able)) if can else _words(content, able)


def _body_first(content: _WithBody, limit: int, able: Capabilities) -> Iterator[Outgoing]:
    """A message whose text is too long to stand above a button: what comes before as text, the rest with the button."""
    if len(content.body) * 2 <= limit:
        yield content
        return
    *before, last = split_text(content.body, limit) or [content.body]
    if before:
        yield from _text(TextOut(body="\n\n".join(before)), able)
    yield replace(content, body=last)


def _media(content: MediaOut, able: Capabilities) -> Iterator[Outgoing]:
    caption = content.caption or ""
    fits = content.media in _CAPTIONED and (content.media != "document" or able.document_captions)
    if not caption or (fits and split_text(caption, MAX_CAPTION) == [caption.strip()]):
        yield content
        return
    yield replace(content, caption=None)
    yield from _text(TextOut(body=caption), able)


def _pages(values: Sequence[_T], size: int) -> list[tuple[_T, ...]]:
    return [tuple(values[start : start + size]) for start in range(0, len(values), size)]
