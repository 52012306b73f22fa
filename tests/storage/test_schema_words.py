"""What schema.sql says beside its statements, and what statuses may be."""

import re
from pathlib import Path

from storage.postgres import Postgres

SCHEMA = (Path(__file__).parents[2] / "schema.sql").read_text(encoding="utf-8")
SEED = (
    "whatsapp_conversations", "whatsapp_messages", "whatsapp_templates", "timeline_entries", "whatsapp_audit_logs",
    "whatsapp_media", "whatsapp_opt_ins", "whatsapp_broadcast_lists", "whatsapp_configurations",
)  # fmt: skip
# "flow.state" of whoever talks, as many as authors like; and the words of providers, who may have new ones.
FREE = {"whatsapp_conversations.state", "whatsapp_templates.status"}
UNCHECKED = """
SELECT c.relname || '.' || a.attname AS name FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('status', 'state') AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT EXISTS (
    SELECT FROM pg_constraint k
    WHERE k.conrelid = c.oid AND k.contype = 'c' AND a.attnum = ANY (k.conkey)
      AND pg_get_constraintdef(k.oid) LIKE '%''%') -- names values
"""


async def test_the_tables_of_the_guide_are_there(database: Postgres) -> None:
    async with database.connection() as db:
        found = {row["relname"] for row in await db.fetch("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')")}
    assert set(SEED) <= found


async def test_every_status_is_one_of_those_listed(database: Postgres) -> None:
    async with database.connection() as db:
        unchecked = {row["name"] for row in await db.fetch(UNCHECKED)}
    assert unchecked == FREE


def test_every_index_says_what_it_is_for() -> None:
    lines = SCHEMA.splitlines()
    made = [place for place, line in enumerate(lines) if re.match(r"CREATE (UNIQUE )?INDEX ", line)]
    assert len(made) > 40
    assert [lines[place] for place in made if not lines[place - 1].startswith("-- ") and "--" not in lines[place]] == []
