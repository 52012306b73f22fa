"""Slots that numbers fill: integer, decimal, money."""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bot.core.entities import Entities, MoneyFound, either, is_party
from bot.core.entities.parties import either_at_all
from bot.core.slots.base import Ambiguous, Candidate, Filled, Heard, Reader, Reading, Refused, choose
from bot.core.values import Money, plain, show_money

_WITHOUT_CENTS = frozenset({"JPY", "KRW", "VND", "CLP", "UGX", "ISK", "PYG", "RWF"})
_WITH_MILLS = frozenset({"KWD", "BHD", "OMR", "JOD", "TND", "IQD", "LYD"})
_JAN = re.compile(r"(?:hum )?(\d{1,2}) jan(?: hain?| honge)?[.!]?")
_TIME_NOUNS = frozenset({"night", "day", "week", "hour", "minute", "month", "year"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerReader(Reader):
    """A whole number between `min` and `max`."""

    type: str = "integer"
    min: int | None = None
    max: int | None = None
    of: str = ""
    one_of: tuple[int, ...] = ()

    def read(self, heard: Heard, *, asked: bool) -> Reading:
        """Take a number that counts what this slot counts, or, asked, the only number there is."""
        entities = heard.entities
        count = entities.count(self.of)
        if count is not None and heard.is_free(*count.spans):
            return self._checked(count.value, count.spans, inferred=count.inferred)
        numbers = entities.found_numbers
        several = len(numbers) > 1 or "-" in entities.text or "/" in entities.text
        text, answers = entities.text, asked and is_party(self.of)
        two = (either_at_all(text) if answers else either(text, self.of)) if several else None
        if two is not None:
            return self._between([value for value in two if self.why_not(value) is None])
        if not asked:
            return None
        if not numbers:
            return self._of_persons(entities) if is_party(self.of) else self._grouped(entities)
        free = [
            one for one in numbers if heard.is_free((one.start, one.end)) and not heard.is_apart(one.start, one.end)
        ]
        if len(free) > 1 and self.of.rstrip("s") not in _TIME_NOUNS:
            lengths = entities.durations
            free = [one for one in free if not any(d.start <= one.start < d.end for d in lengths)] or free
        values = {one.value for one in free}
        if len(values) == 1:
            return self._checked(free[0].value, tuple((one.start, one.end) for one in free))
        return self._between([value for value in values if self.why_not(value) is None]) if free else None

    def _between(self, values: list[int]) -> Reading:
        """Several numbers: those that may be meant are offered."""
        if not values:
            return Refused("ambiguous")
        return Filled(values[0], inferred=True) if len(values) == 1 else Ambiguous(tuple(sorted(values)[:10]))

    def _of_persons(self, entities: Entities) -> Reading:
        """For "5 jan", which is no date to somebody who was asked how many: "jan" are persons in Hindi."""
        match = _JAN.fullmatch(entities.whole)
        return self._checked(int(match[1]), (match.span(1),)) if match else None

    def _grouped(self, entities: Entities) -> Reading:
        """For "1,500": a whole number with its thousands apart."""
        whole = [one for one in entities.amounts if Decimal(one.amount) == Decimal(one.amount).to_integral_value()]
        return (
            self._checked(int(Decimal(whole[0].amount)), ((whole[0].start, whole[0].end),)) if len(whole) == 1 else None
        )

    def _checked(self, value: int, spans: tuple[tuple[int, int], ...], *, inferred: bool = False) -> Reading:
        reason = self.why_not(value)
        return Refused(reason) if reason else Filled(value, spans, inferred=inferred)

    def why_not(self, value: int) -> str | None:
        """Why this number will not do; None when it does."""
        if self.min is not None and value < self.min:
            return "too_small"
        if self.max is not None and value > self.max:
            return "too_big"
        return "not_one_of" if self.one_of and value not in self.one_of else None


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _bounds(value: Decimal, low: float | None, high: float | None) -> str | None:
    if low is not None and value < Decimal(str(low)):
        return "too_small"
    return "too_big" if high is not None and value > Decimal(str(high)) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecimalReader(Reader):
    """A number with decimals, rounded to `digits`; the value is a JSON number."""

    type: str = "decimal"
    min: float | None = None
    max: float | None = None
    of: str = ""
    digits: int = 2

    def read(self, heard: Heard, *, asked: bool) -> Reading:
        """Take a number with this slot's unit, or, asked, the only number there is."""
        text = heard.entities.text
        unit = self.of.replace("_", " ").lower()
        found = []
        for one in heard.entities.amounts:
            after, before = text[one.end : one.end + len(unit) + 1].lstrip(), text[: one.start].rstrip(" :=")
            named = bool(unit) and (after.startswith(unit) or before.endswith((unit, f"{unit} is", f"{unit} of")))
            if asked or named:
                found.append((named, Candidate(self._rounded(one), (one.start, one.end))))
        named_ones = [candidate for named, candidate in found if named]
        reading = choose(named_ones or [candidate for _, candidate in found], heard, asked=asked)
        if isinstance(reading, Filled) and (reason := self.why_not(reading.value)):
            return Refused(reason)
        return reading

    def why_not(self, value: float) -> str | None:
        """Why this number will not do; None when it does."""
        return _bounds(Decimal(str(value)), self.min, self.max)

    def _rounded(self, found: MoneyFound) -> int | float:
        return _number(Decimal(found.amount).quantize(Decimal(1).scaleb(-self.digits), rounding=ROUND_HALF_UP))

    def show(self, value: Any, language: str) -> str:
        """Without needless zeros."""
        return plain(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyReader(Reader):
    """An amount: `{"amount": 1450, "currency": "USD"}`. `min` and `max` are in `currency`."""

    type: str = "money"
    currency: str | None = None
    currencies: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None

    def read(self, heard: Heard, *, asked: bool) -> Reading:
        """Take an amount with a currency, or, asked, a number in the slot's own."""
        entities = heard.entities
        found = [self._candidate(one) for one in entities.money]
        if not found and asked:
            if not entities.amounts:
                return None
            if self.currency is None:
                return Refused("needs_currency")
            found = [self._candidate(one) for one in entities.amounts]
        reading = choose(found, heard, asked=asked)
        return self._checked(reading) if isinstance(reading, Filled) else reading

    def _candidate(self, found: MoneyFound) -> Candidate:
        meant = found.currencies or ((self.currency,) if self.currency else ())
        allowed = [code for code in meant if not self.currencies or code in self.currencies]
        currency = self.currency if self.currency in meant else (allowed or list(meant))[0]
        digits = 0 if currency in _WITHOUT_CENTS else 3 if currency in _WITH_MILLS else 2
        amount = Decimal(found.amount).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
        value = {"amount": _number(amount), "currency": currency}
        return Candidate(value, (found.start, found.end), inferred=len(found.currencies) != 1)

    def _checked(self, reading: Filled) -> Reading:
        currency = reading.value["currency"]
        if self.currencies and currency not in self.currencies:
            return Refused("wrong_currency")
        if reading.value["amount"] < 0:
            return Refused("too_small")
        if currency != self.currency:
            return reading
        reason = _bounds(Decimal(str(reading.value["amount"])), self.min, self.max)
        return Refused(reason) if reason else reading

    def show(self, value: Any, language: str) -> str:
        """`USD 1,450`."""
        return show_money(value, language)

    @property
    def prints(self) -> bool:
        """Always."""
        return True

    def wrap(self, value: Any, language: str) -> Any:
        """Printing itself."""
        return Money(value, language) if isinstance(value, dict) else value
