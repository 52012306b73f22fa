"""What people write, taken apart: numbers, dates, times, amounts, addresses. Thin grammars of our own, in any order.

Deliberately small, and silent where they are not sure. They read at most `bot.core.entities.wording.MAX_READ`
characters, with expressions that cannot backtrack far: well under a millisecond.
"""

from bot.core.entities.dates import month_like
from bot.core.entities.found import (
    DateFound,
    DurationFound,
    MoneyFound,
    NumberFound,
    PeriodFound,
    Span,
    TimeFound,
    WordFound,
    overlap,
)
from bot.core.entities.lexicon import MONTHS, NUMBER_WORDS, number_of
from bot.core.entities.parties import Count, either, is_party
from bot.core.entities.reach import find_place
from bot.core.entities.scan import Entities, counted, extract
from bot.core.entities.wording import canonical, lowered

__all__ = [
    "MONTHS",
    "NUMBER_WORDS",
    "Count",
    "DateFound",
    "DurationFound",
    "Entities",
    "MoneyFound",
    "NumberFound",
    "PeriodFound",
    "Span",
    "TimeFound",
    "WordFound",
    "canonical",
    "counted",
    "either",
    "extract",
    "find_place",
    "is_party",
    "lowered",
    "month_like",
    "number_of",
    "overlap",
]
