"""Times of day and lengths of time: "3pm", "15:30", "half past 4", "shaam 5 baje"; "2 hours", "1h30", "three days"."""

import re
from collections.abc import Iterator, Sequence

from bot.core.entities.found import MAX_FOUND, DurationFound, TimeFound, overlap
from bot.core.entities.lexicon import WORD_NUMBER, number_of

DAY = 24 * 60

_HOUR_WORD = r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_PART = (
    r"(?: ?(?:in the |at |of |ko |ke )?(morning|afternoon|evening|night|noon|subah|dopahar|shaam|raat|tonight|today"
    r" morning)\b)?"
)
_BEFORE = r"(?:\b(morning|afternoon|evening|night|subah|dopahar|shaam|raat)(?: ko| ke| at| around)? )?"
_MARK = r"([ap])\.? ?m\b\.?"
_CLOCK = re.compile(
    rf"{_BEFORE}(?<![\d:.,/-])([01]?\d|2[0-3])[:h]([0-5]\d)(?![\d:])(?: ?{_MARK})?{_PART}(?: ?(?:hrs|hours|baje)\b)?"
)
_MARKED = re.compile(rf"(?<![\d:.,/-])(1[0-2]|0?[1-9])(?:[.: ]([0-5]\d))? ?{_MARK}")
_WORD_MARKED = re.compile(rf"\b({_HOUR_WORD}) {_MARK}")
_PAST = re.compile(
    rf"{_BEFORE}\b(half past|quarter past|quarter to|half|sadhe|sava|paune|(\d{{1,2}}|{WORD_NUMBER})(?: minutes? "
    rf"(?:past|to)| past)) "
    rf"(1[0-2]|[1-9]|{_HOUR_WORD})\b(?: o'?clock| baje)?(?: ?{_MARK})?{_PART}"
)
_O_CLOCK = re.compile(rf"{_BEFORE}\b(1\d|2[0-3]|0?\d|{_HOUR_WORD}) ?(?:o'? ?clock|baje|bajkar)\b(?: ?{_MARK})?{_PART}")
_DOTTED = re.compile(rf"{_BEFORE}(?<![\d:.,/-])(1\d|2[0-3]|0?\d)\.([0-5]\d) ?baje\b{_PART}")
_DEDH = re.compile(rf"{_BEFORE}\b(dedh|dhai) baje\b{_PART}")
_AT = re.compile(
    rf"\b(?:at|by|around|about|@) ?(1\d|2[0-3]|0?\d|{_HOUR_WORD})\b(?![:.,/-]\d|['’])"
    rf"(?! ?(?:people|persons?|pax|%|percent|days?|nights?|weeks?|hours?|months?|usd|inr|rs|km|m\b|places?|least|most))"
    rf"(?: ?{_MARK})?{_PART}"
)
_AT_DOTTED = re.compile(
    r"\b(?:at|by|around) (1\d|2[0-3]|0?\d)\.([0-5]\d)\b(?![.:/]\d)(?! ?(?:k|km|m|usd|eur|inr|npr|rs|dollars?|euros?"
    r"|lakh|percent)\b| ?[%$€£₹])"
)
_DAYPART = re.compile(
    rf"\b(\d{{1,2}}|{WORD_NUMBER}) (?:in the|at) (morning|afternoon|evening|night)\b"
    r"|\b(subah|dopahar|shaam|raat)(?: ke| ko)? "
    r"(\d{1,2})\b"
)
_MILITARY = re.compile(r"\b([01]\d|2[0-3])([0-5]\d) ?(?:hrs|hours|h)\b")
_HOUR_SIGN = re.compile(r"(?<![\d:.,/-])(1[3-9]|2[0-3]) ?h\b(?! ?\d)")
"""As "19h": past noon it can be no other hour, though it may be a length."""
_NAMED = re.compile(r"\b(noon|midday|mid day|midnight)\b")
STRONG_WORDS = frozenset(
    [
        "am", "pm", "m", "noon", "midday", "mid", "midnight", "clock", "oclock", "baje", "bajkar", "half", "quarter",
        "past", "h", "hrs", "hours", "morning", "afternoon", "evening", "night", "subah", "dopahar", "shaam", "raat",
        "tonight", "sadhe", "sava", "paune", "minutes",
    ]
)  # fmt: skip
_PAST_WORDS = frozenset(["past", "half", "quarter", "to", "sadhe", "sava", "paune"])
_MARKS = frozenset(["am", "pm", "m"])
_MILITARY_WORDS = frozenset(["hrs", "hours", "h"])
_HOUR_WORDS = frozenset(
    [
        "clock",
        "oclock",
        "baje",
        "bajkar",
        "morning",
        "afternoon",
        "evening",
        "night",
        "subah",
        "dopahar",
        "shaam",
        "raat",
    ]
)
_WEAK_WORDS = frozenset(["at", "by", "around", "about", "h"])
_LATE = frozenset({"afternoon", "evening", "shaam", "tonight"})
_EARLY = frozenset({"morning", "subah", "today morning"})


def find_strong_times(text: str, words: Sequence[str]) -> tuple[TimeFound, ...]:
    """Times of day in a canonical text that can be nothing else: "3 pm", "15:30"."""
    if ":" not in text and STRONG_WORDS.isdisjoint(words):
        return ()
    return _apart(_times(text, frozenset(words)), ())


def find_times(text: str, words: Sequence[str], strong: tuple[TimeFound, ...]) -> tuple[TimeFound, ...]:
    """All times of day: the strong ones that were found, and those said like "at 5"."""
    if "@" not in text and _WEAK_WORDS.isdisjoint(words):
        return strong
    return _apart(_weak_times(text), strong)


def _apart(times: Iterator[TimeFound], known: tuple[TimeFound, ...]) -> tuple[TimeFound, ...]:
    """With those that share no place with an earlier one."""
    found = list(known)
    for one in times:
        if len(found) >= MAX_FOUND:
            break
        if not any(overlap((one.start, one.end), (other.start, other.end)) for other in found):
            found.append(one)
    return tuple(sorted(found, key=lambda one: one.start))


def time_of(
    hour: int, minute: int, mark: str | None, part: str | None, *, padded: bool = False
) -> tuple[int, int | None]:
    """Minutes since midnight, and the other reading when the half of the day has to be guessed.

    Args:
        hour: 0 to 23, as written.
        minute: 0 to 59.
        mark: "a" or "p", from am and pm.
        part: A word for a part of the day.
        padded: Written like "03:30", which nobody does for the afternoon.
    """
    if mark is None and part is not None:
        mark = _half(hour, part)
    if mark is not None and hour <= 12:
        return hour % 12 * 60 + minute + (720 if mark == "p" else 0), None
    if hour == 0 or hour > 12 or padded:
        return hour * 60 + minute, None
    early = hour % 12 * 60 + minute
    return (early + 720, early) if hour < 7 or hour == 12 else (early, early + 720)


def _half(hour: int, part: str) -> str | None:
    if part in _LATE:
        return "p"
    if part in _EARLY:
        return "a"
    if part in {"night", "raat"}:
        return "a" if hour < 5 or hour == 12 else "p"
    return "a" if hour == 11 else "p"  # noon, dopahar


def _made(match: re.Match[str], minute: tuple[int, int | None], *, strong: bool = True) -> TimeFound:
    return TimeFound(minute=minute[0], other=minute[1], strong=strong, start=match.start(), end=match.end())


def _times(text: str, words: frozenset[str]) -> Iterator[TimeFound]:
    """The more telling forms first; each is only looked for where a word or sign of it is."""
    for match in () if _PAST_WORDS.isdisjoint(words) else _PAST.finditer(text):
        yield from _past(match)
    for match in _DOTTED.finditer(text) if "baje" in words else ():
        yield _made(match, time_of(int(match[2]), int(match[3]), None, match[1] or match[4]))
    for match in _CLOCK.finditer(text) if ":" in text or "h" in words else ():
        before, hour, minute, mark, after = match.groups()
        found = time_of(int(hour), int(minute), mark, before or after, padded=hour.startswith("0"))
        if found[1] is not None and 7 <= int(hour) <= 12:
            found = (int(hour) * 60 + int(minute), None)  # 9:30, 12:15: as a clock shows it
        yield _made(match, found)
    if not _MARKS.isdisjoint(words):
        for match in _MARKED.finditer(text):
            yield _made(match, time_of(int(match[1]), int(match[2] or 0), match[3], None))
        for match in _WORD_MARKED.finditer(text):
            yield _made(match, time_of(number_of(match[1]), 0, match[2], None))
    for match in () if _MILITARY_WORDS.isdisjoint(words) else _MILITARY.finditer(text):
        yield _made(match, (int(match[1]) * 60 + int(match[2]), None))
    for match in _NAMED.finditer(text):
        yield _made(match, (0 if match[1] == "midnight" else 720, None))
    if not _HOUR_WORDS.isdisjoint(words):
        yield from _hours(text)


def _hours(text: str) -> Iterator[TimeFound]:
    """Whole hours, and "dedh baje"."""
    for match in _DEDH.finditer(text):
        hour, minute = (1, 30) if match[2] == "dedh" else (2, 30)
        yield _made(match, time_of(hour, minute, None, match[1] or match[3]))
    for match in _O_CLOCK.finditer(text):
        yield _made(match, time_of(number_of(match[2]), 0, match[3], match[1] or match[4]))
    for match in _DAYPART.finditer(text):
        hour = number_of(match[1] or match[4])
        if 1 <= hour <= 12:
            yield _made(match, time_of(hour, 0, None, match[2] or match[3]))


def _weak_times(text: str) -> Iterator[TimeFound]:
    for match in _AT.finditer(text):
        strong = match[2] is not None or match[3] is not None
        yield _made(match, time_of(number_of(match[1]), 0, match[2], match[3]), strong=strong)
    for match in _AT_DOTTED.finditer(text):
        yield _made(match, time_of(int(match[1]), int(match[2]), None, None), strong=False)
    for match in _HOUR_SIGN.finditer(text):
        yield _made(match, (int(match[1]) * 60, None), strong=False)


def _past(match: re.Match[str]) -> Iterator[TimeFound]:
    before, words, count, hour_word, mark, after = match.groups()
    hour = number_of(hour_word)
    if count is not None:
        number = number_of(count)
        if number > 59:
            return
        minutes = number if words.endswith("past") else -number
    else:
        minutes = {"half past": 30, "half": 30, "sadhe": 30, "quarter past": 15, "sava": 15}.get(words, -15)
    if words in {"half", "sadhe", "sava", "paune"} and not (before or mark or after or "baje" in match[0]):
        return  # "sadhe teen" is three and a half of anything
    if minutes < 0:
        hour, minutes = hour - 1 or 12, minutes + 60
    yield _made(match, time_of(hour, minutes, mark, before or after))


# --- Lengths ----------------------------------------------------------------------------------------------------------

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "night": 86_400, "week": 604_800, "month": 2_592_000}
_UNITS = {
    "s": "second", "sec": "second", "secs": "second", "second": "second", "seconds": "second", "m": "minute",
    "min": "minute", "mins": "minute", "minute": "minute", "minutes": "minute", "h": "hour", "hr": "hour",
    "hrs": "hour", "hour": "hour", "hours": "hour", "d": "day", "day": "day", "days": "day", "night": "night",
    "nights": "night", "w": "week", "wk": "week", "wks": "week", "week": "week", "weeks": "week", "month": "month",
    "months": "month", "fortnight": "week",
}  # fmt: skip
_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))
_LONG_UNIT = "|".join(unit for unit in sorted(_UNITS, key=len, reverse=True) if len(unit) > 1)
_AMOUNT = rf"\d{{1,5}}(?:[.,]\d{{1,2}})?|{WORD_NUMBER}|an?|half an?|half|dedh|dhai"
_PIECE = re.compile(rf"(?<![\w.,:/-])({_AMOUNT})(?:(?<=\d) ?| )({_UNIT})(?![a-z])( and a half| and a quarter)?")
_GLUED = re.compile(r"(?<![\w.,:/-])(\d{1,3}) ?h(?:rs?|ours?)? ?(\d{1,2})(?: ?m(?:in)?)?\b")
_NEXT = re.compile(rf"(?:,? (?:and )?|)(\d{{1,5}}|{WORD_NUMBER}) ?({_UNIT})(?![a-z])")
_HALVES = re.compile(
    rf"(?<![\w.,:/-])(?:(\d{{1,4}}|{WORD_NUMBER}|an?) and (?:a )?(half|quarter)|(sadhe|sava|paune)(?: (\d{{1,3}}"
    rf"|{WORD_NUMBER}))?) ({_LONG_UNIT})(?![a-z])"
)
_EITHER = re.compile(
    rf"(?<![\w.,:/-])(\d{{1,3}}|{WORD_NUMBER}) ?(?:-|–|to|or) ?(\d{{1,3}}|{WORD_NUMBER}) ?({_LONG_UNIT})(?![a-z])"
)
"""As "2-3 days": one of the two is meant."""
_LENGTH_WORDS = frozenset(_UNITS)


def find_durations(text: str, words: Sequence[str]) -> tuple[DurationFound, ...]:
    """All lengths of time in a canonical text."""
    if _LENGTH_WORDS.isdisjoint(words):
        return ()
    found: list[DurationFound] = []
    for one in _durations(text):
        if not any(overlap((one.start, one.end), (other.start, other.end)) for other in found):
            found.append(one)
            if len(found) == MAX_FOUND:
                break
    return tuple(sorted(found, key=lambda one: one.start))


def _amount(text: str) -> float:
    """Digits or words, halves included."""
    if text in {"a", "an"}:
        return 1
    if text.startswith("half"):
        return 0.5
    if text in {"dedh", "dhai"}:
        return 1.5 if text == "dedh" else 2.5
    return float(text.replace(",", ".")) if text[0].isdigit() else number_of(text)


def _durations(text: str) -> Iterator[DurationFound]:
    for match in _HALVES.finditer(text):
        count = _amount(match[1] or match[4] or "a")
        more = {"half": 0.5, "quarter": 0.25, "sadhe": 0.5, "sava": 0.25, "paune": -0.25}[match[2] or match[3]]
        unit = _UNITS[match[5]]
        yield DurationFound(
            seconds=round((count + more) * SECONDS[unit]), unit=unit, start=match.start(), end=match.end()
        )  # fmt: skip
    for match in _GLUED.finditer(text):
        if int(match[2]) < 60:
            seconds = int(match[1]) * 3600 + int(match[2]) * 60
            yield DurationFound(seconds=seconds, unit="hour", start=match.start(), end=match.end())
    for match in _EITHER.finditer(text):
        unit = _UNITS[match[3]]
        for place in (1, 2):
            seconds = number_of(match[place]) * SECONDS[unit]
            yield DurationFound(seconds=seconds, unit=unit, start=match.start(place), end=match.end(place))
    end = -1
    for match in _PIECE.finditer(text):
        if match.start() >= end:
            one = _pieces(match, text)
            end = one.end
            yield one


def _pieces(match: re.Match[str], text: str) -> DurationFound:
    """As in "1 h 30 min": a piece, and smaller ones that follow it."""
    unit = _UNITS[match[2]]
    more = {" and a half": 0.5, " and a quarter": 0.25}.get(match[3] or "", 0.0)
    seconds = (_amount(match[1]) + more) * SECONDS[unit] * (2 if match[2] == "fortnight" else 1)
    end, smallest = match.end(), SECONDS[unit]
    while (following := _NEXT.match(text, end)) is not None and SECONDS[_UNITS[following[2]]] < smallest:
        smallest = SECONDS[_UNITS[following[2]]]
        seconds += _amount(following[1]) * smallest
        end = following.end()
    return DurationFound(seconds=round(seconds), unit=unit, start=match.start(), end=end)
