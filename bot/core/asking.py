"""The two questions a state can ask: a choice (`ask:` + `choices:`), and a form that fills slots one by one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.core.choices import Option, match_exactly, match_normal, present, split_text
from bot.core.cursor import Cursor, Said, Unmatched
from bot.core.gathering import Job, accept, correct_slots, gather, new_job, read_slots
from bot.core.messages import TextOut
from bot.core.slots import AnySlot, ChoiceReader, Filled, RefReader, describe
from bot.core.templates import Texts
from bot.core.words import without_correction

TYPED = "typed"
"""Key in the contact's scope: how many choices in a row were typed rather than tapped."""
NEVER_TAPS = 3
"""From so many on, choices are also written as numbers: the phone may show no buttons, or the person no liking."""
MAX_KEPT = 5000
"""Characters of a message kept while a lookup runs."""


def joined(before: str, body: str) -> str:
    """Two pieces of text as one message."""
    return f"{before}\n\n{body}" if before and body else before or body


def send_question(cursor: Cursor, body: str, options: Sequence[Option], block: str) -> None:
    """Send a question, with whatever there is to choose from."""
    if not options:
        cursor.turn.send(*[TextOut(body=part) for part in split_text(body)], block=block)
        return
    label = cursor.render("choose") or "Choose"
    style = cursor.flow.states[cursor.state].choices_style
    if style == "auto":
        style = "both" if cursor.turn.scope.get(TYPED, 0) >= NEVER_TAPS else "buttons"
    cursor.turn.send(*present(body or label, options, cursor.run, cursor.epoch, label, style=style), block=block)


def count_typed(cursor: Cursor) -> None:
    """Remember that somebody typed what they could have tapped."""
    count = cursor.turn.scope.get(TYPED, 0)
    if count < NEVER_TAPS:
        cursor.turn.remember(TYPED, count + 1)


class Localised:
    """Options whose labels a language's templates may replace: block `choice_yes` for the choice `yes`."""

    __slots__ = ("_by_language", "options")

    def __init__(self, options: Sequence[Option]) -> None:
        self.options = tuple(options)
        self._by_language: dict[str, tuple[Option, ...]] = {}

    def within(self, texts: Texts, language: str) -> tuple[Option, ...]:
        """The options in a person's language; the author's own labels are understood as well."""
        try:
            return self._by_language[language]
        except KeyError:
            found = tuple(self._translated(option, texts, language) for option in self.options)
            if len(self._by_language) < 100:
                self._by_language[language] = found
            return found

    @staticmethod
    def _translated(option: Option, texts: Texts, language: str) -> Option:
        block = texts.block(f"choice_{option.key}", language)
        if block is None or not block.static:
            return option
        return Option.named(option.key, block.static, option.description, option.phrases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Ask for one of a few choices. `triggers` maps each to the machine event that follows."""

    block: str
    choices: Localised
    triggers: dict[str, str]

    def run(self, cursor: Cursor, step: int) -> bool:
        """Ask, and wait."""
        cursor.job = None
        cursor.turn.text = None
        cursor.new_question(None)
        self.put(cursor)
        cursor.wait()
        return False

    def put(self, cursor: Cursor, before: str = "") -> None:
        """Ask (again)."""
        send_question(cursor, joined(before, cursor.render(self.block)), self._options(cursor), self.block)

    def tap(self, cursor: Cursor, choice: str) -> bool:
        """Take a button of this epoch."""
        if choice not in self.triggers:
            return False
        self._choose(cursor, choice)
        return True

    def chosen(self, cursor: Cursor, said: Said) -> bool:
        """Take a label, number, synonym, yes or no."""
        key = match_exactly(said.normal, self._options(cursor), cursor.turn.contact.language)
        if key is not None:
            count_typed(cursor)
            self._choose(cursor, key)
        return key is not None

    def hear(self, cursor: Cursor, said: Said) -> None:
        """Take a correction of what was said before, or a choice with typing mistakes."""
        left = without_correction(said.normal, cursor.turn.contact.language)
        if correct_slots(cursor, said):
            cursor.renew_question()
            self.put(cursor, cursor.render("corrected"))
            cursor.wait()
            return
        key = match_normal(said.normal, self._options(cursor), cursor.turn.contact.language)
        if key is not None:
            count_typed(cursor)
            self._choose(cursor, key)
            return
        references = [
            n for n, slot in cursor.flow.slots.items() if isinstance(slot, RefReader) and self._may_change(cursor, n)
        ]
        if left and len(references) == 1:
            cursor.job = new_job("correct", left, references[0])
            gather(cursor, references)
            return
        cursor.unmatched = Unmatched(said.text)

    def correct(self, cursor: Cursor, job: Job) -> None:
        """Go on after the lookup of a corrected reference."""
        cursor.job = None
        if job["gained"]:
            cursor.renew_question()
            self.put(cursor, cursor.render("corrected"))
            cursor.wait()
        else:
            cursor.unmatched = Unmatched(job["text"] or "")

    def explain(self, cursor: Cursor, reason: str, *, fully: bool) -> None:
        """Say that the answer was not understood, and ask again."""
        own = f"explain_{cursor.state}"
        if fully and cursor.flow.texts.has_own(own):
            self.put(cursor, cursor.render(own, reason=reason))
        else:
            self.put(cursor, cursor.render("explain" if fully else "reprompt", reason=reason))

    def context(self, cursor: Cursor) -> dict[str, Any]:
        """What timers and help may mention."""
        return {"missing": [], "choices": [option.label for option in self._options(cursor)]}

    def _options(self, cursor: Cursor) -> tuple[Option, ...]:
        return self.choices.within(cursor.flow.texts, cursor.turn.contact.language)

    def _choose(self, cursor: Cursor, key: str) -> None:
        cursor.turn.note("understand", choice=key)
        cursor.extra["answer"] = key
        cursor.trigger = self.triggers[key]

    @staticmethod
    def _may_change(cursor: Cursor, name: str) -> bool:
        return name in cursor.slots and name not in cursor.flow.instance_slots


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotBlocks:
    """The blocks a form uses for a slot: the flow's own, or the common ones of its type."""

    ask: str
    invalid: str
    explain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Fill slots, in this order, asking only for what is missing."""

    slots: tuple[str, ...]
    blocks: dict[str, SlotBlocks]
    options: dict[str, Localised] = field(default_factory=dict)

    def run(self, cursor: Cursor, step: int) -> bool:
        """Make what there is of the message that led here, then ask."""
        if cursor.reask is not None:
            cursor.slots.pop(cursor.reask, None)
            cursor.reask = None
        job = cursor.job
        if job is None and cursor.turn.text:
            said = Said(cursor.turn.text, cursor.turn.today)
            job = cursor.job = new_job("form", said.text[:MAX_KEPT])
            read_slots(cursor, job, said, self.slots)
        elif job is not None:
            job["then"] = "form"
            job["asked"] = None
        cursor.turn.text = None
        self.go_on(cursor)
        return False

    def go_on(self, cursor: Cursor) -> None:
        """After reading or a lookup: look up more, ask for what is missing, or leave."""
        if not gather(cursor, self.slots):
            return
        job = cursor.job
        cursor.job = None
        asked = job["asked"] if job else None
        candidates = job["candidates"] if job else {}
        if job and asked and not job["gained"] and asked not in candidates:
            cursor.unmatched = Unmatched(job["text"] or "", job["invalid"].get(asked, "not_understood"))
            return
        missing = self.missing(cursor)
        if asked and asked in candidates:
            missing = [asked]
        if not missing:
            cursor.asking = None
            cursor.offers = ()
            cursor.trigger = "next"
            return
        slot = missing[0]
        offers = tuple(candidates.get(slot, ()))
        reason = job["invalid"].get(slot) if job else None
        if reason == "not_found" and job and job["gained"] and slot not in job["raw"]:
            reason = None  # the words meant something else
        again = cursor.asking == slot and cursor.offers == offers
        cursor.new_question(slot, offers)
        self.put(cursor, invalid=reason)
        if not again:
            cursor.wait()

    def missing(self, cursor: Cursor) -> list[str]:
        """Slots still to be asked for."""
        return [name for name in self.slots if name not in cursor.slots]

    def put(self, cursor: Cursor, before: str = "", *, invalid: str | None = None) -> None:
        """Ask (again) for the slot of the moment; with a reason, say what was wrong instead."""
        name = cursor.asking
        if name is None:
            return
        blocks = self.blocks[name]
        options = self._options(cursor)
        open_block = "choose_candidate" if cursor.offers else blocks.ask
        block = blocks.invalid if invalid else open_block
        body = cursor.render(block, reason=invalid)
        send_question(cursor, joined(before, body), options, block)

    def tap(self, cursor: Cursor, choice: str) -> bool:
        """Take a button of this epoch: a candidate or a choice."""
        if cursor.asking is None or all(option.key != choice for option in self._options(cursor)):
            return False
        self._take(cursor, choice)
        return True

    def chosen(self, cursor: Cursor, said: Said) -> bool:
        """Take the number or label of something offered."""
        options = self._options(cursor)
        key = match_exactly(said.normal, options, cursor.turn.contact.language) if options else None
        if key is not None:
            count_typed(cursor)
            self._take(cursor, key)
        return key is not None

    def hear(self, cursor: Cursor, said: Said) -> None:
        """Read an answer: for the slot asked, for others it names, or a correction."""
        asked = cursor.asking
        options = self._options(cursor)
        key = match_normal(said.normal, options, cursor.turn.contact.language) if options else None
        if key is not None:
            count_typed(cursor)
            self._take(cursor, key)
            return
        job = cursor.job = new_job("form", said.text[:MAX_KEPT], asked)
        asked_slot = cursor.flow.slots[asked] if asked else None
        if not (asked_slot and asked_slot.type == "text") and without_correction(
            said.normal, cursor.turn.contact.language
        ):
            job["gained"] = correct_slots(cursor, said)
        if not job["gained"]:
            read_slots(cursor, job, said, self.slots)
        if job["gained"]:
            # The words have found a slot; only the reference that was asked for may be among them as well.
            job["looked"] = [name for name in self.slots if name != asked]
        self.go_on(cursor)

    def explain(self, cursor: Cursor, reason: str, *, fully: bool) -> None:
        """Say what is wrong with the answer, more fully the second time."""
        name = cursor.asking
        if name is None:
            self.go_on(cursor)
        elif not fully:
            self.put(cursor, invalid=reason)
        elif self.blocks[name].explain == "explain":
            self.put(cursor, cursor.render("explain", reason=reason))
        else:
            body = cursor.render(self.blocks[name].explain, reason=reason)
            send_question(cursor, body, self._options(cursor), self.blocks[name].explain)

    def context(self, cursor: Cursor) -> dict[str, Any]:
        """The slot asked for, and what else is missing, for templates."""
        slots = cursor.flow.slots
        missing = [slots[name].label for name in self.missing(cursor)]
        choices = [option.label for option in self._options(cursor)]
        return {
            "missing": missing,
            "choices": choices,
            "slot": describe(slots[cursor.asking]) if cursor.asking else None,
        }

    def _options(self, cursor: Cursor) -> tuple[Option, ...]:
        if cursor.offers:
            return tuple(
                Option.named(str(place), str(one.get("name") or one["id"]), one.get("description"))
                for place, one in enumerate(cursor.offers)
            )
        localised = self.options.get(cursor.asking or "")
        return localised.within(cursor.flow.texts, cursor.turn.contact.language) if localised else ()

    def _take(self, cursor: Cursor, key: str) -> None:
        """Fill the asked slot with a candidate or choice."""
        name = cursor.asking
        if name is None:
            return
        job = cursor.job = new_job("form", None, name)
        job["looked"] = list(self.slots)
        accept(cursor, job, name, Filled(cursor.offers[int(key)] if cursor.offers else key))
        self.go_on(cursor)


def form_options(slots: Sequence[AnySlot]) -> dict[str, Localised]:
    """The options of a form's choice slots."""
    return {slot.name: Localised(slot.options) for slot in slots if isinstance(slot, ChoiceReader)}
