"""Slots that words fill: text, choices, phone numbers, e-mail addresses, and what a lookup finds."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import phonenumbers

from bot.core.choices import Option, match_option
from bot.core.entities.reach import find_emails, is_telling
from bot.core.patterns import Pattern
from bot.core.slots.base import Candidate, Filled, Heard, Reader, Reading, Refused, choose
from bot.core.values import show_phone


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReader(Reader):
    """Free words; only taken when asked for, unless it is one of a few."""

    type: str = "text"
    min: int = 1
    max: int = 1000
    pattern: Pattern | None = None
    one_of: tuple[str, ...] = ()

    def read(self, heard: Heard, *, asked: bool) -> Reading:
        """Take the whole message."""
        if not asked:
            return None
        words = heard.text.strip()
        if len(words) < self.min:
            return Refused("too_short")
        if len(words) > self.max:
            return Refused("too_long")
        if self.one_of:
            same = next((one for one in self.one_of if one.casefold() == words.casefold()), None)
            return Refused("not_one_of") if same is None else Filled(same)
        if self.pattern is not None and self.pattern.fullmatch(words) is None:
            return Refused("wrong_form")
        return Filled(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceReader(Reader):
    """One of a few options, by number, label, synonym or with a typing mistake."""

    type: str = "choice"
    options: tuple[Option, ...] = ()

    def read(self, heard: Heard, *, asked: bool) -> Reading:
        """Take an option the message is; unasked, one that it names."""
        if asked:
            key = match_option(heard.text, self.options, heard.language)
            return Filled(key) if key else None
        named = {}
        for option in self.options:
            match = _label(option.label.lower()).search(heard.entities.lower)
            if match:
                named[option.key] = match.span()
        return Filled(next(iter(named))) if len(named) == 1 else None

    def show(self, value: Any, language: str) -> str:
        """Its label."""
        return next((option.label for option in self.options if option.key == value), str(value))


@lru_cache(maxsize=4096)
def _label(label: str) -> re.Pattern[str]:
    """The label as whole words, in any script: vowel signs are letters here."""
    return re.compile(rf"(?<![\w\u0900-\u0963]){re.escape(label)}(?![\w\u0900-\u0963])")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefReader(Reader):
    """Something the business knows. `pattern` finds its code in a message."""

    type: str = "ref"
    lookup: str = ""
    pattern: Pattern | None = None

    def read(self, heard: Heard, *, asked: bool) -> Reading:
        """Nothing: references are looked up."""
        return None

    def lookup_text(self, text: str) -> str | None:
        """What to look up: the code in the text; None when a code is wanted and there is none."""
        if self.pattern is None:
            return text
        match = self.pattern.search(text)
        return match.found.upper() if match else None

    def show(self, value: Any, language: str) -> str:
        """Its name."""
        return str(value.get("name") or value.get("code") or value["id"]) if isinstance(value, dict) else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneReader(Reader):
    """A phone number that exists, as E.164: "+919812345678"."""

    type: str = "phone"
    region: str | None = None

    def read(self, heard: Heard, *, asked: bool) -> Reading:
        """Take the number; without a country code it is one of the contact's country, else of the slot's."""
        region = heard.region or self.region
        found = []
        for one in heard.entities.phones:
            number = e164(one.text, region) if asked or is_telling(one) else None
            if number is not None:
                told = one.text.startswith(("+", "00"))
                found.append(Candidate(number, (one.start, one.end), not told))
        if not found and asked:
            if not any(map(str.isdigit, heard.text[:200])):
                return None
            bare = not heard.text.strip().startswith(("+", "00")) and region is None
            return Refused("needs_country" if bare and heard.entities.phones else "not_a_number")
        return choose(found, heard, asked=asked)

    def show(self, value: Any, language: str) -> str:
        """Grouped as its country does."""
        return show_phone(value)


def e164(text: str, region: str | None) -> str | None:
    """A number that may exist, in international form; None when it may not."""
    if text.startswith("00"):
        text = f"+{text[2:]}"
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


_SPELT_OUT = (
    (re.compile(r" (?:at|arroba) | ?[(\[] ?at ?[)\]] ?"), "@"),
    (re.compile(r" (?:dot|punto) | ?[(\[] ?dot ?[)\]] ?"), "."),
)


def _with_signs(text: str) -> str:
    """An address that is written as it is spoken, "ravi at example dot com", as one; lower case."""
    for words, sign in _SPELT_OUT:
        text = words.sub(sign, text.casefold())
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailReader(Reader):
    """An e-mail address, in lower case."""

    type: str = "email"

    def read(self, heard: Heard, *, asked: bool) -> Reading:
        """Take the address."""
        found = [Candidate(one.text, (one.start, one.end)) for one in heard.entities.emails]
        if not found and asked:
            found = [Candidate(one.text, (0, len(heard.text))) for one in find_emails(_with_signs(heard.text))]
        if not found and asked and "@" in heard.text:
            return Refused("not_an_address")
        return choose(found, heard, asked=asked)
