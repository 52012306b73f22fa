"""Twilio's webhook signature.

`X-Twilio-Signature` is the base64 HMAC-SHA1, keyed with the account's auth token, of the address exactly as it stands
in Twilio's console, followed by each form field's name and value, sorted by name. The address is put together from the
public URL in our settings and the request's own path and query: behind a proxy, what the request says about scheme and
host is not what Twilio signed. Source: Twilio, "Security", 2026; twilio-python's RequestValidator, 9.11.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

from providers.base import SignatureError, WebhookRequest

HEADER = "X-Twilio-Signature"
HEADER_LENGTH = 28
BODY_HASH = "bodySHA256"
MAX_FIELDS = 500  # Twilio sends about 30

_DEFAULT_PORTS = {"https": 443, "http": 80}


def sign(token: str, url: str, fields: Iterable[tuple[str, str]] = ()) -> str:
    """Return the signature Twilio makes for a form posted to `url` (or for a GET, whose fields are in the address)."""
    pairs = sorted(set(fields))  # a value that is given twice counts once
    text = url + "".join([name + value for name, value in pairs])
    return base64.b64encode(hmac.digest(token.encode(), text.encode("utf-8", "surrogatepass"), "sha1")).decode()


def check_signature(request: WebhookRequest, public_url: str, tokens: Sequence[str]) -> None:
    """Check a webhook's signature in constant time.

    Args:
        request: The request. Its `url` is the path and query as they came in, escapes and all.
        public_url: Scheme and host (and port) under which Twilio knows us.
        tokens: Auth tokens that count, so that one can be replaced without losing messages.

    Raises:
        SignatureError: No token made this signature, or there is none.
    """
    given = header(request.headers, HEADER)
    if given is None:
        raise SignatureError(f"The request has no {HEADER} header.")
    value = given.encode("utf-8", "replace")
    if len(value) != HEADER_LENGTH:
        raise SignatureError(f"The {HEADER} header is not {HEADER_LENGTH} characters of base64.")
    # A body that is no form is signed by its hash, which stands in the address.
    fields: Sequence[tuple[str, str]] = ()
    if body_hash := request.query.get(BODY_HASH):
        found = hashlib.sha256(request.body).hexdigest().encode()
        if not hmac.compare_digest(found, body_hash.lower().encode("utf-8", "replace")):
            raise SignatureError("The body is not the one that was signed.")
    elif request.method != "GET":
        fields = form_fields(request.body)
    # Whether it was the first or the last that fits tells nobody a secret: each is compared in constant time.
    for url in addresses(public_url.rstrip("/") + path_of(request.url)):
        for token in tokens:  # an empty token would let anybody sign
            if token and hmac.compare_digest(sign(token, url, fields).encode(), value):
                return
    raise SignatureError(
        "The signature was not made with our auth token for this address. Check TWILIO_AUTH_TOKEN, and that "
        "BOT_PUBLIC_URL is what stands in Twilio's console."
    )


@lru_cache(maxsize=4)
def form_fields(body: bytes) -> Sequence[tuple[str, str]]:
    """The fields of a form, decoded, in their order; blank values are kept, nothing is trimmed. Empty if unreadable.

    The last few are remembered: a webhook is read twice, to be verified and to be understood.
    """
    try:
        return tuple(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        return ()


def path_of(url: str) -> str:
    """Path and query of a request's target, which a proxy may send as a whole address."""
    if not url.startswith(("http://", "https://")):
        return url
    rest = url.split("://", 1)[1]
    slash = rest.find("/")
    return rest[slash:] if slash >= 0 else "/"


def addresses(url: str) -> list[str]:
    """The address as it is, and as Twilio may have signed it: some products add the port, others drop it."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        return [url]
    scheme, _, rest = url.partition("://")
    netloc, path = rest[: len(parts.netloc)], rest[len(parts.netloc) :]
    if port is not None:
        bare = netloc.rpartition(":")[0]
        return [url, f"{scheme}://{bare}{path}"]
    default = _DEFAULT_PORTS.get(parts.scheme)
    return [url, f"{scheme}://{netloc}:{default}{path}"] if default else [url]


def header(headers: Mapping[str, str], name: str) -> str | None:
    """A header by its name in any case."""
    value = headers.get(name)
    if value is None:
        value = next((headers[one] for one in headers if one.lower() == name.lower()), None)
    return value
