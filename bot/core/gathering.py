"""Making slots out of a message: reading, looking up, and finding the run of a business object.

Reading is immediate; a lookup stops the turn (`Invoke`) and goes on in a later step. What is still to be made of the
message is the *job*, a small JSON object that travels in `pending.detail`:

    text        what was written, if it has not been used up
    asked       the slot it answers; missing when it answers nothing in particular
    raw         what a command named for a slot
    looked      references that have been looked up
    invalid     slot → reason, for values that will not do
    candidates  slot → what a lookup found, when it found several
    gained      whether the message filled anything
    then        what goes on afterwards: "form", "command", "collect" or "correct"
    trigger     the machine event a command fires
"""

from collections.abc import Iterable, Sequence
from typing import Any

from bot.core.conversation import Pending
from bot.core.cursor import Cursor, Said
from bot.core.effects import ATTACH_RUN
from bot.core.slots import Filled, RefReader, Refused, TextReader
from bot.core.words import MAX_ANALYSED, normalise, without_correction

MAX_CANDIDATES = 30
Job = dict[str, Any]


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
    }


def read_slots(cursor: Cursor, job: Job, said: Said, names: Iterable[str]) -> None:
    """Fill what the message says beyond doubt, and the asked slot with whatever it may mean.

    A slot that is filled already changes only when the message names it ("3 people"). Of several empty slots of one
    kind, only the asked or first one takes an unasked value.
    """
    asked = job["asked"]
    slots = cursor.flow.slots
    taken: set[tuple[str, str]] = set()
    order = sorted(names, key=lambda name: name != asked)
    for name in order:
        slot = slots[name]
        kind = (slot.type, getattr(slot, "of", ""))
        if slot.type == "ref" or (name != asked and kind in taken):
            continue
        reading = slot.read(said.text, said.entities, said.today, asked=name == asked)
        if reading is None:
            continue
        if kind[0] != "choice":
            taken.add(kind)
        accept(cursor, job, name, reading)
        if name == asked and isinstance(slot, TextReader):
            return  # free words answer one question only


def accept(cursor: Cursor, job: Job, name: str, reading: Filled | Refused) -> None:
    """Note what a reading did to a slot."""
    match reading:
        case Filled(value=value):
            if cursor.slots.get(name) == value and name != job["asked"]:
                return
            cursor.slots[name] = value
            job["invalid"].pop(name, None)
            job["gained"] = True
        case Refused(reason=reason):
            if name not in cursor.slots or name == job["asked"]:
                job["invalid"][name] = reason
    cursor.turn.note("slot", slot=name, value=cursor.slots.get(name), reason=job["invalid"].get(name))


def read_raw(cursor: Cursor, job: Job, raw: dict[str, str]) -> None:
    """Fill slots from what a command names; references are left to their lookups."""
    job["raw"] = {}
    for name, text in raw.items():
        slot = cursor.flow.slots[name]
        if isinstance(slot, RefReader):
            job["raw"][name] = text
            continue
        said = Said(text, cursor.turn.today)
        reading = slot.read(text, said.entities, said.today, asked=True)
        accept(cursor, job, name, reading or Refused("not_understood"))


def correct_slots(cursor: Cursor, said: Said) -> bool:
    """Change filled slots that the message names anew ("no, 3 people"); True when something changed."""
    left = without_correction(said.normal, cursor.turn.contact.language)
    changed: dict[str, Any] = {}
    bare: dict[str, Any] = {}
    for name, value in cursor.slots.items():
        slot = cursor.flow.slots.get(name)
        if slot is None or slot.type in {"text", "ref"} or name in cursor.flow.instance_slots:
            continue
        reading = slot.read(said.text, said.entities, said.today, asked=False)
        if isinstance(reading, Filled):
            if reading.value != value:
                changed[name] = reading.value
        elif left is not None:
            guess = slot.read(left, said.entities, said.today, asked=True)
            if isinstance(guess, Filled) and guess.value != value:
                bare[name] = guess.value
    if not changed and len(bare) == 1:
        changed = bare  # "no, 3": believed when only one slot can be meant
    for name, value in changed.items():
        cursor.slots[name] = value
        cursor.turn.note("slot", slot=name, value=value, corrected=True)
    return bool(changed)


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
        accept(cursor, job, name, Filled(candidates[0]))
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
