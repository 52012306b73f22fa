-- A template has a status at each provider that was asked, and remembers what was handed in.
ALTER TABLE whatsapp_templates
    ADD COLUMN provider text NOT NULL DEFAULT 'meta' CHECK (provider IN ('meta', 'twilio', '360dialog')),
    ADD COLUMN quality text,
    ADD COLUMN fingerprint text,
    DROP CONSTRAINT whatsapp_templates_tenant_id_name_language_key,
    ADD UNIQUE (tenant_id, provider, name, language);
ALTER TABLE whatsapp_templates ALTER COLUMN provider DROP DEFAULT;

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

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['template_waits', 'chores'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY tenant ON %I USING (tenant_id = current_tenant())', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO sirdar_runtime', name);
    END LOOP;
END
$$;
