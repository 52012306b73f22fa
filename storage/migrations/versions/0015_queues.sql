-- Queues whose plans do not depend on what the planner knows. It may have looked when they were empty, and then every
-- way through them seemed as short as any other.

DROP INDEX inbox_due, timers_due;
-- Which conversations have work (queue_conversations). Partial, so that only who asks for the time is led here.
CREATE INDEX inbox_due ON inbox (tenant_id, due_at, event_id) WHERE due_at IS NOT NULL;
-- What is due (fire_timers). Partial like inbox_due.
CREATE INDEX timers_due ON timers (tenant_id, due_at) WHERE due_at IS NOT NULL;

CREATE OR REPLACE FUNCTION queue_conversations(p_now timestamptz, p_limit integer, p_share integer, p_tenants bigint[])
    RETURNS TABLE (tenant_id bigint, conversation_id bigint)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
BEGIN ATOMIC
    SELECT w.tenant_id, w.conversation_id FROM (
        SELECT i.tenant_id, i.conversation_id, i.due_at, i.event_id,
               row_number() OVER (PARTITION BY i.tenant_id ORDER BY i.due_at, i.event_id) AS place
        FROM unnest(coalesce(p_tenants, ARRAY(SELECT t.tenant_id FROM tenants t WHERE t.status = 'ACTIVE')))
            AS served (tenant_id)
        CROSS JOIN LATERAL (
            SELECT i.tenant_id, i.conversation_id, i.due_at, i.event_id FROM inbox i
            WHERE i.tenant_id = served.tenant_id AND i.due_at <= p_now
              AND i.event_id = (SELECT e.event_id FROM inbox e
                                WHERE e.tenant_id = i.tenant_id AND e.conversation_id = i.conversation_id
                                ORDER BY e.event_id LIMIT 1)
            ORDER BY i.due_at, i.event_id LIMIT p_share) AS i) AS w
    ORDER BY w.place, w.due_at, w.event_id LIMIT p_limit;
END;

CREATE OR REPLACE FUNCTION claim_outbox(p_now timestamptz, p_lease interval, p_channels bigint[], p_rooms integer[])
    RETURNS TABLE (tenant_id bigint, conversation_id bigint, message_id bigint, message_created_at timestamptz,
                   channel_id bigint, attempt smallint, fence bigint)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
    SET enable_sort = off
BEGIN ATOMIC
    WITH head AS MATERIALIZED (
        SELECT h.* FROM unnest(p_channels, p_rooms) AS r (channel_id, room)
        CROSS JOIN LATERAL (
            SELECT c.tenant_id, c.conversation_id, c.message_id FROM outbox c
            WHERE c.state = 'READY' AND c.channel_id = r.channel_id AND c.due_at <= p_now
              AND c.message_id = (SELECT f.message_id FROM outbox f
                                  WHERE f.tenant_id = c.tenant_id AND f.conversation_id = c.conversation_id
                                  ORDER BY f.message_id LIMIT 1)
              AND (SELECT f.message_id FROM outbox f
                   WHERE f.tenant_id = c.tenant_id AND f.conversation_id = c.conversation_id AND f.state <> 'READY'
                   ORDER BY f.message_id LIMIT 1) IS NULL
              AND (SELECT w.channel_id FROM whatsapp_configurations w
                   WHERE w.tenant_id = c.tenant_id AND w.channel_id = c.channel_id AND w.paused_until > p_now) IS NULL
            ORDER BY c.due_at, c.message_id LIMIT r.room FOR UPDATE SKIP LOCKED) AS h
    )
    UPDATE outbox o
    SET state = 'SENDING', attempt = o.attempt + 1, fence = nextval('fences'), lease_until = p_now + p_lease
    WHERE o.tenant_id = ANY (ARRAY(SELECT h.tenant_id FROM head h))
      AND o.conversation_id = ANY (ARRAY(SELECT h.conversation_id FROM head h))
      AND o.message_id = ANY (ARRAY(SELECT h.message_id FROM head h))
    RETURNING o.tenant_id, o.conversation_id, o.message_id, o.message_created_at, o.channel_id, o.attempt, o.fence;
END;

CREATE OR REPLACE FUNCTION expire_leases(p_now timestamptz, p_wait interval)
    RETURNS TABLE (tenant_id bigint, conversation_id bigint, message_id bigint, message_created_at timestamptz,
                   attempt smallint, fence bigint)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
BEGIN ATOMIC
    WITH late AS MATERIALIZED (
        SELECT c.tenant_id, c.conversation_id, c.message_id FROM outbox c
        WHERE c.state = 'SENDING' AND c.lease_until <= p_now LIMIT 1000 FOR UPDATE SKIP LOCKED
    )
    UPDATE outbox o SET state = 'UNKNOWN', fence = nextval('fences'), lease_until = p_now + p_wait
    WHERE o.tenant_id = ANY (ARRAY(SELECT l.tenant_id FROM late l))
      AND o.conversation_id = ANY (ARRAY(SELECT l.conversation_id FROM late l))
      AND o.message_id = ANY (ARRAY(SELECT l.message_id FROM late l))
    RETURNING o.tenant_id, o.conversation_id, o.message_id, o.message_created_at, o.attempt, o.fence;
END;

CREATE OR REPLACE FUNCTION fire_timers(p_now timestamptz, p_share integer, p_tenants bigint[]) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
BEGIN ATOMIC
    WITH late AS MATERIALIZED (
        SELECT l.* FROM unnest(coalesce(p_tenants, ARRAY(SELECT a.tenant_id FROM tenants a WHERE a.status = 'ACTIVE')))
            AS served (tenant_id)
        CROSS JOIN LATERAL (
            SELECT d.tenant_id, d.run, d.name, d.epoch FROM timers d
            WHERE d.tenant_id = served.tenant_id AND d.due_at <= p_now
            ORDER BY d.due_at LIMIT p_share FOR UPDATE SKIP LOCKED) AS l
    ), due AS (
        DELETE FROM timers t USING late l
        WHERE t.tenant_id = l.tenant_id AND t.run = l.run AND t.name = l.name AND t.epoch = l.epoch
          AND t.tenant_id = ANY (ARRAY(SELECT l.tenant_id FROM late l))
          AND t.run = ANY (ARRAY(SELECT l.run FROM late l))
        RETURNING t.*
    ), fired AS (
        INSERT INTO inbox (tenant_id, conversation_id, due_at, kind, event, happened_at)
        SELECT due.tenant_id, due.conversation_id, p_now, 'timer',
               jsonb_build_object('run', due.run, 'name', due.name, 'epoch', due.epoch), p_now
        FROM due ORDER BY due.due_at, due.epoch
        RETURNING 1
    )
    SELECT count(*) FROM fired;
END;

CREATE OR REPLACE FUNCTION claim_outside(p_now timestamptz, p_lease interval, p_tenants bigint[], p_rooms integer[])
    RETURNS TABLE (tenant_id bigint, job_id bigint, attempts smallint, fence bigint)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
BEGIN ATOMIC
    WITH head AS MATERIALIZED (
        SELECT h.* FROM unnest(p_tenants, p_rooms) AS r (tenant_id, room)
        CROSS JOIN LATERAL (
            SELECT c.tenant_id, c.job_id FROM outside_jobs c
            WHERE c.tenant_id = r.tenant_id
              AND ((c.state = 'READY' AND c.due_at <= p_now) OR (c.state = 'SENDING' AND c.lease_until <= p_now))
              AND c.job_id = (SELECT f.job_id FROM outside_jobs f
                              WHERE f.tenant_id = c.tenant_id AND f.lane = c.lane AND f.state <> 'DEAD'
                              ORDER BY f.job_id LIMIT 1)
            ORDER BY c.due_at, c.job_id LIMIT r.room FOR UPDATE SKIP LOCKED) AS h
    )
    UPDATE outside_jobs j
    SET state = 'SENDING', attempts = j.attempts + 1, fence = nextval('fences'), lease_until = p_now + p_lease
    WHERE j.tenant_id = ANY (ARRAY(SELECT h.tenant_id FROM head h))
      AND j.job_id = ANY (ARRAY(SELECT h.job_id FROM head h))
    RETURNING j.tenant_id, j.job_id, j.attempts, j.fence;
END;
