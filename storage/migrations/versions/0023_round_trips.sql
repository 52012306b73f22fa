-- What people wrote, and what colleagues typed on the phone (p_news: what that is for the flows), becomes durable. It
-- enters the tenant itself: a call can be a transaction, and takes one round trip then. Returns how many messages of
-- people are new.
-- A message whose key is known is a re-delivery, or an echo of what we sent ourselves: nothing of it is stored again.
-- Messages and events get their numbers in the order of the batch, so a person's messages are processed in the order in
-- which they came. Keys are written in their own order: two processes that are given the same messages wait for each
-- other, but never in a circle. p_other_keys: the keys under the other secret, while one takes another's place (else
-- NULL): a message is new when it is under neither.
-- p_people: the version of the tenant's people by which conversations were found. It is compared when keys are written:
-- an erasure waits for whoever has written some, and is seen by whoever comes after it. SQLSTATE SD001 when it is
-- another: nothing is stored, and the detail says which it is.
CREATE FUNCTION accept_messages(
    p_tenant bigint, p_people bigint, p_keys bytea[], p_other_keys bytea[], p_conversations bigint[],
    p_channels bigint[], p_provider_message_ids text[], p_reply_to text[], p_kinds text[], p_contents text[],
    p_sent_at timestamptz[], p_received_at timestamptz[], p_contexts text[], p_news text[]) RETURNS bigint
    LANGUAGE plpgsql VOLATILE AS
$$
DECLARE
    fresh_messages bigint;
    people         bigint;
BEGIN
    PERFORM set_config('app.tenant_id', p_tenant::text, true);
    WITH incoming AS (
        SELECT nextval('message_ids') AS message_id, m.* FROM (
            SELECT * FROM unnest(p_keys, p_other_keys, p_conversations, p_channels, p_provider_message_ids, p_reply_to,
                                 p_kinds, p_contents, p_sent_at, p_received_at, p_contexts, p_news) WITH ORDINALITY
                AS u (key, other_key, conversation_id, channel_id, provider_message_id, reply_to, kind, content,
                      sent_at, received_at, context, news, place)
            ORDER BY u.place) AS m
    ), first AS (
        INSERT INTO message_keys (tenant_id, key, message_id, created_at)
        SELECT p_tenant, i.key, i.message_id, i.received_at FROM incoming i ORDER BY i.key, i.place
        ON CONFLICT DO NOTHING
        RETURNING message_id
    ), second AS (
        -- IS TRUE makes it a lookup in a hash table instead of a join, for which our sessions compare all with all.
        INSERT INTO message_keys (tenant_id, key, message_id, created_at)
        SELECT p_tenant, i.other_key, i.message_id, i.received_at FROM incoming i
        WHERE p_other_keys IS NOT NULL AND (i.message_id IN (SELECT f.message_id FROM first f)) IS TRUE
        ORDER BY i.other_key, i.place
        ON CONFLICT DO NOTHING
        RETURNING message_id
    ), fresh AS (
        SELECT f.message_id FROM first f WHERE p_other_keys IS NULL UNION ALL SELECT s.message_id FROM second s
    ), numbered AS (
        SELECT i.* FROM incoming i WHERE (i.message_id IN (SELECT f.message_id FROM fresh f)) IS TRUE
    ), stored AS (
        INSERT INTO whatsapp_messages (tenant_id, message_id, created_at, conversation_id, channel_id, direction,
                                       status, kind, content, provider_message_id, reply_to, sent_at, context)
        SELECT p_tenant, n.message_id, n.received_at, n.conversation_id, n.channel_id,
               CASE WHEN n.news IS NULL THEN 'INBOUND' ELSE 'OUTBOUND' END,
               CASE WHEN n.news IS NULL THEN 'RECEIVED' ELSE 'SENT' END,
               n.kind, n.content::jsonb, n.provider_message_id, n.reply_to, n.sent_at, n.context::jsonb
        FROM numbered n
    ), queued AS (
        INSERT INTO inbox (tenant_id, conversation_id, due_at, kind, event, happened_at, message_id)
        SELECT p_tenant, n.conversation_id, n.received_at, 'message',
               jsonb_build_object('content', n.content::jsonb, 'reply_to', n.reply_to, 'sent_at', n.sent_at,
                                  'context', n.context::jsonb, 'sent_as', n.provider_message_id),
               n.received_at, n.message_id
        FROM numbered n WHERE n.news IS NULL ORDER BY n.place
        RETURNING 1
    ), told AS (
        INSERT INTO inbox (tenant_id, conversation_id, due_at, kind, event, happened_at)
        SELECT p_tenant, n.conversation_id, n.received_at, 'business', n.news::jsonb, n.received_at
        FROM numbered n WHERE n.news IS NOT NULL ORDER BY n.place
    )
    SELECT count(*) INTO fresh_messages FROM queued;
    SELECT v.version INTO people FROM people_versions v WHERE v.tenant_id = p_tenant;
    IF people IS DISTINCT FROM p_people THEN
        RAISE EXCEPTION 'the people of this tenant are others now'
            USING ERRCODE = 'SD001', DETAIL = coalesce(people::text, '');
    END IF;
    RETURN fresh_messages;
END
$$;
REVOKE EXECUTE ON FUNCTION accept_messages(bigint, bigint, bytea[], bytea[], bigint[], bigint[], text[], text[], text[],
    text[], timestamptz[], timestamptz[], text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION accept_messages(bigint, bigint, bytea[], bytea[], bigint[], bigint[], text[], text[], text[],
    text[], timestamptz[], timestamptz[], text[], text[]) TO sirdar_runtime;

-- Turns to take: locks conversations that nobody else holds, at most p_limit, and reads at most p_events events of each,
-- in order. p_conversations: among which; NULL: among those whose events are due at p_now. The lock is the lease: it is
-- held until the turns are committed, and PostgreSQL takes it from a worker that sleeps. NO KEY: nobody refers to these
-- rows by key while we work, and appends elsewhere must not wait for us.
-- Whoever turned out to be somebody else (w) speaks as that person (p), from their own number.
CREATE FUNCTION lock_turns(p_tenant bigint, p_now timestamptz, p_conversations bigint[], p_limit integer,
                           p_events integer)
    RETURNS TABLE (conversation_id bigint, channel_id bigint, snapshot jsonb, status text, last_inbound_at timestamptz,
                   contact_id bigint, name text, language text, timezone text, active_role text, phone bytea,
                   user_id bytea, roles text[], event_id bigint, kind text, event jsonb, happened_at timestamptz,
                   message_id bigint, due_at timestamptz, attempts smallint)
    LANGUAGE plpgsql VOLATILE AS
$$
#variable_conflict use_column
DECLARE
    due  bigint[] := p_conversations;
    held bigint[];
BEGIN
    IF due IS NULL THEN -- more than are taken: others hold some of them
        due := ARRAY(SELECT q.conversation_id
                     FROM queue_conversations(p_now, 2 * p_limit, 2 * p_limit, ARRAY[p_tenant]) q);
    END IF;
    held := ARRAY(SELECT c.conversation_id FROM whatsapp_conversations c
                  WHERE c.tenant_id = p_tenant AND c.conversation_id = ANY (due)
                  LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED);
    -- After the lock: what the previous holder processed is gone from this one's view.
    RETURN QUERY
    SELECT c.conversation_id, c.channel_id, c.snapshot, c.status, c.last_inbound_at,
           p.contact_id, p.name, p.language, p.timezone, p.active_role, w.phone, w.user_id,
           ARRAY(SELECT r.role FROM contact_roles r WHERE r.tenant_id = p_tenant AND r.contact_id = p.contact_id),
           i.event_id, i.kind, i.event, i.happened_at, i.message_id, i.due_at, i.attempts
    FROM unnest(held) AS h (conversation_id)
    CROSS JOIN LATERAL (
        SELECT o.* FROM whatsapp_conversations o
        WHERE o.tenant_id = p_tenant AND o.conversation_id = h.conversation_id OFFSET 0) AS c
    CROSS JOIN LATERAL (
        SELECT o.phone, o.user_id, coalesce(o.merged_into, o.contact_id) AS contact_id FROM contacts o
        WHERE o.tenant_id = p_tenant AND o.contact_id = c.contact_id OFFSET 0) AS w
    CROSS JOIN LATERAL (
        SELECT o.contact_id, o.name, o.language, o.timezone, o.active_role FROM contacts o
        WHERE o.tenant_id = p_tenant AND o.contact_id = w.contact_id OFFSET 0) AS p
    CROSS JOIN LATERAL (
        SELECT o.* FROM inbox o
        WHERE o.tenant_id = p_tenant AND o.conversation_id = h.conversation_id
        ORDER BY o.event_id LIMIT p_events) AS i;
END
$$;
REVOKE EXECUTE ON FUNCTION lock_turns(bigint, timestamptz, bigint[], integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lock_turns(bigint, timestamptz, bigint[], integer, integer) TO sirdar_runtime;
