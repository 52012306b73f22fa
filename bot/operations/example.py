"""A small trekking business to try Sirdar with: used by the demo, the simulator and tests."""

from datetime import date

from bot.core.actions import Database
from bot.core.ids import ContactId, TenantId

_TREKS = [
    ("Everest Base Camp", ["EBC", "EBC trek", "Everest trek", "base camp"], 14, "1450"),
    ("Annapurna Circuit", ["Annapurna", "AC trek"], 16, "1290"),
    ("Langtang Valley", ["Langtang"], 9, "820"),
    ("Manaslu Circuit", ["Manaslu"], 15, "1380"),
]
_ADD_TREK = """
INSERT INTO treks (tenant_id, name, synonyms, days, price) VALUES ($1, $2, $3, $4, $5::text::numeric)
ON CONFLICT (tenant_id, name) DO NOTHING
"""
_ADD_TRIP = """
INSERT INTO trips (tenant_id, code, trek_id, starts_on)
SELECT $1, $2, trek_id, $4 FROM treks WHERE tenant_id = $1 AND name = $3
ON CONFLICT (tenant_id, code) DO NOTHING
"""
_ASSIGN = """
INSERT INTO trip_assignments (tenant_id, trip_id, contact_id)
SELECT $1, trip_id, $3 FROM trips WHERE tenant_id = $1 AND code = $2 ON CONFLICT DO NOTHING
"""


async def seed(db: Database, tenant_id: TenantId, *, guide: ContactId | None, today: date) -> None:
    """Add four treks and two trips, TRP123 and TRP124; `guide` leads both. Running it again changes nothing."""
    for name, synonyms, days, price in _TREKS:
        await db.execute(_ADD_TREK, tenant_id, name, synonyms, days, price)
    for code, trek in (("TRP123", "Everest Base Camp"), ("TRP124", "Langtang Valley")):
        await db.execute(_ADD_TRIP, tenant_id, code, trek, today)
        if guide is not None:
            await db.execute(_ASSIGN, tenant_id, code, guide)
