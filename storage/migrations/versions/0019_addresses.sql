-- Processes hear when an address changes hands, and merges that a webhook makes can be undone.

CREATE TABLE people_versions (
    tenant_id   bigint NOT NULL PRIMARY KEY,
    version     bigint NOT NULL
);
ALTER TABLE people_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE people_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON people_versions USING (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON people_versions TO sirdar_runtime;

-- Its version says now what the newest erasure said.
ALTER TABLE erased_addresses DROP COLUMN erasure_id;

ALTER TABLE contact_merges ADD COLUMN phone bytea, ADD COLUMN user_id bytea;
