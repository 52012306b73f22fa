"""The fields of a message at Twilio → what the person said."""

import re
from collections.abc import Mapping
from typing import Any

from bot.core.messages import (
    ChoiceIn,
    ContactsIn,
    FormReplyIn,
    Incoming,
    LocationIn,
    MediaIn,
    MediaKind,
    TextIn,
    UnsupportedIn,
)
from providers.fields import Unreadable, degrees, integer, mapping, read_json, storable

MAX_KIND = 64
MAX_MEDIA = 10
_MAX_URL = 512

_VCARDS = frozenset({"text/vcard", "text/x-vcard", "text/directory"})
_FILENAME = re.compile(r"[^\s/\\][^\n/\\]{0,198}\.\w{1,8}")


def read_contents(fields: Mapping[str, str]) -> list[Incoming]:
    """What a message says: one content, or one for each of several files. What we cannot read is `UnsupportedIn`."""
    files = integer(fields.get("NumMedia") or None)
    if files is None:  # it says nothing, or nothing that can be read
        files = MAX_MEDIA if fields.get("MediaUrl0") else 0
    if files > 0:
        read = [_file(fields, place) for place in range(min(files, MAX_MEDIA))]
        found: list[Incoming] = [one for one in read if one is not None]
        if found or not fields.get("Body"):
            return found or [_unsupported(fields)]
    return [_choice(fields) or _form_reply(fields) or _location(fields) or _text(fields) or _unsupported(fields)]


def _unsupported(fields: Mapping[str, str]) -> UnsupportedIn:
    return UnsupportedIn(
        original_kind=(fields.get("MessageType") or "unknown")[:MAX_KIND],
        error_code=integer(fields.get("ErrorCode") or None),
        raw=storable(dict(fields)),
    )


def _text(fields: Mapping[str, str]) -> TextIn | None:
    body = fields.get("Body", "")
    return TextIn(body=body) if body or fields.get("MessageType") == "text" else None


def _choice(fields: Mapping[str, str]) -> ChoiceIn | None:
    if row := fields.get("ListId"):
        title = fields.get("ListTitle") or fields.get("Body", "")
        return ChoiceIn(id=row, title=title, description=fields.get("ListDescription") or None, origin="list")
    title = fields.get("ButtonText") or fields.get("Body", "")
    if payload := fields.get("ButtonPayload") or fields.get("ButtonText"):
        in_template = fields.get("MessageType") == "button"
        return ChoiceIn(id=payload, title=title, origin="template" if in_template else "button")
    return None


def _form_reply(fields: Mapping[str, str]) -> FormReplyIn | None:
    """A completed Flow. Twilio does not document its shape: the answers, or Meta's reply around them."""
    written = fields.get("InteractiveData") or fields.get("FlowData")
    if not written:
        return None
    try:
        answers = mapping(read_json(written.encode("utf-8", "replace")))
        reply = mapping(answers.get("nfm_reply")) or answers
        inner: Any = reply.get("response_json")
        if isinstance(inner, str):
            inner = read_json(inner.encode("utf-8", "replace"))
        answers = mapping(inner) or answers
    except Unreadable:
        return None
    return FormReplyIn(data=storable(answers)) if answers else None


def _location(fields: Mapping[str, str]) -> LocationIn | None:
    latitude, longitude = degrees(fields.get("Latitude"), 90), degrees(fields.get("Longitude"), 180)
    if latitude is None or longitude is None:
        return None
    return LocationIn(
        latitude=latitude,
        longitude=longitude,
        name=fields.get("Label") or None,
        address=fields.get("Address") or None,
    )


def _file(fields: Mapping[str, str], place: int) -> MediaIn | ContactsIn | None:
    """One file. Its id is its address: there is no other way to it."""
    url = fields.get(f"MediaUrl{place}")
    if not url or len(url) > _MAX_URL:
        return None
    written = fields.get(f"MediaContentType{place}") or "application/octet-stream"
    mime_type = written.partition(";")[0].strip().lower()
    if mime_type in _VCARDS:
        return ContactsIn(cards=({"vcard_url": url, "mime_type": written},))
    kind = _kind(mime_type, fields.get("MessageType"))
    body = fields.get("Body", "") if place == 0 else ""
    # Under a document the name of the file stands where the caption of others stands.
    named = kind == "document" and _FILENAME.fullmatch(body) is not None
    return MediaIn(
        media=kind,
        media_id=url,
        mime_type=written,
        caption=body if body and not named else None,
        filename=body if named else None,
        url=url,
        voice=mime_type == "audio/ogg",
    )


def _kind(mime_type: str, message_type: str | None) -> MediaKind:
    if message_type == "sticker" or (mime_type == "image/webp" and message_type != "image"):
        return "sticker"
    if message_type == "document":
        return "document"
    main = mime_type.partition("/")[0]
    match main:
        case "image" | "audio" | "video":
            return main
        case _:
            return "document"
