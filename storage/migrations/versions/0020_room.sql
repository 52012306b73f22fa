-- Room on a message's page for what becomes of it. A page that was filled up while its messages were still on their way
-- had none: two of three updates went to another page, and into every index. Pages that are full already stay so.

DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = 'whatsapp_messages'::regclass LOOP
        EXECUTE format('ALTER TABLE %s SET (fillfactor = 50)', part);
    END LOOP;
    FOR part IN SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = 'turn_traces'::regclass LOOP
        EXECUTE format('ALTER TABLE %s RESET (fillfactor)', part);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION ensure_partitions(p_from timestamptz, p_months integer) RETURNS integer
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
