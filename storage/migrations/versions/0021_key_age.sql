-- Keys of messages go at last: finds the old ones. BRIN: rows come in the order of time.
CREATE INDEX message_keys_age ON message_keys USING brin (created_at) WITH (autosummarize = on);
