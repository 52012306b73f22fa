-- The audit log becomes a keyed hash chain, and the JSON API gets tokens.
ALTER TABLE whatsapp_audit_logs ADD COLUMN mac bytea NOT NULL DEFAULT '';

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

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['audit_unsealed', 'audit_seals', 'audit_heads', 'api_tokens'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY tenant ON %I USING (tenant_id = current_tenant())', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO sirdar_runtime', name);
    END LOOP;
END
$$;
GRANT USAGE ON SEQUENCE api_tokens_token_id_seq TO sirdar_runtime, sirdar_system;
REVOKE UPDATE, DELETE ON audit_seals FROM sirdar_runtime;
REVOKE UPDATE ON audit_unsealed FROM sirdar_runtime;
REVOKE DELETE ON audit_heads FROM sirdar_runtime;
GRANT SELECT (tenant_id, audit_id) ON audit_unsealed TO sirdar_system;
CREATE POLICY system ON audit_unsealed TO sirdar_system USING (true);

-- The first seal will cover what was written before.
ALTER TABLE whatsapp_audit_logs NO FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_unsealed NO FORCE ROW LEVEL SECURITY;
INSERT INTO audit_unsealed (tenant_id, audit_id) SELECT tenant_id, audit_id FROM whatsapp_audit_logs;
ALTER TABLE whatsapp_audit_logs FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_unsealed FORCE ROW LEVEL SECURITY;

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

DO $$
BEGIN
    GRANT CREATE ON SCHEMA public TO sirdar_system;
    EXECUTE format('GRANT sirdar_system TO %I', current_user);
    ALTER FUNCTION tenants_with_unsealed() OWNER TO sirdar_system;
    REVOKE CREATE ON SCHEMA public FROM sirdar_system;
    REVOKE EXECUTE ON FUNCTION tenants_with_unsealed() FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION tenants_with_unsealed() TO sirdar_runtime;
END
$$;
