"""What managers are asked."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from bot.web.api.collections import Collection, Filter
from bot.web.api.route import Given, Id, Routes
from bot.web.api.values import Words

ROUTES = Routes()


class Approval(BaseModel):
    """A question to the managers."""

    id: int
    code: str
    status: Literal["PENDING", "APPROVED", "REJECTED", "WITHDRAWN"]
    object_type: str
    object_id: int
    subject: str
    amount: Decimal | None
    currency: str | None
    requested_by: int | None
    decided_by: int | None
    note: str
    created_at: datetime
    decided_at: datetime | None


class NewApproval(Given):
    """A question to the managers, about anything."""

    object_type: Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,39}$")]
    object_id: Id
    subject: Annotated[str, Field(min_length=1, max_length=500)]


class Decision(Given):
    """Yes or no, and why."""

    approve: bool
    note: Words = ""


_APPROVALS = """
SELECT a.approval_id AS id, 'APR' || a.approval_id AS code, a.status, a.object_type, a.object_id, a.subject, a.amount,
       a.currency, a.requested_by, a.decided_by, a.note, a.created_at, a.decided_at
FROM approvals a WHERE a.tenant_id = $1
"""
Collection(
    routes=ROUTES, path="/approvals", one="approval", model=Approval, select=_APPROVALS, key="a.approval_id",
    dated="a.created_at",
    table="approvals", roles=("manager",),
    filters={
        "status": Filter(kind=Literal["PENDING", "APPROVED", "REJECTED", "WITHDRAWN"], condition="a.status = {}")
    },
).listed().shown().created("approvals.request", NewApproval).verb(
    "decide", "approvals.decide", "approval", Decision
)  # fmt: skip
