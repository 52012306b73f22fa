"""Conversations one at a time: for the desk, the command line and tests. Workers use `turns`, in batches."""

from dataclasses import dataclass
from datetime import datetime

from bot.core.conversation import SNAPSHOT, Snapshot
from bot.core.ids import ChannelId, ContactId, ConversationId, TenantId
from storage.crypto import Vault
from storage.postgres.database import Postgres

_SAVE = """
INSERT INTO whatsapp_conversations (tenant_id, channel_id, contact_id, status, state, snapshot, last_inbound_at,
                                    updated_at)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8)
ON CONFLICT (tenant_id, channel_id, contact_id) DO UPDATE
SET status = excluded.status, state = excluded.state, snapshot = excluded.snapshot,
    last_inbound_at = excluded.last_inbound_at, updated_at = excluded.updated_at
RETURNING conversation_id
"""
_COLUMNS = """
SELECT c.conversation_id, c.channel_id, c.contact_id, c.status, c.state, c.snapshot, c.last_inbound_at, c.updated_at
FROM whatsapp_conversations c
"""
_FIND_ACTIVE = f"""{_COLUMNS} JOIN contact_identities i ON i.tenant_id = $1 AND i.contact_id = c.contact_id
WHERE c.tenant_id = $1 AND i.identity = $2 AND c.channel_id = $3 AND c.status = 'ACTIVE'
"""
_UPDATE_STATE = """
UPDATE whatsapp_conversations SET snapshot = $3::jsonb, state = $4, updated_at = $5
WHERE tenant_id = $1 AND conversation_id = $2
"""
# Leaves alone whom something still waits for (a timer, an event), and whom a worker holds at this moment. Runs of
# business objects live on without the conversation.
_EXPIRE = """
WITH idle AS (
    SELECT o.conversation_id, o.snapshot FROM whatsapp_conversations o
    WHERE o.tenant_id = $1 AND o.status = 'ACTIVE' AND o.updated_at < $2
      AND NOT EXISTS (SELECT FROM inbox i WHERE i.tenant_id = $1 AND i.conversation_id = o.conversation_id)
      AND NOT EXISTS (SELECT FROM timers t WHERE t.tenant_id = $1 AND t.conversation_id = o.conversation_id)
    LIMIT 1000 FOR UPDATE SKIP LOCKED
), expired AS (
    UPDATE whatsapp_conversations c
    SET status = 'EXPIRED', state = '', snapshot = jsonb_set(c.snapshot, '{frames}', '[]')
    FROM idle i
    WHERE c.tenant_id = $1 AND c.conversation_id = i.conversation_id
    RETURNING 1
), ended AS (
    UPDATE flow_runs r SET status = 'ENDED', outcome = 'expired', ended_at = $3
    FROM idle i CROSS JOIN jsonb_array_elements(i.snapshot -> 'frames') AS f (frame)
    WHERE r.tenant_id = $1 AND r.run = f.frame ->> 'run' AND r.status = 'ACTIVE' AND r.instance IS NULL
)
SELECT count(*) FROM expired
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRecord:
    """A row of `whatsapp_conversations`."""

    channel_id: ChannelId
    contact_id: ContactId
    snapshot: Snapshot
    updated_at: datetime
    status: str = "ACTIVE"
    last_inbound_at: datetime | None = None
    conversation_id: ConversationId | None = None

    @property
    def state(self) -> str:
        """`flow.state` of the run that talks; empty when none does."""
        return _state(self.snapshot)


class ConversationRepository:
    """Save, find, update and expire conversations of one tenant."""

    def __init__(self, database: Postgres, vault: Vault, tenant_id: TenantId) -> None:
        self._database = database
        self._vault = vault
        self._tenant = tenant_id

    async def save(self, record: ConversationRecord) -> ConversationId:
        """Insert or update the conversation of a contact on a channel."""
        async with self._database.tenant(self._tenant) as db:
            found = await db.fetchval(
                _SAVE,
                self._tenant,
                record.channel_id,
                record.contact_id,
                record.status,
                record.state,
                SNAPSHOT.dump_json(record.snapshot).decode(),
                record.last_inbound_at,
                record.updated_at,
            )
        return ConversationId(found)

    async def find_active_by_phone_number(self, phone: str, channel_id: ChannelId) -> ConversationRecord | None:
        """The live conversation with a phone number (E.164), or None."""
        async with self._database.tenant(self._tenant) as db:
            row = await db.fetchrow(_FIND_ACTIVE, self._tenant, self._vault.identity(self._tenant, phone), channel_id)
        if row is None:
            return None
        return ConversationRecord(
            conversation_id=row["conversation_id"],
            channel_id=row["channel_id"],
            contact_id=row["contact_id"],
            status=row["status"],
            snapshot=SNAPSHOT.validate_json(row["snapshot"]),
            last_inbound_at=row["last_inbound_at"],
            updated_at=row["updated_at"],
        )

    async def update_state(self, conversation_id: ConversationId, snapshot: Snapshot, at: datetime) -> bool:
        """Replace where a conversation is; False when there is no such conversation."""
        async with self._database.tenant(self._tenant) as db:
            document = SNAPSHOT.dump_json(snapshot).decode()
            changed = await db.execute(_UPDATE_STATE, self._tenant, conversation_id, document, _state(snapshot), at)
        return changed == "UPDATE 1"

    async def expire_old_conversations(self, idle_since: datetime, now: datetime) -> int:
        """Leave the flows of conversations in which nothing has happened since, and nothing is due; at most 1,000."""
        async with self._database.tenant(self._tenant) as db:
            return int(await db.fetchval(_EXPIRE, self._tenant, idle_since, now))


def _state(snapshot: Snapshot) -> str:
    return f"{snapshot.frames[-1].flow}.{snapshot.frames[-1].state}" if snapshot.frames else ""
