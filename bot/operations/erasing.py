"""Erasing one person: every trace of them goes, what accounting needs stays, without them.

Three sweeps, in one transaction:

1. What is theirs by number. Rows that are nothing but theirs are deleted; of others the words go (`_EMPTIED`), and the
   numbers stay: amounts, seats, times, counts.
2. What is theirs in other people's rows: their phone number and ids anywhere, and their name and words where staff were
   told of them. Every text and JSON column of every table is looked through, so that new tables are covered.
3. Webhooks that nothing was made of: they are decrypted, and deleted when they name the person.

Who works on one of their conversations is waited for. Who stores messages is, too (`LOCK TABLE`), and looks afterwards
whether somebody was erased meanwhile (PostgresIntake).
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from bot.core.actions import Database
from bot.operations import timeline
from bot.operations.acting import Acting
from bot.operations.merging import LOCK_PEOPLE, PEOPLE_CHANGED
from bot.operations.permissions import check
from bot.operations.privacy import Belongings, base64_of, belongings_of, find_person, tables_of
from storage.base import AuditEntry
from storage.crypto import Vault

ERASED = "[erased]"
"""What stands where something was."""
SHORTEST_WORDS = 12
"""Letters of what they wrote from which on it is looked for elsewhere: shorter words tell of nobody."""

_LOCK_CONVERSATIONS = """
SELECT conversation_id FROM whatsapp_conversations WHERE tenant_id = $1 AND contact_id = ANY ($2::bigint[])
ORDER BY conversation_id FOR UPDATE
"""
_STOP_INTAKE = "LOCK TABLE message_keys IN SHARE MODE"

# Nothing but theirs. The rows of the rest stay, with what _EMPTIED leaves of them.
_DELETED = (
    "contact_identities", "contact_roles", "staff_availability", "inbox", "outbox", "timers", "turn_traces",
    "dead_letters", "template_waits", "whatsapp_media", "outside_jobs", "reached", "send_attempts", "delivery_updates",
)  # fmt: skip
_EMPTIED: dict[str, str] = {
    "contacts": "name = '', phone = NULL, user_id = NULL, active_role = NULL, timezone = NULL",
    "whatsapp_conversations": "snapshot = '{}', state = '', status = 'EXPIRED', last_inbound_at = NULL",
    "whatsapp_messages": 'content = \'{"kind": "text", "body": ""}\', kind = \'text\', provider_message_id = NULL, '
    "reply_to = NULL, context = '{\"erased\": true}', error_detail = NULL, "
    "status = CASE WHEN status IN ('QUEUED', 'HELD', 'UNKNOWN') THEN 'FAILED' ELSE status END",
    "flow_runs": "frame = NULL, status = 'ENDED', outcome = coalesce(outcome, 'abandoned'), "
    "ended_at = coalesce(ended_at, started_at)",
    "whatsapp_opt_ins": "proof = '{}'",
    "broadcast_recipients": "name = ''",
    "staff_invites": "name = ''",
    "contact_merges": "phone = NULL, user_id = NULL",
    "leads": "note = '', reason = NULL, month = NULL",
    "quotes": "note = ''",
    "bookings": "reason = NULL",
    "incidents": "description = '', place = NULL, media = '[]', resolution = NULL",
    "incident_updates": "text = '', public = ''",
    "check_ins": "note = '', place = NULL, media = '[]'",
    "feedback": "comment = ''",
    "approvals": "subject = '', note = ''",
    "inventory_moves": "note = ''",
    "handoffs": "reason = '', status = 'RETURNED', returned_at = coalesce(returned_at, asked_at)",
    "api_tokens": "name = '', revoked_at = coalesce(revoked_at, now())",
    "timeline_entries": "content = jsonb_build_object('action', t.content -> 'action', 'erased', true)",
}
# A flow's receipt is theirs when a run of theirs ("r17", "r17-2") stands in its key, or the key names them. No run with
# that id comes again: its event is deleted. "r17-2" may also be the author's "{{ run.id }}-2". Keys of the API are its
# clients' own words.
_RECEIPTS = """
DELETE FROM receipts t WHERE t.tenant_id = $1 AND NOT starts_with(t.key, 'api:') AND (t.key ILIKE ANY ($3::text[])
    OR EXISTS (
        SELECT FROM regexp_matches(t.key, '(?<![[:alnum:]])(r[0-9]+)(-[0-9]+)?(?![[:alnum:]])', 'g') AS found (part)
        WHERE found.part[1] || coalesce(found.part[2], '') = ANY ($2::text[])
           OR found.part[1] = ANY ($2::text[]) AND NOT EXISTS (
               SELECT FROM flow_runs f WHERE f.tenant_id = $1 AND f.run = found.part[1] || found.part[2])))
"""
# Others have a key of something else ("booking:{{ quote.id }}"), or of a run about an object that somebody else spoke
# of last: what was done stays known. The audit tells in which conversation it was done.
_OTHER_RECEIPTS = """
SELECT t.key, t.result FROM receipts t WHERE t.tenant_id = $1 AND (t.action, t.created_at) IN (
    SELECT a.action, a.at FROM whatsapp_audit_logs a WHERE a.tenant_id = $1 AND a.conversation_id = ANY ($2::bigint[]))
FOR UPDATE
"""
_REWRITE_RECEIPT = "UPDATE receipts SET result = $3::jsonb WHERE tenant_id = $1 AND key = $2"
_UPLOADS = """
DELETE FROM media_uploads u USING whatsapp_media m
WHERE u.tenant_id = $1 AND m.tenant_id = $1 AND m.sha256 = u.sha256 AND m.conversation_id = ANY ($2::bigint[])
"""
_WROTE = """
SELECT DISTINCT w.words FROM (
    SELECT m.content ->> 'body' AS words FROM whatsapp_messages m
    WHERE m.tenant_id = $1 AND m.conversation_id = ANY ($3::bigint[]) AND m.direction = 'INBOUND'
    UNION ALL SELECT m.content ->> 'caption' FROM whatsapp_messages m
    WHERE m.tenant_id = $1 AND m.conversation_id = ANY ($3::bigint[]) AND m.direction = 'INBOUND'
    UNION ALL SELECT note FROM leads WHERE tenant_id = $1 AND contact_id = ANY ($2::bigint[])
    UNION ALL SELECT description FROM incidents WHERE tenant_id = $1 AND contact_id = ANY ($2::bigint[])
    UNION ALL SELECT note FROM check_ins WHERE tenant_id = $1 AND contact_id = ANY ($2::bigint[])
    UNION ALL SELECT comment FROM feedback WHERE tenant_id = $1 AND contact_id = ANY ($2::bigint[])
) AS w WHERE length(w.words) >= $4
"""
_MEDIA_LEFT = """
SELECT media_id FROM whatsapp_media
WHERE tenant_id = $1 AND conversation_id = ANY ($2::bigint[]) AND status <> 'EXPIRED' AND stored_at IS NOT NULL
"""
_STAFF = """
SELECT c.conversation_id FROM contact_roles r
JOIN whatsapp_conversations c ON c.tenant_id = $1 AND c.contact_id = r.contact_id
WHERE r.tenant_id = $1 AND r.role <> 'customer'
"""
_SUPPRESS = """
INSERT INTO erased_addresses (tenant_id, identity, erased_at)
SELECT $1, i.identity, $3 FROM contact_identities i WHERE i.tenant_id = $1 AND i.contact_id = ANY ($2::bigint[])
ON CONFLICT (tenant_id, identity) DO UPDATE SET erased_at = excluded.erased_at
"""
_WEBHOOKS = """
SELECT webhook_id, body FROM webhook_events WHERE tenant_id = $1 AND webhook_id > $2 ORDER BY webhook_id LIMIT 500
"""
_FORGET_WEBHOOKS = "DELETE FROM webhook_events WHERE tenant_id = $1 AND webhook_id = ANY ($2::bigint[])"

# Not people's words: content of the project, keyed hashes, and the audit log, which holds ids only.
_NOT_SEARCHED = (
    "tenants", "whatsapp_configurations", "flow_versions", "whatsapp_templates", "treks", "trips", "inventory_items",
    "business_settings", "chores", "whatsapp_audit_logs", "webhook_endpoints", "metric_days", "metric_responses",
    "contacts", "secret_keys", "kept_keys", "key_progress", "live_senders",
)  # fmt: skip
_NAMESAKES = ("broadcast_recipients.name", "staff_invites.name")  # other people may be called alike


_LIKE_SPECIAL = re.compile(r"[\\%_]")


class MediaLeftError(Exception):
    """Files of theirs are still in the store; delete those first (PostgresMedia.forget).

    Attributes:
        media: Their numbers.
    """

    def __init__(self, media: list[int]) -> None:
        super().__init__("files of the person are still stored")
        self.media = media


@dataclass(frozen=True, slots=True, kw_only=True)
class _Needles:
    """What tells of the person: where they are named, and what they said."""

    addresses: tuple[str, ...]
    told: tuple[str, ...]

    def pattern(self) -> "re.Pattern[str]":
        """Any of it, the longest first."""
        parts = sorted({*self.addresses, *self.told}, key=len, reverse=True)
        return re.compile("|".join(self._whole(part) for part in parts), re.IGNORECASE)

    def _whole(self, part: str) -> str:
        """Addresses stand anywhere, names and words by themselves."""
        quoted = re.escape(part)
        return quoted if part in self.addresses else rf"(?<!\w){quoted}(?!\w)"


async def erase_person(acting: Acting, vault: Vault, who: int | str) -> dict[str, Any]:
    """Erase somebody, for good.

    Args:
        acting: In whose name; needs `manage_people`. The audit tells that somebody was erased, and by whom.
        vault: Decrypts what is looked through.
        who: Number of the contact, or phone number.

    Returns:
        `id` of the contact that is nobody now, `rows`: how many were deleted or emptied.

    Raises:
        ActionError: `forbidden`, `not_found`.
        MediaLeftError: Files are to be deleted first; nothing is changed.
    """
    check(acting, "people.erase", ("manage_people",))
    db, tenant = acting.db, acting.tenant_id
    person = await find_person(db, vault, tenant, who)
    await db.execute(LOCK_PEOPLE, tenant)
    theirs = await belongings_of(db, vault, tenant, person)
    await db.execute(_LOCK_CONVERSATIONS, tenant, theirs.people)
    await db.execute(_STOP_INTAKE)
    theirs = await belongings_of(db, vault, tenant, person)  # as it is now that nobody adds to it
    if left := [row["media_id"] for row in await db.fetch(_MEDIA_LEFT, tenant, theirs.conversations)]:
        raise MediaLeftError(left)
    needles = await _needles(db, theirs)
    tables = await tables_of(db)
    await db.execute(_SUPPRESS, tenant, theirs.people, acting.at)
    await db.execute(PEOPLE_CHANGED, tenant)
    await _forget_receipts(db, theirs, needles)
    await db.execute(_UPLOADS, tenant, theirs.conversations)
    rows = 0
    for name, columns in tables.items():
        rows += await _empty(db, theirs, name, {column: kind for column, (kind, _) in columns.items()})
    for name, columns in tables.items():
        if name not in _NOT_SEARCHED:
            rows += await _search(db, theirs, needles, name, columns)
    rows += await _forget_webhooks(db, vault, theirs, needles)
    await timeline.record(acting, "contact", person, "CONTACT_ERASED")
    if acting.trail is not None:
        acting.trail.append(
            AuditEntry(
                at=acting.at, actor=acting.actor, action="people.erase", conversation_id=None,
                detail={"role": acting.role, "source": acting.source, "id": person},
            )
        )  # fmt: skip
    return {"id": person, "rows": rows}


async def _needles(db: Database, theirs: Belongings) -> _Needles:
    wrote = await db.fetch(_WROTE, theirs.tenant, theirs.people, theirs.conversations, SHORTEST_WORDS)
    digits = [phone.lstrip("+") for phone in theirs.phones]
    encoded = [part for value in (*digits, *theirs.user_ids) for part in base64_of(value)]
    # A name of one word is that of many.
    names = [name for name in theirs.names if len(name.split()) > 1]
    words = [row["words"].strip() for row in wrote if row["words"].strip()]
    return _Needles(
        addresses=tuple(dict.fromkeys([*theirs.phones, *digits, *theirs.user_ids, *encoded])),
        told=tuple(dict.fromkeys([*names, *words])),
    )


async def _forget_receipts(db: Database, theirs: Belongings, needles: _Needles) -> None:
    named = _likes((*needles.addresses, *needles.told), "text")
    await db.execute(_RECEIPTS, theirs.tenant, theirs.runs, named)
    if not theirs.names:
        return
    # In what was done for them, a name of one word is theirs.
    pattern = _Needles(addresses=(), told=tuple(theirs.names)).pattern()
    for row in await db.fetch(_OTHER_RECEIPTS, theirs.tenant, theirs.conversations):
        told = json.loads(row["result"])
        if (left := _without(told, pattern, keys=False)) != told:
            await db.execute(_REWRITE_RECEIPT, theirs.tenant, row["key"], json.dumps(left))


async def _empty(db: Database, theirs: Belongings, name: str, columns: dict[str, str]) -> int:
    """Delete or empty what is theirs by number in a table; returns how many rows."""
    given, values = theirs.owned(columns)
    if not given or (name not in _DELETED and name not in _EMPTIED):
        return 0
    what = f'DELETE FROM "{name}" t' if name in _DELETED else f'UPDATE "{name}" t SET {_EMPTIED[name]}'  # noqa: S608
    where = f"WHERE t.tenant_id = $1 AND ({' OR '.join(given)})"  # from the catalogue, and words of our own
    done = await db.execute(f"{what} {where}", theirs.tenant, *values)
    return int(done.rpartition(" ")[2])


async def _search(
    db: Database, theirs: Belongings, needles: _Needles, name: str, columns: dict[str, tuple[str, bool]]
) -> int:
    """Take out what tells of them in any text of a table; returns how many rows."""
    changed = 0
    everybody = "conversation_id" not in columns
    for column, (kind, writable) in columns.items():
        if not writable or f"{name}.{column}" in _NAMESAKES or kind not in ("text", "jsonb", "text[]"):
            continue
        values = [theirs.tenant, _likes(needles.addresses, kind), _likes(needles.told, kind)]
        where = f't."{column}"::text ILIKE ANY ($2::text[])'
        told = f't."{column}"::text ILIKE ANY ($3::text[])'
        if not everybody:
            told += " AND t.conversation_id = ANY ($4::bigint[])"
            values.append([*theirs.conversations, *(row[0] for row in await db.fetch(_STAFF, theirs.tenant))])
        rows = await db.fetch(
            f'SELECT t.tableoid, t.ctid, t."{column}" AS value FROM "{name}" t '  # noqa: S608
            f"WHERE t.tenant_id = $1 AND ({where} OR ({told})) FOR UPDATE",
            *values,
        )
        pattern = needles.pattern() if rows else None
        for row in rows:
            assert pattern is not None  # noqa: S101
            await _rewrite(db, theirs, name, column, kind, row, pattern)
        changed += len(rows)
    return changed


async def _rewrite(
    db: Database, theirs: Belongings, name: str, column: str, kind: str, row: Any, pattern: "re.Pattern[str]"
) -> None:
    place = (theirs.tenant, row["tableoid"], row["ctid"])
    where = "WHERE t.tenant_id = $1 AND t.tableoid = $2 AND t.ctid = $3"
    if name == "timeline_entries":
        await db.execute(f'UPDATE "{name}" t SET {_EMPTIED[name]} {where}', *place)  # noqa: S608
        return
    value = (
        json.dumps(_without(json.loads(row["value"]), pattern)) if kind == "jsonb" else _without(row["value"], pattern)
    )
    # One row may be changed by two columns: ctid is that of this moment, since each column is looked up anew.
    await db.execute(f'UPDATE "{name}" t SET "{column}" = $4::{kind} {where}', *place, value)  # noqa: S608


def _without(value: Any, pattern: "re.Pattern[str]", *, keys: bool = True) -> Any:
    """A JSON value without what matches, in its texts and, unless told not to, in the keys of its objects."""
    match value:
        case str():
            return pattern.sub(ERASED, value)
        case list():
            return [_without(one, pattern, keys=keys) for one in value]
        case dict():
            return {
                pattern.sub(ERASED, key) if keys else key: _without(one, pattern, keys=keys)
                for key, one in value.items()
            }
        case int() | float() if pattern.fullmatch(str(value)):
            return ERASED
    return value


def _likes(needles: Iterable[str], kind: str) -> list[str]:
    """Patterns for ILIKE; in JSON, texts stand escaped."""
    texts = [json.dumps(needle, ensure_ascii=False)[1:-1] if kind == "jsonb" else needle for needle in needles]
    return ["%" + _LIKE_SPECIAL.sub(r"\\\g<0>", text) + "%" for text in texts]


async def _forget_webhooks(db: Database, vault: Vault, theirs: Belongings, needles: _Needles) -> int:
    """Delete the webhooks that name them; returns how many."""
    pattern = needles.pattern() if needles.addresses or needles.told else None
    found: list[int] = []
    last = 0
    while rows := await db.fetch(_WEBHOOKS, theirs.tenant, last):
        last = rows[-1]["webhook_id"]
        for row in rows:
            body = vault.unseal(theirs.tenant, row["body"]).decode(errors="replace")
            if pattern is not None and (pattern.search(body) or pattern.search(_plain(body))):
                found.append(row["webhook_id"])
    await db.execute(_FORGET_WEBHOOKS, theirs.tenant, found)
    return len(found)


def _plain(body: str) -> str:
    """JSON or a form with its escapes undone."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False)
    except ValueError:
        return unquote_plus(body)
