-- Metrics: days summed up, and views with their definitions.
-- What each day came to, summed up from its rows (storage/postgres/metrics.py): reports read these few rows instead of
-- millions. Days are UTC. Days of the last weeks are summed up again and again: replies, reads and bookings come late.
CREATE TABLE metric_days (
    tenant_id             bigint NOT NULL,
    day                   date NOT NULL,
    sent                  bigint NOT NULL,
    delivered             bigint NOT NULL,
    read                  bigint NOT NULL,
    failed                bigint NOT NULL,
    received              bigint NOT NULL,
    active_conversations  bigint NOT NULL,
    runs                  bigint NOT NULL,
    runs_ended            bigint NOT NULL,
    runs_completed        bigint NOT NULL,
    run_seconds           double precision NOT NULL,
    enquiries             bigint NOT NULL,
    enquiries_with_lead   bigint NOT NULL,
    leads                 bigint NOT NULL,
    leads_booked          bigint NOT NULL,
    summed_at             timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, day)
);

CREATE TABLE metric_responses (
    tenant_id   bigint NOT NULL,
    day         date NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('reply', 'staff')),
    role        text NOT NULL,
    answered    bigint NOT NULL,
    unanswered  bigint NOT NULL,
    seconds     double precision NOT NULL,
    histogram   bigint[] NOT NULL,           -- how many took how long, see response_bounds()
    PRIMARY KEY (tenant_id, day, kind, role)
);

-- Messages of a day (messages_of). BRIN: rows come in the order of time, and updates stay heap-only.
CREATE INDEX whatsapp_messages_created ON whatsapp_messages USING brin (created_at) WITH (autosummarize = on);
-- Runs of a day (runs_of).
CREATE INDEX flow_runs_started ON flow_runs USING brin (started_at) WITH (autosummarize = on);
-- Leads of a day (sales_of).
CREATE INDEX leads_created ON leads USING brin (created_at) WITH (autosummarize = on);
-- Incidents of a day (responses_of).
CREATE INDEX incidents_created ON incidents USING brin (created_at) WITH (autosummarize = on);
-- What became of a lead.
CREATE INDEX bookings_lead ON bookings (tenant_id, lead_id) WHERE lead_id IS NOT NULL;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['metric_days', 'metric_responses'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY tenant ON %I USING (tenant_id = current_tenant())', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO sirdar_runtime', name);
    END LOOP;
END
$$;

-- --- Metrics: what a day came to, of the current tenant --------------------------------------------------------------
--
-- Definitions are in the comments of the views below, and in docs/metrics.md.

-- Upper ends, in seconds, of the classes in which times of response are counted; one more class is above the last.
CREATE FUNCTION response_bounds() RETURNS double precision[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ARRAY[1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400]::double precision[];

-- The upper end of the class in which a share of all lies: "95 % took at most so long". NULL when there is none.
CREATE FUNCTION response_quantile(p_histogram bigint[], p_share double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT (response_bounds() || 'infinity'::double precision)[min(c.place)]
    FROM (SELECT u.place, sum(u.count) OVER (ORDER BY u.place) AS upto, sum(u.count) OVER () AS total
          FROM unnest(p_histogram) WITH ORDINALITY AS u (count, place)) AS c
    WHERE c.total > 0 AND c.upto >= p_share * c.total;
END;

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

CREATE FUNCTION runs_of(p_day date)
    RETURNS TABLE (runs bigint, runs_ended bigint, runs_completed bigint, run_seconds double precision)
    LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT count(*), count(r.ended_at),
           count(r.ended_at) FILTER (WHERE r.outcome NOT IN ('dropped', 'refused', 'failed', 'abandoned', 'cancelled',
                                                             'expired', 'restarted', 'stopped')),
           coalesce(sum(extract(epoch FROM r.ended_at - r.started_at)), 0)::double precision
    FROM flow_runs r
    WHERE r.tenant_id = current_tenant() AND r.started_at >= p_day::timestamp AT TIME ZONE 'UTC'
      AND r.started_at < (p_day + 1)::timestamp AT TIME ZONE 'UTC';
END;

CREATE FUNCTION sales_of(p_day date)
    RETURNS TABLE (enquiries bigint, enquiries_with_lead bigint, leads bigint, leads_booked bigint)
    LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH made AS (
        SELECT l.conversation_id, l.created_at FROM leads l
        WHERE l.tenant_id = current_tenant() AND l.conversation_id IS NOT NULL
          AND l.created_at >= p_day::timestamp AT TIME ZONE 'UTC'
          AND l.created_at < (p_day + 31)::timestamp AT TIME ZONE 'UTC'
    ), asked AS (
        SELECT r.run, bool_or(made.created_at IS NOT NULL) AS has_lead
        FROM flow_runs r
        LEFT JOIN made ON made.conversation_id = r.conversation_id AND made.created_at >= r.started_at
                      AND made.created_at <= coalesce(r.ended_at, r.started_at + interval '30 days')
        WHERE r.tenant_id = current_tenant() AND r.flow = 'enquiry'
          AND r.started_at >= p_day::timestamp AT TIME ZONE 'UTC'
          AND r.started_at < (p_day + 1)::timestamp AT TIME ZONE 'UTC'
        GROUP BY r.run
    )
    SELECT e.*, b.* FROM (SELECT count(*), count(*) FILTER (WHERE a.has_lead) FROM asked a) AS e, (
        SELECT count(*), count(*) FILTER (WHERE EXISTS (
                   SELECT FROM bookings k
                   WHERE k.tenant_id = current_tenant() AND k.lead_id = l.lead_id
                     AND k.status NOT IN ('EXPIRED', 'CANCELLED')
                     AND k.created_at < l.created_at + interval '30 days'))
        FROM leads l
        WHERE l.tenant_id = current_tenant() AND l.created_at >= p_day::timestamp AT TIME ZONE 'UTC'
          AND l.created_at < (p_day + 1)::timestamp AT TIME ZONE 'UTC'
    ) AS b;
END;

-- Replies: a turn of a person begins with a message that follows none of theirs within the hour; it is answered by our
-- first message after it that the provider has accepted, within a day. Staff: see the view.
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

-- Sums up a day, again if need be.
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

-- Days that are not summed up yet, today first of all: they are counted when somebody asks. At most a week of them.
CREATE FUNCTION live_days() RETURNS SETOF date
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT d::date FROM generate_series(
        greatest(coalesce((SELECT max(m.day) + 1 FROM metric_days m WHERE m.tenant_id = current_tenant()),
                          (now() AT TIME ZONE 'UTC')::date),
                 (now() AT TIME ZONE 'UTC')::date - 6)::timestamp,
        (now() AT TIME ZONE 'UTC')::date::timestamp, interval '1 day') AS d;
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

CREATE VIEW metric_sales WITH (security_invoker = true) AS
SELECT c.day, c.enquiries, c.enquiries_with_lead,
       round(c.enquiries_with_lead::numeric / nullif(c.enquiries, 0), 4) AS enquiry_to_lead_rate, c.leads,
       c.leads_booked, round(c.leads_booked::numeric / nullif(c.leads, 0), 4) AS lead_to_booking_rate
FROM (SELECT m.day, m.enquiries, m.enquiries_with_lead, m.leads, m.leads_booked FROM metric_days m
      WHERE m.tenant_id = current_tenant()
      UNION ALL
      SELECT d, s.enquiries, s.enquiries_with_lead, s.leads, s.leads_booked FROM live_days() d, sales_of(d) s) AS c;
COMMENT ON VIEW metric_sales IS
'Per day (UTC). enquiries: runs of the flow enquiry that began that day; enquiries_with_lead: those in whose '
'conversation a lead was created before the run ended (or within 30 days, while it goes on). leads: created '
'that day, from wherever; leads_booked: those with a booking within 30 days that is neither expired nor '
'cancelled. The rates are of these.';

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

GRANT SELECT ON metric_messages, metric_conversations, metric_sales, metric_response_times TO sirdar_runtime;

DO $$
DECLARE
    signature text;
BEGIN
    FOREACH signature IN ARRAY ARRAY[
        'response_bounds()', 'response_quantile(bigint[], double precision)', 'messages_of(date)', 'runs_of(date)',
        'sales_of(date)', 'responses_of(date)', 'sum_up_day(date, timestamptz)', 'live_days()']
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', signature);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO sirdar_runtime', signature);
    END LOOP;
END
$$;
