-- Many tenants in one deployment: their settings, whether they are served, and claims that are fair among them.

ALTER TABLE tenants
    -- ACTIVE ⇄ DISABLED (what comes for it is kept and nothing else done)
    ADD COLUMN status text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'DISABLED')),
    ADD COLUMN settings jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN language text NOT NULL DEFAULT 'en',
    ADD COLUMN revision bigint NOT NULL DEFAULT 1;
ALTER TABLE whatsapp_configurations ADD COLUMN reach_quota integer CHECK (reach_quota >= 0);

GRANT UPDATE (name, status, settings, language, revision) ON tenants TO sirdar_runtime;
REVOKE SELECT, UPDATE (name) ON tenants FROM sirdar_system;
GRANT SELECT (tenant_id, slug, status, revision) ON tenants TO sirdar_system;

DROP INDEX inbox_due, outbox_ready, timers_due, whatsapp_media_due, outside_jobs_due, outside_jobs_leases;
-- Which conversations have work (queue_conversations).
CREATE INDEX inbox_due ON inbox (tenant_id, due_at, event_id);
-- What can be sent now (claim_outbox).
CREATE INDEX outbox_ready ON outbox (channel_id, due_at, message_id) WHERE state = 'READY';
-- What is due (fire_timers).
CREATE INDEX timers_due ON timers (tenant_id, due_at);
-- What can be fetched now (claim_media).
CREATE INDEX whatsapp_media_due ON whatsapp_media (channel_id, due_at) WHERE due_at IS NOT NULL;
-- What can be done now (claim_outside).
CREATE INDEX outside_jobs_due ON outside_jobs (tenant_id, due_at, job_id) WHERE state = 'READY';
-- Whose runner died (claim_outside).
CREATE INDEX outside_jobs_leases ON outside_jobs (tenant_id, lease_until) WHERE state = 'SENDING';

DROP FUNCTION queue_conversations(timestamptz, integer);
DROP FUNCTION claim_outbox(timestamptz, integer, interval, bigint[]);
DROP FUNCTION fire_timers(timestamptz, integer);
DROP FUNCTION claim_media(timestamptz, integer, interval, bigint[]);
DROP FUNCTION claim_outside(timestamptz, integer, interval);
DROP FUNCTION register_channel(text, text, text, text, text);
DROP FUNCTION backlog();

-- Conversations whose first event is due, the longest waiting first. A hint: the row lock decides who gets one.
-- Only first events count: neither what waits behind a failed one nor one busy person fills the list. Tenants take
-- turns: the first of each comes before the second of any, so that nobody waits for another's burst.
-- p_share: of one tenant; p_tenants: whose, NULL: of all that are served.
CREATE FUNCTION queue_conversations(p_now timestamptz, p_limit integer, p_share integer, p_tenants bigint[])
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
              AND NOT EXISTS (SELECT FROM inbox earlier
                              WHERE earlier.tenant_id = i.tenant_id AND earlier.conversation_id = i.conversation_id
                                AND earlier.event_id < i.event_id)
            ORDER BY i.due_at, i.event_id LIMIT p_share) AS i) AS w
    ORDER BY w.place, w.due_at, w.event_id LIMIT p_limit;
END;

-- Takes what can be sent now: only the first message of a conversation, when none of it is under way, never on a channel
-- that is paused. (A notification's number may be lower than that of one sent a moment ago: it was committed later.)
-- p_channels and p_rooms: how many messages of each channel the sender can take; no channel takes another's room.
CREATE FUNCTION claim_outbox(p_now timestamptz, p_lease interval, p_channels bigint[], p_rooms integer[])
    RETURNS TABLE (tenant_id bigint, conversation_id bigint, message_id bigint, message_created_at timestamptz,
                   channel_id bigint, attempt smallint, fence bigint)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
    SET enable_sort = off
BEGIN ATOMIC
    UPDATE outbox o
    SET state = 'SENDING', attempt = o.attempt + 1, fence = nextval('fences'), lease_until = p_now + p_lease
    FROM unnest(p_channels, p_rooms) AS r (channel_id, room)
    CROSS JOIN LATERAL (
        SELECT c.tenant_id, c.conversation_id, c.message_id FROM outbox c
        WHERE c.state = 'READY' AND c.channel_id = r.channel_id AND c.due_at <= p_now
          AND NOT EXISTS (SELECT FROM outbox other
                          WHERE other.tenant_id = c.tenant_id AND other.conversation_id = c.conversation_id
                            AND (other.message_id < c.message_id OR other.state <> 'READY'))
          AND NOT EXISTS (SELECT FROM whatsapp_configurations w
                          WHERE w.tenant_id = c.tenant_id AND w.channel_id = c.channel_id
                            AND w.paused_until > p_now)
        ORDER BY c.due_at, c.message_id LIMIT r.room FOR UPDATE SKIP LOCKED) AS head
    WHERE o.tenant_id = head.tenant_id AND o.conversation_id = head.conversation_id AND o.message_id = head.message_id
    RETURNING o.tenant_id, o.conversation_id, o.message_id, o.message_created_at, o.channel_id, o.attempt, o.fence;
END;

-- Moves due timers into the inbox; returns how many. p_share: of one tenant; p_tenants: whose, NULL: of all that are
-- served.
CREATE FUNCTION fire_timers(p_now timestamptz, p_share integer, p_tenants bigint[]) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
BEGIN ATOMIC
    WITH due AS (
        DELETE FROM timers t USING (
            SELECT d.tenant_id, d.run, d.name, d.epoch
            FROM unnest(coalesce(p_tenants, ARRAY(SELECT a.tenant_id FROM tenants a WHERE a.status = 'ACTIVE')))
                AS served (tenant_id)
            CROSS JOIN LATERAL (
                SELECT d.tenant_id, d.run, d.name, d.epoch FROM timers d
                WHERE d.tenant_id = served.tenant_id AND d.due_at <= p_now
                ORDER BY d.due_at LIMIT p_share FOR UPDATE SKIP LOCKED) AS d) AS d
        WHERE t.tenant_id = d.tenant_id AND t.run = d.run AND t.name = d.name AND t.epoch = d.epoch
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

-- Takes files that can be fetched now. Who takes one has it until p_now + p_lease; then it is anybody's again, and the
-- fence keeps the first from writing over the second. p_channels and p_rooms: whose provider this process can ask, and
-- how many files of each it can take.
CREATE FUNCTION claim_media(p_now timestamptz, p_lease interval, p_channels bigint[], p_rooms integer[])
    RETURNS TABLE (tenant_id bigint, media_id bigint, channel_id bigint, attempts smallint, fence bigint)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
    SET enable_sort = off
BEGIN ATOMIC
    UPDATE whatsapp_media m SET attempts = m.attempts + 1, fence = nextval('fences'), due_at = p_now + p_lease
    FROM unnest(p_channels, p_rooms) AS r (channel_id, room)
    CROSS JOIN LATERAL (
        SELECT c.tenant_id, c.media_id FROM whatsapp_media c
        WHERE c.due_at <= p_now AND c.channel_id = r.channel_id
        ORDER BY c.due_at LIMIT r.room FOR UPDATE SKIP LOCKED) AS due
    WHERE m.tenant_id = due.tenant_id AND m.media_id = due.media_id
    RETURNING m.tenant_id, m.media_id, m.channel_id, m.attempts, m.fence;
END;

-- Takes jobs that are due, only the first of each lane. What a dead runner held is taken again: its receiver knows it by
-- its key. p_tenants and p_rooms: how many jobs of each tenant the runner can take.
CREATE FUNCTION claim_outside(p_now timestamptz, p_lease interval, p_tenants bigint[], p_rooms integer[])
    RETURNS TABLE (tenant_id bigint, job_id bigint, attempts smallint, fence bigint)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
BEGIN ATOMIC
    UPDATE outside_jobs j
    SET state = 'SENDING', attempts = j.attempts + 1, fence = nextval('fences'), lease_until = p_now + p_lease
    FROM unnest(p_tenants, p_rooms) AS r (tenant_id, room)
    CROSS JOIN LATERAL (
        SELECT c.tenant_id, c.job_id FROM outside_jobs c
        WHERE c.tenant_id = r.tenant_id
          AND ((c.state = 'READY' AND c.due_at <= p_now) OR (c.state = 'SENDING' AND c.lease_until <= p_now))
          AND NOT EXISTS (SELECT FROM outside_jobs earlier
                          WHERE earlier.tenant_id = c.tenant_id AND earlier.lane = c.lane
                            AND earlier.job_id < c.job_id AND earlier.state <> 'DEAD')
        ORDER BY c.due_at, c.job_id LIMIT r.room FOR UPDATE SKIP LOCKED) AS head
    WHERE j.tenant_id = head.tenant_id AND j.job_id = head.job_id
    RETURNING j.tenant_id, j.job_id, j.attempts, j.fence;
END;

-- Who there is, whether they are served, and what changes whenever their settings do (Enrolment).
CREATE FUNCTION tenant_states() RETURNS TABLE (tenant_id bigint, slug text, status text, revision bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    SELECT t.tenant_id, t.slug, t.status, t.revision FROM tenants t WHERE t.tenant_id <> 0 ORDER BY t.tenant_id;
END;

-- Registers a tenant and its number, or finds them.
CREATE FUNCTION register_channel(p_slug text, p_name text, p_provider text, p_address text, p_phone_number text,
                                 OUT tenant_id bigint, OUT channel_id bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
#variable_conflict use_column
BEGIN
    INSERT INTO tenants (slug, name) VALUES (p_slug, p_name) ON CONFLICT (slug) DO NOTHING;
    SELECT tenants.tenant_id INTO register_channel.tenant_id FROM tenants WHERE slug = p_slug;

    INSERT INTO whatsapp_configurations (tenant_id, provider, address, phone_number)
    VALUES (register_channel.tenant_id, p_provider, p_address, p_phone_number)
    ON CONFLICT (provider, address) DO UPDATE SET phone_number = excluded.phone_number
    WHERE whatsapp_configurations.tenant_id = register_channel.tenant_id
    RETURNING whatsapp_configurations.channel_id INTO register_channel.channel_id;

    IF register_channel.channel_id IS NULL THEN
        RAISE EXCEPTION 'the number % at % belongs to another tenant', p_address, p_provider;
    END IF;
END
$$;

-- How much waits of each tenant that is served, and since when: for /readyz and /metrics.
CREATE FUNCTION backlog()
    RETURNS TABLE (slug text, inbox_events bigint, inbox_oldest timestamptz, outbox_ready bigint,
                   outbox_oldest timestamptz, outbox_unknown bigint, dead_letters bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    SELECT t.slug, i.events, i.oldest, o.ready, o.oldest, o.unknown, d.events
    FROM tenants t
    CROSS JOIN LATERAL (
        SELECT count(*) AS events, min(i.due_at) AS oldest FROM inbox i WHERE i.tenant_id = t.tenant_id) AS i
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE o.state = 'READY') AS ready,
               min(o.due_at) FILTER (WHERE o.state = 'READY') AS oldest,
               count(*) FILTER (WHERE o.state = 'UNKNOWN') AS unknown
        FROM outbox o WHERE o.tenant_id = t.tenant_id) AS o
    CROSS JOIN LATERAL (SELECT count(*) AS events FROM dead_letters d WHERE d.tenant_id = t.tenant_id) AS d
    WHERE t.status = 'ACTIVE' AND t.tenant_id <> 0 ORDER BY t.tenant_id;
END;

DO $$
DECLARE
    signature text;
BEGIN
    FOREACH signature IN ARRAY ARRAY[
        'queue_conversations(timestamptz, integer, integer, bigint[])',
        'claim_outbox(timestamptz, interval, bigint[], integer[])', 'fire_timers(timestamptz, integer, bigint[])',
        'claim_media(timestamptz, interval, bigint[], integer[])',
        'claim_outside(timestamptz, interval, bigint[], integer[])', 'tenant_states()',
        'register_channel(text, text, text, text, text)', 'backlog()']
    LOOP
        EXECUTE format('GRANT CREATE ON SCHEMA public TO sirdar_system');
        EXECUTE format('GRANT sirdar_system TO %I', current_user);
        EXECUTE format('ALTER FUNCTION %s OWNER TO sirdar_system', signature);
        EXECUTE format('REVOKE CREATE ON SCHEMA public FROM sirdar_system');
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', signature);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO sirdar_runtime', signature);
    END LOOP;
END
$$;
