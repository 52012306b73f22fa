-- A message has one file at most, so the file has the message's number; files of our own get a fresh one.
ALTER TABLE whatsapp_media ALTER COLUMN media_id DROP IDENTITY;
ALTER TABLE whatsapp_media ALTER COLUMN media_id SET DEFAULT nextval('message_ids');
ALTER TABLE whatsapp_media
    ADD COLUMN channel_id bigint NOT NULL DEFAULT 0,
    ADD COLUMN conversation_id bigint,
    ADD COLUMN url text,
    ADD COLUMN declared_type text,
    ADD COLUMN filename text,
    ADD COLUMN reason text,
    ADD COLUMN due_at timestamptz,
    ADD COLUMN attempts smallint NOT NULL DEFAULT 0,
    ADD COLUMN fence bigint NOT NULL DEFAULT 0;
ALTER TABLE whatsapp_media ALTER COLUMN channel_id DROP DEFAULT;
-- What can be fetched now (claim_media).
CREATE INDEX whatsapp_media_due ON whatsapp_media (due_at) WHERE due_at IS NOT NULL;
-- Other messages with the same file.
CREATE INDEX whatsapp_media_sha256 ON whatsapp_media (tenant_id, sha256) WHERE status = 'STORED';
-- What is old enough to go.
CREATE INDEX whatsapp_media_age ON whatsapp_media (tenant_id, created_at) WHERE status <> 'EXPIRED';

-- What is old enough to go. BRIN: rows come in the order of time.
CREATE INDEX send_attempts_finished ON send_attempts USING brin (finished_at);

-- Files of ours that a provider keeps, so that the same file is not given to it for every message.
CREATE TABLE media_uploads (
    tenant_id          bigint NOT NULL,
    channel_id         bigint NOT NULL,
    sha256             bytea NOT NULL,
    mime_type          text NOT NULL,
    provider_media_id  text NOT NULL,
    uploaded_at        timestamptz NOT NULL,
    expires_at         timestamptz NOT NULL,     -- at the provider
    PRIMARY KEY (tenant_id, channel_id, sha256, mime_type)
);
ALTER TABLE media_uploads ENABLE ROW LEVEL SECURITY;
ALTER TABLE media_uploads FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON media_uploads USING (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON media_uploads TO sirdar_runtime;

GRANT SELECT (tenant_id, media_id, channel_id, due_at, attempts, fence), UPDATE (due_at, attempts, fence)
    ON whatsapp_media TO sirdar_system;
CREATE POLICY system ON whatsapp_media TO sirdar_system USING (true);

-- Takes files that can be fetched now. Who takes one has it until p_now + p_lease; then it is anybody's again, and the
-- fence keeps the first from writing over the second. p_channels: whose provider this process can ask.
CREATE FUNCTION claim_media(p_now timestamptz, p_limit integer, p_lease interval, p_channels bigint[])
    RETURNS TABLE (tenant_id bigint, media_id bigint, channel_id bigint, attempts smallint, fence bigint)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
    SET enable_sort = off
BEGIN ATOMIC
    UPDATE whatsapp_media m SET attempts = m.attempts + 1, fence = nextval('fences'), due_at = p_now + p_lease
    FROM (SELECT c.tenant_id, c.media_id FROM whatsapp_media c
          WHERE c.due_at <= p_now AND c.channel_id = ANY (p_channels)
          ORDER BY c.due_at LIMIT p_limit FOR UPDATE SKIP LOCKED) AS due
    WHERE m.tenant_id = due.tenant_id AND m.media_id = due.media_id
    RETURNING m.tenant_id, m.media_id, m.channel_id, m.attempts, m.fence;
END;

-- Drops the months of messages and why-traces that ended before p_before; returns how many tables. Owned by whoever
-- owns the tables. Rows of months without a partition are deleted by the tenants themselves.
CREATE FUNCTION drop_partitions(p_before timestamptz) RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC'
    SET lock_timeout = '5s' AS
$$
DECLARE
    part    record;
    dropped integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(7265626);
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent IN ('whatsapp_messages'::regclass, 'turn_traces'::regclass)
          AND c.relname ~ '^(whatsapp_messages|turn_traces)_[0-9]{4}_[0-9]{2}$'
          AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= p_before AT TIME ZONE 'UTC'
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE %I', part.relname);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;
REVOKE EXECUTE ON FUNCTION drop_partitions(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_partitions(timestamptz) TO sirdar_runtime;

DO $$
BEGIN
    EXECUTE format('GRANT CREATE ON SCHEMA public TO sirdar_system');
    EXECUTE format('GRANT sirdar_system TO %I', current_user);
    EXECUTE format('ALTER FUNCTION claim_media(timestamptz, integer, interval, bigint[]) OWNER TO sirdar_system');
    EXECUTE format('REVOKE CREATE ON SCHEMA public FROM sirdar_system');
END
$$;
REVOKE EXECUTE ON FUNCTION claim_media(timestamptz, integer, interval, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_media(timestamptz, integer, interval, bigint[]) TO sirdar_runtime;
