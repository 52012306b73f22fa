"""A small trekking business to try Sirdar with: used by the demo, the simulator and tests."""

from datetime import date, timedelta

from bot.core.actions import Database
from bot.core.ids import ContactId, TenantId

_TREKS = [
    ("Everest Base Camp", ["EBC", "EBC trek", "Everest", "Everest trek", "base camp", "एवरेस्ट"], 14, "1450"),
    ("Annapurna Circuit", ["Annapurna", "AC trek", "अन्नपूर्णा"], 16, "1290"),
    ("Langtang Valley", ["Langtang", "लांगटांग"], 9, "820"),
    ("Manaslu Circuit", ["Manaslu", "मनास्लु"], 15, "1380"),
]
_ADD_TREK = """
INSERT INTO treks (tenant_id, name, synonyms, days, price) VALUES ($1, $2, $3, $4, $5::text::numeric)
ON CONFLICT (tenant_id, name) DO NOTHING
"""
_TRIPS = [
    ("TRP124", "Langtang Valley", 0),
    ("TRP130", "Everest Base Camp", 21),
    ("TRP131", "Annapurna Circuit", 28),
    ("TRP132", "Langtang Valley", 35),
    ("TRP133", "Manaslu Circuit", 42),
]
"""Code, trek, and in how many days it leaves. TRP123 is not among them: see `_december`."""
_SEATS = 12
_STORE = [("Tent", "20", "4"), ("Down jacket", "15", "3"), ("Oxygen cylinder", "6", "2")]
_ADD_TRIP = """
INSERT INTO trips (tenant_id, code, trek_id, starts_on, ends_on, seats)
SELECT $1, $2, trek_id, $4::date, $4::date + days - 1, $5 FROM treks WHERE tenant_id = $1 AND name = $3
ON CONFLICT (tenant_id, code) DO NOTHING
"""
_ADD_ITEM = """
INSERT INTO inventory_items (tenant_id, name, quantity, low) VALUES ($1, $2, $3::text::numeric, $4::text::numeric)
ON CONFLICT (tenant_id, name) DO NOTHING
"""
_ASSIGN = """
INSERT INTO trip_assignments (tenant_id, trip_id, contact_id)
SELECT $1, trip_id, $3 FROM trips WHERE tenant_id = $1 AND code = $2 ON CONFLICT DO NOTHING
"""


async def seed(db: Database, tenant_id: TenantId, *, guide: ContactId | None, today: date) -> None:
    """Add treks, trips and a store; `guide` leads TRP123, in December, and TRP124, which leaves today.

    Running it again changes nothing.
    """
    for name, synonyms, days, price in _TREKS:
        await db.execute(_ADD_TREK, tenant_id, name, synonyms, days, price)
    departures = [(code, trek, today + timedelta(days=days)) for code, trek, days in _TRIPS]
    for code, trek, leaves in [("TRP123", "Everest Base Camp", _december(today)), *departures]:
        await db.execute(_ADD_TRIP, tenant_id, code, trek, leaves, _SEATS)
    for name, quantity, low in _STORE:
        await db.execute(_ADD_ITEM, tenant_id, name, quantity, low)
    if guide is not None:
        for code in ("TRP123", "TRP124"):
            await db.execute(_ASSIGN, tenant_id, code, guide)


def _december(today: date) -> date:
    """When the trip leaves that the demo's customer asks for, "in December": the 5th, or later if that is too soon."""
    return min(max(date(today.year, 12, 5), today + timedelta(days=7)), date(today.year, 12, 31))
