"""English as it is typed on phones, and turns of phrase that come down to simpler ones.

"tmrw" → "tomorrow", "saterday" → "saturday", "a couple of days" → "2 days", "half a dozen" → "6".
"""

import re
from collections.abc import Callable
from datetime import date, timedelta
from functools import lru_cache

from rapidfuzz.distance import OSA

from bot.core.entities.lexicon import (
    MONTH,
    MONTH_NUMBERS,
    MONTHS,
    ORDINAL_WORDS,
    WEEKDAY,
    WEEKDAYS,
    WORD_NUMBER,
    number_of,
)

SHORTHAND = {
    "tmrw": "tomorrow", "tmr": "tomorrow", "tmw": "tomorrow", "tmro": "tomorrow", "tomo": "tomorrow",
    "2moro": "tomorrow", "2mrw": "tomorrow", "2morrow": "tomorrow", "tommorrow": "tomorrow", "nxt": "next",
    "wkend": "weekend", "wknd": "weekend", "hubby": "husband", "gf": "girlfriend", "bf": "boyfriend",
    "midnite": "midnight", "noonish": "noon", "peeps": "people", "ppls": "people", "prsn": "person", "pple": "people",
    "mnth": "month", "mnths": "months", "hr": "hour", "wensday": "wednesday", "wedsday": "wednesday",
    "fren": "friend", "frnd": "friend", "frnds": "friends", "twentyfive": "25", "weds": "wednesday",
}  # fmt: skip
_FORGIVEN: dict[str, list[str]] = {}
for _word in [*(month for month in MONTHS if len(month) > 5), *WEEKDAYS, "tomorrow", "yesterday", "people", "persons",
              "weekend", "adults", "children", "diciembre", "septiembre", "noviembre", "febrero", "octubre",
              "personas", "manana"]:  # fmt: skip
    _FORGIVEN.setdefault(_word[0], []).append(_word)
_NO_MISTAKE = frozenset(
    ["sundry", "sundae", "sundays", "mondays", "fridays", "saturdays", "tuesdays", "thursdays", "weekends", "person",
     "parsons", "persona", "child", "adult", "childrens", "manna", "mañana", "augusta", "augustus", "monkey", "peoples",
     "journals", "persian", "purple", "february", "octobre", "weekender", "mahina"]
)  # fmt: skip


@lru_cache(maxsize=8192)
def unmistaken(word: str) -> str:
    """The word that was meant: another for shorthand and for one typing mistake in a telling word (two in a long one).

    The first letter has to be right.
    """
    meant = SHORTHAND.get(word)
    if meant is not None:
        return meant
    if not 5 <= len(word) <= 11 or word in _NO_MISTAKE or word in _FORGIVEN.get(word[0], ()):
        return word
    for known in _FORGIVEN.get(word[0], ()):
        allowed = 2 if len(known) >= 8 and len(word) >= 7 else 1
        if abs(len(known) - len(word)) <= allowed and OSA.distance(word, known, score_cutoff=allowed) <= allowed:
            return known
    return word


_ORDINAL = "|".join(sorted(ORDINAL_WORDS, key=len, reverse=True))
_TIME_UNIT = r"(?:days?|nights?|weeks?|months?|hours?|minutes?)"
_HOUR = r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_HALF = r"[ap]\.? ?m\b|in the (?:morning|afternoon|evening)\b|at night\b"
_MINUTES = ("fifteen", "twenty five", "twenty", "thirty five", "thirty", "forty five", "forty", "fifty five", "fifty")
_OF = r"(?:ko|ki|ke|ka)"


def _nth(match: re.Match[str]) -> str:
    return match[0].replace(match[1], f"{ORDINAL_WORDS[match[1]]}th", 1)


def _beside(match: re.Match[str]) -> str:
    """A day so many days or weeks after or before another, in no year in particular."""
    count, unit, way, day_number, month = match.groups()
    try:
        day = date(2027, MONTH_NUMBERS[month], int(day_number))
    except ValueError:
        return match[0]
    away = (1 if count in {None, "a", "the"} else number_of(count)) * (7 if unit == "week" else 1)
    if away > 60:
        return match[0]
    day += timedelta(days=away if way == "after" else -away)
    return f"{day.day} {MONTHS[day.month - 1]}"


def _composed(match: re.Match[str]) -> str:
    """Hundreds, thousands and so on as one number."""
    total, current = 0, 0
    for word in _PARTS.findall(match[0]):
        scale = _SCALES.get(word)
        if scale is None:
            current += 1 if word == "a" else number_of(word)
        elif scale == 100:
            current = max(current, 1) * 100
        else:
            total, current = total + max(current, 1) * scale, 0
    return str(total + current)


def _either(match: re.Match[str]) -> str:
    """Two numbers in a row, one more than the other: "do teen log" are two or three people."""
    return f"{match[1]}-{match[2]} " if int(match[2]) - int(match[1]) == 1 else match[0]


_LENGTHS = {"feb": 28, "apr": 30, "jun": 30, "sep": 30, "nov": 30} | dict.fromkeys(
    ["jan", "mar", "may", "jul", "aug", "oct", "dec"], 31
)  # fmt: skip
_AND_PARTS: dict[str, Callable[[int], float]] = {
    "sadhe": lambda n: n + 0.5, "sava": lambda n: n + 0.25, "paune": lambda n: n - 0.25, "dedh": lambda n: 1.5 * n,
    "dhai": lambda n: 2.5 * n,
}  # fmt: skip
_SCALES = {"hundred": 100, "thousand": 1000, "lakh": 100_000, "crore": 10_000_000}
_PLAIN = r"(?:(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[ -](?:one|two|three|four|five|six|seven|eight|nine)\b)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen)"  # noqa: E501
_PARTS = re.compile(rf"hundred|thousand|lakh|crore|\d{{1,3}}|{_PLAIN}|a\b")
_COMPOUND = re.compile(
    rf"(?<![\w.,])(?:\d{{1,3}}|{_PLAIN}|a) (?:hundred|thousand|lakh|crore)"
    rf"(?: (?:and )?(?:\d{{1,3}}|{_PLAIN})(?: (?:hundred|thousand|lakh))?(?![\w.,:/-])){{1,4}}"
)

_IDIOMS: tuple[tuple[frozenset[str], re.Pattern[str], object], ...] = tuple(
    (frozenset(words.split()), re.compile(pattern), made)
    for words, pattern, made in (
        ("hundred thousand lakh crore", _COMPOUND.pattern, _composed),
        ("couple", rf"\b(?:a )?couple(?: of)? (?={_TIME_UNIT}\b)", "2 "),
        ("couple", r"\b(?:a )?couple of us\b", "2 of us"),
        ("couple", r"\b(?:a )?couple of (?=(?:friends|people|persons|adults|kids)\b)", "2 "),
        ("couple", r"\b([2-9]) couple\b(?! of)", r"\1 couples"),
        ("couple", r"(?:\b(?:a|1|one) |^)couple(?= ?(?:,|&|\+|and|plus|with|aur|ra)(?: |\b))", "1 couples"),
        ("both", r"\bboth (?:of )?(my|our) (?=[a-z]+(?:s|ren)\b)", r"\1 2 "),
        ("grown grownup grownups", r"\bgrown[- ]?up(s?)\b", r"adult\1"),
        ("under", rf"\b(\d{{1,2}}|{WORD_NUMBER}) (?:are )?under (?:the age of )?1?\ds?\b(?! ?[$€£₹%a-z])",
         r"\1 children"),
        ("dozen", r"\bhalf (?:a )?dozen\b", "6"),
        ("half", r"(?<!\band )(?<!\band a )\bhalf (?:a )?(thousand|lakh|crore)\b", lambda m: str(_SCALES[m[1]] // 2)),
        ("dozen", r"\b(\d{1,2}) dozen\b", lambda m: str(int(m[1]) * 12)),
        ("main", r"\b(?:only|bas) main\b(?: hi\b)?(?! [a-z])|\bmain (?:hi )?only\b|^main hi$", "just me"),
        ("sadhe sava paune dedh dhai", r"\b(sadhe|sava|paune|dedh|dhai) (?:(\d{1,3}) )?(hundred|thousand|lakh|crore)\b",
         lambda m: str(round(_AND_PARTS[m[1]](int(m[2] or 1)) * _SCALES[m[3]]))),
        ("pair", r"\b(?:a |1 )?pair(?: of us)?\b(?= ?[.!]?$)", "2"),
        ("fortnight fortnights", r"\b(?:a|one|1) fortnight\b", "2 weeks"),
        ("christmas xmas", r"\b(?:christmas|xmas)(?:'s)? eve\b", "24 december"),
        ("christmas xmas", r"\b(?:christmas|xmas)(?: day)?\b", "25 december"),
        ("new", r"\bnew years?(?:'s)?(?:')? eve\b", "31 december"),
        ("new", r"\bnew year(?:s|'s|s')?(?: day)?\b", "1 january"),
        ("valentine valentines", r"\bvalentine'?s?(?:'s)?(?: day)?\b", "14 february"),
        ("after before", rf"\b(?:(the|a|\d{{1,2}}|{WORD_NUMBER}) )?(day|week)s? (after|before) (\d{{1,2}}) ({MONTH})\b",
         _beside),
        (" ".join(MONTH_NUMBERS), rf"\b(\d{{1,2}})[-./]({MONTH})[-./](?=(?:20)?\d\d\b)", r"\1 \2 "),
        ("nye", r"\bnye\b", "31 december"),
        ("week", rf"\b(?:a|1|one) week (?:from|on) (?:the |next )?({WEEKDAY})\b", r"\1 week"),
        ("week weeks", rf"\b(a|\d{{1,2}}|{WORD_NUMBER}) weeks? (?:from|after) tomorrow\b",
         lambda m: f"in {7 * (1 if m[1] == 'a' else number_of(m[1])) + 1} days"),
        ("after", rf"\b({WEEKDAY}) after next\b", r"\1 week"),
        ("week", rf"\b({WEEKDAY}) (?:of )?next week\b", r"next \1"),
        ("week", rf"\bnext week(?:'s)? (?:on )?({WEEKDAY})\b", r"next \1"),
        ("fifteen twenty thirty forty fifty", rf"\b({_HOUR}) ({'|'.join(_MINUTES)})(?: minutes)?(?= (?:{_HALF}))",
         lambda m: f"{number_of(m[1])}:{number_of(m[2])}"),
        ("twenty 20 25", rf"\b(twenty(?:[ -]five)?|20|25) to ({_HOUR}|1[0-2]|[1-9])(?= (?:{_HALF}|o'?clock))",
         r"\1 minutes to \2"),
        ("at", rf"\bat (five|ten|twenty(?:[ -]five)?|5|10|20|25) to ({_HOUR}|1[0-2]|[1-9])\b(?! [a-z])",
         r"at \1 minutes to \2"),
        ("quarters", r"\b(?:three|3) quarters of an hour\b", "45 minutes"),
        ("quarter", r"\b(?:a |1 )?quarter of an hour\b", "15 minutes"),
        ("time", rf"\bin ((?:\d{{1,3}}|{WORD_NUMBER}|a) (?:day|week|month)s?)(?:'s?|s') time\b", r"in \1"),
        ("after", r"\bmonth after next\b", "in 2 months"),
        ("tonight", r"\b(\d{1,2}) tonight\b", r"\1 at night today"),
        ("tonight evening afternoon", r"\b(?:tonight|this (?:evening|afternoon))\b", "today"),
        ("o'clock ish sharp", r"\b(\d{1,2})ish\b", r"\1"),
        (" ".join(word.split()[0] for word in ORDINAL_WORDS),
         rf"\b({_ORDINAL})(?: of)? {MONTH}\b", _nth),
        (" ".join(word.split()[0] for word in ORDINAL_WORDS),
         rf"\b{MONTH} (?:the )?({_ORDINAL})\b(?! (?:week|half))", _nth),
        (" ".join(word.split()[0] for word in ORDINAL_WORDS), rf"^(?:on )?(?:the )?({_ORDINAL})$", _nth),
        ("or", r"\b(main?|me) or my\b", r"\1 and my"),
        ("mother father", r"\b(mother|mummy) (father|papa)\b", r"\1 and \2"),
        ("after", rf"\b(\d{{1,2}}|{WORD_NUMBER}) days? after tomorrow\b", lambda m: f"in {number_of(m[1]) + 1} days"),
        ("day", rf"\blast day of ({MONTH})\b", lambda m: f"{_LENGTHS[m[1][:3]]} {m[1]}"),
        ("day", rf"\bfirst day of ({MONTH})\b", r"1 \1"),
        ("n", r"(?<=\bme) n (?=my\b)|\b(?<=[a-z]) n (?=me\b)", " and "),
        # Hindi and Nepali
        ("kal", r"\b(?:aane wala|coming|next) kal\b", "tomorrow"),
        ("kal", r"\b(?:beeta hua|beeta|last) kal\b", "yesterday"),
        ("wala", r"\baane wala\b", "coming"),
        ("mein me", r"\b(\d{1,3}|a) (days?|weeks?|months?) (?:mein|me|ma)\b", r"in \1 \2"),
        ("raat", r"(?<![\d:])\b(\d{1,2}) raat\b(?! ?(?:ko|ke(?! liye)|\d))", r"\1 nights"),
        ("tarikh", rf"\b({MONTH}) (?:{_OF} )?pehle tarikh\b", r"1 \1"),
        ("shuruaat", rf"\b({MONTH})(?: month)? (?:{_OF} )?shuruaat\b", r"early \1"),
        ("ant", rf"\b({MONTH})(?: month)? (?:{_OF} )?ant\b", r"end of \1"),
        ("week weeks", rf"\b({MONTH})(?: month)? (?:{_OF} )?(first|pehle|second|third|fourth|last) weeks?\b",
         lambda m: f"{m[2].replace('pehle', 'first')} week of {m[1]}"),
        ("pehle", rf"\bpehle (?={MONTH}\b)", "1 "),
        ("days", r"\b(\d{1,3}) (days) (?:ka|ki|ke|ko)\b(?= trek| tour| trip)", r"\1-day"),
        ("weeks week", r"\bnext weeks(?: ke)?\b", "next week"),
        ("weeks week", r"\bthis weeks(?: ke)?\b", "this week"),
        ("is", r"\bis (week|month)s?\b", r"this \1"),
        ("coming", r"\bcoming (?=months?\b)", "next "),
        ("months month", r"\b(next|this|last) months(?: ke)?\b", r"\1 month"),
        ("people days nights weeks hours months", r"\b([1-8]) ([2-9]) (?=(?:people|days|nights|weeks|hours|months)\b)",
         _either),
    )
)  # fmt: skip
_TELLING = frozenset(word for words, _, _ in _IDIOMS for word in words)


def plain(text: str, words: list[str]) -> str:
    """Turns of phrase put plainly. `words` are those of the text."""
    if _TELLING.isdisjoint(words) and "ish" not in text:
        return text
    said = frozenset(words)
    for telling, pattern, made in _IDIOMS:
        if not telling.isdisjoint(said) or ("ish" in telling and "ish" in text):
            text = pattern.sub(made, text)  # type: ignore[call-overload]
    return text
