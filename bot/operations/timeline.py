"""What happened to each business object, for people to read and dashboards to count."""

import json
from datetime import datetime
from typing import Any

from bot.core.actions import ActionCall, Database
from bot.core.ids import TenantId

_ADD = """
INSERT INTO timeline_entries (tenant_id, object_type, object_id, event_type, source, content, actor_id, conversation_id,
                              created_at)
VALUES ($1, $2, $3, 'SYSTEM', $4, $5::jsonb, $6, $7, $8)
"""


async def record(call: ActionCall, object_type: str, object_id: int, action: str, **content: Any) -> None:
    """Note on an object's timeline that somebody did something to it over WhatsApp.

    Args:
        call: Who, when, and in which transaction.
        object_type: `lead`, `trip`, `incident`…
        object_id: Its id.
        action: What, in capitals: LEAD_CREATED.
        content: More of it, JSON values.
    """
    document = json.dumps({"action": action, **content})
    await call.db.execute(
        _ADD,
        call.tenant_id,
        object_type,
        object_id,
        "WHATSAPP",
        document,
        call.contact.contact_id,
        call.conversation_id,
        call.at,
    )


async def record_from_desk(
    db: Database, tenant_id: TenantId, object_type: str, object_id: int, action: str, at: datetime, **content: Any
) -> None:
    """Note what was done on the web desk or through the API."""
    document = json.dumps({"action": action, **content})
    await db.execute(_ADD, tenant_id, object_type, object_id, "WEB", document, None, None, at)
