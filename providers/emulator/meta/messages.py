"""Checks a send the way Meta does and turns it into what the phone shows; interactive.py has the interactive ones.

The limits are those of Meta's message reference; characters are counted as code points, since Meta does not say.
"""

from providers.emulator.meta.fields import Field
from providers.emulator.meta.head import Head
from providers.emulator.meta.interactive import read_attachment, read_interactive
from providers.emulator.phones import Bubble, Card, Kind, Place

TEXT_MOST = 4096
CAPTION_MOST = 1024

_MEDIA_KINDS: dict[str, Kind] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "document": "document",
    "sticker": "sticker",
}
TYPES = ("text", *_MEDIA_KINDS, "location", "contacts", "reaction", "interactive", "template")


def read_message(kind: str, request: Field, head: Head) -> Bubble:
    """The bubble for any type but `reaction` and `template`.

    Raises:
        GraphError: Meta would refuse the request at once.
    """
    content = request.need(kind)
    if kind in _MEDIA_KINDS:
        return _media(_MEDIA_KINDS[kind], content, head)
    match kind:
        case "text":
            return head.bubble("text", text=content.need("body").text(TEXT_MOST, code=100))
        case "location":
            return _location(content, head)
        case "contacts":
            return _contacts(content, head)
        case _:
            return read_interactive(content, head)


def read_reaction(request: Field) -> tuple[str, str]:
    """The message a reaction is for, and its emoji; '' takes it back."""
    reaction = request.need("reaction")
    return reaction.need("message_id").text(), reaction.need("emoji").text(16, least=0)


def _media(kind: Kind, content: Field, head: Head) -> Bubble:
    if kind in ("audio", "sticker") and content.get("caption") is not None:
        raise content.need("caption").wrong(f"is not supported on type {kind}", 100)
    filename = content.text_of("filename", 240) if kind == "document" else ""
    voice = content.value.get("voice") is True if kind == "audio" else False
    attachment = read_attachment(content, filename=filename, voice=voice)
    return head.bubble(kind, text=content.text_of("caption", CAPTION_MOST), media=attachment)


def _location(content: Field, head: Head) -> Bubble:
    place = Place(
        latitude=content.need("latitude").degrees(90),
        longitude=content.need("longitude").degrees(180),
        name=content.text_of("name", 1000),
        address=content.text_of("address", 1000),
    )
    return head.bubble("location", place=place)


def _contacts(content: Field, head: Head) -> Bubble:
    cards: list[Card] = []
    for contact in content.items(1, 257):
        name = contact.need("name")
        shown = name.need("formatted_name").text()
        if not any(name.get(part) for part in ("first_name", "last_name", "middle_name", "suffix", "prefix")):
            raise name.wrong("needs formatted_name and at least one more part of the name")
        phones = contact.get("phones")
        numbers = [phone.text_of("phone") for phone in phones.items(0, 20)] if phones else []
        cards.append(Card(name=shown, phones=tuple(filter(None, numbers))))
    lines = [line for card in cards for line in (card.name, *card.phones)]
    return head.bubble("contacts", text="\n".join(lines), cards=tuple(cards))
