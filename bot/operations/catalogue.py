"""The treks on offer, and finding the one somebody means."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from rapidfuzz.distance import OSA

from bot.core.actions import ActionCall, Actions, Database, Things
from bot.core.ids import TenantId

_ALL = "SELECT trek_id, name, synonyms, price, currency FROM treks WHERE tenant_id = $1 ORDER BY trek_id"

_NAMES = "SELECT name, synonyms FROM treks WHERE tenant_id = $1 ORDER BY trek_id LIMIT 2000"

_FRESH = timedelta(seconds=10)
"""A catalogue changes a few times a year and is asked on every enquiry: a change shows after this long."""

_TYPO = 0.8
"""Similarity (0 to 1) from which a word of a name counts as meant: one typo in five letters scores 0.8."""

_SHORT = 4
"""Words shorter than this must be spelt right: at this length one typo makes another word."""

_TIE = 0.05
"""Mistyped names that score within this of the best are all offered."""

_MOST_TEXT = 500
"""Characters looked at: nobody names their trek after that, and matching costs time."""


@dataclass(frozen=True, slots=True)
class _Trek:
    card: dict[str, Any]
    names: tuple[str, ...]


class Catalogue:
    """Finds treks by what people call them. Remembers each tenant's treks for a few seconds."""

    def __init__(self) -> None:
        self._known: dict[TenantId, tuple[datetime, list[_Trek]]] = {}

    async def find(self, call: ActionCall, *, text: str) -> list[dict[str, Any]]:
        """The treks mentioned in a text, best first; spelt right before mistyped. `price` is a decimal string."""
        words = _plain(text[:_MOST_TEXT])
        exact: list[dict[str, Any]] = []
        close: list[tuple[float, dict[str, Any]]] = []
        for trek in await self._treks(call):
            if any(f" {name} " in f" {words} " for name in trek.names):
                exact.append(trek.card)
            else:
                close.append((max(_likeness(name.split(), words.split()) for name in trek.names), trek.card))
        if exact:
            return exact
        best = max((score for score, _ in close), default=0.0)
        found = sorted(close, key=lambda scored: -scored[0])
        return [card for score, card in found if score and score > best - _TIE]

    async def _treks(self, call: ActionCall) -> list[_Trek]:
        known = self._known.get(call.tenant_id)
        if known is not None and abs(call.at - known[0]) < _FRESH:
            return known[1]
        rows = await call.db.fetch(_ALL, call.tenant_id)
        treks = [_Trek(_card(row), tuple(_plain(name) for name in (row["name"], *row["synonyms"]))) for row in rows]
        self._known[call.tenant_id] = (call.at, treks)
        return treks


def catalogue_actions() -> Actions:
    """The catalogue's lookups, with a memory of their own."""
    actions = Actions()
    actions.lookup("treks.find", things=all_treks)(Catalogue().find)
    return actions


async def all_treks(db: Database, tenant: TenantId) -> Things:
    """The treks on offer, each by its name and its synonyms."""
    return [(row["name"], *row["synonyms"]) for row in await db.fetch(_NAMES, tenant)]


def _card(row: Any) -> dict[str, Any]:
    price: Decimal | None = row["price"]
    return {
        "id": row["trek_id"],
        "name": row["name"],
        "price": str(price) if price is not None else None,
        "currency": row["currency"],
    }


def _likeness(name: list[str], words: list[str]) -> float:
    """How well the words of a name are found in a text, mistyped: 0 when any is missing, 1 when all are spelt right."""
    found = [
        max((OSA.normalized_similarity(part, word) for word in words), default=0.0)
        if len(part) >= _SHORT
        else float(part in words)
        for part in name
    ]
    return sum(found) / len(found) if found and min(found) >= _TYPO else 0.0


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
