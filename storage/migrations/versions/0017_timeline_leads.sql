-- How many leads came in over WhatsApp: a dashboard's question, answered from the index alone.
CREATE INDEX timeline_entries_leads ON timeline_entries (tenant_id)
    WHERE event_type = 'SYSTEM' AND source = 'WHATSAPP' AND content ->> 'action' = 'LEAD_CREATED';
