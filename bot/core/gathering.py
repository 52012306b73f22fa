"""Making slots out of a message: reading, looking up, and finding the run of a business object.

Reading is immediate; a lookup stops the turn (`Invoke`) and goes on in a later step. What is still to be made of the
message is the *job*, a small JSON object that travels in `pending.detail`:

    text        what was written, if it has not been used up
    asked       the slot it answers; missing when it answers nothing in particular
    raw         what a command or a correction named for a slot
    looked      references that have been looked up
    invalid     slot → reason, for values that will not do
    candidates  slot → what is offered for it: what a lookup found, what the words may mean, a value to be confirmed
    gained      whether the message filled anything
    corrected   slots that changed because the person corrected them
    then        what goes on afterwards: "begin", "form", "command", "collect" or "correct"
    trigger     the machine event a command fires

An offer is a business object of a lookup, or `{"key", "name", "value"}`: the value is what the slot gets, and the key
is that of its button.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from bot.core.conversation import Pending
from bot.core.cursor import Cursor, Said
from bot.core.effects import ATTACH_RUN
from bot.core.entities import Span
from bot.core.slots import Ambiguous, AnySlot, Filled, Heard, IntegerReader, RefReader, Refused, TextReader, e164
from bot.core.words import MAX_ANALYSED, normalise

MAX_CANDIDATES = 30
Job = dict[str, Any]
Offer = dict[str, Any]
_NOT_WRITTEN = frozenset({"ref", "media"})
BEGIN = "begin"
MASK = "•••"


def new_job(then: str, text: str | None = None, asked: str | None = None) -> Job:
    """A job that has done nothing yet."""
    return {
        "then": then,
        "text": text,
        "asked": asked,
        "raw": {},
        "looked": [],
        "invalid": {},
        "candidates": {},
        "gained": False,
        "corrected": [],
    }


def heard_by(cursor: Cursor, said: Said) -> Heard:
    """A message as the slots of a run read it."""
    contact = cursor.turn.contact
    return Heard(said.text, said.entities, said.today, contact.language, contact.phone)


def read_slots(cursor: Cursor, job: Job, said: Said, names: Sequence[str]) -> None:
    """Fill what the message says beyond doubt, and the asked slot with whatever it may mean.

    A slot that is filled already changes only when the message names it ("3 people") and no other slot of its type can
    be meant. Words that fill one slot fill no other.
    """
    asked = job["asked"]
    slots = cursor.flow.slots
    heard = heard_by(cursor, said)
    heard.apart = _counting_others(cursor, heard, asked, names)
    kinds = Counter([slots[name].type for name in names])
    empty = Counter([slots[name].type for name in names if name not in cursor.slots or name == asked])
    for name in sorted(names, key=lambda name: name != asked):
        slot = slots[name]
        kind = slot.type
        vacant = name == asked or name not in cursor.slots
        if kind in _NOT_WRITTEN or (not vacant and kinds[kind] > 1 and kind != "choice"):
            continue
        heard.rooms = max(1, empty[kind]) if vacant else 1
        reading = slot.read(heard, asked=name == asked)
        if reading is None:
            continue
        if isinstance(reading, Filled):
            heard.use(reading.spans)
            empty[kind] -= 1
        accept(cursor, job, name, reading)
        if name == asked and isinstance(slot, TextReader):
            return  # free words answer one question only


def _counting_others(cursor: Cursor, heard: Heard, asked: str | None, names: Sequence[str]) -> tuple[Span, ...]:
    """The numbers that count what another slot counts: "3 people" does not say how many nights."""
    slot = cursor.flow.slots[asked] if asked is not None else None
    if not isinstance(slot, IntegerReader) or heard.entities.count(slot.of) is not None:
        return ()
    others = [one for name in names if name != asked and isinstance(one := cursor.flow.slots[name], IntegerReader)]
    return tuple(span for one in others if (count := heard.entities.count(one.of)) is not None for span in count.spans)


def accept(cursor: Cursor, job: Job, name: str, reading: Filled | Refused | Ambiguous, *, sure: bool = False) -> None:
    """Note what a reading did to a slot. A value that has to be confirmed first is offered, unless we are `sure`."""
    slot = cursor.flow.slots[name]
    asked = name == job["asked"]
    match reading:
        case Filled(value=value):
            if cursor.slots.get(name) == value and not asked:
                _say_again(cursor, job, name, reading)
                return
            if slot.confirm and not sure:
                job["candidates"][name] = _to_confirm(cursor, value)
                job["gained"] = job["gained"] or not asked
            else:
                fill(cursor, name, reading)
                job["gained"] = True
            job["invalid"].pop(name, None)
        case Refused(reason=reason):
            if name not in cursor.slots or asked:
                job["invalid"][name] = reason
        case Ambiguous(values=values):
            if name not in cursor.slots or asked:
                job["candidates"][name] = _meanings(cursor, slot, values)
                job["gained"] = job["gained"] or not asked
    note(cursor, name, reason=job["invalid"].get(name))


def _say_again(cursor: Cursor, job: Job, name: str, reading: Filled) -> None:
    """What had been worked out is said now: it is sure, and the message was about it."""
    if name in cursor.inferred and not reading.inferred:
        fill(cursor, name, reading)
        job["gained"] = True


def fill(cursor: Cursor, name: str, reading: Filled) -> None:
    """Give a slot its value. The slot filled last comes last, which tells what "make it 4" is about."""
    cursor.slots.pop(name, None)
    cursor.slots[name] = reading.value
    if (name in cursor.inferred) != reading.inferred:
        others = tuple(one for one in cursor.inferred if one != name)
        cursor.inferred = (*others, name) if reading.inferred else others


def note(cursor: Cursor, name: str, **more: Any) -> None:
    """Trace a slot's value, or that it has one we may not show."""
    value = cursor.slots.get(name)
    hidden = value is not None and cursor.flow.slots[name].sensitive
    cursor.turn.note("slot", slot=name, value=MASK if hidden else value, **more)


def _to_confirm(cursor: Cursor, value: Any) -> list[Offer]:
    return [
        {"key": "yes", "name": cursor.render("label_yes") or "Yes", "value": value, "confirm": True},
        {"key": "no", "name": cursor.render("label_no") or "No", "confirm": True},
    ]


def _meanings(cursor: Cursor, slot: AnySlot, values: Sequence[Any]) -> list[Offer]:
    language = cursor.turn.contact.language
    return [
        {"key": str(place), "name": slot.show(value, language), "value": value} for place, value in enumerate(values)
    ]


def prefill(cursor: Cursor, job: Job, names: Iterable[str]) -> None:
    """Fill empty slots with what is known about the contact (`from:`)."""
    contact = cursor.turn.contact
    for name in names:
        slot = cursor.flow.slots[name]
        if slot.source is None or name in cursor.slots or name in job["candidates"]:
            continue
        value: str | None = contact.name if slot.source == "contact.name" else contact.phone
        if value and slot.type == "phone":
            value = e164(value if value.startswith("+") else f"+{value}", None)
        if value:
            gained = job["gained"]
            accept(cursor, job, name, Filled(value, inferred=True))
            job["gained"] = gained


def read_raw(cursor: Cursor, job: Job, raw: dict[str, str]) -> None:
    """Fill slots from what a command names; references are left to their lookups."""
    job["raw"] = {}
    for name, text in raw.items():
        slot = cursor.flow.slots[name]
        if isinstance(slot, RefReader):
            job["raw"][name] = text
            continue
        reading = slot.read(heard_by(cursor, cursor.turn.said(text)), asked=True)
        if isinstance(reading, Ambiguous):
            reading = Refused("ambiguous")
        accept(cursor, job, name, reading or Refused("not_understood"), sure=True)


def gather(cursor: Cursor, wanted: Sequence[str]) -> bool:
    """Invoke the next lookup the job needs, or the attaching of a business object's run.

    Returns:
        True when nothing is left to invoke; False when the turn stops for an answer.
    """
    job = cursor.job
    if job is not None:
        for name in wanted:
            slot = cursor.flow.slots[name]
            if isinstance(slot, RefReader) and name not in job["looked"]:
                text = _text_to_look_up(cursor, job, slot)
                if text is not None:
                    _look_up(cursor, job, slot, text)
                    return False
    return not _attach(cursor)


def _text_to_look_up(cursor: Cursor, job: Job, slot: RefReader) -> str | None:
    """The words that may name a reference; None when there are none, or it is filled and they do not concern it."""
    asked = job["asked"] == slot.name
    raw: str | None = job["raw"].get(slot.name)
    if raw is not None:
        return slot.lookup_text(raw) or raw
    text: str | None = job["text"]
    if not text or (slot.name in cursor.slots and not asked):
        return None
    code = slot.lookup_text(text[: MAX_ANALYSED * 2])
    if asked:
        return code or text[:MAX_ANALYSED]
    if slot.pattern is not None:
        return code
    return code if job["asked"] is None else None  # an answer to another question names no reference by chance


def _look_up(cursor: Cursor, job: Job, slot: RefReader, text: str) -> None:
    job["looked"] = [*job["looked"], slot.name]
    pending = Pending(name=slot.lookup, step=0, purpose="lookup", detail={"job": job, "slot": slot.name})
    cursor.invoke(slot.lookup, {"text": text}, pending)


def found(cursor: Cursor, job: Job, name: str, result: Any) -> None:
    """Take a lookup's answer: one fills the slot, several are offered, none leaves it empty."""
    candidates = [one for one in result if isinstance(one, dict) and "id" in one] if isinstance(result, list) else []
    wanted = job["asked"] == name or name in job["raw"]
    if len(candidates) > 1:
        said = normalise(job["raw"].get(name) or job["text"] or "")
        same = [one for one in candidates if normalise(str(one.get("name", ""))) == said]
        candidates = same if len(same) == 1 else candidates
    if len(candidates) == 1:
        before = cursor.slots.get(name)
        accept(cursor, job, name, Filled(candidates[0]))
        if before is not None and cursor.slots.get(name) != before:
            job["corrected"] = [*job.get("corrected", ()), name]
    elif candidates:
        job["candidates"][name] = candidates[:MAX_CANDIDATES]
        cursor.turn.note("slot", slot=name, candidates=len(candidates))
    elif wanted:
        accept(cursor, job, name, Refused("not_found"))


def _attach(cursor: Cursor) -> bool:
    """Ask for the business object's run, once its slots are filled. True when asked."""
    flow = cursor.flow
    if flow.instance is None or cursor.instance is not None:
        return False
    if any(name not in cursor.slots for name in flow.instance_slots):
        return False
    instance = str(cursor.evaluate(flow.instance, "`instance:`"))[:200]
    attach(cursor, instance, cursor.job or new_job("form"))
    return True


def attach(cursor: Cursor, instance: str, job: Job) -> None:
    """Invoke the attaching of the run that belongs to `instance`."""
    pending = Pending(name=ATTACH_RUN, step=0, purpose="attach", detail={"job": job, "instance": instance})
    cursor.invoke(ATTACH_RUN, {"flow": cursor.flow.name, "instance": instance}, pending)
