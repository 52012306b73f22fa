-- The whole database of Sirdar. An empty database gets it through the migrations in storage/migrations, whose sum is
-- tested to be exactly this file.
--
-- Conventions
--   * tenant_id is in every table, leads every key, and row-level security is forced: a session sees only the rows of
--     the tenant in the setting app.tenant_id, which the runtime sets per transaction. Without it, it sees nothing.
--   * sirdar_runtime   is what the server runs as. It owns nothing and cannot bypass row-level security.
--   * sirdar_system    owns the few functions that look across tenants (the queues). It may see ids and due times only.
--   * A status column says in a comment how it moves. Times are timestamptz, UTC.
--   * High-volume tables have no foreign keys: their ids come from rows that were read in the same transaction.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sirdar_runtime') THEN
        CREATE ROLE sirdar_runtime NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sirdar_system') THEN
        CREATE ROLE sirdar_system NOLOGIN;
    END IF;
EXCEPTION WHEN unique_violation OR duplicate_object THEN
    NULL; -- another database of this cluster made them at the same moment
END
$$;

CREATE FUNCTION current_tenant() RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.tenant_id', true), '')::bigint;

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

-- --- Tenants, channels, people ---------------------------------------------------------------------------------------

CREATE TABLE tenants (
    tenant_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug        text NOT NULL UNIQUE,
    name        text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- ACTIVE ⇄ DISABLED (what comes for it is kept and nothing else done)
    status      text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'DISABLED')),
    settings    jsonb NOT NULL DEFAULT '{}',     -- by name, as in the environment; those of numbers are with these
    language    text NOT NULL DEFAULT 'en',      -- of people of whom nothing else is known
    revision    bigint NOT NULL DEFAULT 1        -- another one whenever settings, secrets or status have changed
);
-- Webhooks whose number we do not know belong to tenant 0, "nobody".
INSERT INTO tenants (tenant_id, slug, name) OVERRIDING SYSTEM VALUE VALUES (0, '-', 'Webhooks of unknown numbers');

-- One row per WhatsApp number: which provider serves it, for which tenant.
CREATE TABLE whatsapp_configurations (
    tenant_id       bigint NOT NULL REFERENCES tenants,
    channel_id      bigint GENERATED ALWAYS AS IDENTITY,
    provider        text NOT NULL CHECK (provider IN ('meta', 'twilio', '360dialog')),
    address         text NOT NULL,           -- the routing key in webhooks: Meta's phone_number_id
    phone_number    text NOT NULL,
    settings        jsonb NOT NULL DEFAULT '{}', -- by name, as in the environment
    secrets         bytea,                   -- AES-GCM (storage/crypto.py) of those by name; NULL: not served from here
    paused_until    timestamptz,             -- throttled, or refused for all messages alike; the senders wait
    alarm           text,                    -- why an operator should look; cleared by the next accepted message
    created_at      timestamptz NOT NULL DEFAULT now(),
    account         text,                    -- what webhooks call the account the number belongs to
    health          jsonb NOT NULL DEFAULT '{}', -- the newest news of each kind: limits, quality, restrictions
    reach_limit     integer CHECK (reach_limit >= 0), -- people outside their window per 24 hours; NULL: any
    initiated_after timestamptz,             -- no templates outside the window before: reported too often
    reach_quota     integer CHECK (reach_quota >= 0), -- our own limit beside the provider's
    throughput      integer CHECK (throughput > 0), -- messages per second the provider allows; NULL: the usual
    PRIMARY KEY (tenant_id, channel_id),
    UNIQUE (provider, address)
);

CREATE TABLE contacts (
    tenant_id     bigint NOT NULL,
    contact_id    bigint GENERATED BY DEFAULT AS IDENTITY,
    name          text NOT NULL DEFAULT '',
    language      text NOT NULL DEFAULT 'en',
    phone         bytea,                     -- AES-GCM of the E.164 number; NULL when only the business-scoped id is known
    user_id       bytea,                     -- AES-GCM of the business-scoped user id
    created_at    timestamptz NOT NULL DEFAULT now(),
    merged_into   bigint,                    -- it turned out to be another contact, which goes on in its place
    active_role   text,                      -- the role somebody with several has switched to
    timezone      text,                      -- an IANA name, when somebody has set it; else the phone's country tells
    PRIMARY KEY (tenant_id, contact_id)
);
-- Under which ids somebody is known besides.
CREATE INDEX contacts_merged ON contacts (tenant_id, merged_into) WHERE merged_into IS NOT NULL;

-- Blind index: HMAC of a phone number or business-scoped id, so that people are found without decrypting anybody.
CREATE TABLE contact_identities (
    tenant_id   bigint NOT NULL,
    identity    bytea NOT NULL,
    contact_id  bigint NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('phone', 'user_id')),
    PRIMARY KEY (tenant_id, identity),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts
);
-- For merging people and for erasure.
CREATE INDEX contact_identities_contact ON contact_identities (tenant_id, contact_id);

-- Blind indexes of the addresses of people who were erased, while providers may still deliver what they wrote before:
-- only what they write from then on makes a contact.
CREATE TABLE erased_addresses (
    tenant_id   bigint NOT NULL,
    identity    bytea NOT NULL,
    erased_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, identity)
);

-- Grows whenever an address comes to be somebody else's, or nobody's: what processes remember of people is then out of
-- date (PostgresIntake).
CREATE TABLE people_versions (
    tenant_id   bigint NOT NULL PRIMARY KEY,
    version     bigint NOT NULL
);

-- Who is more than a customer. A phone number alone never gives a role.
CREATE TABLE contact_roles (
    tenant_id   bigint NOT NULL,
    contact_id  bigint NOT NULL,
    role        text NOT NULL CHECK (role IN ('customer', 'sales', 'operations', 'field_staff', 'manager')),
    granted_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, contact_id, role),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts
);
-- Everybody with a role, for notifications.
CREATE INDEX contact_roles_role ON contact_roles (tenant_id, role);

-- --- Secret keys -----------------------------------------------------------------------------------------------------

-- The secret keys this database was written with; what they are is in BOT_SECRET_KEY only. Of tenant 0: they are
-- everybody's.
CREATE TABLE secret_keys (
    tenant_id    bigint NOT NULL,
    number       smallint NOT NULL CHECK (number BETWEEN 1 AND 255), -- stands in front of what is made with it
    -- READY (indexes are written under it) → CURRENT (it encrypts) → RETIRING (the next one encrypts; what was made with
    -- this one is made anew) → LEAVING (the next one's indexes are complete, and looked up) → RETIRED (not used)
    state        text NOT NULL CHECK (state IN ('READY', 'CURRENT', 'RETIRING', 'LEAVING', 'RETIRED')),
    check_value  bytea NOT NULL,                     -- derived from it: tells keys apart, tells nothing of them
    created_at   timestamptz NOT NULL,
    retired_at   timestamptz,
    gone_at      timestamptz,                        -- when the last blind index under it was deleted
    PRIMARY KEY (tenant_id, number),
    UNIQUE (tenant_id, check_value)
);
-- One at a time.
CREATE UNIQUE INDEX secret_keys_current ON secret_keys (tenant_id) WHERE state = 'CURRENT';

-- Keys derived from a secret key that is RETIRED, for what nobody can make anew: they prove, and decrypt nothing.
CREATE TABLE kept_keys (
    tenant_id  bigint NOT NULL,
    number     smallint NOT NULL,
    purpose    text NOT NULL CHECK (purpose IN ('audit', 'token', 'index')),
    sealed     bytea NOT NULL,                       -- AES-GCM, see storage/postgres/keys.py
    PRIMARY KEY (tenant_id, number, purpose)
);

-- How far making things anew has come: `bot keys rotate` goes on from there.
CREATE TABLE key_progress (
    tenant_id  bigint NOT NULL,
    number     smallint NOT NULL,                    -- of the key they are made anew with; 0: sealed for the first time
    step       text NOT NULL,
    position   bigint NOT NULL,                      -- of the last row that is done
    done       bigint NOT NULL,                      -- rows
    finished   boolean NOT NULL,
    PRIMARY KEY (tenant_id, number, step)
);

-- --- Conversations and messages --------------------------------------------------------------------------------------

-- One row per person and number. The worker that holds its row lock is the only one that may advance it.
CREATE TABLE whatsapp_conversations (
    tenant_id        bigint NOT NULL,
    conversation_id  bigint GENERATED BY DEFAULT AS IDENTITY,
    channel_id       bigint NOT NULL,
    contact_id       bigint NOT NULL,
    -- ACTIVE → EXPIRED (idle too long: the flows are left) → ACTIVE (the person writes again)
    status           text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'EXPIRED')),
    state            text NOT NULL DEFAULT '',       -- "flow.state" of the frame that talks, for people who look
    snapshot         jsonb NOT NULL DEFAULT '{}',    -- bot/core/conversation.py, Snapshot
    last_inbound_at  timestamptz,                    -- opens WhatsApp's 24-hour window
    updated_at       timestamptz NOT NULL DEFAULT now(),
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, conversation_id),
    UNIQUE (tenant_id, channel_id, contact_id)
) WITH (fillfactor = 80);
-- Expiry of idle conversations. BRIN, so that an update per turn stays heap-only.
CREATE INDEX whatsapp_conversations_updated ON whatsapp_conversations USING brin (updated_at);

CREATE SEQUENCE message_ids AS bigint;

-- Every message, in and out. Monthly partitions, so that retention drops tables instead of deleting rows.
CREATE TABLE whatsapp_messages (
    tenant_id            bigint NOT NULL,
    message_id           bigint NOT NULL,
    created_at           timestamptz NOT NULL,
    conversation_id      bigint NOT NULL,
    channel_id           bigint NOT NULL,
    direction            text NOT NULL CHECK (direction IN ('INBOUND', 'OUTBOUND')),
    -- INBOUND:  RECEIVED → DEAD (its event failed for good, see dead_letters) → RECEIVED (tried again by hand)
    -- OUTBOUND: QUEUED → ACCEPTED → SENT → DELIVERED → READ → PLAYED, never backwards;
    --           QUEUED → UNKNOWN (no answer) → any of these, once a status tells; FAILED from below DELIVERED;
    --           QUEUED → HELD (outside the 24-hour window and no template to say it with, or the template may not be
    --           sent) → QUEUED (the template may be sent now)
    status               text NOT NULL CHECK (status IN
                         ('RECEIVED', 'DEAD', 'QUEUED', 'HELD', 'UNKNOWN', 'ACCEPTED', 'SENT', 'DELIVERED', 'READ',
                          'PLAYED', 'FAILED')),
    kind                 text NOT NULL,
    content              jsonb NOT NULL,             -- bot/core/messages.py, Incoming or Outgoing
    provider_message_id  text,                       -- the provider's id; sealed (Vault.seal_id), since it may hold a
    reply_to             text,                       -- number, like that of the message it answers
    sent_at              moment,                     -- accepted by the provider
    delivered_at         timestamptz,
    read_at              timestamptz,
    failed_at            timestamptz,
    error_code           integer,
    error_detail         text,
    context              jsonb,                      -- what brought the person here, whether it was forwarded
    PRIMARY KEY (tenant_id, message_id, created_at)
) PARTITION BY RANGE (created_at);
-- A conversation as a person reads it (Inspection). Without tenant_id, which the conversation implies: a statement that
-- knows tenant and time would be planned with it, on a partition too new for statistics, and read the whole tenant.
CREATE INDEX whatsapp_messages_conversation ON whatsapp_messages (conversation_id, created_at);
-- "Messages sent today", by time (messages_of) and as a dashboard asks, by date(). BRIN, so that status updates stay
-- heap-only; of ours alone, so that what comes in pays nothing.
CREATE INDEX whatsapp_messages_sent ON whatsapp_messages USING brin (sent_at, date(sent_at)) WITH (autosummarize = on)
    WHERE direction = 'OUTBOUND';
-- Catches what no monthly partition covers: a message is never refused for want of one.
-- Half of each page is left for what becomes of its messages, so that these updates stay heap-only.
CREATE TABLE whatsapp_messages_default PARTITION OF whatsapp_messages DEFAULT WITH (fillfactor = 50);

-- Which provider message ids we know: stops duplicates, finds the message of a status. Keyed BLAKE2b of channel and id.
-- Outlives retention (by 8 days) and erasure, since providers re-deliver for up to 7 days.
CREATE TABLE message_keys (
    tenant_id   bigint NOT NULL,
    key         bytea NOT NULL,
    message_id  bigint NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
-- What is old enough to go. BRIN: rows come in the order of time.
CREATE INDEX message_keys_age ON message_keys USING brin (created_at) WITH (autosummarize = on);

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

-- Processes that send, and for which numbers: they divide each number's rate among them. Tenant 0: they serve all.
CREATE TABLE live_senders (
    tenant_id  bigint NOT NULL,
    sender_id  uuid NOT NULL,
    channels   bigint[] NOT NULL,
    seen_at    timestamptz NOT NULL,         -- by the database's clock
    PRIMARY KEY (tenant_id, sender_id)
);

CREATE SEQUENCE event_ids AS bigint;

-- What has happened and waits to be processed: messages, timers that fired, news from the business. Deleted in the
-- commit that carries the outcome. Events of a conversation are taken in the order of event_id.
CREATE TABLE inbox (
    tenant_id        bigint NOT NULL,
    conversation_id  bigint NOT NULL,
    event_id         bigint NOT NULL DEFAULT nextval('event_ids'),
    due_at           timestamptz NOT NULL,
    kind             text NOT NULL CHECK (kind IN ('message', 'timer', 'business')),
    event            jsonb NOT NULL,
    happened_at      timestamptz NOT NULL,
    message_id       bigint,
    attempts         smallint NOT NULL DEFAULT 0,
    last_error       text,
    PRIMARY KEY (tenant_id, conversation_id, event_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
-- Which conversations have work (queue_conversations). Partial, so that only who asks for the time is led here.
CREATE INDEX inbox_due ON inbox (tenant_id, due_at, event_id) WHERE due_at IS NOT NULL;

CREATE SEQUENCE fences AS bigint;

-- What has to be sent. Only the first message of a conversation is ever in flight. Deleted with the provider's answer.
CREATE TABLE outbox (
    tenant_id           bigint NOT NULL,
    conversation_id     bigint NOT NULL,
    message_id          bigint NOT NULL,
    message_created_at  timestamptz NOT NULL,
    channel_id          bigint NOT NULL,
    -- READY → SENDING (attempt committed, HTTP under way) → deleted (answered)
    -- SENDING → READY (certainly not sent, try later); SENDING → UNKNOWN (no answer, or the sender died)
    -- UNKNOWN → deleted (a status told, or given up) or READY (policy says repeat)
    state               text NOT NULL DEFAULT 'READY' CHECK (state IN ('READY', 'SENDING', 'UNKNOWN')),
    due_at              timestamptz NOT NULL,
    attempt             smallint NOT NULL DEFAULT 0,
    fence               bigint NOT NULL DEFAULT 0,   -- of the attempt under way; an answer with an older one is refused
    lease_until         timestamptz,
    PRIMARY KEY (tenant_id, conversation_id, message_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
-- What can be sent now (claim_outbox).
CREATE INDEX outbox_ready ON outbox (channel_id, due_at, message_id) WHERE state = 'READY';
-- Whose sender died, and what is still unknown (expire_leases, due_unknowns).
CREATE INDEX outbox_leases ON outbox (lease_until) WHERE state <> 'READY';

-- Every attempt to send that has ended, for `bot explain`.
CREATE TABLE send_attempts (
    tenant_id    bigint NOT NULL,
    message_id   bigint NOT NULL,
    attempt      smallint NOT NULL,
    fence        bigint NOT NULL,
    outcome      text NOT NULL CHECK (outcome IN ('ACCEPTED', 'REFUSED', 'NOT_SENT', 'UNKNOWN', 'LATE')),
    http_status  integer,
    error_code   integer,
    detail       text,
    finished_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, message_id, attempt, fence)
);
-- What is old enough to go. BRIN: rows come in the order of time.
CREATE INDEX send_attempts_finished ON send_attempts USING brin (finished_at);

CREATE SEQUENCE delivery_update_ids AS bigint;

-- Statuses as they came in, until they are applied to their message: a webhook never waits for a row lock.
CREATE TABLE delivery_updates (
    tenant_id            bigint NOT NULL,
    update_id            bigint NOT NULL DEFAULT nextval('delivery_update_ids'),
    key                  bytea NOT NULL,             -- as in message_keys
    message_id           bigint,                     -- from our correlation text, when the provider echoed it
    message_created_at   timestamptz,
    provider_message_id  text NOT NULL,              -- sealed
    status               text NOT NULL CHECK (status IN ('ACCEPTED', 'SENT', 'DELIVERED', 'READ', 'PLAYED', 'FAILED')),
    happened_at          timestamptz NOT NULL,
    received_at          timestamptz NOT NULL,
    due_at               timestamptz NOT NULL,       -- later than received_at while its message is not known
    error_code           integer,
    error_detail         text,
    effect               text NOT NULL DEFAULT '',   -- what a failure entails: Effect in providers/base.py
    PRIMARY KEY (tenant_id, update_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
-- What can be applied now (tenants_with_updates).
CREATE INDEX delivery_updates_due ON delivery_updates (tenant_id, due_at, update_id);

-- --- Flows -----------------------------------------------------------------------------------------------------------

-- Every version of every flow that was ever deployed, with all it takes to compile it again: runs stay on the version
-- they began with, whatever the content folder has become.
CREATE TABLE flow_versions (
    tenant_id    bigint NOT NULL,
    flow         text NOT NULL,
    version      integer NOT NULL CHECK (version > 0),
    fingerprint  text NOT NULL,              -- of the files in source
    source       jsonb NOT NULL,             -- files of a content folder, by path: the flow, its replies, its templates
    deployed_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, flow, version)
);

-- One walk through a flow. Runs of business objects (instance) keep their frame here while nobody talks to them.
CREATE TABLE flow_runs (
    tenant_id        bigint NOT NULL,
    run              text NOT NULL,
    flow             text NOT NULL,
    version          integer NOT NULL,
    role             text NOT NULL,
    conversation_id  bigint NOT NULL,                -- where it was last spoken of
    instance         text,
    frame            jsonb,
    -- ACTIVE → ENDED
    status           text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'ENDED')),
    outcome          text,
    started_at       timestamptz NOT NULL,
    ended_at         timestamptz,
    PRIMARY KEY (tenant_id, run)
);
-- One live run per business object; finds it.
CREATE UNIQUE INDEX flow_runs_instance ON flow_runs (tenant_id, flow, instance)
    WHERE status = 'ACTIVE' AND instance IS NOT NULL;
-- All live runs about a business object, to tell them what happened to it.
CREATE INDEX flow_runs_about ON flow_runs (tenant_id, instance) WHERE status = 'ACTIVE' AND instance IS NOT NULL;

-- Everything that waits. The clock moves due rows into the inbox.
CREATE TABLE timers (
    tenant_id        bigint NOT NULL,
    run              text NOT NULL,
    name             text NOT NULL,
    epoch            integer NOT NULL,
    conversation_id  bigint NOT NULL,
    due_at           timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, run, name, epoch)
);
-- What is due (fire_timers). Partial like inbox_due.
CREATE INDEX timers_due ON timers (tenant_id, due_at) WHERE due_at IS NOT NULL;

-- Side effects that happened, with their result: what `once:` looks at.
CREATE TABLE receipts (
    tenant_id   bigint NOT NULL,
    key         text NOT NULL,
    action      text NOT NULL,
    result      jsonb NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);

-- Why each turn went as it did. Partitioned and retained like messages.
CREATE TABLE turn_traces (
    tenant_id        bigint NOT NULL,
    event_id         bigint NOT NULL,
    created_at       timestamptz NOT NULL,
    conversation_id  bigint NOT NULL,
    message_id       bigint,
    trace            jsonb NOT NULL,
    PRIMARY KEY (tenant_id, event_id, created_at)
) PARTITION BY RANGE (created_at);
-- `bot explain MESSAGE_ID`.
CREATE INDEX turn_traces_message ON turn_traces (tenant_id, message_id);
CREATE TABLE turn_traces_default PARTITION OF turn_traces DEFAULT;

-- Events that failed for good. The others of their conversation went on.
CREATE TABLE dead_letters (
    tenant_id        bigint NOT NULL,
    event_id         bigint NOT NULL,
    conversation_id  bigint NOT NULL,
    kind             text NOT NULL,
    event            jsonb NOT NULL,
    message_id       bigint,
    attempts         smallint NOT NULL,
    error            text NOT NULL,
    created_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, event_id)
);

-- Webhooks, or parts of them, that we could not read or do not act on yet. Kept as they came, encrypted.
CREATE TABLE webhook_events (
    tenant_id    bigint NOT NULL,
    webhook_id   bigint GENERATED ALWAYS AS IDENTITY,
    received_at  timestamptz NOT NULL,
    kind         text NOT NULL,
    body         bytea NOT NULL,
    PRIMARY KEY (tenant_id, webhook_id)
);

-- --- Templates, media, consent, broadcasts ---------------------------------------------------------------------------

CREATE TABLE whatsapp_templates (
    tenant_id             bigint NOT NULL,
    template_id           bigint GENERATED ALWAYS AS IDENTITY,
    name                  text NOT NULL,
    language              text NOT NULL,
    category              text NOT NULL CHECK (category IN ('UTILITY', 'MARKETING', 'AUTHENTICATION')),
    -- DRAFT (ours alone) → PENDING → APPROVED ⇄ PAUSED → DISABLED; PENDING → REJECTED; any → DELETED. Follows the
    -- provider, whatever it says, also in words that are new to us.
    status                text NOT NULL DEFAULT 'DRAFT',
    components            jsonb NOT NULL,            -- as the provider has them; of a DRAFT, as it would get them
    provider_template_id  text,
    reason                text,                      -- why it was rejected, paused or disabled
    updated_at            timestamptz NOT NULL DEFAULT now(),
    provider              text NOT NULL CHECK (provider IN ('meta', 'twilio', '360dialog')),
    quality               text,                      -- GREEN, YELLOW, RED, UNKNOWN
    fingerprint           text,                      -- of our file when it was handed in
    PRIMARY KEY (tenant_id, template_id),
    UNIQUE (tenant_id, provider, name, language)
);

-- Messages that are HELD because their template may not be sent: queued again once it may.
CREATE TABLE template_waits (
    tenant_id           bigint NOT NULL,
    provider            text NOT NULL,
    name                text NOT NULL,
    language            text NOT NULL,
    message_id          bigint NOT NULL,
    message_created_at  timestamptz NOT NULL,
    conversation_id     bigint NOT NULL,
    channel_id          bigint NOT NULL,
    PRIMARY KEY (tenant_id, provider, name, language, message_id)
);

-- Files: what people sent, and our own. A message has one at most, so its file has its number.
CREATE TABLE whatsapp_media (
    tenant_id          bigint NOT NULL,
    media_id           bigint NOT NULL DEFAULT nextval('message_ids'),
    message_id         bigint,
    kind               text NOT NULL,
    mime_type          text NOT NULL,            -- what it is, once we have looked; before that, what its sender says
    sha256             bytea,
    size_bytes         bigint,
    provider_media_id  text,
    -- REFERENCED (known at the provider) → STORED (bytes are ours) → EXPIRED (deleted); REFERENCED → FAILED or EXPIRED
    status             text NOT NULL DEFAULT 'REFERENCED' CHECK (status IN ('REFERENCED', 'STORED', 'EXPIRED', 'FAILED')),
    stored_at          text,                     -- key in the file store; noted before the file is put there
    created_at         timestamptz NOT NULL,
    channel_id         bigint NOT NULL,
    conversation_id    bigint,
    url                text,                     -- the provider's, good for minutes
    declared_type      text,                     -- what its sender says it is
    filename           text,                     -- the sender's: untrusted
    reason             text,                     -- why it was not fetched, so far or for good
    due_at             timestamptz,              -- when to fetch it, next; NULL: nothing to do
    attempts           smallint NOT NULL DEFAULT 0,
    fence              bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, media_id)
);
-- The files of a message.
CREATE INDEX whatsapp_media_message ON whatsapp_media (tenant_id, message_id);
-- What can be fetched now (claim_media).
CREATE INDEX whatsapp_media_due ON whatsapp_media (channel_id, due_at) WHERE due_at IS NOT NULL;
-- Other messages with the same file.
CREATE INDEX whatsapp_media_sha256 ON whatsapp_media (tenant_id, sha256) WHERE status = 'STORED';
-- What is old enough to go.
CREATE INDEX whatsapp_media_age ON whatsapp_media (tenant_id, created_at) WHERE status <> 'EXPIRED';

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

-- What each person agreed to, with the proof. The newest row of a purpose counts.
CREATE TABLE whatsapp_opt_ins (
    tenant_id   bigint NOT NULL,
    opt_in_id   bigint GENERATED ALWAYS AS IDENTITY,
    contact_id  bigint NOT NULL,
    purpose     text NOT NULL CHECK (purpose IN ('all', 'marketing')),
    allowed     boolean NOT NULL,
    source      text NOT NULL,
    proof       jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, opt_in_id)
);
-- The newest word of a person.
CREATE INDEX whatsapp_opt_ins_contact ON whatsapp_opt_ins (tenant_id, contact_id, purpose, created_at DESC);

CREATE TABLE whatsapp_broadcast_lists (
    tenant_id     bigint NOT NULL,
    broadcast_id  bigint GENERATED ALWAYS AS IDENTITY,
    name          text NOT NULL,
    -- DRAFT → WAITING (for a manager) → SCHEDULED → RUNNING ⇄ PAUSED → DONE; WAITING → DRAFT (refused);
    -- DRAFT → SCHEDULED; any but the last two → CANCELLED
    status        text NOT NULL DEFAULT 'DRAFT',
    template      text NOT NULL,
    segment       jsonb NOT NULL DEFAULT '{}',       -- bot/operations/broadcasts.py, Segment
    scheduled_at  timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    channel_id    bigint,
    parameters    jsonb NOT NULL DEFAULT '[]',       -- texts with {name} and {first_name:default}
    marketing     boolean NOT NULL DEFAULT true,     -- only to those who agreed; else to all who did not forbid it
    per_minute    integer NOT NULL DEFAULT 600 CHECK (per_minute BETWEEN 1 AND 60000),
    timezone      text NOT NULL DEFAULT 'UTC',       -- of the hours, an IANA name
    not_before    time NOT NULL DEFAULT '09:00',
    not_after     time NOT NULL DEFAULT '20:00',
    created_by    bigint,
    reason        text,                              -- why it paused by itself, or was refused
    started_at    timestamptz,
    fed_at        timestamptz,                       -- when recipients were last handed on: what pacing counts from
    finished_at   timestamptz,
    PRIMARY KEY (tenant_id, broadcast_id),
    CONSTRAINT whatsapp_broadcast_lists_status_check CHECK (status IN
        ('DRAFT', 'WAITING', 'SCHEDULED', 'RUNNING', 'PAUSED', 'DONE', 'CANCELLED'))
);
-- What a feeder looks at (Broadcasts.feed).
CREATE INDEX whatsapp_broadcast_lists_live ON whatsapp_broadcast_lists (tenant_id, broadcast_id)
    WHERE status IN ('SCHEDULED', 'RUNNING');

-- Whom a broadcast goes to: one row per person, so that nobody gets it twice.
CREATE TABLE broadcast_recipients (
    tenant_id           bigint NOT NULL,
    broadcast_id        bigint NOT NULL,
    contact_id          bigint NOT NULL,
    -- PENDING → HANDED (a message of theirs is in the outbox; its status tells the rest) or SKIPPED (reason)
    -- HANDED → PENDING (that message has FAILED for certain, and somebody asked to try again)
    status              text NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'HANDED', 'SKIPPED')),
    language            text NOT NULL,           -- as it was when the broadcast began, like the name
    name                text NOT NULL,
    tries               smallint NOT NULL DEFAULT 0,
    message_id          bigint,
    message_created_at  timestamptz,
    reason              text,
    PRIMARY KEY (tenant_id, broadcast_id, contact_id),
    FOREIGN KEY (tenant_id, broadcast_id) REFERENCES whatsapp_broadcast_lists
);
-- Who is next.
CREATE INDEX broadcast_recipients_pending ON broadcast_recipients (tenant_id, broadcast_id, contact_id)
    WHERE status = 'PENDING';

-- --- The business ----------------------------------------------------------------------------------------------------

CREATE TABLE treks (
    tenant_id  bigint NOT NULL,
    trek_id    bigint GENERATED BY DEFAULT AS IDENTITY,
    name       text NOT NULL,
    synonyms   text[] NOT NULL DEFAULT '{}',
    days       integer CHECK (days > 0),
    price      numeric(12, 2) CHECK (price >= 0),
    currency   text NOT NULL DEFAULT 'USD' CHECK (currency ~ '^[A-Z]{3}$'),
    PRIMARY KEY (tenant_id, trek_id),
    UNIQUE (tenant_id, name)
);

CREATE TABLE trips (
    tenant_id   bigint NOT NULL,
    trip_id     bigint GENERATED BY DEFAULT AS IDENTITY,
    code        text NOT NULL,
    trek_id     bigint NOT NULL,
    starts_on   date NOT NULL,
    ends_on     date CHECK (ends_on >= starts_on),
    seats       integer CHECK (seats >= 0),  -- NULL: as many as come
    taken       integer NOT NULL DEFAULT 0,  -- seats of its PENDING and CONFIRMED bookings
    -- SCHEDULED → RUNNING → COMPLETED; SCHEDULED or RUNNING → CANCELLED
    status      text NOT NULL DEFAULT 'SCHEDULED' CHECK (status IN ('SCHEDULED', 'RUNNING', 'COMPLETED', 'CANCELLED')),
    PRIMARY KEY (tenant_id, trip_id),
    UNIQUE (tenant_id, code),
    FOREIGN KEY (tenant_id, trek_id) REFERENCES treks,
    CONSTRAINT trips_not_oversold CHECK (taken >= 0 AND taken <= seats)
);
-- The next departures of a trek.
CREATE INDEX trips_departures ON trips (tenant_id, trek_id, starts_on) WHERE status = 'SCHEDULED';

CREATE TABLE trip_assignments (
    tenant_id   bigint NOT NULL,
    trip_id     bigint NOT NULL,
    contact_id  bigint NOT NULL,
    duty        text NOT NULL DEFAULT 'guide' CHECK (duty IN ('guide', 'assistant', 'porter', 'cook', 'driver')),
    -- ASSIGNED → CONFIRMED or DECLINED (the person says so); ASSIGNED or CONFIRMED → RELEASED; DECLINED or RELEASED →
    -- ASSIGNED
    status      text NOT NULL DEFAULT 'ASSIGNED' CHECK (status IN ('ASSIGNED', 'CONFIRMED', 'DECLINED', 'RELEASED')),
    assigned_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, trip_id, contact_id),
    FOREIGN KEY (tenant_id, trip_id) REFERENCES trips,
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts
);
-- The trips of a guide.
CREATE INDEX trip_assignments_contact ON trip_assignments (tenant_id, contact_id);

CREATE TABLE leads (
    tenant_id        bigint NOT NULL,
    lead_id          bigint GENERATED ALWAYS AS IDENTITY,
    contact_id       bigint NOT NULL,
    conversation_id  bigint,
    trek_id          bigint,
    people           integer CHECK (people > 0),
    month            text,
    -- NEW → QUOTED → CONVERTED; NEW → CONVERTED; NEW or QUOTED → LOST → NEW
    status           text NOT NULL DEFAULT 'NEW' CHECK (status IN ('NEW', 'QUOTED', 'CONVERTED', 'LOST')),
    assignee_id      bigint,
    created_at       timestamptz NOT NULL,
    source           text NOT NULL DEFAULT 'WHATSAPP' CHECK (source IN ('WHATSAPP', 'WEB', 'API', 'SYSTEM')),
    note             text NOT NULL DEFAULT '',
    reason           text,                   -- why it was lost
    PRIMARY KEY (tenant_id, lead_id)
);
-- A customer's enquiries.
CREATE INDEX leads_contact ON leads (tenant_id, contact_id, lead_id);
-- Who has how many open leads, to share new ones out.
CREATE INDEX leads_assignee ON leads (tenant_id, assignee_id) WHERE status IN ('NEW', 'QUOTED');

CREATE TABLE incidents (
    tenant_id    bigint NOT NULL,
    incident_id  bigint GENERATED ALWAYS AS IDENTITY,
    trip_id      bigint NOT NULL,
    contact_id   bigint NOT NULL,
    description  text NOT NULL,
    -- OPEN → ACKNOWLEDGED → RESOLVED; OPEN → RESOLVED; RESOLVED → OPEN
    status       text NOT NULL DEFAULT 'OPEN' CHECK (status IN ('OPEN', 'ACKNOWLEDGED', 'RESOLVED')),
    place        jsonb,
    media        jsonb NOT NULL DEFAULT '[]',
    resolution   text,
    created_at   timestamptz NOT NULL,
    resolved_at  timestamptz,
    severity     text NOT NULL DEFAULT 'MEDIUM' CHECK (severity IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')),
    acknowledged_by  bigint,
    acknowledged_at  timestamptz,
    PRIMARY KEY (tenant_id, incident_id),
    FOREIGN KEY (tenant_id, trip_id) REFERENCES trips
);
-- The incidents of a trip.
CREATE INDEX incidents_trip ON incidents (tenant_id, trip_id, created_at);
-- What is going on (incidents.open).
CREATE INDEX incidents_live ON incidents (tenant_id, created_at) WHERE status <> 'RESOLVED';

-- Terms of a tenant's business. No row: the defaults hold, and nothing can be paid online.
CREATE TABLE business_settings (
    tenant_id         bigint NOT NULL PRIMARY KEY,
    currency          text NOT NULL DEFAULT 'USD' CHECK (currency ~ '^[A-Z]{3}$'),
    quote_days        integer NOT NULL DEFAULT 14 CHECK (quote_days > 0),    -- how long a quote is good for
    quote_limit       numeric(14, 2) CHECK (quote_limit >= 0),               -- above it a manager approves; NULL: never
    hold_hours        integer NOT NULL DEFAULT 48 CHECK (hold_hours > 0),    -- how long unpaid seats are kept
    public_url        text,                                                  -- where people reach our pay page
    payment_gateway   text,
    link_key          bytea,                                                 -- signs payment links; AES-GCM
    updated_at        timestamptz NOT NULL DEFAULT now(),
    timezone          text NOT NULL DEFAULT 'UTC',        -- of the hours, an IANA name
    opens             time,                               -- hours of business; NULL: always open
    closes            time,
    workdays          smallint[] NOT NULL DEFAULT '{1,2,3,4,5,6,7}', -- ISO: 1 is Monday
    keep_minutes      integer NOT NULL DEFAULT 240 CHECK (keep_minutes > 0) -- a person who says no more keeps it so long
);

-- What decides who gets work: whoever has a role and no row here is available, without a limit.
CREATE TABLE staff_availability (
    tenant_id    bigint NOT NULL,
    contact_id   bigint NOT NULL,
    away_until   timestamptz,                -- NULL: here
    max_leads    integer CHECK (max_leads >= 0),
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, contact_id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts
);

-- Codes with which people become staff by texting them.
CREATE TABLE staff_invites (
    tenant_id    bigint NOT NULL,
    invite_id    bigint GENERATED ALWAYS AS IDENTITY,
    code_hash    bytea NOT NULL,             -- slow hash of tenant and code: a reader of the database cannot use it
    roles        text[] NOT NULL,
    name         text NOT NULL DEFAULT '',
    -- OPEN → USED; OPEN → EXPIRED; OPEN → REVOKED
    status       text NOT NULL DEFAULT 'OPEN' CHECK (status IN ('OPEN', 'USED', 'EXPIRED', 'REVOKED')),
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    used_by      bigint,
    used_at      timestamptz,
    PRIMARY KEY (tenant_id, invite_id),
    UNIQUE (tenant_id, code_hash)
);

-- Two contacts found to be one person. `moved` lists the rows that changed hands, for undoing it.
CREATE TABLE contact_merges (
    tenant_id    bigint NOT NULL,
    merge_id     bigint GENERATED ALWAYS AS IDENTITY,
    kept_id      bigint NOT NULL,
    gone_id      bigint NOT NULL,
    moved        jsonb NOT NULL,
    -- MERGED → UNDONE
    status       text NOT NULL DEFAULT 'MERGED' CHECK (status IN ('MERGED', 'UNDONE')),
    merged_by    text NOT NULL,
    merged_at    timestamptz NOT NULL,
    undone_at    timestamptz,
    phone        bytea,                      -- AES-GCM of what the kept one's addresses were, when those of the gone one
    user_id      bytea,                      -- went along
    PRIMARY KEY (tenant_id, merge_id)
);

-- What we offer somebody. A sent quote never changes: a new version takes its place.
CREATE TABLE quotes (
    tenant_id    bigint NOT NULL,
    quote_id     bigint GENERATED ALWAYS AS IDENTITY,
    lead_id      bigint NOT NULL,
    version      integer NOT NULL CHECK (version > 0),
    contact_id   bigint NOT NULL,
    trip_id      bigint,                     -- the departure it is for, when that is known
    people       integer NOT NULL CHECK (people > 0),
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    total        numeric(14, 2) NOT NULL CHECK (total >= 0),
    note         text NOT NULL DEFAULT '',
    -- DRAFT → SENT, or DRAFT → SUBMITTED → APPROVED → SENT when it is above the limit; SUBMITTED → DRAFT (rejected)
    -- SENT → ACCEPTED, DECLINED or EXPIRED; all but ACCEPTED → REPLACED by the next version; before SENT → WITHDRAWN
    status       text NOT NULL DEFAULT 'DRAFT' CHECK (status IN ('DRAFT', 'SUBMITTED', 'APPROVED', 'SENT', 'ACCEPTED',
                 'DECLINED', 'EXPIRED', 'REPLACED', 'WITHDRAWN')),
    author_id    bigint,
    valid_until  timestamptz NOT NULL,
    created_at   timestamptz NOT NULL,
    sent_at      timestamptz,
    decided_at   timestamptz,
    PRIMARY KEY (tenant_id, quote_id),
    UNIQUE (tenant_id, lead_id, version),
    FOREIGN KEY (tenant_id, lead_id) REFERENCES leads
);
-- The newest quote of a customer.
CREATE INDEX quotes_contact ON quotes (tenant_id, contact_id, quote_id);
-- Which have run out (quotes.expire).
CREATE INDEX quotes_valid ON quotes (tenant_id, valid_until) WHERE status = 'SENT';

CREATE TABLE quote_items (
    tenant_id    bigint NOT NULL,
    quote_id     bigint NOT NULL,
    position     integer NOT NULL,
    description  text NOT NULL,
    quantity     numeric(10, 2) NOT NULL CHECK (quantity > 0),
    unit_price   numeric(14, 2) NOT NULL,    -- below zero: a discount
    PRIMARY KEY (tenant_id, quote_id, position),
    FOREIGN KEY (tenant_id, quote_id) REFERENCES quotes
);

CREATE TABLE bookings (
    tenant_id        bigint NOT NULL,
    booking_id       bigint GENERATED ALWAYS AS IDENTITY,
    contact_id       bigint NOT NULL,
    lead_id          bigint,
    quote_id         bigint,
    trip_id          bigint,                 -- NULL: no departure chosen yet, so no seats are taken
    people           integer NOT NULL CHECK (people > 0),
    currency         text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    total            numeric(14, 2) NOT NULL CHECK (total >= 0),
    paid             numeric(14, 2) NOT NULL DEFAULT 0 CHECK (paid >= 0),
    -- PENDING → CONFIRMED (paid) → COMPLETED; PENDING → EXPIRED (not paid in time); PENDING or CONFIRMED → CANCELLED
    status           text NOT NULL DEFAULT 'PENDING'
                     CHECK (status IN ('PENDING', 'CONFIRMED', 'COMPLETED', 'EXPIRED', 'CANCELLED')),
    hold_until       timestamptz NOT NULL,   -- seats of an unpaid booking are free again after this
    reason           text,                   -- why it was cancelled
    conversation_id  bigint,
    created_at       timestamptz NOT NULL,
    confirmed_at     timestamptz,
    PRIMARY KEY (tenant_id, booking_id),
    FOREIGN KEY (tenant_id, trip_id) REFERENCES trips
);
-- One booking per quote.
CREATE UNIQUE INDEX bookings_quote ON bookings (tenant_id, quote_id) WHERE quote_id IS NOT NULL;
-- A customer's bookings.
CREATE INDEX bookings_contact ON bookings (tenant_id, contact_id, booking_id);
-- Who is on a trip.
CREATE INDEX bookings_trip ON bookings (tenant_id, trip_id) WHERE status IN ('PENDING', 'CONFIRMED');
-- Which were not paid in time (bookings.expire).
CREATE INDEX bookings_hold ON bookings (tenant_id, hold_until) WHERE status = 'PENDING';

CREATE TABLE payments (
    tenant_id           bigint NOT NULL,
    payment_id          bigint GENERATED ALWAYS AS IDENTITY,
    booking_id          bigint NOT NULL,
    amount              numeric(14, 2) NOT NULL CHECK (amount > 0),
    currency            text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    gateway             text NOT NULL,
    reference           text NOT NULL,       -- what the gateway calls it; part of the link
    -- PENDING → PAID → REFUNDED; PENDING → EXPIRED or CANCELLED. A failed try leaves it PENDING.
    status              text NOT NULL DEFAULT 'PENDING'
                        CHECK (status IN ('PENDING', 'PAID', 'REFUNDED', 'EXPIRED', 'CANCELLED')),
    created_at          timestamptz NOT NULL,
    expires_at          timestamptz NOT NULL,
    paid_at             timestamptz,
    PRIMARY KEY (tenant_id, payment_id),
    UNIQUE (tenant_id, reference),
    FOREIGN KEY (tenant_id, booking_id) REFERENCES bookings
);
-- One open link per booking, which is used again.
CREATE UNIQUE INDEX payments_open ON payments (tenant_id, booking_id) WHERE status = 'PENDING';

-- What gateways have told us, each once: they deliver again until they hear 200.
CREATE TABLE payment_events (
    tenant_id    bigint NOT NULL,
    gateway      text NOT NULL,
    event_id     text NOT NULL,
    payment_id   bigint NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('paid', 'failed', 'refunded')),
    received_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, gateway, event_id)
);

CREATE TABLE check_ins (
    tenant_id    bigint NOT NULL,
    check_in_id  bigint GENERATED ALWAYS AS IDENTITY,
    trip_id      bigint NOT NULL,
    contact_id   bigint NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('STARTED', 'CHECKPOINT', 'DAY_REPORT', 'FINISHED')),
    place        jsonb,                      -- latitude and longitude in WGS 84 degrees, name
    note         text NOT NULL DEFAULT '',
    media        jsonb NOT NULL DEFAULT '[]',
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, check_in_id),
    FOREIGN KEY (tenant_id, trip_id) REFERENCES trips
);
-- Where a trip was last heard of.
CREATE INDEX check_ins_trip ON check_ins (tenant_id, trip_id, created_at);

-- What was written to an incident. `public` is what customers of the trip were told.
CREATE TABLE incident_updates (
    tenant_id    bigint NOT NULL,
    update_id    bigint GENERATED ALWAYS AS IDENTITY,
    incident_id  bigint NOT NULL,
    text         text NOT NULL,
    public       text NOT NULL DEFAULT '',
    author_id    bigint,
    source       text NOT NULL CHECK (source IN ('WHATSAPP', 'WEB', 'API', 'SYSTEM')),
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, update_id),
    FOREIGN KEY (tenant_id, incident_id) REFERENCES incidents
);
-- The updates of an incident.
CREATE INDEX incident_updates_incident ON incident_updates (tenant_id, incident_id, update_id);

-- What waits for a manager's yes or no.
CREATE TABLE approvals (
    tenant_id     bigint NOT NULL,
    approval_id   bigint GENERATED ALWAYS AS IDENTITY,
    object_type   text NOT NULL,             -- quote, booking, broadcast…
    object_id     bigint NOT NULL,
    subject       text NOT NULL,             -- what a manager reads
    amount        numeric(14, 2),
    currency      text,
    requested_by  bigint,
    -- PENDING → APPROVED, REJECTED or WITHDRAWN
    status        text NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'APPROVED', 'REJECTED', 'WITHDRAWN')),
    decided_by    bigint,
    note          text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL,
    decided_at    timestamptz,
    PRIMARY KEY (tenant_id, approval_id)
);
-- What waits, and one question per object at a time.
CREATE UNIQUE INDEX approvals_pending ON approvals (tenant_id, object_type, object_id) WHERE status = 'PENDING';

CREATE TABLE feedback (
    tenant_id    bigint NOT NULL,
    feedback_id  bigint GENERATED ALWAYS AS IDENTITY,
    contact_id   bigint NOT NULL,
    booking_id   bigint,
    rating       integer NOT NULL CHECK (rating BETWEEN 1 AND 5),
    comment      text NOT NULL DEFAULT '',
    -- NEW → HANDLED
    status       text NOT NULL DEFAULT 'NEW' CHECK (status IN ('NEW', 'HANDLED')),
    created_at   timestamptz NOT NULL,
    handled_at   timestamptz,
    PRIMARY KEY (tenant_id, feedback_id)
);

-- Things we lend out and use up: tents, oxygen, vehicles.
CREATE TABLE inventory_items (
    tenant_id    bigint NOT NULL,
    item_id      bigint GENERATED BY DEFAULT AS IDENTITY,
    name         text NOT NULL,
    unit         text NOT NULL DEFAULT 'piece',
    quantity     numeric(12, 2) NOT NULL DEFAULT 0 CHECK (quantity >= 0),    -- in store; moves add up to it
    low          numeric(12, 2) NOT NULL DEFAULT 0,                          -- at or below it operations is told
    PRIMARY KEY (tenant_id, item_id),
    UNIQUE (tenant_id, name)
);

CREATE TABLE inventory_moves (
    tenant_id    bigint NOT NULL,
    move_id      bigint GENERATED ALWAYS AS IDENTITY,
    item_id      bigint NOT NULL,
    trip_id      bigint,
    kind         text NOT NULL CHECK (kind IN ('RECEIVED', 'ISSUED', 'RETURNED', 'LOST', 'COUNTED')),
    quantity     numeric(12, 2) NOT NULL,    -- what it did to the store, signed
    note         text NOT NULL DEFAULT '',
    actor_id     bigint,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, move_id),
    FOREIGN KEY (tenant_id, item_id) REFERENCES inventory_items
);
-- What a trip has taken.
CREATE INDEX inventory_moves_trip ON inventory_moves (tenant_id, trip_id);
-- An item's history.
CREATE INDEX inventory_moves_item ON inventory_moves (tenant_id, item_id, created_at);

-- Who has a conversation instead of the bot, since when, and by when somebody has to answer.
CREATE TABLE handoffs (
    tenant_id        bigint NOT NULL,
    handoff_id       bigint GENERATED ALWAYS AS IDENTITY,
    conversation_id  bigint NOT NULL,
    role             text,                   -- whose turn it is; NULL: a person took it unasked
    reason           text NOT NULL,
    -- WAITING (for somebody of the role) → TAKEN (a person has it) → RETURNED (to the bot); WAITING → RETURNED
    status           text NOT NULL DEFAULT 'WAITING' CHECK (status IN ('WAITING', 'TAKEN', 'RETURNED')),
    asked_at         timestamptz NOT NULL,
    due_at           timestamptz,            -- by when somebody has to answer, counted in hours of business
    overdue_at       timestamptz,            -- when the role and managers were told that nobody has
    taken_by         text,                   -- "contact:17", "phone", "token:3"
    taken_at         timestamptz,
    keep_until       timestamptz,            -- after which it is the bot's again, unless the person says something
    returned_at      timestamptz,
    PRIMARY KEY (tenant_id, handoff_id)
);
-- At most one at a time per conversation; finds it.
CREATE UNIQUE INDEX handoffs_open ON handoffs (tenant_id, conversation_id) WHERE status <> 'RETURNED';
-- Which nobody has answered in time (handoffs.overdue).
CREATE INDEX handoffs_due ON handoffs (tenant_id, due_at) WHERE status = 'WAITING' AND overdue_at IS NULL;
-- Which a person has kept for long enough (handoffs.lapsed).
CREATE INDEX handoffs_keep ON handoffs (tenant_id, keep_until) WHERE status = 'TAKEN';

-- What happened to each business object, for people to read and dashboards to count.
CREATE TABLE timeline_entries (
    tenant_id        bigint NOT NULL,
    entry_id         bigint GENERATED ALWAYS AS IDENTITY,
    object_type      text NOT NULL,
    object_id        bigint NOT NULL,
    event_type       text NOT NULL CHECK (event_type IN ('SYSTEM', 'MESSAGE', 'NOTE', 'STATUS')),
    source           text NOT NULL CHECK (source IN ('WHATSAPP', 'WEB', 'API', 'SYSTEM')),
    content          jsonb NOT NULL,                 -- always has "action": LEAD_CREATED, INCIDENT_RESOLVED…
    actor_id         bigint,
    conversation_id  bigint,
    created_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, entry_id)
);
-- The timeline of one object.
CREATE INDEX timeline_entries_object ON timeline_entries (tenant_id, object_type, object_id, created_at);
-- How many leads came in over WhatsApp: a dashboard's question, answered from the index alone.
CREATE INDEX timeline_entries_leads ON timeline_entries (tenant_id)
    WHERE event_type = 'SYSTEM' AND source = 'WHATSAPP' AND content ->> 'action' = 'LEAD_CREATED';

-- What has to be done once in a while by one process, whichever comes first: retention, asking providers for news.
-- Tenant 0 does what concerns all.
CREATE TABLE chores (
    tenant_id    bigint NOT NULL,
    name         text NOT NULL,
    done_at      timestamptz,
    fence        bigint NOT NULL,            -- of whoever does it; who has an older one may not say that it is done
    lease_until  timestamptz,
    PRIMARY KEY (tenant_id, name)
);

-- Who did what. Append-only for the runtime role; storage/postgres/audit.py tells how changes by others are found.
CREATE TABLE whatsapp_audit_logs (
    tenant_id        bigint NOT NULL,
    audit_id         bigint GENERATED ALWAYS AS IDENTITY,
    at               timestamptz NOT NULL,
    actor            text NOT NULL,
    action           text NOT NULL,
    conversation_id  bigint,
    detail           jsonb NOT NULL DEFAULT '{}',
    mac              bytea NOT NULL DEFAULT '',      -- keyed hash of all this; empty only in entries older than the chain
    PRIMARY KEY (tenant_id, audit_id)
);

-- Entries that no seal has yet: a queue, so that writers wait for nobody.
CREATE TABLE audit_unsealed (
    tenant_id  bigint NOT NULL,
    audit_id   bigint NOT NULL,
    PRIMARY KEY (tenant_id, audit_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

-- The chain: each seal covers the entries it names, and the seal before it. Append-only for the runtime role.
CREATE TABLE audit_seals (
    tenant_id  bigint NOT NULL,
    seal_id    bigint NOT NULL,                      -- 1, 2, 3…
    sealed_at  timestamptz NOT NULL,
    entries    bigint[] NOT NULL,                    -- audit_id, in the order they are chained
    chain      bytea NOT NULL,
    PRIMARY KEY (tenant_id, seal_id)
);

-- How far a tenant's chain goes, with a proof that is stored nowhere else. Its row lock makes one process the sealer.
CREATE TABLE audit_heads (
    tenant_id  bigint NOT NULL PRIMARY KEY,
    seal_id    bigint NOT NULL,
    entries    bigint NOT NULL,                      -- in all seals together
    proof      bytea NOT NULL
);

-- Who may use the JSON API, as what.
CREATE TABLE api_tokens (
    tenant_id     bigint NOT NULL,
    token_id      bigint GENERATED ALWAYS AS IDENTITY,
    name          text NOT NULL,
    role          text NOT NULL CHECK (role IN ('customer', 'sales', 'operations', 'field_staff', 'manager')),
    scopes        text[] NOT NULL,
    digest        bytea NOT NULL,                    -- keyed hash of the token, which is shown once and kept nowhere
    contact_id    bigint,                            -- in whose name it acts
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz,
    revoked_at    timestamptz,
    last_used_at  timestamptz,                       -- to the hour
    PRIMARY KEY (tenant_id, token_id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts
);

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

-- --- Outside systems -------------------------------------------------------------------------------------------------

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
CREATE INDEX outside_jobs_due ON outside_jobs (tenant_id, due_at, job_id) WHERE state = 'READY';
-- Whose runner died (claim_outside).
CREATE INDEX outside_jobs_leases ON outside_jobs (tenant_id, lease_until) WHERE state = 'SENDING';
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

-- An entry may lose what it says, for the sake of somebody who is erased; it may not say anything else.
CREATE FUNCTION only_blank_timeline() RETURNS trigger
    LANGUAGE plpgsql AS
$$
BEGIN
    IF new.content <> jsonb_build_object('action', old.content -> 'action', 'erased', true) THEN
        RAISE EXCEPTION 'timeline entries do not change' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN new;
END
$$;
CREATE TRIGGER timeline_entries_blank BEFORE UPDATE ON timeline_entries
    FOR EACH ROW EXECUTE FUNCTION only_blank_timeline();

-- --- Row-level security ----------------------------------------------------------------------------------------------

DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
          AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY tenant ON %I USING (tenant_id = current_tenant())', name);
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA public TO sirdar_runtime, sirdar_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO sirdar_runtime;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO sirdar_runtime, sirdar_system;
REVOKE INSERT, UPDATE, DELETE ON tenants FROM sirdar_runtime;
GRANT UPDATE (name, status, settings, language, revision) ON tenants TO sirdar_runtime;
REVOKE UPDATE, DELETE ON whatsapp_audit_logs, audit_seals, timeline_entries FROM sirdar_runtime;
GRANT UPDATE (content) ON timeline_entries TO sirdar_runtime;
REVOKE UPDATE ON audit_unsealed FROM sirdar_runtime;
REVOKE DELETE ON audit_heads FROM sirdar_runtime;
REVOKE EXECUTE ON FUNCTION current_tenant() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION current_tenant() TO sirdar_runtime, sirdar_system;

-- --- Across tenants: ids and due times only --------------------------------------------------------------------------
--
-- The claiming functions walk their index in order and stop at the limit. They say so with planner settings, because
-- the statistics of a queue are always out of date, and a plan that sorts it costs more the more there is to do.

GRANT SELECT (tenant_id, conversation_id, event_id, due_at, happened_at), INSERT ON inbox TO sirdar_system;
GRANT SELECT (tenant_id, conversation_id, message_id, message_created_at, channel_id, state, due_at, attempt, fence,
              lease_until), UPDATE (state, due_at, attempt, fence, lease_until) ON outbox TO sirdar_system;
GRANT SELECT, UPDATE, DELETE ON timers TO sirdar_system; -- FOR UPDATE asks for UPDATE
GRANT SELECT (tenant_id, update_id, due_at) ON delivery_updates TO sirdar_system;
GRANT SELECT (tenant_id, media_id, channel_id, due_at, attempts, fence), UPDATE (due_at, attempts, fence)
    ON whatsapp_media TO sirdar_system;
GRANT SELECT (tenant_id, channel_id, provider, address, phone_number, paused_until, account, throughput), INSERT,
    UPDATE (phone_number)
    ON whatsapp_configurations TO sirdar_system;
GRANT SELECT (tenant_id, slug, status, revision), INSERT ON tenants TO sirdar_system;
GRANT SELECT (tenant_id, event_id) ON dead_letters TO sirdar_system;
GRANT SELECT (tenant_id, audit_id) ON audit_unsealed TO sirdar_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON live_senders TO sirdar_system;

CREATE POLICY system ON inbox TO sirdar_system USING (true);
CREATE POLICY system ON outbox TO sirdar_system USING (true);
CREATE POLICY system ON timers TO sirdar_system USING (true);
CREATE POLICY system ON delivery_updates TO sirdar_system USING (true);
CREATE POLICY system ON whatsapp_media TO sirdar_system USING (true);
CREATE POLICY system ON whatsapp_configurations TO sirdar_system USING (true);
CREATE POLICY system ON tenants TO sirdar_system USING (true);
CREATE POLICY system ON dead_letters TO sirdar_system USING (true);
CREATE POLICY system ON audit_unsealed TO sirdar_system USING (true);
CREATE POLICY system ON live_senders TO sirdar_system USING (true);
GRANT SELECT (tenant_id, job_id, lane, state, due_at, attempts, fence, lease_until),
    UPDATE (state, attempts, fence, lease_until) ON outside_jobs TO sirdar_system;
CREATE POLICY system ON outside_jobs TO sirdar_system USING (true);

-- What follows reads queues, which are empty at one moment and full at the next. When the planner has looked at an empty
-- one, every way through it seems as short as any other, so these are written with one way only: values (subqueries
-- with LIMIT) instead of NOT EXISTS, and `= ANY` instead of joins. A number of a queue is its own in the whole database;
-- its tenant and conversation stand beside it for the index.

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
              AND i.event_id = (SELECT e.event_id FROM inbox e
                                WHERE e.tenant_id = i.tenant_id AND e.conversation_id = i.conversation_id
                                ORDER BY e.event_id LIMIT 1)
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

-- Attempts whose sender has not answered within its lease: nobody knows whether they went out. The new fence keeps the
-- old sender from writing over what is decided now. p_wait: how long a status may still tell.
CREATE FUNCTION expire_leases(p_now timestamptz, p_wait interval)
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

-- Unknown sends whose time to be cleared up is over; the sender applies the policy of their kind.
CREATE FUNCTION due_unknowns(p_now timestamptz)
    RETURNS TABLE (tenant_id bigint, conversation_id bigint, message_id bigint, message_created_at timestamptz,
                   attempt smallint, fence bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    SELECT o.tenant_id, o.conversation_id, o.message_id, o.message_created_at, o.attempt, o.fence
    FROM outbox o WHERE o.state = 'UNKNOWN' AND o.lease_until <= p_now LIMIT 1000;
END;

-- Moves due timers into the inbox; returns how many. p_share: of one tenant; p_tenants: whose, NULL: of all that are
-- served.
CREATE FUNCTION fire_timers(p_now timestamptz, p_share integer, p_tenants bigint[]) RETURNS bigint
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

-- Tenants that have statuses to apply. Hops from tenant to tenant: what is parked is not read.
CREATE FUNCTION tenants_with_updates(p_now timestamptz) RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    WITH RECURSIVE tenant (tenant_id) AS (
        SELECT min(d.tenant_id) FROM delivery_updates d
        UNION ALL
        SELECT (SELECT min(d.tenant_id) FROM delivery_updates d WHERE d.tenant_id > t.tenant_id) FROM tenant t
        WHERE t.tenant_id IS NOT NULL
    )
    SELECT t.tenant_id FROM tenant t
    WHERE (SELECT min(d.due_at) FROM delivery_updates d WHERE d.tenant_id = t.tenant_id) <= p_now;
END;

-- Tenants with audit entries to seal. Hops from tenant to tenant.
CREATE FUNCTION tenants_with_unsealed() RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    WITH RECURSIVE tenant (tenant_id) AS (
        SELECT min(u.tenant_id) FROM audit_unsealed u
        UNION ALL
        SELECT (SELECT min(u.tenant_id) FROM audit_unsealed u WHERE u.tenant_id > t.tenant_id) FROM tenant t
        WHERE t.tenant_id IS NOT NULL
    )
    SELECT t.tenant_id FROM tenant t WHERE t.tenant_id IS NOT NULL;
END;

-- Every tenant, for what is done for each.
CREATE FUNCTION all_tenants() RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    SELECT t.tenant_id FROM tenants t ORDER BY t.tenant_id;
END;

-- Which number belongs to whom, for routing webhooks.
CREATE FUNCTION channels()
    RETURNS TABLE (tenant_id bigint, channel_id bigint, provider text, address text, account text, phone_number text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    SELECT w.tenant_id, w.channel_id, w.provider, w.address, w.account, w.phone_number FROM whatsapp_configurations w;
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
        'claim_outbox(timestamptz, interval, bigint[], integer[])',
        'expire_leases(timestamptz, interval)', 'due_unknowns(timestamptz)',
        'fire_timers(timestamptz, integer, bigint[])', 'claim_media(timestamptz, interval, bigint[], integer[])',
        'claim_outside(timestamptz, interval, bigint[], integer[])',
        'tenants_with_updates(timestamptz)', 'tenants_with_unsealed()', 'all_tenants()', 'channels()',
        'tenant_states()',
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

-- Makes the monthly partitions from p_from on, so many months ahead. Owned by whoever owns the tables. A month that
-- already has rows in the default partition stays there: PostgreSQL refuses it a partition of its own.
CREATE FUNCTION ensure_partitions(p_from timestamptz, p_months integer) RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS
$$
DECLARE
    parent text;
    first  timestamptz;
    made   integer := 0;
    part   text;
BEGIN
    PERFORM pg_advisory_xact_lock(7265626);
    FOREACH parent IN ARRAY ARRAY['whatsapp_messages', 'turn_traces'] LOOP
        FOR month IN 0 .. p_months LOOP
            first := date_trunc('month', p_from, 'UTC') + make_interval(months => month);
            part := format('%s_%s', parent, to_char(first AT TIME ZONE 'UTC', 'YYYY_MM'));
            IF to_regclass(part) IS NULL THEN
                BEGIN
                    EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L) WITH (fillfactor = %s)',
                                   part, parent, first, first + interval '1 month',
                                   CASE parent WHEN 'whatsapp_messages' THEN 50 ELSE 100 END); -- traces never change
                    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
                    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', part);
                    EXECUTE format('CREATE POLICY tenant ON %I USING (tenant_id = current_tenant())', part);
                    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO sirdar_runtime', part);
                    made := made + 1;
                EXCEPTION WHEN check_violation THEN
                    NULL;
                END;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;
REVOKE EXECUTE ON FUNCTION ensure_partitions(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_partitions(timestamptz, integer) TO sirdar_runtime;

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

-- A sender says that it lives; told is how many serve each of its numbers, itself included, and how fast the provider
-- takes messages of the number. Senders that were not heard of for p_gone_after are dead.
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

DO $$
BEGIN
    GRANT CREATE ON SCHEMA public TO sirdar_system;
    EXECUTE format('GRANT sirdar_system TO %I', current_user);
    ALTER FUNCTION share_channels(uuid, bigint[], interval) OWNER TO sirdar_system;
    REVOKE CREATE ON SCHEMA public FROM sirdar_system;
    REVOKE EXECUTE ON FUNCTION share_channels(uuid, bigint[], interval) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION share_channels(uuid, bigint[], interval) TO sirdar_runtime;
END
$$;

DO $$
BEGIN
    REVOKE EXECUTE ON FUNCTION queue_webhooks() FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION queue_webhooks() TO sirdar_runtime;
    REVOKE EXECUTE ON FUNCTION only_blank_timeline() FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION only_blank_timeline() TO sirdar_runtime;
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

-- --- Several things in one round trip ----------------------------------------------------------------------------------

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
