ALTER TABLE whatsapp_configurations ADD COLUMN throughput integer CHECK (throughput > 0);

CREATE TABLE live_senders (
    tenant_id  bigint NOT NULL,
    sender_id  uuid NOT NULL,
    channels   bigint[] NOT NULL,
    seen_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, sender_id)
);

ALTER TABLE live_senders ENABLE ROW LEVEL SECURITY;
ALTER TABLE live_senders FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON live_senders USING (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON live_senders TO sirdar_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON live_senders TO sirdar_system;
CREATE POLICY system ON live_senders TO sirdar_system USING (true);
GRANT SELECT (throughput) ON whatsapp_configurations TO sirdar_system;

CREATE FUNCTION share_channels(p_sender uuid, p_channels bigint[], p_gone_after interval)
    RETURNS TABLE (channel_id bigint, senders integer, throughput integer)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    DELETE FROM live_senders s WHERE s.seen_at < now() - p_gone_after AND s.sender_id <> p_sender;
    INSERT INTO live_senders AS s (tenant_id, sender_id, channels, seen_at) VALUES (0, p_sender, p_channels, now())
    ON CONFLICT (tenant_id, sender_id) DO UPDATE SET channels = excluded.channels, seen_at = excluded.seen_at;
    SELECT c.channel_id,
           1 + (SELECT count(*)::integer FROM live_senders s
                WHERE s.sender_id <> p_sender AND s.channels @> ARRAY[c.channel_id]),
           (SELECT w.throughput FROM whatsapp_configurations w WHERE w.channel_id = c.channel_id LIMIT 1)
    FROM unnest(p_channels) AS c (channel_id);
END;

DROP FUNCTION channels();
CREATE FUNCTION channels()
    RETURNS TABLE (tenant_id bigint, channel_id bigint, provider text, address text, account text, phone_number text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    SELECT w.tenant_id, w.channel_id, w.provider, w.address, w.account, w.phone_number FROM whatsapp_configurations w;
END;

DO $$
BEGIN
    GRANT CREATE ON SCHEMA public TO sirdar_system;
    EXECUTE format('GRANT sirdar_system TO %I', current_user);
    ALTER FUNCTION share_channels(uuid, bigint[], interval) OWNER TO sirdar_system;
    ALTER FUNCTION channels() OWNER TO sirdar_system;
    REVOKE CREATE ON SCHEMA public FROM sirdar_system;
    REVOKE EXECUTE ON FUNCTION share_channels(uuid, bigint[], interval) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION share_channels(uuid, bigint[], interval) TO sirdar_runtime;
    REVOKE EXECUTE ON FUNCTION channels() FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION channels() TO sirdar_runtime;
END
$$;
