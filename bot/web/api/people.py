"""Contacts, what they agreed to, and the token itself."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from bot.core.errors import StorageError
from bot.core.waiting import zone
from bot.operations.people import undo_merge
from bot.operations.permissions import roles_with
from bot.web.api.collections import Collection, Filter, acting_for
from bot.web.api.problems import Problem
from bot.web.api.route import Asked, Given, Id, Routes
from storage.base import AuditEntry

ROUTES = Routes()

DESK = ("sales", "operations", "manager")


class Me(BaseModel):
    """Who asks."""

    token: int
    name: str
    role: str
    scopes: list[str]
    contact_id: int | None
    expires_at: datetime | None


@ROUTES.get("/me", "Show whose token this is", scope=None)
async def show_me(asked: Asked) -> Me:
    """Whose token this is, and what it may do."""
    token = asked.token
    return Me(
        token=token.token_id, name=token.name, role=token.role, scopes=sorted(token.scopes),
        contact_id=token.contact_id, expires_at=token.expires_at,
    )  # fmt: skip


# --- Contacts ---------------------------------------------------------------------------------------------------------


class Contact(BaseModel):
    """Somebody who writes to us, or whom we write to."""

    id: int
    name: str
    language: str
    timezone: str | None = Field(description="As set; null when the country of the phone tells")
    roles: list[str] = Field(description="Empty: a customer")
    away_until: datetime | None = Field(description="Of staff: meanwhile they get neither leads nor trips")
    max_leads: int | None = Field(description="Of staff: open leads they get at the most; null: as many as come")
    merged_into: int | None = Field(description="The contact that this one turned out to be")
    created_at: datetime


class ContactPhone(BaseModel):
    """How somebody is reached."""

    contact_id: int
    phone: str | None = Field(description="E.164; null when only a business-scoped id is known")


def _known_zone(name: str) -> str:
    if name and zone(name) is None:
        raise ValueError("is no time zone, such as Asia/Kathmandu")
    return name


TimeZone = Annotated[str, Field(max_length=60), AfterValidator(_known_zone)]


class ChangeContact(Given):
    """What is to be different."""

    name: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    language: Annotated[str | None, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z]{4})?$")] = None
    timezone: Annotated[TimeZone | None, Field(description="An IANA name; empty to go by the phone again")] = None


class NewRoles(Given):
    """Exactly these roles; none: a customer again."""

    roles: Annotated[list[Literal["sales", "operations", "field_staff", "manager"]], Field(max_length=4)]


class Merge(Given):
    """Who was found to be the same person: all that is theirs becomes this contact's."""

    gone: Id


class Away(Given):
    """For how many days somebody is away."""

    days: Annotated[int, Field(ge=0, le=366, description="0: here again")]


class LeadLimit(Given):
    """How many open leads somebody gets."""

    max_leads: Annotated[int | None, Field(ge=0, le=10_000, description="null: as many as come")]


class Unmerge(Given):
    """Which merge is undone: the timeline's CONTACTS_MERGED and the audit log name it."""

    merge: Id


_CONTACTS = """
SELECT c.contact_id AS id, c.name, c.language, c.timezone, c.created_at,
       ARRAY(SELECT r.role FROM contact_roles r WHERE r.tenant_id = $1 AND r.contact_id = c.contact_id
             ORDER BY r.role) AS roles, a.away_until, a.max_leads, c.merged_into
FROM contacts c LEFT JOIN staff_availability a ON a.tenant_id = $1 AND a.contact_id = c.contact_id
WHERE c.tenant_id = $1
"""
_PHONE = "SELECT phone FROM contacts WHERE tenant_id = $1 AND contact_id = $2"
_CHANGE = """
UPDATE contacts SET name = coalesce($3, name), language = coalesce($4, language),
    timezone = nullif(coalesce($5, timezone), '')
WHERE tenant_id = $1 AND contact_id = $2
"""
CONTACTS = Collection(
    routes=ROUTES, path="/contacts", one="contact", model=Contact, select=_CONTACTS, key="c.contact_id",
    dated="c.created_at",
    table="contacts", roles=DESK,
    filters={
        "role": Filter(
            kind=Literal["sales", "operations", "field_staff", "manager"],
            condition="EXISTS (SELECT FROM contact_roles r"
            " WHERE r.tenant_id = $1 AND r.contact_id = c.contact_id AND r.role = {})",
        )
    },
).listed().shown().verb("roles", "staff.set_roles", "person", NewRoles).verb(
    "merge", "people.merge", "keep", Merge
).verb("away", "staff.away", "person", Away).verb("limit", "staff.limit", "person", LeadLimit)  # fmt: skip


@ROUTES.post("/contacts/{contact}/unmerge", "Make two contacts of one again", scope="contacts:write",
             roles=roles_with("manage_people"))  # fmt: skip
async def unmerge_contact(asked: Asked, contact: Id, body: Unmerge) -> Contact:
    """Undo a merge of this contact, whether staff or a webhook made it. What came since stays with who was kept."""
    await CONTACTS.show(asked, contact)
    await undo_merge(acting_for(asked), asked.vault, body.merge, of=contact)
    again = await CONTACTS.show(asked, contact)
    assert isinstance(again, Contact)  # noqa: S101
    return again


@ROUTES.get("/contacts/{contact}/phone", "Show a contact's phone number", scope="contacts:phone", roles=DESK)
async def show_contact_phone(asked: Asked, contact: Id) -> ContactPhone:
    """A contact's phone number. Needs the scope `contacts:phone`, which no wildcard gives; the audit log notes it."""
    await CONTACTS.show(asked, contact)
    sealed = await asked.db.fetchval(_PHONE, asked.tenant, contact)
    try:
        phone = asked.vault.decrypt(asked.tenant, sealed) if sealed else None
    except StorageError as error:
        raise Problem("refused", "The number cannot be decrypted with this deployment's key.", code="key") from error
    note(asked, "contacts.phone_read", contact_id=contact)
    return ContactPhone(contact_id=contact, phone=phone)


@ROUTES.patch("/contacts/{contact}", "Change a contact", scope="contacts:write", roles=DESK, lock=CONTACTS.lock,
              shows=CONTACTS.show)  # fmt: skip
async def change_contact(asked: Asked, contact: Id, body: ChangeContact) -> Contact:
    """Change a contact's name, language or time zone."""
    await CONTACTS.show(asked, contact)
    await asked.db.execute(_CHANGE, asked.tenant, contact, body.name, body.language, body.timezone)
    note(asked, "contacts.changed", contact_id=contact, fields=sorted(body.model_fields_set))
    changed = await CONTACTS.show(asked, contact)
    assert isinstance(changed, Contact)  # noqa: S101
    return changed


# --- Merges -----------------------------------------------------------------------------------------------------------


class MergeOfTwo(BaseModel):
    """Two contacts that were found to be one person."""

    id: int
    status: Literal["MERGED", "UNDONE"]
    kept_id: int
    gone_id: int
    merged_by: str
    merged_at: datetime
    undone_at: datetime | None


_MERGES = """
SELECT m.merge_id AS id, m.status, m.kept_id, m.gone_id, m.merged_by, m.merged_at, m.undone_at
FROM contact_merges m WHERE m.tenant_id = $1
"""
Collection(
    routes=ROUTES, path="/merges", one="merge", model=MergeOfTwo, select=_MERGES, key="m.merge_id",
    dated="m.merged_at",
    table="contact_merges", roles=("manager",),
    filters={
        "status": Filter(kind=Literal["MERGED", "UNDONE"], condition="m.status = {}"),
        "contact": Filter(kind=Id, condition="{} IN (m.kept_id, m.gone_id)"),
    },
).listed().shown().verb("undo", "people.unmerge", "merge")  # fmt: skip


# --- Opt-ins ----------------------------------------------------------------------------------------------------------


class OptIn(BaseModel):
    """A word of somebody: they allow messages, or forbid them. The newest of a purpose counts."""

    id: int
    contact_id: int
    purpose: Literal["all", "marketing"]
    allowed: bool
    source: str
    proof: dict[str, Any]
    created_at: datetime


class NewOptIn(Given):
    """What somebody said elsewhere, with the proof: a form, a call, a signature."""

    contact: Id
    purpose: Literal["all", "marketing"] = "all"
    allowed: bool
    proof: Annotated[dict[str, Annotated[str, Field(max_length=1000)]], Field(min_length=1, max_length=20)]


_ADD_OPT_IN = """
INSERT INTO whatsapp_opt_ins (tenant_id, contact_id, purpose, allowed, source, proof, created_at)
VALUES ($1, $2, $3, $4, 'API', $5::jsonb, $6) RETURNING opt_in_id
"""
_OPT_INS = """
SELECT o.opt_in_id AS id, o.contact_id, o.purpose, o.allowed, o.source, o.proof, o.created_at
FROM whatsapp_opt_ins o WHERE o.tenant_id = $1
"""
OPT_INS = Collection(
    routes=ROUTES, path="/opt-ins", one="opt_in", model=OptIn, select=_OPT_INS, key="o.opt_in_id",
    dated="o.created_at",
    table="whatsapp_opt_ins", roles=("operations", "manager"), documents=("proof",),
    filters={
        "contact": Filter(kind=Id, condition="o.contact_id = {}"),
        "purpose": Filter(kind=Literal["all", "marketing"], condition="o.purpose = {}"),
    },
).listed().shown()  # fmt: skip


@ROUTES.post("/opt-ins", "Note what somebody agreed to, or forbade", scope="opt-ins:write",
             roles=("operations", "manager"))  # fmt: skip
async def add_opt_in(asked: Asked, body: NewOptIn) -> OptIn:
    """Note what somebody agreed to, or forbade, elsewhere than on WhatsApp. The newest word counts."""
    await CONTACTS.show(asked, body.contact)
    made = await asked.db.fetchval(
        _ADD_OPT_IN, asked.tenant, body.contact, body.purpose, body.allowed, json.dumps(body.proof), asked.at
    )
    note(asked, "contacts.opted_in" if body.allowed else "contacts.opted_out", contact_id=body.contact)
    return OptIn.model_validate((await OPT_INS.show(asked, made)).model_dump())


def note(asked: Asked, action: str, **detail: Any) -> None:
    """Put on the trail what was done without a service."""
    entry = AuditEntry(
        at=asked.at, actor=f"token:{asked.token.token_id}", action=action, conversation_id=None, detail=detail
    )
    asked.trail.append(entry)
