"""The canonical vocabulary: what the grammars of this package know. English words for numbers, months and weekdays.

`bot.core.entities.wording` puts other languages, and English as it is typed on phones, into it.
"""

_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()  # noqa: SIM905
_UNITS = [*"zero one two three four five six seven eight nine".split(), *_TEENS]  # noqa: SIM905  a table of words
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
NUMBER_WORDS: dict[str, int] = {word: value for value, word in enumerate(_UNITS)}
NUMBER_WORDS |= {ten: place * 10 for place, ten in enumerate(_TENS, 2)}
NUMBER_WORDS |= {
    f"{ten} {unit}": place * 10 + value
    for place, ten in enumerate(_TENS, 2)
    for value, unit in enumerate(_UNITS[1:10], 1)
}
NUMBER_WORDS |= {"hundred": 100, "a hundred": 100, "dozen": 12, "a dozen": 12, "couple": 2, "a couple": 2}

MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
MONTH_NUMBERS = {name: number for number, name in enumerate(MONTHS, 1)} | {
    name[:3]: n for n, name in enumerate(MONTHS, 1)
}
MONTH_NUMBERS |= {"sept": 9}
AMBIGUOUS_MONTHS = frozenset({"may", "march", "mar"})
"""Also ordinary words: believed with a day, a year or a preposition beside them, or as the whole answer."""
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAY_NUMBERS = {name: number for number, name in enumerate(WEEKDAYS)} | {
    "mon": 0, "tue": 1, "tues": 1, "wed": 2, "thu": 3, "thur": 3, "thurs": 3, "fri": 4, "sat": 5, "sun": 6,
}  # fmt: skip

MONTH = "(?:" + "|".join(sorted(MONTH_NUMBERS, key=len, reverse=True)) + ")"
WEEKDAY = "(?:" + "|".join(sorted(WEEKDAY_NUMBERS, key=len, reverse=True)) + ")"

_ORDINALS = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth",
]  # fmt: skip
ORDINAL_WORDS: dict[str, int] = {word: number for number, word in enumerate(_ORDINALS, 1)}
ORDINAL_WORDS |= {f"twenty {word}": 20 + number for number, word in enumerate(_ORDINALS[:9], 1)}
ORDINAL_WORDS |= {"thirtieth": 30, "thirty first": 31}


def _number_pattern() -> str:
    """Number words, sharing their beginnings, so that a text without any is passed over quickly."""
    units = "|".join(sorted(_UNITS[1:10], key=len, reverse=True))
    others = "|".join(sorted(_UNITS, key=len, reverse=True))
    return f"(?:(?:{'|'.join(_TENS)})(?:[ -](?:{units})\\b)?|{others}|(?:a )?(?:hundred|dozen|couple))"


WORD_NUMBER = _number_pattern()


def number_of(word: str) -> int:
    """The value of digits or a number word."""
    word = word.replace("-", " ")
    return NUMBER_WORDS[word] if word in NUMBER_WORDS else int(word)
