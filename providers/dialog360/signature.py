"""Who may call our webhook. 360dialog signs nothing: it sends the headers that were registered with the webhook.

So one of them holds a long random text that only 360dialog and we know. Source: 360dialog, "Webhook", 2026.
"""

import hmac
from collections.abc import Mapping, Sequence

from providers.base import SignatureError


def check_token(headers: Mapping[str, str], name: str, tokens: Sequence[str]) -> None:
    """Check a webhook's header in constant time.

    Args:
        headers: The request's headers; names in any case.
        name: The header that holds the token.
        tokens: Tokens that count, so that one can be replaced without losing messages.

    Raises:
        SignatureError: The header is missing or holds something else.
    """
    given = headers.get(name)
    if given is None:
        given = next((headers[one] for one in headers if one.lower() == name.lower()), None)
    if not given:
        raise SignatureError(f"The request has no {name} header. Register it with the webhook at 360dialog.")
    value = given.encode("utf-8", "replace")
    genuine = False
    for token in tokens:
        if token:  # an empty token would let anybody in
            genuine |= hmac.compare_digest(token.encode(), value)
    if not genuine:
        raise SignatureError(f"The {name} header does not hold our token. Check WHATSAPP_WEBHOOK_SECRET.")
