"""Headers of message templates that are no words: a picture, a video, a document, or a place.

What WhatsApp approves is only the kind. Which file or place it is, each send says anew, in one text: a link, the number
of a file of our own, or `latitude,longitude|name|address`. Source: Meta, "Template components", 2026.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, assert_never, cast

from bot.core.filetypes import HEAD_BYTES, agreed_type, outbound_mistake
from bot.core.messages import LocationOut, MediaKind, MediaOut

HeaderMedia = Literal["image", "video", "document", "location"]

SAMPLE_TYPES: dict[HeaderMedia, dict[str, str]] = {
    "image": {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"},
    "video": {".mp4": "video/mp4"},
    "document": {".pdf": "application/pdf"},
    "location": {},
}
"""The types of samples that WhatsApp's reviewers take, by how a file's name ends."""

MAX_LINK = 2000

_PLACE = re.compile(r"\s*(-?\d{1,2}(?:\.\d+)?)\s*,\s*(-?\d{1,3}(?:\.\d+)?)\s*")
_OWN_FILE = re.compile(r"[0-9]{1,18}")
_LINK = re.compile(r"https://[^\s/?#@\\]+(/[^\s?#]*)?([?#]\S*)?")
_ESCAPED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What stands above the words of one send: a file or a place."""

    media: MediaOut | None = None
    location: LocationOut | None = None


def read_header(kind: HeaderMedia, value: str) -> Header:
    """The header that a text stands for.

    Raises:
        ValueError: It stands for none; says what it should look like.
    """
    match kind:
        case "location":
            return Header(location=_place(value))
        case "image" | "video" | "document":
            return Header(media=_file(kind, value.strip()))
        case _:
            assert_never(kind)


def _file(kind: MediaKind, value: str) -> MediaOut:
    if _OWN_FILE.fullmatch(value):
        return MediaOut(media=kind, file=value)
    if is_link(value):
        name = name_in(value) if kind == "document" else ""
        return MediaOut(media=kind, link=value, filename=name if "." in name else None)
    raise ValueError(f"The header is the https address of the {kind}, or the number of a file of ours")


def _place(value: str) -> LocationOut:
    point, _, rest = value.partition("|")
    name, _, address = rest.partition("|")
    found = _PLACE.fullmatch(point)
    if found is None or abs(float(found[1])) > 90 or abs(float(found[2])) > 180:
        raise ValueError("The header is a place, like 27.9881,86.9250|Everest|Solukhumbu, Nepal")
    return LocationOut(
        latitude=float(found[1]), longitude=float(found[2]), name=name.strip() or None, address=address.strip() or None
    )


def is_link(value: str) -> bool:
    """Whether a text is an https address, with nothing in it that does not belong there."""
    return len(value) <= MAX_LINK and _LINK.fullmatch(value) is not None


def name_in(link: str) -> str:
    """The name of the file that an https address is of; empty when it has none."""
    found = _LINK.fullmatch(link)
    name = PurePosixPath(found[1]).name if found is not None and found[1] else ""
    return _ESCAPED.sub(lambda part: bytes.fromhex(part[0].replace("%", "")).decode("utf-8", "replace"), name)


def sample_mistake(kind: HeaderMedia, sample: str | None) -> str | None:
    """Why the reviewers could not look at a sample, or None."""
    if kind == "location":
        return None if sample is None else "A place needs no `header_example:`; leave it out"
    if not sample:
        told = f"The {kind} above the body has no `header_example:`"
        return f"{told}; name a file beside the template, or an https address"
    path = name_in(sample) if is_link(sample) else sample
    if not is_link(sample) and (path.startswith("/") or "\\" in path or ":" in path or ".." in path.split("/")):
        return "`header_example:` leads elsewhere; write a path below templates/whatsapp/, or an https address"
    endings = SAMPLE_TYPES[kind]
    if PurePosixPath(path).suffix.lower() not in endings:
        return f"The {kind} in `header_example:` is of another type; its name ends in {' or '.join(endings)}"
    return None


def content_mistake(kind: MediaKind, name: str, content: bytes) -> str | None:
    """Why WhatsApp would not take a file for a sample, or None."""
    said = SAMPLE_TYPES[cast("HeaderMedia", kind)].get(PurePosixPath(name).suffix.lower(), "")
    if not said or agreed_type(kind, said, content[:HEAD_BYTES]) != said:
        return f"The sample {name} is no {kind} of the type that its name says; save it anew as one"
    if mistake := outbound_mistake(kind, said, len(content)):
        return f"The sample {name} {mistake}"
    return None


def shown(kind: HeaderMedia, value: str) -> str:
    """A header in words, for people inside their window, who get words; empty for a file of ours."""
    try:
        header = read_header(kind, value)
    except ValueError:
        return ""
    if header.location is not None:
        place = header.location
        words = ", ".join(part for part in (place.name, place.address) if part)
        return words or f"{place.latitude:.5f}, {place.longitude:.5f}"
    return header.media.link or "" if header.media is not None else ""
