-- Broadcasts: lists with approval, pacing and hours, and a row per recipient.

ALTER TABLE whatsapp_broadcast_lists DROP CONSTRAINT whatsapp_broadcast_lists_status_check;
ALTER TABLE whatsapp_broadcast_lists
    ADD CONSTRAINT whatsapp_broadcast_lists_status_check CHECK (status IN
        ('DRAFT', 'WAITING', 'SCHEDULED', 'RUNNING', 'PAUSED', 'DONE', 'CANCELLED')),
    ADD COLUMN channel_id bigint,
    ADD COLUMN parameters jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN marketing boolean NOT NULL DEFAULT true,
    ADD COLUMN per_minute integer NOT NULL DEFAULT 600 CHECK (per_minute BETWEEN 1 AND 60000),
    ADD COLUMN timezone text NOT NULL DEFAULT 'UTC',
    ADD COLUMN not_before time NOT NULL DEFAULT '09:00',
    ADD COLUMN not_after time NOT NULL DEFAULT '20:00',
    ADD COLUMN created_by bigint,
    ADD COLUMN reason text,
    ADD COLUMN started_at timestamptz,
    ADD COLUMN fed_at timestamptz,
    ADD COLUMN finished_at timestamptz;
-- What a feeder looks at (Broadcasts.feed).
CREATE INDEX whatsapp_broadcast_lists_live ON whatsapp_broadcast_lists (tenant_id, broadcast_id)
    WHERE status IN ('SCHEDULED', 'RUNNING');

CREATE TABLE broadcast_recipients (
    tenant_id           bigint NOT NULL,
    broadcast_id        bigint NOT NULL,
    contact_id          bigint NOT NULL,
    -- PENDING → HANDED (a message of theirs is in the outbox; its status tells the rest) or SKIPPED (reason)
    -- HANDED → PENDING (that message has FAILED for certain, and somebody asked to try again)
    status              text NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'HANDED', 'SKIPPED')),
    language            text NOT NULL,           -- as it was when the broadcast began, like the name
    name                text NOT NULL,
    tries               smallint NOT NULL DEFAULT 0,
    message_id          bigint,
    message_created_at  timestamptz,
    reason              text,
    PRIMARY KEY (tenant_id, broadcast_id, contact_id),
    FOREIGN KEY (tenant_id, broadcast_id) REFERENCES whatsapp_broadcast_lists
);
-- Who is next.
CREATE INDEX broadcast_recipients_pending ON broadcast_recipients (tenant_id, broadcast_id, contact_id)
    WHERE status = 'PENDING';

ALTER TABLE broadcast_recipients ENABLE ROW LEVEL SECURITY;
ALTER TABLE broadcast_recipients FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON broadcast_recipients USING (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON broadcast_recipients TO sirdar_runtime;
