-- "How many messages were sent today", as a dashboard asks it, is found in an index: DATE(sent_at) = CURRENT_DATE.

-- What depends on the column's type; made again below, as it was.
DROP VIEW metric_messages, metric_conversations, metric_response_times;
DROP FUNCTION sum_up_day(date, timestamptz);
DROP FUNCTION messages_of(date);
DROP FUNCTION responses_of(date);
DROP INDEX whatsapp_messages_sent;

-- When a message was accepted by its provider. A type of its own, so that date() of it can be found in an index: that
-- of a timestamptz depends on the session's time zone, and PostgreSQL keeps no index of what may change.
CREATE DOMAIN moment AS timestamptz;
-- The day in UTC, as everywhere here. In PL/pgSQL, since SQL would be inlined, and what it is made of is not known to
-- reveal nothing; of infinite and of the farthest times it makes days, and raises nothing.
CREATE FUNCTION date(p_moment moment) RETURNS date
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN (p_moment AT TIME ZONE 'UTC')::date;
END
$$;
DO $$
BEGIN
    -- An index answers only what cannot tell of other tenants' rows before they are left out. A superuser alone may say
    -- so of a function; without it, counting by date() reads the table.
    ALTER FUNCTION date(moment) LEAKPROOF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'Only a superuser may say ALTER FUNCTION date(moment) LEAKPROOF; until then counts by date() are slow.';
END
$$;
REVOKE EXECUTE ON FUNCTION date(moment) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION date(moment) TO sirdar_runtime;

ALTER TABLE whatsapp_messages ALTER COLUMN sent_at TYPE moment; -- without rewriting it: the domain has no constraint
-- "Messages sent today", by time (messages_of) and as a dashboard asks, by date(). BRIN, so that status updates stay
-- heap-only; of ours alone, so that what comes in pays nothing.
CREATE INDEX whatsapp_messages_sent ON whatsapp_messages USING brin (sent_at, date(sent_at)) WITH (autosummarize = on)
    WHERE direction = 'OUTBOUND';

CREATE FUNCTION messages_of(p_day date)
    RETURNS TABLE (sent bigint, delivered bigint, read bigint, failed bigint, received bigint,
                   active_conversations bigint)
    LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT o.*, i.* FROM (
        SELECT count(*), count(*) FILTER (WHERE m.status IN ('DELIVERED', 'READ', 'PLAYED')),
               count(*) FILTER (WHERE m.status IN ('READ', 'PLAYED')), count(*) FILTER (WHERE m.status = 'FAILED')
        FROM whatsapp_messages m
        WHERE m.tenant_id = current_tenant() AND m.direction = 'OUTBOUND'
          AND m.sent_at >= p_day::timestamp AT TIME ZONE 'UTC' AND m.sent_at < (p_day + 1)::timestamp AT TIME ZONE 'UTC'
    ) AS o, (
        SELECT count(*), count(DISTINCT m.conversation_id) FROM whatsapp_messages m
        WHERE m.tenant_id = current_tenant() AND m.direction = 'INBOUND'
          AND m.created_at >= p_day::timestamp AT TIME ZONE 'UTC'
          AND m.created_at < (p_day + 1)::timestamp AT TIME ZONE 'UTC'
    ) AS i;
END;

CREATE FUNCTION responses_of(p_day date)
    RETURNS TABLE (kind text, role text, answered bigint, unanswered bigint, seconds double precision,
                   histogram bigint[])
    LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH said AS (
        SELECT m.conversation_id, m.created_at, m.direction,
               lag(m.direction) OVER before AS before, lag(m.created_at) OVER before AS before_at,
               -- Looking back from the end, the least of what was seen is the next one.
               min(m.sent_at) FILTER (WHERE m.direction = 'OUTBOUND')
                   OVER (PARTITION BY m.conversation_id ORDER BY m.created_at DESC, m.message_id DESC
                         ROWS UNBOUNDED PRECEDING) AS answered_at
        FROM whatsapp_messages m
        WHERE m.tenant_id = current_tenant()
          AND m.created_at >= p_day::timestamp AT TIME ZONE 'UTC' - interval '1 hour'
          AND m.created_at < (p_day + 2)::timestamp AT TIME ZONE 'UTC'
        WINDOW before AS (PARTITION BY m.conversation_id ORDER BY m.created_at, m.message_id)
    ), staff AS (
        SELECT c.conversation_id,
               (array_agg(r.role ORDER BY array_position('{manager,operations,sales,field_staff}', r.role)))[1] AS role
        FROM contact_roles r
        JOIN whatsapp_configurations w ON w.tenant_id = current_tenant()
        JOIN whatsapp_conversations c
          ON c.tenant_id = current_tenant() AND c.channel_id = w.channel_id AND c.contact_id = r.contact_id
        WHERE r.tenant_id = current_tenant() AND r.role <> 'customer'
        GROUP BY c.conversation_id
    ), waits AS (
        SELECT 'reply' AS kind, coalesce(staff.role, 'customer') AS role,
               extract(epoch FROM s.answered_at - s.created_at)::double precision AS seconds
        FROM said s LEFT JOIN staff ON staff.conversation_id = s.conversation_id
        WHERE s.direction = 'INBOUND'
          AND (s.before IS DISTINCT FROM 'INBOUND' OR s.created_at > s.before_at + interval '1 hour')
          AND s.created_at >= p_day::timestamp AT TIME ZONE 'UTC'
          AND s.created_at < (p_day + 1)::timestamp AT TIME ZONE 'UTC'
        UNION ALL
        SELECT 'staff', 'sales', extract(epoch FROM (
                   SELECT min(q.sent_at) FROM quotes q WHERE q.tenant_id = current_tenant() AND q.lead_id = l.lead_id
               ) - l.created_at)
        FROM leads l
        WHERE l.tenant_id = current_tenant() AND l.assignee_id IS NOT NULL
          AND l.created_at >= p_day::timestamp AT TIME ZONE 'UTC'
          AND l.created_at < (p_day + 1)::timestamp AT TIME ZONE 'UTC'
        UNION ALL
        SELECT 'staff', 'operations', extract(epoch FROM least(i.acknowledged_at, i.resolved_at) - i.created_at)
        FROM incidents i
        WHERE i.tenant_id = current_tenant() AND i.created_at >= p_day::timestamp AT TIME ZONE 'UTC'
          AND i.created_at < (p_day + 1)::timestamp AT TIME ZONE 'UTC'
        UNION ALL
        SELECT 'staff', 'manager', extract(epoch FROM a.decided_at - a.created_at)
        FROM approvals a
        WHERE a.tenant_id = current_tenant() AND a.status <> 'WITHDRAWN'
          AND a.created_at >= p_day::timestamp AT TIME ZONE 'UTC'
          AND a.created_at < (p_day + 1)::timestamp AT TIME ZONE 'UTC'
    ), judged AS (
        -- A clock elsewhere may be a little behind: that is no answer before the question.
        SELECT w.kind, w.role,
               CASE WHEN w.seconds < 0 THEN 0
                    WHEN w.kind = 'staff' OR w.seconds <= 86400 THEN w.seconds END AS seconds
        FROM waits w
    ), classes AS (
        SELECT j.kind, j.role, width_bucket(j.seconds, response_bounds()) AS class, count(*) AS count,
               coalesce(sum(j.seconds), 0) AS seconds
        FROM judged j GROUP BY 1, 2, 3
    )
    SELECT c.kind, c.role, coalesce(sum(c.count) FILTER (WHERE c.class IS NOT NULL), 0)::bigint,
           coalesce(sum(c.count) FILTER (WHERE c.class IS NULL), 0)::bigint, sum(c.seconds),
           (SELECT array_agg(coalesce(mine.count, 0) ORDER BY n.class)
            FROM generate_series(0, cardinality(response_bounds())) AS n (class)
            LEFT JOIN classes mine ON mine.kind = c.kind AND mine.role = c.role AND mine.class = n.class)
    FROM classes c GROUP BY c.kind, c.role;
END;

CREATE FUNCTION sum_up_day(p_day date, p_now timestamptz) RETURNS void
    LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO metric_days (tenant_id, day, sent, delivered, read, failed, received, active_conversations, runs,
                             runs_ended, runs_completed, run_seconds, enquiries, enquiries_with_lead, leads,
                             leads_booked, summed_at)
    SELECT current_tenant(), p_day, m.*, r.*, s.*, p_now FROM messages_of(p_day) m, runs_of(p_day) r, sales_of(p_day) s
    ON CONFLICT (tenant_id, day) DO UPDATE
    SET sent = excluded.sent, delivered = excluded.delivered, read = excluded.read, failed = excluded.failed,
        received = excluded.received, active_conversations = excluded.active_conversations, runs = excluded.runs,
        runs_ended = excluded.runs_ended, runs_completed = excluded.runs_completed,
        run_seconds = excluded.run_seconds, enquiries = excluded.enquiries,
        enquiries_with_lead = excluded.enquiries_with_lead, leads = excluded.leads,
        leads_booked = excluded.leads_booked, summed_at = excluded.summed_at;
    DELETE FROM metric_responses r WHERE r.tenant_id = current_tenant() AND r.day = p_day;
    INSERT INTO metric_responses (tenant_id, day, kind, role, answered, unanswered, seconds, histogram)
    SELECT current_tenant(), p_day, r.kind, r.role, r.answered, r.unanswered, r.seconds, r.histogram
    FROM responses_of(p_day) r;
END;

CREATE VIEW metric_messages WITH (security_invoker = true) AS
SELECT c.day, c.sent, c.received, c.delivered, c.read, c.failed,
       round(c.delivered::numeric / nullif(c.sent, 0), 4) AS delivery_rate,
       round(c.read::numeric / nullif(c.delivered, 0), 4) AS read_rate
FROM (SELECT m.day, m.sent, m.received, m.delivered, m.read, m.failed FROM metric_days m
      WHERE m.tenant_id = current_tenant()
      UNION ALL
      SELECT d, m.sent, m.received, m.delivered, m.read, m.failed FROM live_days() d, messages_of(d) m) AS c;
COMMENT ON VIEW metric_messages IS
'Per day (UTC). sent: messages of ours that the provider accepted that day. received: messages people sent '
'us. delivered, read, failed: how many of those sent that day have come so far by now. delivery_rate = '
'delivered / sent; read_rate = read / delivered (people may switch read receipts off).';

CREATE VIEW metric_conversations WITH (security_invoker = true) AS
SELECT c.day, c.active_conversations, c.runs, c.runs_ended, c.runs_completed,
       round(c.runs_completed::numeric / nullif(c.runs_ended, 0), 4) AS completion_rate,
       round((c.run_seconds / nullif(c.runs_ended, 0))::numeric, 1) AS mean_seconds
FROM (SELECT m.day, m.active_conversations, m.runs, m.runs_ended, m.runs_completed, m.run_seconds FROM metric_days m
      WHERE m.tenant_id = current_tenant()
      UNION ALL
      SELECT d, m.active_conversations, r.runs, r.runs_ended, r.runs_completed, r.run_seconds
      FROM live_days() d, messages_of(d) m, runs_of(d) r) AS c;
COMMENT ON VIEW metric_conversations IS
'Per day (UTC). active_conversations: conversations in which the person wrote that day. runs: walks through a '
'flow that began that day; of these, runs_ended are over by now, and runs_completed ended otherwise than '
'dropped, refused, failed, abandoned, cancelled, expired, restarted or stopped. completion_rate = '
'runs_completed / runs_ended; mean_seconds: from beginning to end, of those that ended.';

CREATE VIEW metric_response_times WITH (security_invoker = true) AS
SELECT c.day, c.kind, c.role, c.answered, c.unanswered,
       round((c.seconds / nullif(c.answered, 0))::numeric, 1) AS mean_seconds,
       response_quantile(c.histogram, 0.5) AS p50_seconds, response_quantile(c.histogram, 0.95) AS p95_seconds,
       c.seconds, c.histogram
FROM (SELECT m.day, m.kind, m.role, m.answered, m.unanswered, m.seconds, m.histogram FROM metric_responses m
      WHERE m.tenant_id = current_tenant()
      UNION ALL
      SELECT d, r.kind, r.role, r.answered, r.unanswered, r.seconds, r.histogram
      FROM live_days() d, responses_of(d) r) AS c;
COMMENT ON VIEW metric_response_times IS
'Per day (UTC) and role. kind reply: how long we take to answer people, by the role of the person (their '
'highest; customer without one): from a message that follows none of theirs within the hour to our first '
'message after it that the provider accepted; unanswered after a day. kind staff: how long people of a role '
'take: sales from a lead being assigned at its creation to its first quote sent; operations from an incident '
'to its acknowledgement or resolution; manager from a question to the decision. p50_seconds and p95_seconds '
'are upper ends of classes (response_bounds).';

GRANT SELECT ON metric_messages, metric_conversations, metric_response_times TO sirdar_runtime;
REVOKE EXECUTE ON FUNCTION messages_of(date), responses_of(date), sum_up_day(date, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION messages_of(date), responses_of(date), sum_up_day(date, timestamptz) TO sirdar_runtime;
