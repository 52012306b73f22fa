-- Secret keys have numbers, and one takes another's place while everything runs.

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
    number     smallint NOT NULL,                    -- of the key they are made anew with
    step       text NOT NULL,
    position   bigint NOT NULL,                      -- of the last row that is done
    done       bigint NOT NULL,                      -- rows
    finished   boolean NOT NULL,
    PRIMARY KEY (tenant_id, number, step)
);

ALTER TABLE secret_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE secret_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON secret_keys USING (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON secret_keys TO sirdar_runtime;
ALTER TABLE kept_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE kept_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON kept_keys USING (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON kept_keys TO sirdar_runtime;
ALTER TABLE key_progress ENABLE ROW LEVEL SECURITY;
ALTER TABLE key_progress FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON key_progress USING (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON key_progress TO sirdar_runtime;

-- Every tenant, for what is done for each.
CREATE FUNCTION all_tenants() RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    SELECT t.tenant_id FROM tenants t ORDER BY t.tenant_id;
END;

DO $$
BEGIN
    GRANT CREATE ON SCHEMA public TO sirdar_system;
    EXECUTE format('GRANT sirdar_system TO %I', current_user);
    ALTER FUNCTION all_tenants() OWNER TO sirdar_system;
    REVOKE CREATE ON SCHEMA public FROM sirdar_system;
    REVOKE EXECUTE ON FUNCTION all_tenants() FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION all_tenants() TO sirdar_runtime;
END
$$;
