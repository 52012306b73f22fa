-- Erasure: whose address was erased, and a timeline that may lose its words but nothing else.

CREATE TABLE erased_addresses (
    tenant_id   bigint NOT NULL,
    identity    bytea NOT NULL,
    erasure_id  bigint GENERATED ALWAYS AS IDENTITY,
    erased_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, identity)
);
-- Whether there are new ones (PostgresIntake).
CREATE INDEX erased_addresses_newest ON erased_addresses (tenant_id, erasure_id);

ALTER TABLE erased_addresses ENABLE ROW LEVEL SECURITY;
ALTER TABLE erased_addresses FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON erased_addresses USING (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON erased_addresses TO sirdar_runtime;
GRANT USAGE ON SEQUENCE erased_addresses_erasure_id_seq TO sirdar_runtime, sirdar_system;

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
GRANT UPDATE (content) ON timeline_entries TO sirdar_runtime;
REVOKE EXECUTE ON FUNCTION only_blank_timeline() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION only_blank_timeline() TO sirdar_runtime;
