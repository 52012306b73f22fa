-- Webhooks out, and calls of other systems.
-- Who is told of what happens to business objects.
CREATE TABLE webhook_endpoints (
    tenant_id    bigint NOT NULL,
    endpoint_id  bigint GENERATED ALWAYS AS IDENTITY,
    url          text NOT NULL,
    secret       bytea NOT NULL,                     -- AES-GCM; signs what is sent
    actions      text[] NOT NULL DEFAULT '{}',       -- of timeline entries: LEAD_CREATED…; empty: all
    created_at   timestamptz NOT NULL,
    removed_at   timestamptz,                        -- nothing is sent any more
    PRIMARY KEY (tenant_id, endpoint_id)
);

CREATE SEQUENCE outside_job_ids AS bigint;

-- What has to be told to, or asked of, other systems. Jobs of one lane are done one after the other, in order.
CREATE TABLE outside_jobs (
    tenant_id        bigint NOT NULL,
    job_id           bigint NOT NULL DEFAULT nextval('outside_job_ids'),
    kind             text NOT NULL CHECK (kind IN ('webhook', 'call')),
    lane             text NOT NULL,                  -- receiver and object: "webhook:3:lead:17"
    endpoint_id      bigint,                         -- of a webhook
    entry_id         bigint,                         -- of a webhook: the timeline entry it tells of
    call             text,                           -- of a call: its name in outside.yaml
    payload          jsonb NOT NULL DEFAULT '{}',    -- of a call: its arguments
    conversation_id  bigint,                         -- of a call: who hears the answer
    run              text,
    -- READY → SENDING (attempt committed, HTTP under way) → deleted (answered)
    -- SENDING → READY (failed, or its runner died; tried again later) → DEAD (given up) → READY (`bot webhooks replay`)
    state            text NOT NULL DEFAULT 'READY' CHECK (state IN ('READY', 'SENDING', 'DEAD')),
    due_at           timestamptz NOT NULL,
    attempts         smallint NOT NULL DEFAULT 0,
    fence            bigint NOT NULL DEFAULT 0,      -- of the attempt under way; an answer with an older one is refused
    lease_until      timestamptz,
    last_error       text,
    created_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, job_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
-- What can be done now (claim_outside).
CREATE INDEX outside_jobs_due ON outside_jobs (due_at, job_id) WHERE state = 'READY';
-- Whose runner died (claim_outside).
CREATE INDEX outside_jobs_leases ON outside_jobs (lease_until) WHERE state = 'SENDING';
-- The first of a lane.
CREATE INDEX outside_jobs_lane ON outside_jobs (tenant_id, lane, job_id) WHERE state <> 'DEAD';

-- What is on the timeline goes to who wants to hear of it, in the same transaction.
CREATE FUNCTION queue_webhooks() RETURNS trigger
    LANGUAGE plpgsql AS
$$
BEGIN
    INSERT INTO outside_jobs (tenant_id, kind, lane, endpoint_id, entry_id, due_at, created_at)
    SELECT new.tenant_id, 'webhook', format('webhook:%s:%s:%s', e.endpoint_id, new.object_type, new.object_id),
           e.endpoint_id, new.entry_id, new.created_at, new.created_at
    FROM webhook_endpoints e
    WHERE e.tenant_id = new.tenant_id AND e.removed_at IS NULL
      AND (e.actions = '{}' OR new.content ->> 'action' = ANY (e.actions));
    RETURN NULL;
END
$$;
CREATE TRIGGER timeline_entries_webhooks AFTER INSERT ON timeline_entries
    FOR EACH ROW EXECUTE FUNCTION queue_webhooks();

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['webhook_endpoints', 'outside_jobs'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY tenant ON %I USING (tenant_id = current_tenant())', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO sirdar_runtime', name);
    END LOOP;
END
$$;
GRANT USAGE ON SEQUENCE outside_job_ids, webhook_endpoints_endpoint_id_seq TO sirdar_runtime, sirdar_system;
GRANT SELECT (tenant_id, job_id, lane, state, due_at, attempts, fence, lease_until),
    UPDATE (state, attempts, fence, lease_until) ON outside_jobs TO sirdar_system;
CREATE POLICY system ON outside_jobs TO sirdar_system USING (true);

-- Takes jobs that are due, only the first of each lane. What a dead runner held is taken again: its receiver knows it by
-- its key.
CREATE FUNCTION claim_outside(p_now timestamptz, p_limit integer, p_lease interval)
    RETURNS TABLE (tenant_id bigint, job_id bigint, attempts smallint, fence bigint)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
BEGIN ATOMIC
    UPDATE outside_jobs j
    SET state = 'SENDING', attempts = j.attempts + 1, fence = nextval('fences'), lease_until = p_now + p_lease
    FROM (SELECT c.tenant_id, c.job_id FROM outside_jobs c
          WHERE ((c.state = 'READY' AND c.due_at <= p_now) OR (c.state = 'SENDING' AND c.lease_until <= p_now))
            AND NOT EXISTS (SELECT FROM outside_jobs earlier
                            WHERE earlier.tenant_id = c.tenant_id AND earlier.lane = c.lane
                              AND earlier.job_id < c.job_id AND earlier.state <> 'DEAD')
          ORDER BY c.due_at, c.job_id LIMIT p_limit FOR UPDATE SKIP LOCKED) AS head
    WHERE j.tenant_id = head.tenant_id AND j.job_id = head.job_id
    RETURNING j.tenant_id, j.job_id, j.attempts, j.fence;
END;

DO $$
BEGIN
    GRANT CREATE ON SCHEMA public TO sirdar_system;
    EXECUTE format('GRANT sirdar_system TO %I', current_user);
    ALTER FUNCTION claim_outside(timestamptz, integer, interval) OWNER TO sirdar_system;
    REVOKE CREATE ON SCHEMA public FROM sirdar_system;
    REVOKE EXECUTE ON FUNCTION claim_outside(timestamptz, integer, interval) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION claim_outside(timestamptz, integer, interval) TO sirdar_runtime;
    REVOKE EXECUTE ON FUNCTION queue_webhooks() FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION queue_webhooks() TO sirdar_runtime;
END
$$;
