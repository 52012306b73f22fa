"""Reading values out of JSON that may be anything, into values that PostgreSQL can store.

Each reader returns None for what is missing, of the wrong type or out of range; none of them raises.
"""

import base64
import json
import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

MAX_DEPTH = 60
"""orjson writes at most 254 levels; a webhook of Meta's has about 12."""

MAX_IDENTIFIER = 512
MIN_PHONE_DIGITS, MAX_PHONE_DIGITS = 5, 15  # E.164 allows 15

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_INT64_MIN, _UINT64_MAX = -(2**63), 2**64 - 1
_MILLISECONDS_FROM = 10**11  # as seconds this would be the year 5138
_EARLIEST = 1_230_768_000  # 2009-01-01: WhatsApp did not exist before
_MAX_AHEAD = timedelta(days=1)
_LATEST = 10**11 // 2  # the year 3554: datetime can say it

# --- Documents ------------------------------------------------------------------------------------------------------


class Unreadable(ValueError):  # noqa: N818  a verdict on the bytes, not a fault of ours
    """The bytes are not JSON, even read leniently."""


def read_json(body: bytes) -> Any:
    """Decode JSON into a document that `orjson.dumps` and PostgreSQL's jsonb both take.

    orjson reads the usual case. It refuses some of what Meta might send (lone surrogates, a byte order mark) and
    what other writers produce (NaN); those are read by the standard library and mended.

    Raises:
        Unreadable: Not JSON, or nested too deeply to read.
    """
    try:
        document = orjson.loads(body)
    except ValueError:
        return storable(_read_leniently(body))
    # orjson lets only two unstorable things through: an escaped NUL, and depth, which `storable` cuts where a
    # part of the document is kept.
    return storable(document) if b"\\" in body and b"\\u0000" in body else document


def _read_leniently(body: bytes) -> Any:
    text = body.decode("utf-8-sig", "replace")
    try:
        return json.loads(text, strict=False, parse_int=_parse_int)
    except (ValueError, RecursionError) as error:
        raise Unreadable(type(error).__name__) from error


def _parse_int(digits: str) -> int | str:
    return int(digits) if len(digits) <= 20 else digits


def storable(value: Any, depth: int = 0) -> Any:
    """Copy a JSON document so that it can be stored: no NUL, lone surrogate, NaN, huge integer or great depth."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        if depth >= MAX_DEPTH:
            return "[nested too deeply]"
        return {clean(str(key)): storable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if depth >= MAX_DEPTH:
            return "[nested too deeply]"
        return [storable(item, depth + 1) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if _INT64_MIN <= value <= _UINT64_MAX else str(value)
    return value


def encode(value: Any) -> bytes:
    """Encode a document as JSON; what UTF-8 cannot carry becomes U+FFFD."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate, a huge integer or great depth
        return orjson.dumps(storable(value))


def clean(text: str) -> str:
    """Replace what PostgreSQL's text cannot hold, NUL and lone surrogates, by U+FFFD."""
    return _UNSTORABLE.sub("�", text) if _UNSTORABLE.search(text) else text


# --- Values ---------------------------------------------------------------------------------------------------------


def mapping(value: Any) -> dict[str, Any]:
    """Return a JSON object, or an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return a JSON array, or an empty one."""
    return value if isinstance(value, list) else []


def kept(value: Any) -> dict[str, Any] | None:
    """Return a storable copy of a JSON object, or None if it is not one or is empty."""
    return storable(value) if isinstance(value, dict) and value else None


def string(value: Any) -> str | None:
    """Return a string as it is."""
    return value if isinstance(value, str) else None


def identifier(value: Any) -> str | None:
    """Return an id, which Meta writes as a string in some places and as an integer in others."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**30 else ""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_IDENTIFIER else None


def integer(value: Any) -> int | None:
    """Return a whole number, also one written as a string."""
    if isinstance(value, str):
        digits = value if value.isdigit() else value.removeprefix("-")
        return int(value) if len(value) <= 18 and digits.isdigit() and digits.isascii() else None
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else None
    return value if isinstance(value, int) and abs(value) < 2**63 else None


def decimal(value: Any) -> Decimal | None:
    """Return a finite amount below 10^12, also one written as a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)[:33]) > 32:
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount) < 10**12 and amount.adjusted() > -12 else None


def degrees(value: Any, limit: int) -> float | None:
    """Return a coordinate within ±`limit` degrees."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        angle = float(value)
    except (ValueError, OverflowError):
        return None
    return angle if -limit <= angle <= limit else None


def phone(value: Any) -> str | None:
    """Return `+` and the digits of a phone number; Meta writes it without the `+`."""
    digits = value
    if isinstance(value, int) and not isinstance(value, bool):
        digits = str(value) if 0 < value < 10**MAX_PHONE_DIGITS else ""
    if not isinstance(digits, str):
        return None
    if not digits.isdigit():
        digits = digits.strip().removeprefix("+").replace(" ", "").replace("-", "")
    if MIN_PHONE_DIGITS <= len(digits) <= MAX_PHONE_DIGITS and digits.isascii() and digits.isdigit():
        return "+" + digits
    return None


def moment(value: Any, received_at: datetime) -> datetime:
    """Return a timestamp as an aware UTC datetime.

    Meta sends seconds as a string; milliseconds have been seen. A time that cannot be true (before WhatsApp, or more
    than a day after we received it) would corrupt the 24-hour window, so `received_at` stands in for it.
    """
    seconds: float | None = integer(value)
    if seconds is None:
        return received_at
    if seconds >= _MILLISECONDS_FROM:
        seconds /= 1000
    if not _EARLIEST <= seconds < _LATEST:
        return received_at
    at = datetime.fromtimestamp(seconds, UTC)
    return at if at <= received_at or at - received_at <= _MAX_AHEAD else received_at


def sha256_hex(value: Any) -> str | None:
    """Return a SHA-256 as lower-case hex; webhooks carry base64, the media endpoint hex."""
    if not isinstance(value, str) or not value.isascii():
        return None
    if len(value) == 64:
        try:
            return bytes.fromhex(value).hex()
        except ValueError:
            return None
    try:
        digest = base64.b64decode(value, validate=True)
    except ValueError:
        return None
    return digest.hex() if len(digest) == 32 else None
