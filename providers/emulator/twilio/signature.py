"""How Twilio signs a webhook.

Base64 of HMAC-SHA1 under the account's auth token, over the whole address as configured and, of a form, every name with
its decoded value, ordered by name (twilio.com/docs/usage/security).
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable


def signature(auth_token: str, url: str, form: Iterable[tuple[str, str]] = ()) -> str:
    """The `X-Twilio-Signature` header.

    Args:
        auth_token: The account's primary token.
        url: The address without a fragment, its escapes as they are.
        form: Names and decoded values; a pair that occurs twice counts once.
    """
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()).decode()
