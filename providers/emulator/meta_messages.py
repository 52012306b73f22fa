"""Checks a send the way Meta does and turns it into what the phone shows.

The limits are those of Meta's message reference; characters are counted as code points, since Meta does not say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from providers.emulator.meta_fields import Field
from providers.emulator.phones import Attachment, Bubble, Button, Kind, Menu, Place, Row, Section

TEXT_MOST = 4096
CAPTION_MOST = 1024
BUTTON_BODY_MOST = 1024
LIST_BODY_MOST = 4096
SHORT_MOST = 60
LABEL_MOST = 20

_MEDIA_KINDS: dict[str, Kind] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "document": "document",
    "sticker": "sticker",
}
TYPES = ("text", *_MEDIA_KINDS, "location", "contacts", "reaction", "interactive", "template")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What every bubble of a send starts with."""

    id: str
    at: datetime
    quotes: str | None

    def bubble(
        self,
        kind: Kind,
        *,
        text: str = "",
        header: str = "",
        footer: str = "",
        buttons: tuple[Button, ...] = (),
        menu: Menu | None = None,
        place: Place | None = None,
        media: Attachment | None = None,
    ) -> Bubble:
        """A bubble of the business."""
        return Bubble(
            id=self.id,
            author="business",
            at=self.at,
            quotes=self.quotes,
            kind=kind,
            text=text,
            header=header,
            footer=footer,
            buttons=buttons,
            menu=menu,
            place=place,
            media=media,
        )


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
            return _interactive(content, head)


def read_reaction(request: Field) -> tuple[str, str]:
    """The message a reaction is for, and its emoji; '' takes it back."""
    reaction = request.need("reaction")
    return reaction.need("message_id").text(), reaction.need("emoji").text(16, least=0)


def read_attachment(content: Field, *, filename: str = "", voice: bool = False) -> Attachment:
    """The file of a media object: exactly one of `id` and `link`."""
    media_id, link = content.get("id"), content.get("link")
    if media_id is not None:
        if link is not None:
            raise content.wrong("must have either id or link, not both")
        return Attachment(id=media_id.text(), filename=filename, voice=voice)
    address = content.need("link").text(2000)
    if not address.startswith(("https://", "http://")):
        raise content.need("link").wrong("must be an http(s) URL")
    return Attachment(link=address, filename=filename, voice=voice)


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
    lines: list[str] = []
    for contact in content.items(1, 257):
        name = contact.need("name")
        lines.append(name.need("formatted_name").text())
        if not any(name.get(part) for part in ("first_name", "last_name", "middle_name", "suffix", "prefix")):
            raise name.wrong("needs formatted_name and at least one more part of the name")
        phones = contact.get("phones")
        lines += [phone.text_of("phone") for phone in phones.items(0, 20)] if phones else []
    return head.bubble("contacts", text="\n".join(line for line in lines if line))


def _interactive(content: Field, head: Head) -> Bubble:
    readers: dict[str, Callable[[Field, Head], Bubble]] = {
        "button": _buttons,
        "list": _list,
        "cta_url": _link,
        "location_request_message": _location_request,
    }
    return readers[content.need("type").one_of(readers)](content, head)


def _buttons(content: Field, head: Head) -> Bubble:
    header, attachment = _header(content, media=True)
    buttons: list[Button] = []
    for item in content.need("action").need("buttons").items(1, 3):
        item.need("type").one_of(["reply"])
        reply = item.need("reply")
        button_id = reply.need("id")
        if button_id.text(256) != button_id.value.strip():
            raise button_id.wrong("must not start or end with a space")
        button = Button(id=button_id.value, title=reply.need("title").text(LABEL_MOST))
        if any(button.id == other.id for other in buttons):
            raise button_id.wrong("is not unique")
        if any(button.title == other.title for other in buttons):
            raise reply.need("title").wrong("is not unique")
        buttons.append(button)
    return head.bubble(
        "buttons",
        text=content.need("body").need("text").text(BUTTON_BODY_MOST),
        header=header,
        footer=_footer(content),
        buttons=tuple(buttons),
        media=attachment,
    )


def _list(content: Field, head: Head) -> Bubble:
    header, _ = _header(content, media=False)
    action = content.need("action")
    label = action.need("button").text(LABEL_MOST)
    sections = action.need("sections").items(1, 10)
    seen: set[str] = set()
    read: list[Section] = []
    for section in sections:
        title = section.need("title").text(24) if len(sections) > 1 else section.text_of("title", 24)
        rows = [_row(row, seen) for row in section.need("rows").items(1, 10)]
        read.append(Section(title=title, rows=tuple(rows)))
    if len(seen) > 10:
        raise action.need("sections").wrong(f"must have at most 10 rows in total, these have {len(seen)}")
    return head.bubble(
        "list",
        text=content.need("body").need("text").text(LIST_BODY_MOST),
        header=header,
        footer=_footer(content),
        menu=Menu(label=label, sections=tuple(read)),
    )


def _row(row: Field, seen: set[str]) -> Row:
    row_id = row.need("id")
    if row_id.text(200) in seen:
        raise row_id.wrong("is not unique")
    seen.add(row_id.value)
    return Row(id=row_id.value, title=row.need("title").text(24), description=row.text_of("description", 72))


def _link(content: Field, head: Head) -> Bubble:
    header, attachment = _header(content, media=True)
    action = content.need("action")
    action.need("name").one_of(["cta_url"])
    url = action.need("parameters").need("url")
    if not url.text(2000).startswith(("https://", "http://")):
        raise url.wrong("must be an http(s) URL")
    title = action.need("parameters").need("display_text").text(LABEL_MOST)
    return head.bubble(
        "link",
        text=content.need("body").need("text").text(BUTTON_BODY_MOST),
        header=header,
        footer=_footer(content),
        buttons=(Button(id="", title=title, url=url.value),),
        media=attachment,
    )


def _location_request(content: Field, head: Head) -> Bubble:
    content.need("action").need("name").one_of(["send_location"])
    return head.bubble("location_request", text=content.need("body").need("text").text(BUTTON_BODY_MOST))


def _header(content: Field, *, media: bool) -> tuple[str, Attachment | None]:
    header = content.get("header")
    if header is None:
        return "", None
    kind = header.need("type").one_of(["text", "image", "video", "document"] if media else ["text"])
    if kind == "text":
        return header.need("text").text(SHORT_MOST), None
    return "", read_attachment(header.need(kind), filename=header.need(kind).text_of("filename"))


def _footer(content: Field) -> str:
    footer = content.get("footer")
    return "" if footer is None else footer.need("text").text(SHORT_MOST)
