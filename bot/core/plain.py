"""What we say, as plain text: for terminals, transcripts, and providers that carry no more than text."""

from typing import assert_never

from bot.core.messages import (
    ButtonsOut,
    ContactCard,
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


def plain_text(content: Outgoing) -> str:
    """The words of a message. Choices are not among them; `numbered` has those, too."""
    match content:
        case TextOut() | ButtonsOut() | ListOut() | LocationRequestOut() | ContactRequestOut() | FormOut():
            return content.body
        case UrlOut():
            return f"{content.body}\n\n{content.label}: {content.url}"
        case LocationOut():
            named = ", ".join(part for part in (content.name, content.address) if part)
            place = f"{content.latitude:.6f},{content.longitude:.6f}"
            return f"{named}\nhttps://maps.google.com/?q={place}".strip()
        case ContactsOut():
            return "\n\n".join(_card(card) for card in content.cards)
        case ReactionOut():
            return content.emoji or ""
        case MediaOut():
            return content.caption or content.filename or content.media
        case TemplateOut():
            return ", ".join(content.parameters)
        case _:
            assert_never(content)


def numbered(content: ButtonsOut | ListOut) -> str:
    """The words of a message with its choices as a numbered list, which may be answered by number."""
    choices = content.buttons if isinstance(content, ButtonsOut) else content.rows
    lines = (f"{place}. {one.title}" for place, one in enumerate(choices, 1))
    return f"{content.body}\n\n" + "\n".join(lines)


def _card(card: ContactCard) -> str:
    name = f"{card.name} ({card.company})" if card.company else card.name
    return "\n".join((name, *card.phones, *card.emails))
