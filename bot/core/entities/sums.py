"""Amounts: "USD 1,450", "₹50k", "1.5 lakh rupees", "two and a half"."""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice

from bot.core.entities.found import MAX_FOUND, MoneyFound, overlap
from bot.core.entities.lexicon import WORD_NUMBER, number_of

_DOLLARS = ("USD", "AUD", "CAD", "NZD", "SGD", "HKD", "TWD", "MXN")
_RUPEES = ("INR", "NPR", "PKR", "LKR", "MUR")
_CODES = (
    "usd", "eur", "gbp", "inr", "npr", "lkr", "pkr", "bdt", "btn", "cny", "jpy", "krw", "aud", "cad", "nzd", "sgd",
    "hkd",
    "chf", "sek", "nok", "dkk", "pln", "czk", "huf", "try", "ils", "aed", "sar", "qar", "omr", "kwd", "bhd", "thb",
    "idr", "myr", "php", "vnd", "twd", "zar", "kes", "tzs", "ugx", "ngn", "ghs", "egp", "mad", "brl", "mxn", "ars",
    "clp", "cop", "pen", "rub", "uah", "mvr", "mmk",
)  # fmt: skip
_ALSO_WORDS = frozenset({"try", "cop", "pen", "mad", "all", "php", "sek"})
_SIGNS: dict[str, tuple[str, ...]] = {code: (code.upper(),) for code in _CODES if code not in _ALSO_WORDS}
_SIGNS |= {
    "us$": ("USD",), "a$": ("AUD",), "au$": ("AUD",), "c$": ("CAD",), "ca$": ("CAD",), "nz$": ("NZD",), "s$": ("SGD",),
    "hk$": ("HKD",), "$": _DOLLARS, "€": ("EUR",), "£": ("GBP", "EGP"), "₹": ("INR",), "¥": ("JPY", "CNY"),
    "￥": ("JPY", "CNY"),
    "₩": ("KRW",), "₽": ("RUB",), "₺": ("TRY",), "₫": ("VND",), "฿": ("THB",), "₦": ("NGN",), "₱": ("PHP",),
    "₨": _RUPEES, "रु": _RUPEES, "रू": _RUPEES, "r$": ("BRL",), "rs": _RUPEES, "re": _RUPEES, "nrs": ("NPR",),
    "rupee": _RUPEES, "rupees": _RUPEES, "indian rupees": ("INR",), "nepali rupees": ("NPR",),
    "nepalese rupees": ("NPR",), "rupaiyan": ("NPR", "INR"), "bucks": _DOLLARS, "dollar": _DOLLARS, "dollars": _DOLLARS,
    "us dollars": ("USD",), "us dollar": ("USD",), "australian dollars": ("AUD",), "canadian dollars": ("CAD",),
    "singapore dollars": ("SGD",), "euro": ("EUR",), "euros": ("EUR",), "pound": ("GBP",), "pounds": ("GBP",),
    "pounds sterling": ("GBP",), "quid": ("GBP",), "yen": ("JPY",), "yuan": ("CNY",), "rmb": ("CNY",),
    "dirham": ("AED",), "dirhams": ("AED",), "riyal": ("SAR",), "riyals": ("SAR",), "francs": ("CHF",),
    "swiss francs": ("CHF",), "baht": ("THB",), "taka": ("BDT",), "rand": ("ZAR",), "ringgit": ("MYR",),
}  # fmt: skip
_BEFORE_ONLY = frozenset({"re"})
_SIGN = "|".join(re.escape(sign) for sign in sorted(_SIGNS, key=len, reverse=True) if sign not in _BEFORE_ONLY)
_SCALES = {
    "k": 1000, "thousand": 1000, "grand": 1000, "hundred": 100, "lakh": 100_000, "l": 100_000, "crore": 10_000_000,
    "cr": 10_000_000, "m": 1_000_000, "mn": 1_000_000, "million": 1_000_000,
}  # fmt: skip
_SCALE = r"(?: ?(k|thousand|grand|hundred|lakh|crore|cr|mn|million|m)(?![a-z]))?"
_DIGITS = r"\d{1,3}(?: \d{3}){1,4}(?:[.,]\d{1,2})?(?!\d)|\d[\d,.']{0,18}(?<=\d)|\d"
_FIGURE = rf"(?:{_DIGITS}|dedh|dhai|(?:{WORD_NUMBER})(?: and a half)?|half an?|an?)"
_AFTER = re.compile(rf"(?<![\w.,])(?<![\w]-)({_FIGURE}){_SCALE}{_SCALE} ?(?:/-)? ?({_SIGN})(?![a-z])")
_BEFORE = re.compile(rf"(?<![a-z])({_SIGN})\.? ?({_DIGITS}|{WORD_NUMBER}|dedh|dhai){_SCALE}{_SCALE}(?:/-)?(?!\w)")
_SCALED = re.compile(
    r"(?<![\w.,-])(\d[\d,.]{0,12}(?<=\d)|\d|dedh|dhai) ?(k|thousand|grand|lakh|crore|hundred)"
    r"(?: (thousand|lakh))?(?![a-z])"
    rf"|(?<![\w-])({WORD_NUMBER}|a|dedh|dhai)(?: and a half)? (thousand|grand|lakh|crore|hundred)(?: (thousand"
    rf"|lakh))?(?![a-z])"
)
SIGN_WORDS = frozenset(sign for sign in _SIGNS if sign.isascii() and sign.isalpha()) | {"us", "re"}
_SYMBOLS = re.compile(r"[$€£₹¥￥₩₽₺₫฿₦₱₨]|रु|रू")
_SCALE_WORD = re.compile(r"k\b|thousand|grand|lakh|crore|hundred")
_NUMERAL = re.compile(rf"(?<![\w.,:/])(-?(?:{_DIGITS}))(?![\w:/])")
_WORDED = re.compile(
    rf"(?<![\w-])(?:({WORD_NUMBER}) (?:and (?:a )?(half|quarter)|point ({WORD_NUMBER}))|(sadhe|sava|paune) (\d{{1,4}}"
    rf"|{WORD_NUMBER})"
    rf"|(dedh|dhai|half|\d{{1,4}} and a half)|({WORD_NUMBER}))\b"
)


def plain_number(text: str, *, money: bool = False) -> Decimal | None:
    """A written number, by its commas and points: `1,450.50`, `1.450,50`, `1,50,000`, `12,5`.

    Args:
        text: Digits, commas, points, apostrophes and spaces.
        money: A single point before exactly three digits groups thousands; prices do not have three decimals.
    """
    digits = text.replace("'", "").replace(" ", "")
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma >= 0 and point >= 0:
        group, mark = (",", ".") if point > comma else (".", ",")
        digits = digits.replace(group, "").replace(mark, ".")
    elif comma >= 0:
        decimals = len(digits) - comma - 1
        digits = digits.replace(",", "." if digits.count(",") == 1 and decimals != 3 else "")
    elif digits.count(".") > 1 or (money and point > 0 and len(digits) - point == 4):
        digits = digits.replace(".", "")
    if digits.count(".") > 1 or len(digits) > 20:
        return None
    try:
        return Decimal(digits)
    except ArithmeticError:
        return None


def _figure(text: str) -> Decimal | None:
    match text:
        case "a" | "an":
            return Decimal(1)
        case "dedh":
            return Decimal("1.5")
        case "dhai":
            return Decimal("2.5")
        case "half a" | "half an":
            return Decimal("0.5")
    if text[0].isdigit():
        return plain_number(text, money=True)
    half = text.endswith(" and a half")
    return Decimal(number_of(text.removesuffix(" and a half"))) + (Decimal("0.5") if half else 0)


def _scaled(figure: str, *scales: str | None) -> str | None:
    value = _figure(figure)
    if value is None:
        return None
    for scale in scales:
        value *= _SCALES[scale] if scale else 1
    return f"{value:f}" if value < 10**15 else None


def find_money(text: str, words: Sequence[str]) -> tuple[MoneyFound, ...]:
    """All amounts with a currency in a canonical text."""
    if SIGN_WORDS.isdisjoint(words) and _SYMBOLS.search(text) is None:
        return ()
    found: list[MoneyFound] = []
    for one in _amounts(text):
        if not any(overlap((one.start, one.end), (other.start, other.end)) for other in found):
            found.append(one)
            if len(found) == MAX_FOUND:
                break
    return tuple(sorted(found, key=lambda one: one.start))


def _amounts(text: str) -> Iterator[MoneyFound]:
    for match in _BEFORE.finditer(text):
        amount = _scaled(match[2], match[3], match[4])
        if amount is not None:
            yield MoneyFound(amount=amount, currencies=_SIGNS[match[1]], start=match.start(), end=match.end())
    for match in _AFTER.finditer(text):
        amount = _scaled(match[1], match[2], match[3])
        if amount is not None:
            yield MoneyFound(amount=amount, currencies=_SIGNS[match[4]], start=match.start(), end=match.end())


def find_amounts(text: str) -> tuple[MoneyFound, ...]:
    """Numbers that may be amounts, without any currency: for when money, or a decimal number, was asked for."""
    found: list[MoneyFound] = []
    for match in _SCALED.finditer(text) if _SCALE_WORD.search(text) else ():
        amount = _scaled(match[1] or match[4], match[2] or match[5], match[3] or match[6])
        if amount is not None and "and a half" in match[0]:
            amount = f"{Decimal(amount) * (1 + Decimal('0.5') / number_of(match[4])):f}" if match[4] else amount
        if amount is not None:
            found.append(MoneyFound(amount=amount, currencies=(), start=match.start(), end=match.end()))
    for match in islice(_WORDED.finditer(text), MAX_FOUND):
        _add(found, _worded(match), match)
    for match in islice(_NUMERAL.finditer(text), MAX_FOUND):
        value = plain_number(match[1])
        _add(found, None if value is None else f"{value:f}", match)
    return tuple(sorted(found, key=lambda one: one.start))


def _add(found: list[MoneyFound], amount: str | None, match: re.Match[str]) -> None:
    if (
        amount is None
        or len(found) == MAX_FOUND
        or any(overlap(match.span(), (other.start, other.end)) for other in found)
    ):
        return
    found.append(MoneyFound(amount=amount, currencies=(), start=match.start(), end=match.end()))


def _worded(match: re.Match[str]) -> str:
    whole, fraction, point, kind, more, half, word = match.groups()
    if fraction:
        return str(number_of(whole) + (Decimal("0.5") if fraction == "half" else Decimal("0.25")))
    if point:
        return f"{number_of(whole)}.{number_of(point)}"
    if kind:
        return str(number_of(more) + {"sadhe": Decimal("0.5"), "sava": Decimal("0.25")}.get(kind, Decimal("-0.25")))
    if half:
        fixed = {"dedh": "1.5", "dhai": "2.5", "half": "0.5"}.get(half)
        return fixed or f"{half.split(' ', 1)[0]}.5"
    return str(number_of(word))
