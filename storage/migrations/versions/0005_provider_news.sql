-- What providers tell besides messages: people's new addresses, accounts, limits, and what a failure entails.

ALTER TABLE whatsapp_configurations
    ADD COLUMN account text,                 -- what webhooks call the account the number belongs to
    ADD COLUMN health jsonb NOT NULL DEFAULT '{}',  -- the newest news of each kind: limits, quality, restrictions
    ADD COLUMN reach_limit integer CHECK (reach_limit >= 0),  -- people outside their window per 24 hours; NULL: any
    ADD COLUMN initiated_after timestamptz;  -- no templates outside the window before: reported too often
GRANT SELECT (account) ON whatsapp_configurations TO sirdar_system;

-- A contact that turned out to be another one: its addresses lead there now.
ALTER TABLE contacts ADD COLUMN merged_into bigint;

-- What came along with a message: what brought the person here, whether it was forwarded.
ALTER TABLE whatsapp_messages ADD COLUMN context jsonb;

ALTER TABLE delivery_updates ADD COLUMN effect text NOT NULL DEFAULT '';

-- Whom a number wrote to outside their 24-hour window, and when last: counted against the messaging limit.
CREATE TABLE reached (
    tenant_id        bigint NOT NULL,
    channel_id       bigint NOT NULL,
    conversation_id  bigint NOT NULL,
    reached_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, channel_id, conversation_id)
);
-- How many in the last 24 hours.
CREATE INDEX reached_at ON reached (tenant_id, channel_id, reached_at);

ALTER TABLE reached ENABLE ROW LEVEL SECURITY;
ALTER TABLE reached FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON reached USING (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON reached TO sirdar_runtime;

DROP FUNCTION channels();
-- Which number belongs to whom, for routing webhooks.
CREATE FUNCTION channels()
    RETURNS TABLE (tenant_id bigint, channel_id bigint, provider text, address text, account text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    SELECT w.tenant_id, w.channel_id, w.provider, w.address, w.account FROM whatsapp_configurations w;
END;

DO $$
BEGIN
    GRANT CREATE ON SCHEMA public TO sirdar_system;
    EXECUTE format('GRANT sirdar_system TO %I', current_user);
    ALTER FUNCTION channels() OWNER TO sirdar_system;
    REVOKE CREATE ON SCHEMA public FROM sirdar_system;
    REVOKE EXECUTE ON FUNCTION channels() FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION channels() TO sirdar_runtime;
END
$$;
