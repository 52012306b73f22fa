"""Which files WhatsApp takes, and how large they may be.

Source: Meta, WhatsApp Cloud API, "Media", December 2025; Twilio, "WhatsApp media", 2026.
"""

from bot.core.messages import MediaKind

_KB, _MB = 1024, 1024 * 1024

MAX_BYTES: dict[MediaKind, int] = {
    "audio": 16 * _MB,
    "document": 100 * _MB,
    "image": 5 * _MB,
    "sticker": 500 * _KB,  # animated; a still one may have 100 KB
    "video": 16 * _MB,
}

TYPES: dict[MediaKind, frozenset[str] | None] = {
    "audio": frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"}),
    "document": None,  # nearly anything
    "image": frozenset({"image/jpeg", "image/png"}),
    "sticker": frozenset({"image/webp"}),
    "video": frozenset({"video/mp4", "video/3gpp"}),
}
_SAME = {"audio/mp3": "audio/mpeg", "audio/x-m4a": "audio/mp4", "image/jpg": "image/jpeg", "video/3gp": "video/3gpp"}


def kind_of(mime_type: str) -> MediaKind:
    """As what a file is best sent: as what it is, if WhatsApp takes that, else as a document."""
    plain = plain_type(mime_type)
    for kind, types in TYPES.items():
        if types is not None and kind != "sticker" and plain in types:
            return kind
    return "document"


def plain_type(mime_type: str) -> str:
    """A media type without parameters, under its registered name."""
    plain = mime_type.partition(";")[0].strip().lower()
    return _SAME.get(plain, plain)


def what_is_wrong(
    media: MediaKind, mime_type: str | None, size_bytes: int | None, *, most: int | None = None
) -> str | None:
    """Why WhatsApp would not take a file; None if nothing speaks against it, as far as type and size are known.

    Args:
        media: As what it is sent.
        mime_type: Its type, if known.
        size_bytes: Its size, if known.
        most: The provider's own limit in bytes, if it has one.
    """
    types = TYPES[media]
    if mime_type and types is not None and plain_type(mime_type) not in types:
        return f"WhatsApp takes no {plain_type(mime_type)} as {media}, only {', '.join(sorted(types))}."
    limit = min(MAX_BYTES[media], most or MAX_BYTES[media])
    if size_bytes is not None and size_bytes > limit:
        return f"The {media} has {size_bytes:,} bytes, {limit:,} are allowed."
    return "The file is empty." if size_bytes == 0 else None
