"""The business itself: its terms and hours, and the codes with which people become staff."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from bot.operations.permissions import roles_with
from bot.web.api.collections import Collection, Filter, serve
from bot.web.api.route import Asked, Given, Routes
from bot.web.api.values import Amount

ROUTES = Routes()

_MANAGERS = roles_with("set_terms")
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["09:00"])]
ClockOrNone = Annotated[str, Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d)?$", examples=["09:00"])]
Zone = Annotated[str, Field(pattern=r"^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$", max_length=60)]
Workday = Annotated[int, Field(ge=1, le=7)]


class Terms(BaseModel):
    """What holds for the business."""

    currency: str = Field(description="Of quotes for what has none of its own")
    quote_days: int = Field(description="How long a quote is good for, once sent")
    quote_limit: Decimal | None = Field(description="Above it a manager approves; null: never")
    hold_hours: int = Field(description="How long an unpaid booking keeps its seats")
    timezone: str = Field(description="Of the hours of business, an IANA name")
    opens: Clock | None = Field(description="null: always open")
    closes: Clock | None
    workdays: list[int] = Field(description="1 is Monday")
    keep_minutes: int = Field(description="How long a person who says no more keeps a conversation")


class ChangeTerms(Given):
    """What is to be different."""

    currency: Annotated[str | None, Field(pattern=r"^[A-Z]{3}$")] = None
    quote_days: Annotated[int | None, Field(ge=1, le=366)] = None
    quote_limit: Annotated[Amount | Literal[""] | None, Field(description="Empty: nobody has to approve")] = None
    hold_hours: Annotated[int | None, Field(ge=1, le=8784)] = None
    timezone: Zone | None = None
    opens: Annotated[ClockOrNone | None, Field(description="Empty, as `closes`: always open")] = None
    closes: ClockOrNone | None = None
    workdays: Annotated[list[Workday] | None, Field(min_length=1, max_length=7)] = None
    keep_minutes: Annotated[int | None, Field(ge=1, le=43_200)] = None


class Hours(BaseModel):
    """Whether somebody may be expected to answer now."""

    open: bool
    opens_at: datetime | None = Field(description="When it is open next, in the business's own time; null: it is")
    timezone: str


_LOCK = "SELECT FROM business_settings WHERE tenant_id = $1 FOR UPDATE"


@ROUTES.get("/terms", "Show the terms of the business", scope="terms:read", roles=_MANAGERS)
async def show_terms(asked: Asked) -> Terms:
    """Currency, how long quotes and seats last, above which amount a manager approves, and hours of business."""
    return Terms.model_validate(await serve(asked, "terms.show", Given()))


@ROUTES.patch("/terms", "Change the terms of the business", scope="terms:write", roles=_MANAGERS, lock=_LOCK,
              shows=show_terms)  # fmt: skip
async def change_terms(asked: Asked, body: ChangeTerms) -> Terms:
    """Change the terms that are given; the others stay. What was agreed before keeps its terms."""
    return Terms.model_validate(await serve(asked, "terms.change", body))


@ROUTES.get("/hours", "Tell whether the business is open", scope="terms:read")
async def show_hours(asked: Asked) -> Hours:
    """Whether somebody may be expected to answer now, and when next."""
    return Hours.model_validate(await serve(asked, "hours.now", Given()))


# --- Invitations ------------------------------------------------------------------------------------------------------


class NewInvite(Given):
    """For whom a code is to be."""

    roles: Annotated[list[Literal["sales", "operations", "field_staff", "manager"]], Field(min_length=1, max_length=4)]
    name: Annotated[str, Field(max_length=200)] = ""
    hours: Annotated[int, Field(ge=1, le=168)] = 48


class Invite(BaseModel):
    """A code with which one person becomes staff by texting `JOIN <code>`. It is shown only now."""

    id: int
    code: str
    roles: list[str]
    expires_at: datetime


@ROUTES.post("/invites", "Make a code with which somebody becomes staff", scope="invites:write",
             roles=roles_with("manage_people"), secret=True)  # fmt: skip
async def invite_staff(asked: Asked, body: NewInvite) -> Invite:
    """Make a code with which one person becomes staff by texting it; a phone number alone gives no role."""
    return Invite.model_validate(await serve(asked, "staff.invite", body))


class OpenInvite(BaseModel):
    """A code that was made; what it is nobody can see any more."""

    id: int
    status: Literal["OPEN", "USED", "EXPIRED", "REVOKED"]
    roles: list[str]
    name: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_by: int | None
    used_at: datetime | None


_INVITES = """
SELECT i.invite_id AS id, i.status, i.roles, i.name, i.created_by, i.created_at, i.expires_at, i.used_by, i.used_at
FROM staff_invites i WHERE i.tenant_id = $1
"""
Collection(
    routes=ROUTES, path="/invites", one="invite", model=OpenInvite, select=_INVITES, key="i.invite_id",
    dated="i.created_at",
    table="staff_invites", roles=_MANAGERS,
    filters={"status": Filter(kind=Literal["OPEN", "USED", "EXPIRED", "REVOKED"], condition="i.status = {}")},
).listed().shown().verb("revoke", "staff.revoke_invite", "invite")  # fmt: skip
