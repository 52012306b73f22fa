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

ALTER TABLE flow_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE flow_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON flow_versions USING (tenant_id = current_tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON flow_versions TO sirdar_runtime;
