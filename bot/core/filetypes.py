"""What a file really is, told by how it begins: what its sender says of it may be a mistake, or a trap.

Signatures are those of the formats' own specifications. Kinds and sizes are WhatsApp's (Cloud API reference, media,
2026).
"""

from bot.core.messages import MediaKind

HEAD_BYTES = 4096
"""How much of a file's beginning is looked at."""

MAX_INBOUND = 100 * 1024 * 1024
"""Bytes of the largest file that WhatsApp hands over."""

UNKNOWN = "application/octet-stream"
TEXT = "text/plain"
ZIP = "application/zip"
OLE = "application/x-ole-storage"
PROGRAM = "application/x-executable"
HTML = "text/html"

_MIB = 1024 * 1024
OUTBOUND: dict[MediaKind, tuple[frozenset[str], int]] = {
    "image": (frozenset({"image/jpeg", "image/png"}), 5 * _MIB),
    "audio": (frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"}), 16 * _MIB),
    "video": (frozenset({"video/mp4", "video/3gpp"}), 16 * _MIB),
    "document": (frozenset(), 100 * _MIB),
    "sticker": (frozenset({"image/webp"}), 500 * 1024),
}
"""What WhatsApp takes from us of each kind: types (of documents, any that is no page or program), and bytes."""

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"OggS", "audio/ogg"),
    (b"#!AMR", "audio/amr"),
    (b"ID3", "audio/mpeg"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (b"{\\rtf", "application/rtf"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"MZ", PROGRAM),
    (b"\x7fELF", PROGRAM),
    (b"\xcf\xfa\xed\xfe", PROGRAM),
    (b"\xfe\xed\xfa", PROGRAM),
    (b"\xca\xfe\xba\xbe", PROGRAM),
    (b"#!", PROGRAM),
)
_MARKUP = (b"<!doctype", b"<html", b"<head", b"<body", b"<script", b"<svg", b"<?xml", b"<iframe", b"<!--")
_BRANDS = {
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
}
_SAME = {
    "image/jpg": "image/jpeg", "audio/mp3": "audio/mpeg", "audio/x-m4a": "audio/mp4", "audio/m4a": "audio/mp4",
    "video/3gp": "video/3gpp", "audio/opus": "audio/ogg", "application/x-pdf": "application/pdf",
}  # fmt: skip
_IN_ZIP = ("application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument.", "application/epub")
_IN_OLE = (
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.ms-outlook",
)


def plain_type(mime_type: str) -> str:
    """A media type without parameters, in lower case and by its usual name: `audio/ogg; codecs=opus` → `audio/ogg`."""
    bare = mime_type.partition(";")[0].strip().lower()
    return _SAME.get(bare, bare)


def sniff(head: bytes) -> str:
    """What a file is, by its first `HEAD_BYTES`; `UNKNOWN` when nothing tells."""
    for signature, mime_type in _SIGNATURES:
        if head.startswith(signature):
            return mime_type
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}.get(head[8:12], UNKNOWN)
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return "video/3gpp" if brand.startswith(b"3g") else _BRANDS.get(brand, "video/mp4")
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "audio/aac"  # ADTS: layer is always 0
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06:
        return "audio/mpeg"
    return _text(head)


def _text(head: bytes) -> str:
    if not head or b"\x00" in head:
        return UNKNOWN
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:64].lower()
    if start.startswith(_MARKUP):
        return HTML
    if start.startswith(b"begin:vcard"):
        return "text/vcard"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as cut:
        if cut.start < len(head) - 3:  # not just a character that the end of the head cuts in two
            return UNKNOWN
    return TEXT


def agreed_type(kind: MediaKind, declared: str, head: bytes) -> str | None:
    """The type under which a file is kept, or None when it is not what its kind promises.

    Pictures, sounds and films must be just that. A document may be anything; it is kept under what it is, and under
    what it says it is only where that fits.

    Args:
        kind: What WhatsApp says it is.
        declared: The type its sender gives.
        head: Its first bytes.
    """
    said, found = plain_type(declared), sniff(head)
    match kind:
        case "image" | "sticker":
            return found if found.startswith("image/") else None
        case "audio":
            return found if found.startswith("audio/") else "audio/mp4" if found == "video/mp4" else None
        case "video":
            return found if found.startswith("video/") else None
        case "document":
            return _document(said, found)


def _document(said: str, found: str) -> str:
    if found == ZIP and said.startswith(_IN_ZIP):
        return said
    if found == OLE and said.startswith(_IN_OLE):
        return said
    if found == TEXT and said in ("text/csv", "text/calendar", "application/json", "text/markdown"):
        return said
    return found


def outbound_mistake(kind: MediaKind, mime_type: str, size_bytes: int) -> str | None:
    """Why WhatsApp would not take a file of ours, or None."""
    types, most = OUTBOUND[kind]
    found = plain_type(mime_type)
    if (types and found not in types) or found in (HTML, PROGRAM):
        return f"is {found}, which cannot be sent as {kind}."
    return f"has {size_bytes} bytes, of this kind {most} are taken." if size_bytes > most else None


def extension(mime_type: str) -> str:
    """What a file's name ends with, without the dot."""
    return {
        "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/gif": "gif", "audio/ogg": "ogg",
        "audio/mpeg": "mp3", "audio/mp4": "m4a", "audio/aac": "aac", "audio/amr": "amr", "video/mp4": "mp4",
        "video/3gpp": "3gp", "application/pdf": "pdf", TEXT: "txt", "text/csv": "csv", "text/vcard": "vcf", ZIP: "zip",
    }.get(plain_type(mime_type), "bin")  # fmt: skip


def safe_name(name: str | None, fallback: str) -> str:
    """A file's name as its sender gave it, without anything but a name: no path, no control characters, 120 at most."""
    bare = (name or "").replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(sign for sign in bare if sign.isprintable() and sign not in '<>:"|?*').strip(". ")
    return kept[-120:].lstrip(". ") or fallback
