"""Inventory: what is in store, and what each trip has taken. Moves add up to what is there; it is never below zero."""

import re
from decimal import Decimal
from typing import Any

from bot.core.errors import ActionError
from bot.operations import news, timeline, trips
from bot.operations.acting import Acting, ident, money, text_of
from bot.operations.services import Services

SERVICES = Services()
ACTIONS = SERVICES.actions

_MOST_TEXT = 500

_ADD = """
INSERT INTO inventory_items (tenant_id, name, unit, low) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, name) DO UPDATE SET unit = excluded.unit, low = excluded.low RETURNING item_id
"""
_ALL = "SELECT item_id, name, unit, quantity, low FROM inventory_items WHERE tenant_id = $1 ORDER BY name"
_ONE = "SELECT * FROM inventory_items WHERE tenant_id = $1 AND item_id = $2 FOR UPDATE"
_SET = "UPDATE inventory_items SET quantity = quantity + $3 WHERE tenant_id = $1 AND item_id = $2"
_MOVE = """
INSERT INTO inventory_moves (tenant_id, item_id, trip_id, kind, quantity, note, actor_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
# What a trip still has.
_OUT = """
SELECT coalesce(-sum(quantity), 0) FROM inventory_moves
WHERE tenant_id = $1 AND item_id = $2 AND trip_id = $3 AND kind IN ('ISSUED', 'RETURNED')
"""


@SERVICES.service("inventory.add", "manage_inventory")
async def add_item(acting: Acting, *, name: str, unit: str = "piece", low: str | int = 0) -> dict[str, Any]:
    """Keep stock of something; at or below `low`, operations hears of it. Adding it again changes unit and `low`."""
    called = text_of(name, "The name", most=100)
    item = await acting.db.fetchval(
        _ADD, acting.tenant_id, called, text_of(unit, "The unit", most=40), money(low, "The limit")
    )
    await timeline.record(acting, "item", item, "ITEM_ADDED", name=called)
    return {"id": item, "name": called}


@SERVICES.service("inventory.receive", "manage_inventory")
async def receive(acting: Acting, *, item: int | str, quantity: str | int, note: str = "") -> dict[str, Any]:
    """Something comes into the store."""
    return await _move(acting, item, "RECEIVED", _amount(quantity), None, note)


@SERVICES.service("inventory.issue", "manage_inventory")
async def issue(
    acting: Acting, *, item: int | str, quantity: str | int, trip: int | str, note: str = ""
) -> dict[str, Any]:
    """A trip takes something along. Operations hears `inventory.low` when little is left.

    Raises:
        ActionError: `not_enough`, with how much is there.
    """
    return await _move(acting, item, "ISSUED", -_amount(quantity), trip, note)


@SERVICES.service("inventory.give_back", "manage_inventory")
async def give_back(
    acting: Acting, *, item: int | str, quantity: str | int, trip: int | str, note: str = ""
) -> dict[str, Any]:
    """A trip brings something back.

    Raises:
        ActionError: `not_out`, when the trip has not got that much.
    """
    return await _move(acting, item, "RETURNED", _amount(quantity), trip, note)


@SERVICES.service("inventory.write_off", "manage_inventory")
async def write_off(acting: Acting, *, item: int | str, quantity: str | int, note: str) -> dict[str, Any]:
    """Something in the store is lost or broken."""
    return await _move(acting, item, "LOST", -_amount(quantity), None, text_of(note, "What happened", most=500))


@SERVICES.service("inventory.count", "manage_inventory")
async def count(acting: Acting, *, item: int | str, quantity: str | int) -> dict[str, Any]:
    """Somebody has counted: so much is there, whatever the books say."""
    row = await _item(acting, item)
    return await _move(acting, item, "COUNTED", money(quantity, "The quantity") - row["quantity"], None, "")


@SERVICES.service("inventory.list", "manage_inventory", "check_in")
async def list_items(acting: Acting, *, low_only: bool = False) -> dict[str, Any]:
    """What is in store: `count` and `items` with `name`, `quantity`, `unit`, `low` (true when little is left)."""
    rows = await acting.db.fetch(_ALL, acting.tenant_id)
    items = [_card(row) for row in rows if not low_only or row["quantity"] <= row["low"]]
    return {"count": len(items), "items": items}


@SERVICES.lookup("inventory.find", "manage_inventory")
async def find_items(acting: Acting, *, text: str) -> list[dict[str, Any]]:
    """The things whose names stand in a text, in singular or plural."""
    words = f" {_words(text[:_MOST_TEXT])} "
    found = []
    for row in await acting.db.fetch(_ALL, acting.tenant_id):
        name = _words(row["name"])
        if any(f" {form} " in words for form in (name, f"{name}s", name.removesuffix("s"))):
            found.append(_card(row))
    return found


async def _move(
    acting: Acting, item: int | str, kind: str, quantity: Decimal, trip: int | str | None, note: str
) -> dict[str, Any]:
    row = await _item(acting, item)
    taken_by = (await trips.trip_row(acting, trip))["trip_id"] if trip is not None else None
    if row["quantity"] + quantity < 0:
        left = _plain(row["quantity"])
        raise ActionError("not_enough", f"There are only {left} {row['name']} in store.", facts={"left": left})
    if kind == "RETURNED":
        out = await acting.db.fetchval(_OUT, acting.tenant_id, row["item_id"], taken_by)
        if quantity > out:
            left = _plain(out)
            raise ActionError("not_out", f"That trip has only {left} {row['name']}.", facts={"left": left})
    words = text_of(note, "The note", most=500, needed=False)
    await acting.db.execute(_SET, acting.tenant_id, row["item_id"], quantity)
    await acting.db.execute(
        _MOVE, acting.tenant_id, row["item_id"], taken_by, kind, quantity, words, acting.contact_id, acting.at
    )
    on = ("trip", taken_by) if taken_by is not None else ("item", row["item_id"])
    await timeline.record(acting, *on, f"ITEM_{kind}", item_id=row["item_id"], quantity=str(quantity))
    left = row["quantity"] + quantity
    card = {**_card(row), "quantity": _plain(left), "low": left <= row["low"]}
    if left <= row["low"] < row["quantity"]:
        await news.tell_role(acting, "operations", "inventory.low", card)
    return card


async def _item(acting: Acting, item: int | str) -> Any:
    row = await acting.db.fetchrow(_ONE, acting.tenant_id, ident(item, ""))
    if row is None:
        raise ActionError("not_found", "There is no such thing in store.")
    return row


def _amount(quantity: str | int) -> Decimal:
    return money(quantity, "The quantity", least=Decimal("0.01"))


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _plain(quantity: Decimal) -> str:
    """`12` rather than `12.00`."""
    return f"{quantity.normalize():f}"


def _card(row: Any) -> dict[str, Any]:
    return {
        "id": row["item_id"],
        "name": row["name"],
        "unit": row["unit"],
        "quantity": _plain(row["quantity"]),
        "low": row["quantity"] <= row["low"],
    }
