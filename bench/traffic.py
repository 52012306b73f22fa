"""Webhook requests as Meta would send them, built and signed beforehand: the driver only writes bytes."""

import hmac
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

PHONE_NUMBER_ID = "700800900100200"
BUSINESS_ACCOUNT_ID = "900100200300400"
BUSINESS_NUMBER = "15550100200"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, ready to be written; `phone` (digits) is who wrote."""

    phone: str
    request: bytes


class Traffic:
    """People who write in turn, each with the next of `texts`.

    Args:
        path: Where the webhook is.
        secret: App secret that signs.
        contacts: How many people write.
        texts: What they say.
        area: First four digits of their numbers.
        phone_number_id: Which number of ours they write to.
    """

    def __init__(
        self, *, path: str, secret: str, contacts: int, texts: Sequence[str], area: str = "1555",
        phone_number_id: str = PHONE_NUMBER_ID,
    ) -> None:  # fmt: skip
        self.path = path
        self._number = phone_number_id
        self._secret = secret.encode()
        self._phones = [f"{area}{number:07d}" for number in range(1, contacts + 1)]
        self._texts = [json.dumps(text) for text in texts]
        # Ids differ between runs: the same database would take the second run for repeats of the first.
        self._run = secrets.token_hex(4)
        self._count = 0

    def calls(self, count: int) -> list[Call]:
        """Build the next `count` requests, person by person in turn."""
        now = int(time.time())
        return [self._call(now) for _ in range(count)]

    def _call(self, now: int) -> Call:
        number = self._count
        self._count += 1
        phone = self._phones[number % len(self._phones)]
        text = self._texts[number // len(self._phones) % len(self._texts)]
        body = (
            f'{{"object":"whatsapp_business_account","entry":[{{"id":"{BUSINESS_ACCOUNT_ID}","changes":[{{"value":'
            f'{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"{BUSINESS_NUMBER}",'
            f'"phone_number_id":"{self._number}"}},"contacts":[{{"profile":{{"name":"Contact {phone[-5:]}"}},'
            f'"wa_id":"{phone}"}}],"messages":[{{"from":"{phone}","id":"wamid.BENCHIN{self._run}{number:010d}",'
            f'"timestamp":"{now}","type":"text","text":{{"body":{text}}}}}]}},"field":"messages"}}]}}]}}'
        ).encode()
        signature = hmac.digest(self._secret, body, "sha256").hex()
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nX-Hub-Signature-256: sha256={signature}\r\n\r\n"
        )
        return Call(phone, head.encode() + body)
