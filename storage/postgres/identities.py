"""People's addresses change: a number is given up for another one, a business-scoped id is made anew.

The contact stays, with its history and roles; only its addresses move. When the new address already belongs to
somebody, that contact is taken for the same person (they wrote from the new number before WhatsApp told us) and merged
into the older one: what waits is processed there, what they agreed to counts there. Its roles are not carried over: an
address alone never gives a role. Nobody else can have the old address from then on and be taken for this person.
"""

from datetime import datetime
from typing import Any

from bot.core.ids import ContactId, TenantId
from storage.base import AuditEntry, NewAddress, Person
from storage.crypto import Vault
from storage.postgres.audit import write_audit
from storage.postgres.database import Connection
from storage.postgres.people import LOCK_PEOPLE

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

# --- Merging --------------------------------------------------------------------------------------------------------

# Both, in their own order, so that a worker that has one of them is waited for, and never in a circle.
_CONVERSATIONS = """
SELECT conversation_id, contact_id, channel_id FROM whatsapp_conversations
WHERE tenant_id = $1 AND contact_id = ANY ($2) ORDER BY conversation_id FOR UPDATE
"""
_ADOPT = "UPDATE whatsapp_conversations SET contact_id = $3 WHERE tenant_id = $1 AND conversation_id = $2"
# What the other conversation was about ends; what waits in it is for the one that goes on.
_HAND_OVER = """
WITH window_of AS (
    UPDATE whatsapp_conversations c
    SET last_inbound_at = greatest(c.last_inbound_at, (SELECT o.last_inbound_at FROM whatsapp_conversations o
                                                       WHERE o.tenant_id = $1 AND o.conversation_id = $2))
    WHERE c.tenant_id = $1 AND c.conversation_id = $3
), moved AS (
    UPDATE inbox SET conversation_id = $3 WHERE tenant_id = $1 AND conversation_id = $2
), ended AS (
    UPDATE flow_runs SET status = 'ENDED', outcome = 'merged', ended_at = $4
    WHERE tenant_id = $1 AND conversation_id = $2 AND status = 'ACTIVE' AND instance IS NULL
), cancelled AS (
    DELETE FROM timers WHERE tenant_id = $1 AND conversation_id = $2
)
UPDATE whatsapp_conversations SET status = 'EXPIRED', snapshot = '{}', state = ''
WHERE tenant_id = $1 AND conversation_id = $2
"""
_RETIRE = "UPDATE contacts SET merged_into = $3 WHERE tenant_id = $1 AND contact_id = $2"
_IDENTITIES = "UPDATE contact_identities SET contact_id = $3 WHERE tenant_id = $1 AND contact_id = $2"
# Whatever names a contact and is not unique by it: leads, opt-ins, incidents, and what is added later.
_TABLES = """
SELECT c.relname::text AS name FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'contact_id' AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname NOT IN ('contacts', 'contact_identities', 'contact_roles', 'whatsapp_conversations')
  AND has_table_privilege(c.oid, 'UPDATE')
  AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND a.attnum = ANY (i.indkey))
ORDER BY c.relname
"""


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
    if old is not None and new is not None and new != old:
        await _merge(db, vault, tenant, new, old, change.at)
    for kind, value in (("phone", change.new.phone), ("user_id", change.new.user_id)):
        if value:
            identities = vault.identities(tenant, value)
            await db.execute(_LET_GO, tenant, contact, kind, identities)
            await db.execute(_BIND, tenant, identities, contact, kind)
    sealed = [vault.encrypt(tenant, value) if value else None for value in (change.new.phone, change.new.user_id)]
    await db.execute(_SHOW, tenant, contact, *sealed)
    if old is not None:
        await write_audit(db, vault, tenant, [_entry(change.at, "contact.address_changed", {"contact": contact})])
    return ContactId(contact)


async def _owner(db: Connection, vault: Vault, tenant: TenantId, person: Person) -> ContactId | None:
    """Whose an address is; the business-scoped id decides, as when somebody writes."""
    for value in (person.user_id, person.phone):
        if value:
            found = await db.fetchval(_OWNER, tenant, vault.identity(tenant, value))
            if found is not None:
                return ContactId(found)
    return None


async def _merge(
    db: Connection, vault: Vault, tenant: TenantId, gone: ContactId, kept: ContactId, at: datetime
) -> None:
    """Make one contact of two: `kept` goes on."""
    theirs: dict[int, int] = {}
    ours: dict[int, int] = {}
    for row in await db.fetch(_CONVERSATIONS, tenant, [gone, kept]):
        (theirs if row["contact_id"] == gone else ours)[row["channel_id"]] = row["conversation_id"]
    for channel, conversation in theirs.items():
        if channel in ours:
            await db.execute(_HAND_OVER, tenant, conversation, ours[channel], at)
        else:
            await db.execute(_ADOPT, tenant, conversation, kept)
    for row in await db.fetch(_TABLES):
        name = row["name"].replace('"', '""')  # from the catalogue, not from anybody
        await db.execute(
            f'UPDATE "{name}" SET contact_id = $3 WHERE tenant_id = $1 AND contact_id = $2',  # noqa: S608
            tenant, gone, kept,
        )  # fmt: skip
    await db.execute(_IDENTITIES, tenant, gone, kept)
    await db.execute(_RETIRE, tenant, gone, kept)
    await write_audit(db, vault, tenant, [_entry(at, "contact.merged", {"contact": gone, "into": kept})])


def _entry(at: datetime, action: str, detail: dict[str, Any]) -> AuditEntry:
    return AuditEntry(at=at, actor="provider", action=action, conversation_id=None, detail=detail)
