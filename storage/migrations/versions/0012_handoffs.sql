-- Handoffs: who has a conversation, since when, and by when somebody has to answer.

ALTER TABLE business_settings
    ADD COLUMN timezone text NOT NULL DEFAULT 'UTC',
    ADD COLUMN opens time,
    ADD COLUMN closes time,
    ADD COLUMN workdays smallint[] NOT NULL DEFAULT '{1,2,3,4,5,6,7}',
    ADD COLUMN keep_minutes integer NOT NULL DEFAULT 240 CHECK (keep_minutes > 0);

CREATE TABLE handoffs (
    tenant_id        bigint NOT NULL,
    handoff_id       bigint GENERATED ALWAYS AS IDENTITY,
    conversation_id  bigint NOT NULL,
    role             text,
    reason           text NOT NULL,
    -- WAITING (for somebody of the role) → TAKEN (a person has it) → RETURNED (to the bot); WAITING → RETURNED
    status           text NOT NULL DEFAULT 'WAITING' CHECK (status IN ('WAITING', 'TAKEN', 'RETURNED')),
    asked_at         timestamptz NOT NULL,
    due_at           timestamptz,
    overdue_at       timestamptz,
    taken_by         text,
    taken_at         timestamptz,
    keep_until       timestamptz,
    returned_at      timestamptz,
    PRIMARY KEY (tenant_id, handoff_id)
);
-- At most one at a time per conversation; finds it.
CREATE UNIQUE INDEX handoffs_open ON handoffs (tenant_id, conversation_id) WHERE status <> 'RETURNED';
-- Which nobody has answered in time (handoffs.overdue).
CREATE INDEX handoffs_due ON handoffs (tenant_id, due_at) WHERE status = 'WAITING' AND overdue_at IS NULL;
-- Which a person has kept for long enough (handoffs.lapsed).
CREATE INDEX handoffs_keep ON handoffs (tenant_id, keep_until) WHERE status = 'TAKEN';

ALTER TABLE handoffs ENABLE ROW LEVEL SECURITY;
ALTER TABLE handoffs FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON handoffs USING (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON handoffs TO sirdar_runtime;
GRANT USAGE ON SEQUENCE handoffs_handoff_id_seq TO sirdar_runtime, sirdar_system;
