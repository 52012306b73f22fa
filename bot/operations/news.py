"""Telling conversations what happened in the business, in the transaction in which it happened.

News is an event in the inbox: it keeps its order and its locks, and flows hear it under `events:` or begin with it
(`start: {events: …}`). docs/business.md lists the names.
"""

import json
from collections.abc import Collection
from typing import Any

from bot.core.ids import ContactId
from bot.operations.acting import Acting

# Runs of flows with `instance:` about the object, wherever they were last spoken of.
_TELL_RUNS = """
INSERT INTO inbox (tenant_id, conversation_id, due_at, kind, event, happened_at)
SELECT $1, r.conversation_id, $2, 'business',
       jsonb_build_object('name', $3::text, 'data', $4::jsonb, 'run', r.run), $2
FROM flow_runs r
WHERE r.tenant_id = $1 AND r.instance = $5 AND r.status = 'ACTIVE' AND r.frame IS NOT NULL
  AND r.run IS DISTINCT FROM $6
"""
# Where each person wrote last. Who was merged into somebody else is reached where either of them wrote.
_TELL_PEOPLE = """
WITH place AS (
    SELECT person.contact_id, w.conversation_id FROM unnest($5::bigint[]) AS person (contact_id)
    CROSS JOIN LATERAL (
        SELECT c.conversation_id FROM (
            SELECT person.contact_id UNION ALL
            SELECT m.contact_id FROM contacts m WHERE m.tenant_id = $1 AND m.merged_into = person.contact_id) AS known
        CROSS JOIN whatsapp_configurations number
        CROSS JOIN LATERAL (
            SELECT w.conversation_id, w.last_inbound_at FROM whatsapp_conversations w
            WHERE w.tenant_id = $1 AND w.channel_id = number.channel_id AND w.contact_id = known.contact_id
            OFFSET 0) AS c
        WHERE number.tenant_id = $1
        ORDER BY c.last_inbound_at DESC NULLS LAST, c.conversation_id LIMIT 1) AS w
), told AS (
    INSERT INTO inbox (tenant_id, conversation_id, due_at, kind, event, happened_at)
    SELECT $1, p.conversation_id, $2, 'business',
           jsonb_build_object('name', $3::text, 'data', $4::jsonb, 'run', NULL), $2
    FROM place p
)
SELECT contact_id FROM place
"""
# Somebody we know but who has never written, on the tenant's first number.
_OPEN = """
INSERT INTO whatsapp_conversations (tenant_id, channel_id, contact_id)
SELECT $1, (SELECT min(w.channel_id) FROM whatsapp_configurations w WHERE w.tenant_id = $1), p.contact_id
FROM contacts p
WHERE p.tenant_id = $1 AND p.contact_id = ANY ($2::bigint[])
  AND EXISTS (SELECT FROM whatsapp_configurations w WHERE w.tenant_id = $1)
ON CONFLICT DO NOTHING
"""
_WITH_ROLE = "SELECT contact_id FROM contact_roles WHERE tenant_id = $1 AND role = $2 ORDER BY contact_id"


async def tell_object(acting: Acting, about: str, name: str, data: dict[str, Any]) -> None:
    """Tell every live run that belongs to a business object, but for the one that acts.

    Args:
        acting: Who, when, and in which transaction.
        about: The instance, as flows compute it: "TRP123".
        name: Of the event: "incident.updated".
        data: What it carries, JSON.
    """
    await acting.db.execute(_TELL_RUNS, acting.tenant_id, acting.at, name, json.dumps(data), about, acting.run)


async def tell_people(acting: Acting, people: Collection[ContactId | None], name: str, data: dict[str, Any]) -> None:
    """Tell people, but for the one who acts, in the conversation in which each wrote last."""
    wanted = {person for person in people if person is not None and person != acting.contact_id}
    if not wanted:
        return
    missing = wanted - await _tell(acting, wanted, name, data)
    if missing:
        await acting.db.execute(_OPEN, acting.tenant_id, sorted(missing))
        await _tell(acting, missing, name, data)


async def tell_role(acting: Acting, role: str, name: str, data: dict[str, Any]) -> None:
    """Tell everybody who holds a role, but for the one who acts."""
    rows = await acting.db.fetch(_WITH_ROLE, acting.tenant_id, role)
    await tell_people(acting, [ContactId(row["contact_id"]) for row in rows], name, data)


async def _tell(acting: Acting, people: set[ContactId], name: str, data: dict[str, Any]) -> set[ContactId]:
    """Those of the people who have a conversation, told."""
    rows = await acting.db.fetch(_TELL_PEOPLE, acting.tenant_id, acting.at, name, json.dumps(data), sorted(people))
    return {ContactId(row["contact_id"]) for row in rows}
