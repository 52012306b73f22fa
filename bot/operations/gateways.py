"""Payment gateways: who takes the money. Ours is a protocol, and a demo gateway that takes none.

The link a customer gets is always our own, signed; what the gateway has to do happens when they open it, so asking for
a payment needs nobody else's server. What became of it comes back as a signed webhook.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, Protocol

from bot.core.errors import SirdarError

Kind = Literal["paid", "failed", "refunded"]

SIGNATURE = "X-Sirdar-Signature"
"""Header of the demo gateway's webhooks: `t=<unix seconds>,v1=<hex HMAC-SHA256 of "seconds.body">`."""

_TOLERANCE = timedelta(minutes=5)
_LINK_TAG = 16  # bytes of the HMAC that go into a link


class BadWebhookError(SirdarError):
    """A gateway's webhook that is not signed as it should be, or cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody is about to pay."""

    reference: str
    amount: Decimal
    currency: str
    title: str
    back: str
    """The page to return to afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayEvent:
    """What a gateway tells. `event_id` is the same however often it is delivered."""

    event_id: str
    kind: Kind
    reference: str
    amount: Decimal
    currency: str


class PaymentGateway(Protocol):
    """Who takes the money."""

    @property
    def name(self) -> str:
        """Of the gateway, in settings and addresses: lower-case."""

    async def checkout(self, order: Order) -> str | None:
        """Where to send somebody who wants to pay; None: our own page asks them."""

    def read_webhook(self, headers: Mapping[str, str], body: bytes, at: datetime) -> GatewayEvent | None:
        """Verify and read what the gateway delivers; None when it is of no interest to us.

        Raises:
            BadWebhookError: Not signed by the gateway, too old, or unreadable.
        """


class DemoGateway:
    """Takes no money: our page asks "Pay" or "Decline", and the answer comes back as a webhook signed with `key`."""

    name = "demo"

    def __init__(self, key: bytes) -> None:
        self._key = key

    async def checkout(self, order: Order) -> str | None:
        """Our own page asks."""
        return None

    def write_webhook(self, event: GatewayEvent, at: datetime) -> tuple[dict[str, str], bytes]:
        """The webhook that tells of an event: headers and body."""
        body = json.dumps(
            {
                "id": event.event_id,
                "type": f"payment.{event.kind}",
                "reference": event.reference,
                "amount": str(event.amount),
                "currency": event.currency,
            }
        ).encode()
        return {SIGNATURE: self._sign(int(at.timestamp()), body)}, body

    def read_webhook(self, headers: Mapping[str, str], body: bytes, at: datetime) -> GatewayEvent | None:
        """Verify and read one."""
        given = headers.get(SIGNATURE, "")
        stamp = given.removeprefix("t=").partition(",")[0]
        seconds = int(stamp) if stamp.isascii() and stamp.isdigit() and len(stamp) < 12 else 0
        if not hmac.compare_digest(given.encode(), self._sign(seconds, body).encode()):
            raise BadWebhookError("The signature is not the gateway's.")
        if abs(at.timestamp() - seconds) > _TOLERANCE.total_seconds():
            raise BadWebhookError("The webhook is too old: somebody may have kept it.")
        try:
            told = json.loads(body)
            kind = str(told["type"]).removeprefix("payment.")
            if kind not in ("paid", "failed", "refunded"):
                return None
            return GatewayEvent(
                event_id=str(told["id"])[:200],
                kind=kind,  # type: ignore[arg-type]
                reference=str(told["reference"])[:200],
                amount=Decimal(str(told["amount"])),
                currency=str(told["currency"]),
            )
        except (ValueError, KeyError, TypeError, ArithmeticError) as error:
            raise BadWebhookError("The webhook cannot be read.") from error

    def _sign(self, seconds: int, body: bytes) -> str:
        digest = hmac.new(self._key, b"%d." % seconds + body, hashlib.sha256).hexdigest()
        return f"t={seconds},v1={digest}"


GATEWAYS: dict[str, Callable[[bytes], PaymentGateway]] = {
    DemoGateway.name: lambda key: DemoGateway(webhook_key(key)),
}
"""By the name in BOT_PAYMENT_GATEWAY: each made with the tenant's key. Yours is added here."""


# --- Our links --------------------------------------------------------------------------------------------------------


def link_path(key: bytes, tenant: int, reference: str) -> str:
    """The path of a payment page: `/pay/<tenant>.<reference>.<tag>`. The tag keeps strangers from guessing."""
    return f"/pay/{tenant}.{reference}.{_tag(key, tenant, reference)}"


def read_link(token: str) -> tuple[int, str, str] | None:
    """Tenant, reference and tag of a link; None when it is none."""
    parts = token.split(".")
    if len(parts) != 3 or not parts[0].isascii() or not parts[0].isdigit() or len(parts[0]) > 18 or len(token) > 200:
        return None
    return int(parts[0]), parts[1], parts[2]


def is_ours(key: bytes, tenant: int, reference: str, tag: str) -> bool:
    """Whether we have signed a link."""
    return hmac.compare_digest(tag.encode(), _tag(key, tenant, reference).encode())


def webhook_key(key: bytes) -> bytes:
    """The demo gateway's key: another one than the links', from the same secret."""
    return hmac.new(key, b"demo gateway", hashlib.sha256).digest()


def _tag(key: bytes, tenant: int, reference: str) -> str:
    return hmac.new(key, f"{tenant}.{reference}".encode(), hashlib.sha256).digest()[:_LINK_TAG].hex()
