"""Meta's webhook signature and endpoint check.

`X-Hub-Signature-256` is `sha256=` and the lower-case hex HMAC-SHA256 of the raw body, keyed with the app secret.
Source: Meta, WhatsApp webhooks, "Create a webhook endpoint", 2026.
"""

import hmac
from collections.abc import Mapping, Sequence

from providers.base import SignatureError

HEADER = "X-Hub-Signature-256"
PREFIX = b"sha256="
HEADER_LENGTH = len(PREFIX) + 64


def sign(secret: str, body: bytes) -> str:
    """Return the header value that Meta sends for `body`."""
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


def check_signature(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Check a webhook's signature in constant time.

    Args:
        headers: The request's headers; names in any case.
        body: The bytes as they came in, before any decoding: re-encoded JSON has another signature.
        secrets: App secrets that count, so that one can be replaced without losing messages.

    Raises:
        SignatureError: No secret made this signature, or there is none. Says nothing about why beyond its shape.
    """
    given = _header(headers)
    if given is None:
        raise SignatureError(f"The request has no {HEADER} header.")
    # Bytes, because compare_digest refuses a str that is not ASCII, and a header may hold anything.
    value = given.encode("utf-8", "replace")
    if len(value) != HEADER_LENGTH or not value.startswith(PREFIX):
        raise SignatureError(f"The {HEADER} header is not `sha256=` and 64 hex digits.")
    genuine = False
    for secret in secrets:
        if secret:  # an empty secret would let anybody sign
            genuine |= hmac.compare_digest(sign(secret, body).encode(), value)
    if not genuine:
        raise SignatureError("The signature was not made with an app secret of ours. Check WHATSAPP_WEBHOOK_SECRET.")


def answer_handshake(query: Mapping[str, str], verify_token: str) -> str | None:
    """Answer Meta's check of the endpoint: the challenge to echo, or None to refuse."""
    challenge = query.get("hub.challenge")
    given = query.get("hub.verify_token", "").encode("utf-8", "replace")
    trusted = bool(verify_token) and hmac.compare_digest(given, verify_token.encode())
    if not challenge or not trusted or query.get("hub.mode") != "subscribe":
        return None
    return challenge


def _header(headers: Mapping[str, str]) -> str | None:
    value = headers.get(HEADER)
    if value is None:
        value = next((headers[name] for name in headers if name.lower() == "x-hub-signature-256"), None)
    return value
