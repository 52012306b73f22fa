"""Approvals: what waits for a manager's yes or no.

Whoever needs one asks with `ask`; what follows from the answer is registered by the object's own file with `decides`.
"""

import contextlib
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from bot.core.errors import ActionError
from bot.core.ids import ContactId
from bot.operations import news, timeline
from bot.operations.acting import Acting, ident, text_of
from bot.operations.lifecycle import Change, Lifecycle
from bot.operations.services import Services

SERVICES = Services()
ACTIONS = SERVICES.actions

LIFECYCLE = Lifecycle(
    "An approval",
    "PENDING",
    {
        "approve": Change(("PENDING",), "APPROVED", "approved"),
        "reject": Change(("PENDING",), "REJECTED", "rejected"),
        "withdraw": Change(("PENDING",), "WITHDRAWN", "withdrawn"),
    },
)

_CODE = re.compile(r"\bAPR\d{1,12}\b", re.IGNORECASE)
_MOST_TEXT = 500

# One question per object: whoever asks again gets the one that waits.
_ASK = """
INSERT INTO approvals (tenant_id, object_type, object_id, subject, amount, currency, requested_by, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant_id, object_type, object_id) WHERE status = 'PENDING' DO UPDATE SET subject = excluded.subject,
    amount = excluded.amount, currency = excluded.currency
RETURNING approval_id
"""
_READ = "SELECT * FROM approvals WHERE tenant_id = $1 AND approval_id = $2"
_ONE = f"{_READ} FOR UPDATE"
_DECIDE = """
UPDATE approvals SET status = $3, decided_by = $4, note = $5, decided_at = $6 WHERE tenant_id = $1 AND approval_id = $2
"""
_WITHDRAW = """
UPDATE approvals SET status = $5, decided_at = $4
WHERE tenant_id = $1 AND object_type = $2 AND object_id = ANY ($3::bigint[]) AND status = 'PENDING'
"""
_PENDING = """
SELECT * FROM approvals WHERE tenant_id = $1 AND status = 'PENDING' ORDER BY approval_id LIMIT $2
"""
_FIND = """
SELECT * FROM approvals WHERE tenant_id = $1 AND approval_id = ANY ($2::bigint[]) AND status = 'PENDING'
ORDER BY array_position($2::bigint[], approval_id)
"""

Consequence = Callable[[Acting, int, bool], Awaitable[None]]
Lock = Callable[[Acting, int], Awaitable[Any]]
_CONSEQUENCES: dict[str, tuple[Consequence, Lock]] = {}


def decides(object_type: str, lock: Lock) -> Callable[[Consequence], Consequence]:
    """Register what a decision does to an object of this type: called with its id, and whether it was approved.

    `lock` locks the object. That comes before the question is locked, as everywhere: nobody waits in turn.
    """

    def register(function: Consequence) -> Consequence:
        _CONSEQUENCES[object_type] = (function, lock)
        return function

    return register


async def ask(
    acting: Acting, object_type: str, object_id: int, subject: str, *, amount: Decimal | None = None, currency: str = ""
) -> dict[str, Any]:
    """Ask managers about an object; they hear `approval.requested`. Asking twice asks once."""
    approval = await acting.db.fetchval(
        _ASK, acting.tenant_id, object_type, object_id, subject, amount, currency or None, acting.contact_id, acting.at
    )
    await timeline.record(acting, object_type, object_id, "APPROVAL_REQUESTED", approval_id=approval)
    card = {
        "id": approval, "code": f"APR{approval}", "object_type": object_type, "object_id": object_id,
        "subject": subject, "amount": str(amount) if amount is not None else None, "currency": currency or None,
    }  # fmt: skip
    await news.tell_role(acting, "manager", "approval.requested", card)
    return card


async def withdraw(acting: Acting, object_type: str, *object_ids: int) -> None:
    """Take back the questions about objects, where one waits: they have become pointless."""
    status = LIFECYCLE.after("withdraw", "PENDING")
    await acting.db.execute(_WITHDRAW, acting.tenant_id, object_type, list(object_ids), acting.at, status)


@SERVICES.service("approvals.request", "create_leads", "manage_trips", "report_issues", "broadcast")
async def request_approval(acting: Acting, *, object_type: str, object_id: int | str, subject: str) -> dict[str, Any]:
    """Ask a manager about anything: a discount, an expense, a change. They hear `approval.requested`."""
    return await ask(acting, text_of(object_type, "The type", most=40), ident(object_id, ""), text_of(subject, "What"))


@SERVICES.service("approvals.decide", "approve")
async def decide(acting: Acting, *, approval: int | str, approve: bool | str, note: str = "") -> dict[str, Any]:
    """Say yes (`approve` true) or no. Whoever asked hears `approval.decided`.

    Raises:
        ActionError: `wrong_status`, when it is decided already; `own_request`, when it is one's own.
    """
    number = ident(approval, "APR")
    known = await acting.db.fetchrow(_READ, acting.tenant_id, number)
    if known is None:
        raise ActionError("not_found", f"There is no approval {approval}.")
    consequence, lock = _CONSEQUENCES.get(known["object_type"], (None, None))
    if lock is not None:
        with contextlib.suppress(ActionError):  # a question about what is not there can be answered all the same
            await lock(acting, known["object_id"])
    row = await acting.db.fetchrow(_ONE, acting.tenant_id, number)
    yes = approve if isinstance(approve, bool) else str(approve).strip().lower() in {"true", "yes", "1"}
    status = LIFECYCLE.after("approve" if yes else "reject", row["status"])
    if row["requested_by"] is not None and row["requested_by"] == acting.contact_id:
        raise ActionError("own_request", "Somebody else has to decide what you asked for.")
    words = text_of(note, "The note", needed=False)
    await acting.db.execute(_DECIDE, acting.tenant_id, row["approval_id"], status, acting.contact_id, words, acting.at)
    await timeline.record(
        acting, row["object_type"], row["object_id"], status, approval_id=row["approval_id"], note=words
    )
    if consequence is not None:
        await consequence(acting, row["object_id"], yes)
    card = {**_card(row), "status": status, "approved": yes, "note": words}
    if row["requested_by"] is not None:
        await news.tell_people(acting, [ContactId(row["requested_by"])], "approval.decided", card)
    return card


@SERVICES.service("approvals.list", "approve")
async def list_pending(acting: Acting, *, most: int = 10) -> dict[str, Any]:
    """What waits, oldest first: `count` and `items`."""
    rows = await acting.db.fetch(_PENDING, acting.tenant_id, most)
    return {"count": len(rows), "items": [_card(row) for row in rows]}


@SERVICES.lookup("approvals.find", "approve")
async def find_approvals(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """The waiting approvals whose codes stand in a text."""
    codes = [ident(code, "APR") for code in dict.fromkeys(_CODE.findall(text[:_MOST_TEXT]))]
    rows = await acting.db.fetch(_FIND, acting.tenant_id, codes) if codes else []
    return [_card(row) | {"name": f"APR{row['approval_id']} {row['subject']}"} for row in rows]


def _card(row: Any) -> dict[str, Any]:
    return {
        "id": row["approval_id"],
        "code": f"APR{row['approval_id']}",
        "status": row["status"],
        "object_type": row["object_type"],
        "object_id": row["object_id"],
        "subject": row["subject"],
        "amount": str(row["amount"]) if row["amount"] is not None else None,
        "currency": row["currency"],
    }
