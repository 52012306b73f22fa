"""People's addresses change: a number is given up for another one, a business-scoped id is made anew.

The contact stays, with its history and roles; only its addresses move. When the new address already belongs to
somebody, that contact is taken for the same person (they wrote from the new number before WhatsApp told us) and merged
into the older one (bot/operations/merging.py): what waits is processed there, what they agreed to counts there. Its
roles are not carried over: an address alone never gives a role. Nobody else can have the old address from then on and
be taken for this person.

Not every change is told. A phone number that comes with another business-scoped id than we know it with is a stranger's
by now: numbers are given out again. They are somebody new, and who had the number is not reached, nor taken for them,
by it any more (`settle`). Staff may merge the two when they know better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.core.ids import ContactId, TenantId
from bot.operations.merging import LOCK_PEOPLE, PEOPLE_CHANGED, join
from storage.base import AuditEntry, NewAddress, Person
from storage.crypto import Vault
from storage.postgres.audit import write_audit
from storage.postgres.database import Connection

_OWNER = "SELECT contact_id FROM contact_identities WHERE tenant_id = $1 AND identity = $2"
_LET_GO = """
DELETE FROM contact_identities WHERE tenant_id = $1 AND contact_id = $2 AND kind = $3 AND identity <> ALL ($4::bytea[])
"""
_BIND = """
INSERT INTO contact_identities (tenant_id, identity, contact_id, kind)
SELECT $1, i.identity, $3, $4 FROM unnest($2::bytea[]) AS i (identity)
ON CONFLICT (tenant_id, identity) DO UPDATE SET contact_id = excluded.contact_id
"""
_SHOW = """
UPDATE contacts SET phone = coalesce($3, phone), user_id = coalesce($4, user_id)
WHERE tenant_id = $1 AND contact_id = $2
"""
_HIDE_PHONE = "UPDATE contacts SET phone = NULL WHERE tenant_id = $1 AND contact_id = $2"
_HAS_USER_ID = """
SELECT EXISTS (SELECT FROM contact_identities WHERE tenant_id = $1 AND contact_id = $2 AND kind = 'user_id')
"""
_OTHER_PHONE = """
SELECT EXISTS (SELECT FROM contact_identities
               WHERE tenant_id = $1 AND contact_id = $2 AND kind = 'phone' AND identity <> ALL ($3::bytea[]))
"""
_MERGED = (
    "SELECT EXISTS (SELECT FROM contacts WHERE tenant_id = $1 AND contact_id = ANY ($2) AND merged_into IS NOT NULL)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """Somebody who writes, and whose their addresses are: each None when it is nobody's, or not given."""

    person: Person
    by_phone: ContactId | None
    by_user_id: ContactId | None


async def move_address(db: Connection, vault: Vault, change: NewAddress) -> ContactId | None:
    """Give a person their new address; done twice it is done once.

    Returns:
        Whose address moved; None when we know neither the old nor the new one.
    """
    tenant = change.channel.tenant_id
    await db.execute(LOCK_PEOPLE, tenant)
    old, new = await _owner(db, vault, tenant, change.old), await _owner(db, vault, tenant, change.new)
    if old is None and new is None:
        return None
    contact = old if old is not None else new
    assert contact is not None  # noqa: S101  one of them is there
    if old is not None and new is not None and new != old and not await db.fetchval(_MERGED, tenant, [old, new]):
        await _same_person(db, vault, tenant, kept=old, gone=new, at=change.at)
    for kind, value in (("phone", change.new.phone), ("user_id", change.new.user_id)):
        if value:
            identities = vault.identities(tenant, value)
            await db.execute(_LET_GO, tenant, contact, kind, identities)
            await db.execute(_BIND, tenant, identities, contact, kind)
    sealed = [vault.encrypt(tenant, value) if value else None for value in (change.new.phone, change.new.user_id)]
    await db.execute(_SHOW, tenant, contact, *sealed)
    await db.execute(PEOPLE_CHANGED, tenant)
    if old is not None:
        await write_audit(db, vault, tenant, [_entry(change.at, "contact.address_changed", {"contact": contact})])
    return ContactId(contact)


async def settle(db: Connection, vault: Vault, tenant: TenantId, people: Sequence[Met]) -> bool:
    """Clear up whose an address is, where phone number and business-scoped id lead to different people.

    The caller holds LOCK_PEOPLE.

    Returns:
        Whether anything has changed: then people are to be looked for again.
    """
    changed = False
    for met in people:
        if met.person.phone and met.person.user_id:  # as WhatsApp says, they are one account
            changed |= await _settle(db, vault, tenant, met)
    if changed:
        await db.execute(PEOPLE_CHANGED, tenant)
    return changed


async def _settle(db: Connection, vault: Vault, tenant: TenantId, met: Met) -> bool:
    at = await db.fetchval("SELECT now()")
    phone, user = met.by_phone, met.by_user_id
    if phone is not None and phone != user:
        if await db.fetchval(_HAS_USER_ID, tenant, phone):
            await _let_phone_go(db, vault, tenant, phone, keep=[], at=at)  # another account: a stranger's by now
            return True
        if user is None or await db.fetchval(_MERGED, tenant, [phone, user]):
            return False  # their id was not known yet
        await _same_person(db, vault, tenant, kept=phone, gone=user, at=at)
        return True
    if user is not None:
        ours = vault.identities(tenant, met.person.phone or "")
        if await db.fetchval(_OTHER_PHONE, tenant, user, ours):
            await _let_phone_go(db, vault, tenant, user, keep=ours, at=at)  # they have another number now
            return True
    return False


async def _let_phone_go(
    db: Connection, vault: Vault, tenant: TenantId, contact: ContactId, *, keep: list[bytes], at: datetime
) -> None:
    await db.execute(_LET_GO, tenant, contact, "phone", keep)
    if not keep:
        await db.execute(_HIDE_PHONE, tenant, contact)
    await write_audit(db, vault, tenant, [_entry(at, "contact.phone_passed_on", {"contact": contact})])


async def _same_person(
    db: Connection, vault: Vault, tenant: TenantId, *, kept: ContactId, gone: ContactId, at: datetime
) -> None:
    merged = await join(db, tenant, kept=kept, gone=gone, by="provider", at=at, passing=True)
    detail = {"contact": gone, "into": kept, "merge": merged.merge_id}
    await write_audit(db, vault, tenant, [_entry(at, "contact.merged", detail)])


async def _owner(db: Connection, vault: Vault, tenant: TenantId, person: Person) -> ContactId | None:
    """Whose an address is; the business-scoped id decides, as when somebody writes."""
    for value in (person.user_id, person.phone):
        if value:
            found = await db.fetchval(_OWNER, tenant, vault.identity(tenant, value))
            if found is not None:
                return ContactId(found)
    return None


def _entry(at: datetime, action: str, detail: dict[str, Any]) -> AuditEntry:
    return AuditEntry(at=at, actor="provider", action=action, conversation_id=None, detail=detail)
