ALTER TABLE contacts ADD COLUMN active_role text;
CREATE INDEX contacts_merged ON contacts (tenant_id, merged_into) WHERE merged_into IS NOT NULL;

CREATE INDEX flow_runs_about ON flow_runs (tenant_id, instance) WHERE status = 'ACTIVE' AND instance IS NOT NULL;

ALTER TABLE trips
    ADD COLUMN ends_on date CHECK (ends_on >= starts_on),
    ADD COLUMN seats integer CHECK (seats >= 0),
    ADD COLUMN taken integer NOT NULL DEFAULT 0,
    ADD COLUMN status text NOT NULL DEFAULT 'SCHEDULED'
        CHECK (status IN ('SCHEDULED', 'RUNNING', 'COMPLETED', 'CANCELLED')),
    ADD CONSTRAINT trips_not_oversold CHECK (taken >= 0 AND taken <= seats);
CREATE INDEX trips_departures ON trips (tenant_id, trek_id, starts_on) WHERE status = 'SCHEDULED';

ALTER TABLE trip_assignments
    ADD COLUMN duty text NOT NULL DEFAULT 'guide' CHECK (duty IN ('guide', 'assistant', 'porter', 'cook', 'driver')),
    ADD COLUMN status text NOT NULL DEFAULT 'ASSIGNED'
        CHECK (status IN ('ASSIGNED', 'CONFIRMED', 'DECLINED', 'RELEASED')),
    ADD COLUMN assigned_at timestamptz NOT NULL DEFAULT now();

ALTER TABLE leads
    ADD COLUMN source text NOT NULL DEFAULT 'WHATSAPP' CHECK (source IN ('WHATSAPP', 'WEB', 'API', 'SYSTEM')),
    ADD COLUMN note text NOT NULL DEFAULT '',
    ADD COLUMN reason text;
CREATE INDEX leads_contact ON leads (tenant_id, contact_id, lead_id);

ALTER TABLE incidents
    DROP CONSTRAINT incidents_status_check,
    ADD CONSTRAINT incidents_status_check CHECK (status IN ('OPEN', 'ACKNOWLEDGED', 'RESOLVED')),
    ADD COLUMN severity text NOT NULL DEFAULT 'MEDIUM' CHECK (severity IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')),
    ADD COLUMN acknowledged_by bigint,
    ADD COLUMN acknowledged_at timestamptz;
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
    link_key          bytea,                                                 -- signs payment links
    updated_at        timestamptz NOT NULL DEFAULT now()
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
    code_hash    bytea NOT NULL,             -- SHA-256 of tenant and code: a reader of the database cannot use it
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
-- What a trip has taken, and an item's history.
CREATE INDEX inventory_moves_trip ON inventory_moves (tenant_id, trip_id);
CREATE INDEX inventory_moves_item ON inventory_moves (tenant_id, item_id, created_at);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'business_settings', 'staff_availability', 'staff_invites', 'contact_merges', 'quotes',
        'quote_items', 'bookings', 'payments', 'payment_events', 'check_ins',
        'incident_updates', 'approvals', 'feedback', 'inventory_items', 'inventory_moves']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY tenant ON %I USING (tenant_id = current_tenant())', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO sirdar_runtime', name);
    END LOOP;
END
$$;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO sirdar_runtime, sirdar_system;
