"""Conversations that people have instead of the bot: taking one, answering, giving it back.

Who has a conversation is in its snapshot and changes in its turns only, in order with everything else: services post
an event, and the row in `handoffs` follows with the turn. Only that it is claimed is written at once, so that of two
people who take it at the same moment one is told that the other has it. What a person says goes out at once.
"""

import json
from datetime import timedelta
from typing import Any

from bot.core.errors import ActionError
from bot.core.messages import MAX_TEXT, OUTGOING, TextOut
from bot.core.policy import window_open
from bot.operations import news, timeline
from bot.operations.acting import Acting, ident, text_of
from bot.operations.lifecycle import Change, Lifecycle
from bot.operations.services import Services

SERVICES = Services()
ACTIONS = SERVICES.actions

LIFECYCLE = Lifecycle(
    "A handoff",
    "WAITING",
    {
        "take": Change(("WAITING",), "TAKEN", "taken"),
        "return": Change(("WAITING", "TAKEN"), "RETURNED", "returned"),
    },
)

# Who has just taken it has it, though the turn that hears of it is still to come.
_CONVERSATION = """
SELECT w.conversation_id, w.channel_id, w.contact_id, w.last_inbound_at, c.name,
       coalesce('person:' || h.taken_by, w.snapshot->>'owner', 'bot') AS owner
FROM whatsapp_conversations w JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = w.contact_id
LEFT JOIN handoffs h ON h.tenant_id = $1 AND h.conversation_id = w.conversation_id AND h.status = 'TAKEN'
WHERE w.tenant_id = $1 AND w.conversation_id = $2
"""
_POST = """
INSERT INTO inbox (tenant_id, conversation_id, due_at, kind, event, happened_at)
VALUES ($1, $2, $3, 'business', jsonb_build_object('name', $4::text, 'data', $5::jsonb, 'run', NULL), $3)
"""
_SAY = """
WITH said AS (
    INSERT INTO whatsapp_messages (tenant_id, message_id, created_at, conversation_id, channel_id, direction, status,
                                   kind, content)
    VALUES ($1, nextval('message_ids'), $3, $2, $4, 'OUTBOUND', 'QUEUED', 'text', $5::jsonb)
    RETURNING message_id
)
INSERT INTO outbox (tenant_id, conversation_id, message_id, message_created_at, channel_id, due_at)
SELECT $1, $2, s.message_id, $3, $4, $3 FROM said s
RETURNING message_id
"""
# Of those who claim it, one at a time changes the row. What nobody has, the bot's pause and the business's phone yield.
_CLAIM = """
INSERT INTO handoffs (tenant_id, conversation_id, reason, status, asked_at, taken_by, taken_at)
VALUES ($1, $2, 'taken', $5, $3, $4, $3)
ON CONFLICT (tenant_id, conversation_id) WHERE status <> 'RETURNED'
DO UPDATE SET status = excluded.status, taken_by = excluded.taken_by,
              taken_at = coalesce(handoffs.taken_at, excluded.taken_at)
WHERE handoffs.status = 'WAITING' OR handoffs.taken_by IS NULL OR handoffs.taken_by IN ('phone', excluded.taken_by)
RETURNING handoff_id
"""
_HOLDER = """
SELECT coalesce(nullif(c.name, ''), h.taken_by) FROM handoffs h
LEFT JOIN contacts c ON c.tenant_id = $1 AND 'contact:' || c.contact_id = h.taken_by
WHERE h.tenant_id = $1 AND h.conversation_id = $2 AND h.status <> 'RETURNED'
"""
_LIST = """
SELECT h.*, c.name FROM handoffs h
JOIN whatsapp_conversations w ON w.tenant_id = $1 AND w.conversation_id = h.conversation_id
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = w.contact_id
WHERE h.tenant_id = $1 AND h.status <> 'RETURNED' AND ($2::text IS NULL OR h.role IS NULL OR h.role = $2)
ORDER BY h.status DESC, h.due_at NULLS LAST, h.handoff_id LIMIT $3
"""
_OVERDUE = """
UPDATE handoffs SET overdue_at = $2
WHERE tenant_id = $1 AND status = 'WAITING' AND due_at <= $2 AND overdue_at IS NULL
RETURNING handoff_id, conversation_id, role, reason, asked_at
"""
_LAPSED = """
UPDATE handoffs SET keep_until = NULL WHERE tenant_id = $1 AND status = 'TAKEN' AND keep_until <= $2
RETURNING conversation_id
"""
# The conversation was left because nothing happened in it for days: it is the bot's again without any turn.
_FORGOTTEN = """
UPDATE handoffs h SET status = 'RETURNED', returned_at = $2
FROM whatsapp_conversations w
WHERE h.tenant_id = $1 AND h.status <> 'RETURNED' AND w.tenant_id = $1 AND w.conversation_id = h.conversation_id
  AND w.status = 'EXPIRED'
"""


@SERVICES.service("conversations.take", "create_leads", "manage_trips")
async def take(acting: Acting, *, conversation: int | str) -> dict[str, Any]:
    """Take a conversation: the bot keeps quiet until it is given back, or nothing is said in it for some hours.

    Returns:
        `id` of the conversation, and `owner`.

    Raises:
        ActionError: `taken`, when a colleague has it; they, or anybody, can give it back first.
    """
    row = await _row(acting, conversation)
    return await _take(acting, row)


@SERVICES.service("conversations.reply", "create_leads", "manage_trips")
async def reply(acting: Acting, *, conversation: int | str, text: str) -> dict[str, Any]:
    """Answer somebody in one's own words; takes the conversation if the bot has it.

    Returns:
        `id` of the conversation, `owner`, `message_id`.

    Raises:
        ActionError: `window_closed`, more than 24 hours after their last message: only a template may be sent then;
            `taken`, when a colleague has the conversation.
    """
    words = text_of(text, "The text", most=MAX_TEXT)
    row = await _row(acting, conversation)
    if not window_open(row["last_inbound_at"], acting.at):
        raise ActionError("window_closed", "They last wrote more than 24 hours ago: only a template may be sent.")
    taken = await _take(acting, row)  # also if it is taken already: it is kept for longer now
    content = OUTGOING.dump_json(TextOut(body=words)).decode()
    said = await acting.db.fetchval(
        _SAY, acting.tenant_id, row["conversation_id"], acting.at, row["channel_id"], content
    )
    return {**taken, "message_id": said}


@SERVICES.service("conversations.give_back", "create_leads", "manage_trips")
async def give_back(acting: Acting, *, conversation: int | str) -> dict[str, Any]:
    """Give a conversation back to the bot, which goes on where it was."""
    row = await _row(acting, conversation)
    if row["owner"] == "bot":
        raise ActionError("wrong_status", "The bot has this conversation.")
    await _post(acting, row["conversation_id"], "handoff.returned", {})
    await timeline.record(acting, "conversation", row["conversation_id"], "CONVERSATION_GIVEN_BACK")
    return {"id": row["conversation_id"], "owner": "bot"}


@SERVICES.service("conversations.pause", "manage_trips")
async def pause(acting: Acting, *, conversation: int | str) -> dict[str, Any]:
    """Let the bot keep quiet in a conversation, without anybody taking it, until it is given back."""
    row = await _row(acting, conversation)
    await _post(acting, row["conversation_id"], "handoff.paused", {})
    await timeline.record(acting, "conversation", row["conversation_id"], "CONVERSATION_PAUSED")
    return {"id": row["conversation_id"], "owner": "paused"}


@SERVICES.service("handoffs.list", "create_leads", "manage_trips")
async def list_handoffs(acting: Acting, *, role: str = "", most: int = 20) -> dict[str, Any]:
    """Conversations that people have or should have, those that wait first: `count` and `items`."""
    rows = await acting.db.fetch(_LIST, acting.tenant_id, role or None, most)
    items = [
        {
            "id": row["handoff_id"],
            "conversation_id": row["conversation_id"],
            "name": row["name"],
            "role": row["role"],
            "reason": row["reason"],
            "status": row["status"],
            "asked_at": row["asked_at"].isoformat(),
            "due_at": row["due_at"].isoformat() if row["due_at"] else None,
            "overdue": row["overdue_at"] is not None,
            "taken_by": row["taken_by"],
        }
        for row in rows
    ]
    return {"count": len(items), "items": items}


async def look_after(acting: Acting) -> int:
    """Tell who is waited for in vain, take back what nobody uses; for the clock. Returns how many that were."""
    late = await acting.db.fetch(_OVERDUE, acting.tenant_id, acting.at)
    for row in late:
        card = {
            "id": row["handoff_id"],
            "conversation_id": row["conversation_id"],
            "reason": row["reason"],
            "minutes": int((acting.at - row["asked_at"]) / timedelta(minutes=1)),
        }
        for role in dict.fromkeys((row["role"] or "operations", "manager")):
            await news.tell_role(acting, role, "handoff.overdue", card)
    lapsed = await acting.db.fetch(_LAPSED, acting.tenant_id, acting.at)
    for row in lapsed:
        await _post(acting, row["conversation_id"], "handoff.returned", {})
    await acting.db.execute(_FORGOTTEN, acting.tenant_id, acting.at)
    return len(late) + len(lapsed)


async def _take(acting: Acting, row: Any) -> dict[str, Any]:
    taken = LIFECYCLE.after("take", LIFECYCLE.first)
    mine = await acting.db.fetchval(
        _CLAIM, acting.tenant_id, row["conversation_id"], acting.at, acting.actor, taken
    )  # fmt: skip
    if mine is None:
        holder = await acting.db.fetchval(_HOLDER, acting.tenant_id, row["conversation_id"])
        raise ActionError("taken", f"{holder or 'Somebody else'} has this conversation.")
    await _post(acting, row["conversation_id"], "handoff.taken", {"by": acting.actor})
    if row["owner"] != f"person:{acting.actor}":
        await timeline.record(acting, "conversation", row["conversation_id"], "CONVERSATION_TAKEN")
    return {"id": row["conversation_id"], "owner": f"person:{acting.actor}"}


async def _row(acting: Acting, conversation: int | str) -> Any:
    row = await acting.db.fetchrow(_CONVERSATION, acting.tenant_id, ident(conversation, ""))
    if row is None:
        raise ActionError("not_found", f"There is no conversation {conversation}.")
    return row


async def _post(acting: Acting, conversation: int, name: str, data: dict[str, Any]) -> None:
    await acting.db.execute(_POST, acting.tenant_id, conversation, acting.at, name, json.dumps(data))
