"""Two contacts that are one person, and two again: one mechanism for staff who say so and for webhooks that tell.

What belonged to the contact that is gone belongs to the one that is kept; which rows changed hands is noted, so that it
can be undone. Roles go along only when a person with the right to give roles says that these two are one: an address
alone never gives a role, since numbers are given to strangers.

Staff's merges leave addresses and conversations alone: the person goes on writing from both. When a webhook tells that
one address took another's place (`Passing`), the addresses go to the contact that is kept as well, and what waits in
the other's conversation is heard in its own.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.core.actions import Database
from bot.core.errors import ActionError
from bot.core.ids import ContactId, TenantId
from storage.crypto import Vault

BELONGINGS = (
    ("contacts", "merged_into", "contact_id"),
    ("leads", "contact_id", "lead_id"),
    ("leads", "assignee_id", "lead_id"),
    ("quotes", "contact_id", "quote_id"),
    ("bookings", "contact_id", "booking_id"),
    ("incidents", "contact_id", "incident_id"),
    ("check_ins", "contact_id", "check_in_id"),
    ("feedback", "contact_id", "feedback_id"),
    ("approvals", "requested_by", "approval_id"),
    ("whatsapp_opt_ins", "contact_id", "opt_in_id"),
    ("trip_assignments", "contact_id", "trip_id"),
)
"""Columns that name a contact and change hands: table, column, key."""

STAYS = {
    "contacts.contact_id": "it is the contact",
    "contact_identities.contact_id": "see Passing",
    "whatsapp_conversations.contact_id": "see Passing",
    "contact_roles.contact_id": "see join",
    "staff_availability.contact_id": "of the one who is kept, their own counts",
    "broadcast_recipients.contact_id": "whom it was sent to, then",
    "api_tokens.contact_id": "a program acts in the name it was given",
    "staff_invites.used_by": "what somebody did stays in their old name",
    "quotes.author_id": "what somebody did stays in their old name",
    "incident_updates.author_id": "what somebody did stays in their old name",
    "inventory_moves.actor_id": "what somebody did stays in their old name",
    "timeline_entries.actor_id": "what somebody did stays in their old name",
    "contact_merges.kept_id": "what was merged, then",
    "contact_merges.gone_id": "what was merged, then",
    "incidents.acknowledged_by": "what somebody did stays in their old name",
    "approvals.decided_by": "what somebody did stays in their old name",
    "whatsapp_broadcast_lists.created_by": "what somebody did stays in their old name",
}
"""Columns that name a contact and do not, each with the reason. A test compares both lists with the schema."""

LOCK_PEOPLE = "SELECT pg_advisory_xact_lock(hashtextextended('contacts', $1))"
PEOPLE_CHANGED = """
INSERT INTO people_versions (tenant_id, version) VALUES ($1, 1)
ON CONFLICT (tenant_id) DO UPDATE SET version = people_versions.version + 1
"""
"""Whose an address is has changed: every process forgets what it remembers of it before it stores anything more."""

_LOCK_BOTH = """
SELECT contact_id, phone, user_id, merged_into FROM contacts WHERE tenant_id = $1 AND contact_id = ANY ($2::bigint[])
ORDER BY contact_id FOR UPDATE
"""
_SET_MERGED = "UPDATE contacts SET merged_into = $3 WHERE tenant_id = $1 AND contact_id = $2"
_KEEP_MERGE = """
INSERT INTO contact_merges (tenant_id, kept_id, gone_id, moved, merged_by, merged_at, phone, user_id)
VALUES ($1, $2, $3, $4::jsonb, $5, $6, $7, $8)
RETURNING merge_id
"""
_SET_MERGE = "UPDATE contact_merges SET status = $3, undone_at = $4 WHERE tenant_id = $1 AND merge_id = $2"
_HAND_OVER = """
UPDATE {table} AS t SET {column} = $2 WHERE t.tenant_id = $1 AND t.{column} = $3 {unless} RETURNING t.{key}
"""
# Both were on that trip: the kept one's assignment counts.
_UNLESS_BOTH = """
AND NOT EXISTS (SELECT FROM trip_assignments o WHERE o.tenant_id = $1 AND o.trip_id = t.trip_id AND o.contact_id = $2)
"""
_HAND_BACK = "UPDATE {table} SET {column} = $3 WHERE tenant_id = $1 AND {column} = $2 AND {key} = ANY ($4::bigint[])"
_ROLES = "SELECT role FROM contact_roles WHERE tenant_id = $1 AND contact_id = $2 ORDER BY role"
_GRANT = """
INSERT INTO contact_roles (tenant_id, contact_id, role, granted_at) SELECT $1, $2, r.role, $4
FROM unnest($3::text[]) AS r (role) ON CONFLICT DO NOTHING
"""
_TAKE_ROLES = "DELETE FROM contact_roles WHERE tenant_id = $1 AND contact_id = $2 AND role = ANY ($3::text[])"

# --- Addresses and conversations -------------------------------------------------------------------------------------

# Both, in their own order, so that a worker that has one of them is waited for, and never in a circle.
_CONVERSATIONS = """
SELECT conversation_id, contact_id, channel_id FROM whatsapp_conversations
WHERE tenant_id = $1 AND contact_id = ANY ($2::bigint[]) ORDER BY conversation_id FOR UPDATE
"""
_ADOPT = "UPDATE whatsapp_conversations SET contact_id = $3 WHERE tenant_id = $1 AND conversation_id = $2"
_ADOPT_BACK = """
UPDATE whatsapp_conversations c SET contact_id = $4
WHERE c.tenant_id = $1 AND c.conversation_id = ANY ($3::bigint[]) AND c.contact_id = $2
  AND NOT EXISTS (SELECT FROM whatsapp_conversations o
                  WHERE o.tenant_id = $1 AND o.channel_id = c.channel_id AND o.contact_id = $4)
"""
# What the other conversation was about ends; what waits in it is for the one that goes on.
_CONTINUE_IN = """
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
_HAND_ADDRESSES = "UPDATE contact_identities SET contact_id = $3 WHERE tenant_id = $1 AND contact_id = $2"
_GIVE_BACK = """
INSERT INTO contact_identities (tenant_id, identity, contact_id, kind)
SELECT $1, i.identity, $3, $4 FROM unnest($2::bytea[]) AS i (identity)
ON CONFLICT (tenant_id, identity) DO UPDATE SET contact_id = excluded.contact_id
WHERE contact_identities.contact_id = $5
"""
_BIND_IF_FREE = """
INSERT INTO contact_identities (tenant_id, identity, contact_id, kind)
SELECT $1, i.identity, $3, $4 FROM unnest($2::bytea[]) AS i (identity) ON CONFLICT DO NOTHING
RETURNING identity
"""
_SHOW_AS_WELL = """
UPDATE contacts SET phone = coalesce(phone, $3), user_id = coalesce(user_id, $4)
WHERE tenant_id = $1 AND contact_id = $2
"""
_SHOW = "UPDATE contacts SET phone = $3, user_id = $4 WHERE tenant_id = $1 AND contact_id = $2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A merge: its number, and which rows changed hands, by table and column."""

    merge_id: int
    moved: dict[str, list[Any]]


async def join(
    db: Database, tenant: TenantId, *, kept: ContactId, gone: ContactId, by: str, at: datetime, roles: bool = False,
    passing: bool = False,
) -> Merged:  # fmt: skip
    """Make one person of two contacts.

    Args:
        db: The tenant's transaction; with `passing` it holds LOCK_PEOPLE.
        tenant: Whose.
        kept: Who goes on.
        gone: Who is part of them from now on.
        by: Who says so.
        at: Now.
        roles: Whether roles are those of both; else the gone one's are nobody's.
        passing: Whether the addresses go along, and what waits is heard in the conversation of who is kept.

    Raises:
        ActionError: `not_found`; `merged`, when one of them already is part of somebody else.
    """
    rows = {row["contact_id"]: row for row in await db.fetch(_LOCK_BOTH, tenant, [kept, gone])}
    if len(rows) < 2:
        raise ActionError("not_found", "There is no such contact.")
    if any(row["merged_into"] is not None for row in rows.values()):
        raise ActionError("merged", "One of them is part of somebody else already: undo that first.")
    moved: dict[str, list[Any]] = {}
    for table, column, key in BELONGINGS:
        unless = _UNLESS_BOTH if table == "trip_assignments" else ""
        statement = _HAND_OVER.format(table=table, column=column, key=key, unless=unless)
        if changed := await db.fetch(statement, tenant, kept, gone):
            moved[f"{table}.{column}"] = [row[key] for row in changed]
    await _join_roles(db, tenant, kept, gone, moved, at, give=roles)
    if passing:
        moved["addresses"] = []
        if adopted := await _continue(db, tenant, kept, gone, at):
            moved["conversations"] = adopted
        await db.execute(_HAND_ADDRESSES, tenant, gone, kept)
        await db.execute(_SHOW_AS_WELL, tenant, kept, rows[gone]["phone"], rows[gone]["user_id"])
    await db.execute(_SET_MERGED, tenant, gone, kept)
    made = await db.fetchval(
        _KEEP_MERGE, tenant, kept, gone, json.dumps(moved), by, at,
        rows[kept]["phone"] if passing else None, rows[kept]["user_id"] if passing else None,
    )  # fmt: skip
    await db.execute(PEOPLE_CHANGED, tenant)
    return Merged(merge_id=made, moved=moved)


async def part(db: Database, vault: Vault | None, tenant: TenantId, merge: Any, status: str, at: datetime) -> None:
    """Make two contacts of one again. What came since stays with who was kept.

    Args:
        db: The tenant's transaction.
        vault: Finds addresses; needed where they went along.
        tenant: Whose.
        merge: The row of contact_merges.
        status: What it is from now on.
        at: Now.

    Raises:
        ActionError: `needs_key`, without a vault where one is needed.
    """
    kept, gone = ContactId(merge["kept_id"]), ContactId(merge["gone_id"])
    moved: dict[str, list[Any]] = json.loads(merge["moved"])
    if "addresses" in moved:
        if vault is None:
            raise ActionError("needs_key", "A webhook merged these: undo it with `bot contact unmerge`, or by the API.")
        await db.execute(LOCK_PEOPLE, tenant)
    await db.fetch(_LOCK_BOTH, tenant, [kept, gone])
    for table, column, key in BELONGINGS:
        if keys := moved.get(f"{table}.{column}"):
            statement = _HAND_BACK.format(table=table, column=column, key=key)
            await db.execute(statement, tenant, kept, gone, keys)
    await db.execute(_TAKE_ROLES, tenant, kept, moved.get("roles.given", []))
    await db.execute(_GRANT, tenant, gone, moved.get("roles.had", []), at)
    if "addresses" in moved and vault is not None:
        await db.execute(_ADOPT_BACK, tenant, kept, moved.get("conversations", []), gone)
        await _give_back(db, vault, tenant, merge)
    await db.execute(_SET_MERGED, tenant, gone, None)
    await db.execute(_SET_MERGE, tenant, merge["merge_id"], status, at)
    await db.execute(PEOPLE_CHANGED, tenant)


async def _join_roles(
    db: Database, tenant: TenantId, kept: ContactId, gone: ContactId, moved: dict[str, list[Any]], at: datetime, *,
    give: bool,
) -> None:  # fmt: skip
    """The gone one has no roles, so that nobody is told things twice."""
    had = [row["role"] for row in await db.fetch(_ROLES, tenant, gone)]
    before = [row["role"] for row in await db.fetch(_ROLES, tenant, kept)]
    if not had:
        return
    moved["roles.had"], moved["roles.given"] = had, [role for role in had if give and role not in before]
    await db.execute(_GRANT, tenant, kept, moved["roles.given"], at)
    await db.execute(_TAKE_ROLES, tenant, gone, had)


async def _continue(db: Database, tenant: TenantId, kept: ContactId, gone: ContactId, at: datetime) -> list[int]:
    """Hear in the conversations of who is kept what waits in the others; returns those that they had none for."""
    theirs: dict[int, int] = {}
    ours: dict[int, int] = {}
    for row in await db.fetch(_CONVERSATIONS, tenant, [gone, kept]):
        (theirs if row["contact_id"] == gone else ours)[row["channel_id"]] = row["conversation_id"]
    adopted = []
    for channel, conversation in theirs.items():
        if channel in ours:
            await db.execute(_CONTINUE_IN, tenant, conversation, ours[channel], at)
        else:
            await db.execute(_ADOPT, tenant, conversation, kept)
            adopted.append(conversation)
    return adopted


async def _give_back(db: Database, vault: Vault, tenant: TenantId, merge: Any) -> None:
    """The gone one has their addresses again; the kept one what they had before, as far as it is nobody's since."""
    kept, gone = merge["kept_id"], merge["gone_id"]
    rows = {row["contact_id"]: row for row in await db.fetch(_LOCK_BOTH, tenant, [kept, gone])}
    shown: list[bytes | None] = []
    for kind in ("phone", "user_id"):
        left = rows[gone][kind] and vault.decrypt(tenant, rows[gone][kind])
        now = rows[kept][kind] and vault.decrypt(tenant, rows[kept][kind])
        was = merge[kind] and vault.decrypt(tenant, merge[kind])
        if left:
            await db.execute(_GIVE_BACK, tenant, vault.identities(tenant, left), gone, kind, kept)
        if left and now == left:
            free = was and await db.fetch(_BIND_IF_FREE, tenant, vault.identities(tenant, was), kept, kind)
            shown.append(vault.encrypt(tenant, was) if was and free else None)
        else:
            shown.append(rows[kept][kind])
    await db.execute(_SHOW, tenant, kept, *shown)
