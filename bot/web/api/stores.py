"""What we lend out and use up."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field

from bot.web.api.collections import Collection
from bot.web.api.route import Given, Id, Routes
from bot.web.api.values import Amount, NeededWords, Words

ROUTES = Routes()


class Item(BaseModel):
    """Something in store."""

    id: int
    name: str
    unit: str
    quantity: Decimal
    low: Decimal = Field(description="At or below it, operations is told")


class NewItem(Given):
    """Something to be in store."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    unit: Annotated[str, Field(min_length=1, max_length=20)] = "piece"
    low: Amount = "0"


class Received(Given):
    """How much came in."""

    quantity: Amount
    note: Words = ""


class Moved(Given):
    """How much went out to a trip, or came back from it."""

    trip: Id
    quantity: Amount
    note: Words = ""


class Lost(Given):
    """How much is gone, and why."""

    quantity: Amount
    note: NeededWords


class Counted(Given):
    """How much there is."""

    quantity: Amount


_ITEMS = """
SELECT i.item_id AS id, i.name, i.unit, i.quantity, i.low FROM inventory_items i WHERE i.tenant_id = $1
"""
(
    Collection(
        routes=ROUTES, path="/inventory", one="item", model=Item, select=_ITEMS, key="i.item_id",
        table="inventory_items", roles=("operations", "field_staff", "manager"),
    )
    .listed().shown().created("inventory.add", NewItem).verb("receive", "inventory.receive", "item", Received)
    .verb("issue", "inventory.issue", "item", Moved).verb("give-back", "inventory.give_back", "item", Moved)
    .verb("write-off", "inventory.write_off", "item", Lost).verb("count", "inventory.count", "item", Counted)
)  # fmt: skip
