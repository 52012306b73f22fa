"""In whose name a service works: a flow, a person at the desk, a program at the API, or the system itself.

Services are plain functions over the tenant's transaction: `async def send(acting: Acting, *, quote: int) -> JSON`.
Flows, API and desk call the same function, so a rule that holds for one holds for all.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from bot.core.actions import ActionCall, Database, Seals
from bot.core.errors import ActionError
from bot.core.ids import ContactId, ConversationId, RunId, TenantId
from storage.base import AuditEntry

Source = Literal["WHATSAPP", "WEB", "API", "SYSTEM"]

SYSTEM = "system"
"""The role of the clock and of payment gateways: it may do everything, and nobody can hold it."""

_MOST_MONEY = Decimal(10) ** 12
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """Who does something, where and when.

    Attributes:
        tenant_id: Whose business.
        db: The tenant's transaction; everything a service does is committed or undone with it.
        at: Now (aware, UTC): services read no clock.
        role: In which role; decides what is allowed, and whether only one's own things are seen.
        source: Where it comes from, for timeline and audit.
        contact_id: Who, when they are somebody we know.
        conversation_id: Where it was said, over WhatsApp.
        run: The run of a flow that acts; news of what it does is not told to itself.
        name: What the audit calls somebody without a contact: "token:7".
        seals: Encrypts the tenant's secrets; None where nobody needs them.
        trail: Takes the audit entries of what is done, for whoever opened the transaction to write with it; None in a
            flow, whose turn writes its own.
    """

    tenant_id: TenantId
    db: Database
    at: datetime
    role: str
    source: Source = "API"
    contact_id: ContactId | None = None
    conversation_id: ConversationId | None = None
    run: RunId | None = None
    name: str = ""
    seals: Seals | None = None
    trail: list[AuditEntry] | None = None

    @property
    def actor(self) -> str:
        """For the audit."""
        return self.name or (f"contact:{self.contact_id}" if self.contact_id is not None else self.role)

    @property
    def is_customer(self) -> bool:
        """Customers only see and change what is theirs."""
        return self.role == "customer"

    @property
    def owner(self) -> ContactId | None:
        """Whose things may be seen: a customer's own; None: everybody's."""
        return self.me if self.is_customer else None

    @property
    def me(self) -> ContactId:
        """Who acts, for what only a person can do.

        Raises:
            ActionError: `nobody`, when nobody we know acts.
        """
        if self.contact_id is None:
            raise ActionError("nobody", "Only a person can do this; say who it is.")
        return self.contact_id


def acting_of(call: ActionCall | Acting) -> Acting:
    """Who acts, when a flow calls an action."""
    if isinstance(call, Acting):
        return call
    return Acting(
        tenant_id=call.tenant_id,
        db=call.db,
        at=call.at,
        role=call.role,
        source="WHATSAPP",
        contact_id=call.contact.contact_id,
        conversation_id=call.conversation_id,
        run=call.run,
        seals=call.seals,
    )


# --- What flows and programs hand over --------------------------------------------------------------------------------


def ident(value: Any, prefix: str) -> int:
    """The id in `17`, `"17"` or `"QUO17"`.

    Raises:
        ActionError: `not_found`, when it is none.
    """
    text = str(value).strip().upper().removeprefix(prefix)
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ActionError("not_found", f"There is no {prefix or 'object'} {str(value)[:40]}.")
    return int(text)


def whole(value: Any, name: str, *, least: int = 0, most: int = 1_000_000) -> int:
    """A whole number within bounds.

    Raises:
        ActionError: `bad_value`.
    """
    try:
        number = int(str(value).strip())
    except ValueError:
        raise ActionError("bad_value", f"{name} must be a whole number.") from None
    if not least <= number <= most:
        facts = {"least": least, "most": most}
        raise ActionError("bad_value", f"{name} must be between {least} and {most}.", facts=facts)
    return number


def money(value: Any, name: str = "The amount", *, least: Decimal = Decimal(0)) -> Decimal:
    """An amount, exact, in at most two decimals.

    Raises:
        ActionError: `bad_value`. Binary fractions are refused too: they are not what anybody wrote.
    """
    if isinstance(value, float):
        raise ActionError("bad_value", f"{name} must be written as text or a whole number, like 1450.00.")
    try:
        amount = Decimal(str(value).strip().replace(",", ""))
    except InvalidOperation:
        raise ActionError("bad_value", f"{name} must be an amount, like 1450.00.") from None
    if not amount.is_finite() or not least <= amount < _MOST_MONEY or amount != amount.quantize(_CENT):
        raise ActionError(
            "bad_value", f"{name} must be an amount of at least {least}, with two decimals at most.",
            facts={"least": str(least)},
        )  # fmt: skip
    return amount.quantize(_CENT)


def text_of(value: Any, name: str, *, most: int = 2000, needed: bool = True) -> str:
    """Words within bounds.

    Raises:
        ActionError: `bad_value`.
    """
    words = str(value if value is not None else "").strip()
    if needed and not words:
        raise ActionError("bad_value", f"{name} must not be empty.")
    if len(words) > most or "\x00" in words:
        raise ActionError("bad_value", f"{name} must have at most {most} characters.", facts={"characters": most})
    return words
