"""A conversation as it came in: for `bot simulate --replay`. Only ever reads."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.core.ids import TenantId
from bot.core.messages import INCOMING, Incoming
from storage.crypto import Vault
from storage.postgres.database import Postgres
from storage.postgres.explain import find_message

_READ_ONLY = "SET TRANSACTION READ ONLY"
_PERSON = """
SELECT p.name, p.language,
       ARRAY(SELECT r.role FROM contact_roles r WHERE r.tenant_id = $1 AND r.contact_id = c.contact_id
             ORDER BY r.role) AS roles
FROM whatsapp_conversations c JOIN contacts p ON p.tenant_id = $1 AND p.contact_id = c.contact_id
WHERE c.tenant_id = $1 AND c.conversation_id = $2
"""
# Uses whatsapp_messages_conversation. A message of ours stands for all that had come in until then.
_UNTIL = """
SELECT m.created_at, m.content FROM whatsapp_messages m
JOIN whatsapp_messages last ON last.tenant_id = $1 AND last.message_id = $3
WHERE m.tenant_id = $1 AND m.conversation_id = $2 AND m.direction = 'INBOUND'
  AND (m.created_at, m.message_id) <= (last.created_at, last.message_id)
ORDER BY m.created_at, m.message_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Who a conversation is with, and what they sent, oldest first."""

    name: str
    language: str
    roles: tuple[str, ...]
    messages: tuple[tuple[datetime, Incoming], ...]


async def history(database: Postgres, vault: Vault, tenant: TenantId, message: str) -> History | None:
    """What came in up to and including a message, in its conversation; None when it is not known.

    Args:
        database: Where it is.
        vault: Knows the provider's ids by their keys.
        tenant: Whose it is.
        message: Our number, or the provider's id.
    """
    async with database.tenant(tenant) as db:
        await db.execute(_READ_ONLY)
        row = await find_message(db, vault, tenant, message)
        if row is None:
            return None
        person = await db.fetchrow(_PERSON, tenant, row["conversation_id"])
        rows = await db.fetch(_UNTIL, tenant, row["conversation_id"], row["message_id"])
    roles: Sequence[str] = person["roles"] if person is not None else ()
    return History(
        name=person["name"] if person is not None else "",
        language=person["language"] if person is not None else "en",
        roles=tuple(roles),
        messages=tuple((one["created_at"], INCOMING.validate_python(json.loads(one["content"]))) for one in rows),
    )
