"""Treks: what is on offer. Flows find them with `treks.find` (catalogue.py)."""

from collections.abc import Sequence
from typing import Any

from bot.core.errors import ActionError
from bot.operations import timeline
from bot.operations.acting import Acting, ident, money, text_of, whole
from bot.operations.services import Services
from bot.operations.terms import currency_of, terms_of

SERVICES = Services()
ACTIONS = SERVICES.actions

_MOST_SYNONYMS = 30
_MOST_DAYS = 366

_ADD = """
INSERT INTO treks (tenant_id, name, synonyms, days, price, currency) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, name) DO NOTHING RETURNING *
"""
_ONE = "SELECT * FROM treks WHERE tenant_id = $1 AND trek_id = $2 FOR UPDATE"
_NAMED = "SELECT trek_id FROM treks WHERE tenant_id = $1 AND name = $2 AND trek_id <> $3"
_LIST = "SELECT * FROM treks WHERE tenant_id = $1 ORDER BY name LIMIT $2"
_CHANGE = """
UPDATE treks SET name = $3, synonyms = $4, days = $5, price = $6, currency = $7
WHERE tenant_id = $1 AND trek_id = $2 RETURNING *
"""


@SERVICES.service("treks.add", "manage_trips")
async def add_trek(
    acting: Acting,
    *,
    name: str,
    synonyms: Sequence[str] = (),
    days: int | str | None = None,
    price: str | int | None = None,
    currency: str | None = None,
) -> dict[str, Any]:
    """Put something on offer.

    Args:
        acting: Who and when.
        name: What it is called.
        synonyms: What else people call it.
        days: How long it takes.
        price: Per person; unset: it differs, and quotes say it.
        currency: Of the price; unset: the business's.

    Returns:
        `id`, `name`, `synonyms`, `days`, `price`, `currency`; a change shows to people who write within seconds.

    Raises:
        ActionError: `taken`, when there is one of this name.
    """
    row = await acting.db.fetchrow(
        _ADD, acting.tenant_id, _name(name), _synonyms(synonyms), _days(days), _price(price),
        currency_of(currency) if currency is not None else (await terms_of(acting)).currency,
    )  # fmt: skip
    if row is None:
        raise ActionError("taken", f"There is a trek of the name {_name(name)}.")
    await timeline.record(acting, "trek", row["trek_id"], "TREK_ADDED", name=row["name"])
    return _card(row)


@SERVICES.service("treks.change", "manage_trips")
async def change_trek(
    acting: Acting,
    *,
    trek: int | str,
    name: str | None = None,
    synonyms: Sequence[str] | None = None,
    days: int | str | None = None,
    price: str | int | None = None,
    currency: str | None = None,
) -> dict[str, Any]:
    """Change what is given of a trek; quotes that were made keep their prices. An empty `price`: quotes say it.

    Returns:
        As `treks.add`.

    Raises:
        ActionError: `taken`, when there is another of this name.
    """
    old = await acting.db.fetchrow(_ONE, acting.tenant_id, ident(trek, ""))
    if old is None:
        raise ActionError("not_found", "There is no such trek.")
    called = _name(name) if name is not None else old["name"]
    if await acting.db.fetchval(_NAMED, acting.tenant_id, called, old["trek_id"]) is not None:
        raise ActionError("taken", f"There is a trek of the name {called}.")
    row = await acting.db.fetchrow(
        _CHANGE, acting.tenant_id, old["trek_id"], called,
        _synonyms(synonyms) if synonyms is not None else old["synonyms"],
        _days(days) if days is not None else old["days"],
        old["price"] if price is None else _price(price),
        currency_of(currency) if currency is not None else old["currency"],
    )  # fmt: skip
    changed = sorted(field for field in ("name", "synonyms", "days", "price", "currency") if row[field] != old[field])
    await timeline.record(acting, "trek", row["trek_id"], "TREK_CHANGED", fields=changed)
    return _card(row)


@SERVICES.service("treks.list", "enquire")
async def list_treks(acting: Acting, *, most: int = 30) -> dict[str, Any]:
    """All that is on offer, by name: `count` and `items`."""
    rows = await acting.db.fetch(_LIST, acting.tenant_id, most)
    return {"count": len(rows), "items": [_card(row) for row in rows]}


def _name(text: str) -> str:
    return text_of(text, "The name", most=100)


def _synonyms(given: Sequence[str]) -> list[str]:
    if isinstance(given, str) or len(given) > _MOST_SYNONYMS:
        raise ActionError("bad_value", f"The synonyms are a list of at most {_MOST_SYNONYMS} names.")
    return list(dict.fromkeys(_name(one) for one in given))


def _days(days: int | str | None) -> int | None:
    return whole(days, "The days", least=1, most=_MOST_DAYS) if days is not None else None


def _price(price: str | int | None) -> Any:
    return money(price, "The price") if price not in (None, "") else None


def _card(row: Any) -> dict[str, Any]:
    return {
        "id": row["trek_id"],
        "name": row["name"],
        "synonyms": list(row["synonyms"]),
        "days": row["days"],
        "price": str(row["price"]) if row["price"] is not None else None,
        "currency": row["currency"],
    }
