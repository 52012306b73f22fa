"""Everything found in one message. Each kind is looked for once, when it is first wanted.

What one kind has claimed, the following ones do not see: e-mail addresses and phone numbers, dates, amounts of money
and times of day come before plain numbers, so that the 15 of "15 Dec" and the 3 of "3 pm" count nobody.
"""

import re
from collections.abc import Iterable
from datetime import date
from itertools import islice

from bot.core.entities.clock import STRONG_WORDS, find_durations, find_strong_times, find_times
from bot.core.entities.dates import find_dates, find_short_dates
from bot.core.entities.found import (
    MAX_FOUND,
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
from bot.core.entities.lexicon import NUMBER_WORDS, WORD_NUMBER, number_of
from bot.core.entities.parties import Count, count_of
from bot.core.entities.periods import find_periods
from bot.core.entities.reach import find_emails, find_phones, is_telling
from bot.core.entities.sums import SIGN_WORDS, find_amounts, find_money
from bot.core.entities.wording import canonical, lowered

_NUMBER = re.compile(rf"(?<![\w.,/-])(?:(\d{{1,9}})|({WORD_NUMBER}))(?![\w/]|[.,]\d)")
_DIGIT = re.compile(r"\d")
_CLAIMING = STRONG_WORDS | SIGN_WORDS
_CLAIMING_SIGNS = re.compile(r"[$@:+]|\d[\d ().-]{5}")
"""Without these words and signs, and in plain letters, there is nothing but dates that claims any number."""
_NUMBER_WORDS = frozenset(word for phrase in NUMBER_WORDS for word in phrase.split() if word != "a")


class Entities:
    """What was found in one message.

    Attributes:
        lower: The text in lower case.
        whole: The text in canonical form, which all places refer to.
        words: The words of `whole`.
        today: The day of the event.
    """

    __slots__ = (
        "_amounts", "_dates", "_durations", "_emails", "_money", "_nepali", "_numbers", "_periods", "_phones", "_short",
        "_strong", "_text", "_times", "lower", "today", "whole", "words",
    )  # fmt: skip

    def __init__(self, text: str, today: date, language: str = "en") -> None:
        """Prepare; nothing is looked for yet.

        Args:
            text: What somebody wrote.
            today: The day of the event; relative and year-less dates count from it.
            language: The person's: it decides about words that several languages have.
        """
        self.lower = lowered(text)
        self.whole, self.words = canonical(self.lower, language)
        self.today = today
        self._nepali = language.startswith("ne") or not self.lower.isascii()
        self._text: str | None = None
        self._dates: tuple[DateFound, ...] | None = None
        self._short: tuple[DateFound, ...] | None = None
        self._periods: tuple[PeriodFound, ...] | None = None
        self._numbers: tuple[NumberFound, ...] | None = None
        self._times: tuple[TimeFound, ...] | None = None
        self._strong: tuple[TimeFound, ...] | None = None
        self._durations: tuple[DurationFound, ...] | None = None
        self._money: tuple[MoneyFound, ...] | None = None
        self._amounts: tuple[MoneyFound, ...] | None = None
        self._phones: tuple[WordFound, ...] | None = None
        self._emails: tuple[WordFound, ...] | None = None

    # --- What can be nothing else -------------------------------------------------------------------------------------

    @property
    def emails(self) -> tuple[WordFound, ...]:
        """E-mail addresses."""
        if self._emails is None:
            self._emails = find_emails(self.whole)
        return self._emails

    @property
    def phones(self) -> tuple[WordFound, ...]:
        """What may be phone numbers."""
        if self._phones is None:
            self._phones = find_phones(self.whole)
        return self._phones

    @property
    def dates(self) -> tuple[DateFound, ...]:
        """Dates, from left to right."""
        if self._dates is None:
            self._dates = find_dates(self.whole, self.words, self.today, nepali=self._nepali)
        return self._dates

    @property
    def short_dates(self) -> tuple[DateFound, ...]:
        """Such as "03/04" and "the 15th", which only an asked date is."""
        if self._short is None:
            self._short = find_short_dates(self.whole, self.today)
        return self._short

    @property
    def periods(self) -> tuple[PeriodFound, ...]:
        """Days in a row."""
        if self._periods is None:
            self._periods = find_periods(self.whole, self.words, self.dates, self.today)
        return self._periods

    @property
    def money(self) -> tuple[MoneyFound, ...]:
        """Amounts with a currency."""
        if self._money is None:
            self._money = find_money(self.whole, self.words)
        return self._money

    @property
    def times(self) -> tuple[TimeFound, ...]:
        """Times of day; those within dates and amounts are none."""
        if self._times is None:
            taken = [*_spans(self.dates), *_spans(self.money)]
            found = find_times(self.whole, self.words, self._strong_times)
            self._times = tuple(one for one in found if _is_free(one, taken))
        return self._times

    @property
    def _strong_times(self) -> tuple[TimeFound, ...]:
        if self._strong is None:
            self._strong = find_strong_times(self.whole, self.words)
        return self._strong

    @property
    def durations(self) -> tuple[DurationFound, ...]:
        """Lengths of time; "in 3 days" is a date and none."""
        if self._durations is None:
            taken = [*_spans(self.dates), *_spans(self.money)]
            self._durations = tuple(one for one in find_durations(self.whole, self.words) if _is_free(one, taken))
        return self._durations

    # --- Numbers ------------------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The text without what has been claimed; `;` stands in its place and keeps "2 <date> people" apart."""
        if self._text is None:
            self._text = self._blanked()
        return self._text

    def _blanked(self) -> str:
        text = self.whole
        taken = _spans(self.dates) if self.dates else []
        if not text.isascii() or not _CLAIMING.isdisjoint(self.words) or _CLAIMING_SIGNS.search(text):
            taken += _spans(self.money) + _spans(self.emails)
            taken += _spans(one for one in self.phones if is_telling(one))
            taken += _spans(one for one in self._strong_times if one.strong)
        for start, end in taken:
            text = f"{text[:start]}{';' * (end - start)}{text[end:]}"
        return text

    @property
    def found_numbers(self) -> tuple[NumberFound, ...]:
        """Whole numbers that are part of nothing else."""
        if self._numbers is None:
            text = self.text
            if _DIGIT.search(text) is None and _NUMBER_WORDS.isdisjoint(self.words):
                self._numbers = ()
            else:
                self._numbers = tuple(
                    NumberFound(value=int(m[1]) if m[1] else number_of(m[2]), start=m.start(), end=m.end())
                    for m in islice(_NUMBER.finditer(text), MAX_FOUND)
                )
        return self._numbers

    @property
    def numbers(self) -> tuple[int, ...]:
        """Their values."""
        return tuple(one.value for one in self.found_numbers)

    @property
    def amounts(self) -> tuple[MoneyFound, ...]:
        """Numbers with decimals, thousands and words, part of nothing else."""
        if self._amounts is None:
            self._amounts = find_amounts(self.text)
        return self._amounts

    def count(self, of: str) -> Count | None:
        """How many of something the text names on its own accord."""
        return count_of(self.text, self.words, of, numbers=bool(self.found_numbers))


def _spans(found: Iterable[DateFound | MoneyFound | WordFound | TimeFound]) -> list[Span]:
    return [(one.start, one.end) for one in found]


def _is_free(one: TimeFound | DurationFound, taken: list[Span]) -> bool:
    return not any(overlap((one.start, one.end), span) for span in taken)


def extract(text: str, today: date, language: str = "en") -> Entities:
    """What there is in a message.

    Args:
        text: What somebody wrote.
        today: The day of the event; relative and year-less dates count from it.
        language: The person's. Every language of ours is understood; it decides about words that several have.
    """
    return Entities(text, today, language)


def counted(entities: Entities, of: str) -> int | None:
    """How many of something the text names on its own accord; None when it does not say, or says two things."""
    found = entities.count(of)
    return found.value if found else None
