"""What people take back: "no, 3 people", "make it 4", "change the month to January", "not EBC, Annapurna".

A correction is about slots that have a value. It names one by its words ("3 people"), by its label ("change the month
to …"), or not at all ("make it 4"): then the value has to fit one slot only, or is about the one filled last.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from bot.core.cursor import Cursor, Said
from bot.core.entities import lowered
from bot.core.gathering import fill, heard_by, note
from bot.core.ruling import Rule, broken_rule
from bot.core.slots import AnySlot, Filled, RefReader, Refused, describe
from bot.core.words import correction_words, normalise

_VERB = r"(?:change|update|set|correct|edit|modify|fix|make|switch|badlo)"
_POLITE = (
    r"(?:(?:no|sorry|actually|wait|oh|ok|okay|please|pls|can you|could you|i want to|i'd like to|lets|let's)"
    r"[,.]? ){0,3}"
)
_NAMED = (
    re.compile(
        rf"{_POLITE}{_VERB} (?:the |my |our )?(?P<label>[^,:=]{{2,60}}?)(?: (?:to|as|into|=)|:) ?(?P<value>.{{1,300}})"
    ),
    re.compile(
        rf"{_POLITE}(?:the |my |our )?(?P<label>[^,:=]{{2,60}}?) ?(?:should be|will be|is now|is|ko|:"
        rf"|=) ?(?P<value>.{{1,300}}?)"
        r"(?: kar do| karo| kijiye| kar dijiye)?"
    ),
)  # fmt: skip
_ONLY_NAMED = re.compile(
    rf"{_POLITE}{_VERB} (?:the |my |our )?(?P<label>[^,:=]{{2,60}})[.!]?|(?P<other>[^,:=]{{2,60}}) (?:badlo|badal do"
    rf"|badalna hai)"
)
_NOT_THIS = (
    re.compile(r"(?:no,? )?not (?P<old>[^,]{1,100}?)(?:, ?(?:but )?| but )(?P<new>.{1,300})"),
    re.compile(r"(?P<old>[^,]{1,100}?),? (?:nahi|nahin|नहीं|नही),? (?P<new>.{1,300})"),
    re.compile(r"(?P<new>[^,]{1,300}?)(?:,? (?:and )?not|,? instead of|,? rather than) (?P<old>.{1,100})"),
)
_VERBS = frozenset(["change", "update", "set", "correct", "edit", "modify", "fix", "make", "switch", "badlo", "badal"])
_IS = frozenset(["is", "be", "ko"])
_DENIALS = frozenset(["not", "nahi", "nahin", "instead", "rather"])
_LIGHT = frozenset({"the", "a", "an", "of", "my", "our", "number", "no", "for", "your"})
_TYPE_WORDS = {
    "date": ("date", "day"), "time": ("time",), "phone": ("phone", "number", "phone number", "mobile"),
    "email": ("email", "mail", "email address"), "money": ("amount", "price", "budget"), "duration": ("duration",),
    "location": ("location", "place"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What a message takes back.

    Attributes:
        changed: The slots it fills anew.
        lookup: A reference, and the words to look it up by.
        again: A slot it names without saying its value.
        refused: A slot it names with a value that will not do, and why.
    """

    changed: dict[str, Filled] = field(default_factory=dict)
    lookup: tuple[str, str] | None = None
    again: str | None = None
    refused: tuple[str, str] | None = None


def remainder(text: str, language: str) -> str | None:
    """A message without the words that make it a correction; None when it does not sound like one."""
    lower = lowered(text)
    if not lower.isascii() or not _DENIALS.isdisjoint(lower.split()):
        for pattern in _NOT_THIS:
            match = pattern.fullmatch(lower)
            if match:
                return match["new"].strip()
    match = _lead(language).match(lower)
    if match and match.end() < len(lower):
        return lower[match.end() :].strip(" ,.;:!")
    match = _trail(language).search(lower)
    return lower[: match.start()].strip(" ,.;:!") or None if match else None


def _words(language: str) -> str:
    found = set(correction_words(language))
    found |= {"change it to", "change that to", "lets make it", "let's make it", "nope", "oh", "sorry i meant", "arre"}
    return "|".join(re.escape(word) for word in sorted(found, key=len, reverse=True))


@lru_cache(maxsize=64)
def _lead(language: str) -> re.Pattern[str]:
    return re.compile(rf"(?:(?:{_words(language)})(?:[ ,.;:!-]{{1,3}}|$)){{1,4}}")


@lru_cache(maxsize=64)
def _trail(language: str) -> re.Pattern[str]:
    return re.compile(rf"[ ,.;:!-]{{1,3}}(?:{_words(language)})(?: please)?[.! ]{{0,3}}$")


def find_correction(cursor: Cursor, said: Said, *, named_only: bool = False, bold: bool = False) -> Correction | None:
    """What the message corrects, or None.

    Args:
        cursor: The run.
        said: The message.
        named_only: Only believe what names the slot by its label: free words were asked for.
        bold: Without any word of correction, what names a slot ("3 people") changes it as well.
    """
    if not any(value is not None for value in cursor.slots.values()):
        return None
    named = _by_label(cursor, said)
    if named is not None or named_only:
        return named
    rest = remainder(said.text, cursor.turn.contact.language)
    if rest is None and not bold:
        return None
    changed, refused = _by_words(cursor, said, rest)
    if changed:
        return Correction(changed=changed)
    if refused is not None:
        return Correction(refused=refused) if rest is not None else None
    references = [name for name, slot in _filled(cursor) if isinstance(slot, RefReader)]
    if rest and len(references) == 1:
        return Correction(lookup=(references[0], rest))
    return None


def _filled(cursor: Cursor) -> Iterator[tuple[str, AnySlot]]:
    """Slots that may change, the one filled last first."""
    for name in reversed(list(cursor.slots)):
        slot = cursor.flow.slots.get(name)
        if slot is not None and cursor.slots[name] is not None and name not in cursor.flow.instance_slots:
            yield name, slot


def _by_words(cursor: Cursor, said: Said, rest: str | None) -> tuple[dict[str, Filled], tuple[str, str] | None]:
    """Slots that the message names by what it says, or the one slot that its bare value fits.

    With it the slot it names with a value that will not do: "no, 400 people" is about no other number.
    """
    heard = heard_by(cursor, cursor.turn.said(rest) if rest is not None else said)
    changed: dict[str, Filled] = {}
    bare: dict[str, Filled] = {}
    named = False
    refused: tuple[str, str] | None = None
    for name, slot in _filled(cursor):
        if slot.type in {"text", "ref", "media"}:
            continue
        reading = slot.read(heard, asked=False)
        if isinstance(reading, Filled):
            named = True
            if reading.value != cursor.slots[name] and heard.is_free(*reading.spans):
                changed[name] = reading
                heard.use(reading.spans)
        elif isinstance(reading, Refused):
            refused = name, reading.reason
        elif rest is not None:
            guess = slot.read(heard, asked=True)
            if isinstance(guess, Filled) and guess.value != cursor.slots[name]:
                bare[name] = guess
    if named or refused or not bare:
        return changed, refused
    if len(bare) > 1:
        if cursor.asking is None:
            return {}, None  # at a review, any of them may be meant
        bare = dict(list(bare.items())[:1])
    return bare, None


# --- By label ---------------------------------------------------------------------------------------------------------


def _by_label(cursor: Cursor, said: Said) -> Correction | None:
    """Such as "change the month to January", "month: January", "change the month"."""
    lower = lowered(said.text)
    words = said.entities.words
    told = not _VERBS.isdisjoint(words)
    if not told and _IS.isdisjoint(words) and ":" not in lower and "=" not in lower:
        return None
    for pattern in _NAMED if told else _NAMED[1:]:
        match = pattern.fullmatch(lower)
        name = _slot_called(cursor, match["label"]) if match else None
        if match and name is not None:
            return _set(cursor, name, match["value"], said)
    match = _ONLY_NAMED.fullmatch(lower) if told else None
    name = _slot_called(cursor, match["label"] or match["other"]) if match else None
    return Correction(again=name) if name is not None else None


def _set(cursor: Cursor, name: str, value: str, said: Said) -> Correction | None:
    slot = cursor.flow.slots[name]
    if isinstance(slot, RefReader):
        return Correction(lookup=(name, value))
    raw = said.text.strip()
    words = raw[-len(value) :] if raw.lower().endswith(value) else value  # as it was written, capitals and all
    reading = slot.read(heard_by(cursor, cursor.turn.said(words)), asked=True)
    if isinstance(reading, Refused):
        return Correction(refused=(name, reading.reason))
    return Correction(changed={name: reading}) if isinstance(reading, Filled) else None


def _slot_called(cursor: Cursor, words: str) -> str | None:
    """The filled slot that goes by this name."""
    called = normalise(words).removeprefix("the ").removeprefix("my ")
    wanted = set(called.split()) - _LIGHT
    exact: list[str] = []
    partly: list[str] = []
    for name, slot in _filled(cursor):
        labels = slot.label.values() if isinstance(slot.label, dict) else [slot.label]
        names = {*map(normalise, labels), name.replace("_", " ")}
        if called in names:
            exact.append(name)
        elif (wanted and any(wanted <= set(one.split()) for one in names)) or called in _TYPE_WORDS.get(slot.type, ()):
            partly.append(name)
    found = exact or partly
    return found[0] if len(found) == 1 else None


# --- Doing it ---------------------------------------------------------------------------------------------------------


def apply(cursor: Cursor, changed: dict[str, Filled]) -> None:
    """Give the slots their new values."""
    for name, reading in changed.items():
        fill(cursor, name, reading)
        note(cursor, name, corrected=True)


def apply_if_allowed(cursor: Cursor, changed: dict[str, Filled], rules: Sequence[Rule]) -> Rule | None:
    """As `apply`; when a rule forbids the new values, the old ones stay, and the rule is the answer."""
    before, inferred = dict(cursor.slots), cursor.inferred
    apply(cursor, changed)
    rule = broken_rule(cursor, rules, changed)
    if rule is not None:
        cursor.slots, cursor.inferred = before, inferred
    return rule


def acknowledge(cursor: Cursor, names: Sequence[str]) -> str:
    """Say what has changed, and to what."""
    language = cursor.turn.contact.language
    changed: list[dict[str, Any]] = [
        {"label": slot.called(language), "value": slot.show(cursor.slots[name], language), "name": name}
        for name in names
        if cursor.slots.get(name) is not None and (slot := cursor.flow.slots[name])
    ]
    return cursor.render("corrected", changed=changed)


def refuse(cursor: Cursor, name: str, reason: str, block: str | None = None) -> str:
    """Say why a slot keeps its value, in the words of a block, or of the common one for its type."""
    slot = cursor.flow.slots[name]
    about = describe(slot, cursor.turn.contact.language)
    return cursor.render(block or f"invalid_{slot.type}", reason=reason, slot=about)
