"""The question for values: a form asks for its slots one by one, and takes whatever else an answer says.

What is offered for the asked slot is in `cursor.offers`: what a lookup found, what an ambiguous answer may mean, a
value that has to be confirmed, or the files sent so far. Each becomes a button; taking one fills the slot, or empties
it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.core.asking import MAX_KEPT, Localised, count_typed, joined, late, send_question
from bot.core.choices import Option, match_exactly, match_normal
from bot.core.correcting import Correction, acknowledge, apply, find_correction, refuse
from bot.core.cursor import Cursor, Said, Unmatched
from bot.core.gathering import BEGIN, Job, Offer, accept, fill, gather, new_job, note, prefill, read_slots
from bot.core.messages import ContactRequestOut, LocationRequestOut
from bot.core.ops import Filled as Template
from bot.core.ruling import Rule, broken_rule
from bot.core.slots import AnySlot, ChoiceReader, Filled, LocationReader, MediaReader, default_of, describe
from bot.core.words import normalise, skips

SKIP = "skip"
_NAMED = ("raw", "looked", "invalid", "candidates")
"""What is kept of a job when the message that began the run is read as a whole."""
_HALVES = {
    "a": ("am", "morning", "in the morning", "subah"),
    "p": ("pm", "evening", "afternoon", "in the evening", "shaam"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotBlocks:
    """The blocks a form uses for a slot: the flow's own, or the common ones of its type."""

    ask: str
    invalid: str
    explain: str
    ambiguous: str
    confirm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Fill slots, in this order, asking only for what is missing.

    Those in `anew` were emptied to be asked for: neither a default nor what is known of the contact fills them again.
    """

    slots: tuple[str, ...]
    blocks: Mapping[str, SlotBlocks]
    options: Mapping[str, Localised] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    anew: frozenset[str] = frozenset()
    instead: Template | None = None

    # --- Going on -----------------------------------------------------------------------------------------------------

    def run(self, cursor: Cursor, step: int) -> bool:
        """Make what there is of the message that led here, then ask."""
        if cursor.reask is not None:
            cursor.slots.pop(cursor.reask, None)
            cursor.reask = None
        job = cursor.job
        if cursor.turn.text and (job is None or job["then"] == BEGIN):
            said = cursor.turn.said(cursor.turn.text)
            before = {key: job[key] for key in _NAMED} if job is not None else {}
            told = {*before["looked"], *before["invalid"], *before["candidates"], *cursor.slots} if before else set()
            job = cursor.job = new_job("form", said.text[:MAX_KEPT]) | before
            read_slots(cursor, job, said, [name for name in self.slots if name not in told])
        elif job is not None:
            job["then"] = "form"
            job["asked"] = None
        cursor.turn.text = None
        if any(cursor.flow.slots[name].source for name in self.slots):
            job = cursor.job = job or new_job("form")
            prefill(cursor, job, [name for name in self.slots if name not in self.anew])
        self.go_on(cursor)
        return False

    def go_on(self, cursor: Cursor, before: str = "") -> None:
        """After reading or a lookup: look up more, ask for what is missing, or leave. `before` is said first."""
        if not gather(cursor, self.slots):
            return
        job = cursor.job
        cursor.job = None
        asked = job["asked"] if job else None
        candidates = job["candidates"] if job else {}
        # A lookup that offers the same things again has made nothing of the words, either.
        offered = asked in candidates and tuple(candidates[asked]) != cursor.offers
        if job and asked and not job["gained"] and not offered:
            cursor.unmatched = Unmatched(job["text"] or "", job["invalid"].get(asked, "not_understood"))
            return
        if job and job.get("corrected"):
            before = joined(before, acknowledge(cursor, job["corrected"]))
        missing = self.missing(cursor)
        rule = broken_rule(cursor, self.rules) if self.rules else None
        if not missing and rule is None:
            self._take_defaults(cursor)
            rule = broken_rule(cursor, self.rules) if self.rules else None
        if rule is not None:
            before = joined(before, cursor.render(rule.say))
            missing = self._forget(cursor, rule)
        doubtful = [name for name in missing if name in candidates]
        if asked and asked in candidates:
            doubtful = [asked]
        if not missing and not doubtful:
            cursor.asking = None
            cursor.offers = ()
            cursor.trigger = "next"
            if before:
                cursor.turn.send_text(before)
            return
        self._ask(cursor, job, (doubtful or missing)[0], candidates, before)

    def _ask(self, cursor: Cursor, job: Job | None, slot: str, candidates: Mapping[str, Any], before: str) -> None:
        offers = tuple(candidates.get(slot, ()))
        reason = job["invalid"].get(slot) if job else None
        if reason == "not_found" and job and job["gained"] and slot not in job["raw"]:
            reason = None  # the words meant something else
        again = cursor.asking == slot and cursor.offers == offers
        cursor.new_question(slot, offers)
        self.put(cursor, before, invalid=reason)
        if not again:
            cursor.wait()

    def missing(self, cursor: Cursor) -> list[str]:
        """Slots still to be asked for."""
        slots = cursor.flow.slots
        return [name for name in self.slots if name not in cursor.slots and (slots[name].is_asked or name in self.anew)]

    def _forget(self, cursor: Cursor, rule: Rule) -> list[str]:
        for name in rule.forget:
            cursor.slots.pop(name, None)
            note(cursor, name, forgotten=rule.say)
        wanted = [name for name in self.slots if name in rule.forget]
        return wanted + [name for name in self.missing(cursor) if name not in wanted]

    def _take_defaults(self, cursor: Cursor) -> None:
        for name in self.slots:
            slot = cursor.flow.slots[name]
            if name not in cursor.slots and (default := default_of(slot, cursor.turn.today)) is not None:
                fill(cursor, name, default)
                note(cursor, name, default=True)

    # --- Asking -------------------------------------------------------------------------------------------------------

    def put(self, cursor: Cursor, before: str = "", *, invalid: str | None = None) -> None:
        """Ask (again) for the slot of the moment; with a reason, say what was wrong instead."""
        name = cursor.asking
        if name is None:
            return
        block = self.blocks[name].invalid if invalid else self._block(cursor, name)
        body = joined(before, cursor.render(block, reason=invalid))
        slot = cursor.flow.slots[name]
        if slot.button and body and not cursor.offers:
            shared = LocationRequestOut(body=body) if slot.type == "location" else ContactRequestOut(body=body)
            cursor.turn.send(shared, block=block, instead=late(cursor, self.instead))
            return
        send_question(cursor, body, self._options(cursor), block, late(cursor, self.instead))

    def _block(self, cursor: Cursor, name: str) -> str:
        blocks = self.blocks[name]
        if not cursor.offers:
            return blocks.ask
        first = cursor.offers[0]
        if first.get("confirm"):
            return blocks.confirm
        if first.get("key") == "done":
            return "media_more"
        return blocks.ambiguous

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
        slots, language = cursor.flow.slots, cursor.turn.contact.language
        missing = [slots[name].called(language) for name in self.missing(cursor)]
        choices = [option.label for option in self._options(cursor)]
        about = describe(slots[cursor.asking], language) if cursor.asking else None
        more: dict[str, Any] = {"missing": missing, "choices": choices, "slot": about}
        if cursor.offers and cursor.asking and "value" in cursor.offers[0]:
            value = cursor.offers[0]["value"]
            more["value"] = slots[cursor.asking].show(value, language)
            more["count"] = len(value) if isinstance(value, list) else 1
        return more

    def _options(self, cursor: Cursor) -> tuple[Option, ...]:
        name = cursor.asking
        if name is None:
            return ()
        if cursor.offers:
            return tuple(_option(place, one) for place, one in enumerate(cursor.offers))
        localised = self.options.get(name)
        options = localised.within(cursor.flow.texts, cursor.turn.contact.language) if localised else ()
        if cursor.flow.slots[name].required:
            return options
        return (*options, Option(key=SKIP, label=cursor.render("label_skip") or "Skip"))

    # --- Hearing ------------------------------------------------------------------------------------------------------

    def tap(self, cursor: Cursor, choice: str) -> bool:
        """Take a button of this epoch: a candidate, a choice, or skipping."""
        if cursor.asking is None or all(option.key != choice for option in self._options(cursor)):
            return False
        self._take(cursor, choice)
        return True

    def chosen(self, cursor: Cursor, said: Said) -> bool:
        """Take the number or label of something offered."""
        key = self._key_of(cursor, said, match_exactly)
        if key is not None:
            count_typed(cursor)
            self._take(cursor, key)
        return key is not None

    def _key_of(self, cursor: Cursor, said: Said, match: Any) -> str | None:
        """What was chosen. A number is not taken for that of the button that skips."""
        options = self._options(cursor)
        if not options:
            return None
        language = cursor.turn.contact.language
        if options[-1].key == SKIP:
            if len(options) > 1:
                key = match(said.normal, options[:-1], language)
                if key is not None:
                    return str(key)
            return SKIP if skips(said.normal, language) or said.normal == normalise(options[-1].label) else None
        key = match(said.normal, options, language)
        return None if key is None else str(key)

    def hear(self, cursor: Cursor, said: Said) -> None:
        """Read an answer: for the slot asked, for others it names, or a correction."""
        asked = cursor.asking
        key = self._key_of(cursor, said, match_normal)
        if key is not None:
            count_typed(cursor)
            self._take(cursor, key)
            return
        asked_slot = cursor.flow.slots[asked] if asked else None
        free_words = asked_slot is not None and asked_slot.type == "text"
        correction = find_correction(cursor, said, named_only=free_words)
        if correction is not None and self._correct(cursor, correction, said):
            return
        job = cursor.job = new_job("form", said.text[:MAX_KEPT], asked)
        read_slots(cursor, job, said, self.slots)
        if job["gained"]:
            # The words have found a slot; only the reference that was asked for may be among them as well.
            job["looked"] = [name for name in self.slots if name != asked]
        self.go_on(cursor)

    def _correct(self, cursor: Cursor, correction: Correction, said: Said) -> bool:
        """Take a correction, and go on with the open question. False when it is about nothing here."""
        asked = cursor.asking
        if correction.refused is not None:
            name, reason = correction.refused
            if name not in self.slots or name == asked:
                return False
            self.put(cursor, refuse(cursor, name, reason, self.blocks[name].invalid))
            return True
        if correction.again is not None:
            if correction.again not in self.slots:
                return False
            cursor.slots.pop(correction.again)
            cursor.job = None
            self._ask(cursor, None, correction.again, {}, "")
            return True
        job = new_job("form", said.text[:MAX_KEPT], asked)
        if correction.lookup is not None:
            name, words = correction.lookup
            if name not in self.slots or name == asked:
                return False
            job["raw"] = {name: words}
            job["looked"] = [other for other in self.slots if other != name]
            cursor.job = job
            self.go_on(cursor)
            return True
        apply(cursor, dict(correction.changed))
        job["gained"] = True
        job["looked"] = [other for other in self.slots if other != asked]
        job["corrected"] = list(correction.changed)
        cursor.job = job
        self.go_on(cursor)
        return True

    def _take(self, cursor: Cursor, key: str) -> None:
        """Fill the asked slot with a candidate or choice; or leave it empty."""
        name = cursor.asking
        if name is None:
            return
        job = cursor.job = new_job("form", None, name)
        job["looked"] = list(self.slots)
        if not cursor.offers:
            accept(cursor, job, name, Filled(None if key == SKIP else key), sure=key == SKIP)
            self.go_on(cursor)
            return
        offer = next(one for place, one in enumerate(cursor.offers) if _key(place, one) == key)
        if key == "no" and offer.get("confirm"):
            cursor.slots.pop(name, None)
            self._ask(cursor, None, name, {}, "")
            return
        slot = cursor.flow.slots[name]
        if isinstance(slot, MediaReader) and len(offer["value"]) < slot.min:
            cursor.job = None
            self.put(cursor)
            return
        value = offer["value"] if "key" in offer else offer
        accept(cursor, job, name, Filled(value), sure=bool(offer.get("confirm")))
        self.go_on(cursor)

    # --- Files and places ---------------------------------------------------------------------------------------------

    def wants(self, cursor: Cursor, kind: str) -> bool:
        """Whether a file of this kind, or a place, fills one of the empty slots."""
        return self._taking(cursor, kind) is not None

    def _taking(self, cursor: Cursor, kind: str) -> MediaReader | LocationReader | None:
        asked = cursor.asking
        for name in sorted(self.slots, key=lambda one: one != asked):
            slot = cursor.flow.slots[name]
            wanted = name == asked or name not in cursor.slots
            if wanted and isinstance(slot, MediaReader | LocationReader) and slot.takes(kind):
                return slot
        return None

    def refuse_file(self, cursor: Cursor) -> bool:
        """Say which files are wanted, when something else was sent; False when the open question is not about any."""
        if not isinstance(cursor.flow.slots.get(cursor.asking or ""), MediaReader | LocationReader):
            return False
        self.put(cursor, invalid="not_understood")
        return True

    def take(self, cursor: Cursor, kind: str, item: dict[str, Any]) -> None:
        """Take a file or place; more of them are waited for as long as there may be more."""
        slot = self._taking(cursor, kind)
        if slot is None:
            return
        name, asked = slot.name, cursor.asking
        job = cursor.job = new_job("form", None, asked if name == asked else None)
        job["looked"] = list(self.slots)
        if isinstance(slot, LocationReader) or slot.max == 1:
            accept(cursor, job, name, Filled(item))
            self._with_caption(cursor, job, item)
            self.go_on(cursor)
            return
        sent = list(cursor.offers[0]["value"]) if name == asked and cursor.offers else []
        sent.append(item)
        if len(sent) >= slot.max:
            accept(cursor, job, name, Filled(sent))
            self.go_on(cursor)
            return
        cursor.job = None
        offers = ({"key": "done", "name": cursor.render("label_done") or "Done", "value": sent},)
        if name == asked and cursor.offers:
            cursor.offers = offers  # the same question: its button stays valid while an album arrives
            return
        cursor.new_question(name, offers)
        self.put(cursor)
        cursor.wait()

    def _with_caption(self, cursor: Cursor, job: Job, item: Mapping[str, Any]) -> None:
        caption = item.get("caption")
        if caption:
            job["asked"] = None
            read_slots(cursor, job, cursor.turn.said(str(caption)), self.slots)


def _key(place: int, offer: Offer) -> str:
    return str(offer["key"]) if "key" in offer else str(place)


def _option(place: int, offer: Offer) -> Option:
    """An offer as a choice. Its place is no word for it: "1" is the first, or the number one itself."""
    label = str(offer.get("name") or offer.get("id"))
    phrases = [normalise(label)]
    value = offer.get("value")
    if isinstance(value, str) and label.endswith(("am", "pm")):
        phrases += [*_HALVES[label[-2]]]
    return Option(key=_key(place, offer), label=label, description=offer.get("description"), phrases=tuple(phrases))


def form_options(slots: Sequence[AnySlot]) -> dict[str, Localised]:
    """The options of a form's choice slots."""
    return {slot.name: Localised(slot.options) for slot in slots if isinstance(slot, ChoiceReader)}
