"""What might happen next in a conversation: every choice, sample answers, words that mean nothing, timers, events."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.authoring.testing.likeness import example
from bot.authoring.testing.showing import spelled
from bot.authoring.testing.stage import Stage, choices_in
from bot.core.compiled import CompiledFlow, CompiledState
from bot.core.conversation import Frame
from bot.core.slots import TextReader

Step = Mapping[str, Any]
"""A step as a test file writes it."""

NONSENSE = "qwertz uiop"
"""Words that mean nothing anywhere."""
_COMPARED = re.compile(r"\b([a-z_][a-z0-9_.]*)\s*(?:[<>]=?|[=!]=)\s*(-?\d+|'[^']*'|\"[^\"]*\")")
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_MOST_CHOICES = 10
_PLACE = "27.9881 86.9250"
_SAMPLES = {
    "text": ["Something happened on the way to the pass"],
    "integer": ["2"],
    "decimal": ["2.5"],
    "money": ["USD 150"],
    "time": ["09:30"],
    "duration": ["2 hours"],
    "phone": ["+46 70 123 45 67"],
    "email": ["maya@example.com"],
}


@dataclass(slots=True)
class Sampler:
    """Makes up answers for a flow.

    Attributes:
        flow: The flow.
        conditions: Every condition its author wrote, to see which values matter.
        fixtures: Records of the project's tests: their names and codes can be looked up.
    """

    flow: CompiledFlow
    conditions: Sequence[str]
    fixtures: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def telling(self) -> frozenset[str]:
        """The slots and results whose values decide something."""
        return frozenset(word for text in self.conditions for word in _WORD.findall(text))

    def codes(self) -> list[str]:
        """The refusals that the flow tells apart, and one it does not."""
        found = dict.fromkeys(
            one or other for text in self.conditions if "error" in text for one, other in _QUOTED.findall(text)
        )
        return [*found, "failed"]

    def data(self, event: str) -> list[dict[str, Any]]:
        """What an event may carry: something to show, and the values that conditions ask for."""
        found: list[dict[str, Any]] = [{}]
        for text in self.conditions:
            for name, literal in _COMPARED.findall(text):
                if name.startswith("event."):
                    value = int(literal) if literal.lstrip("-").isdigit() else literal[1:-1]
                    found.append({name.removeprefix("event."): value})
        return found

    def answers(self, slot_name: str) -> list[Any]:
        """Deeds that may fill a slot: words, or a file or place."""
        slot = self.flow.slots[slot_name]
        kind = slot.type
        if kind == "ref":
            return self._references(slot)
        if kind in {"media", "photo"}:
            return [{"photo": "The picture you asked for"}]
        if kind == "location":
            return [{"location": _PLACE}]
        if kind == "date":
            return ["December 2027" if getattr(slot, "granularity", "") == "month" else "15 December 2027"]
        if kind in {"integer", "decimal"}:
            return [str(value) for value in self._numbers(slot_name, slot)]
        return _words(slot) if isinstance(slot, TextReader) else list(_SAMPLES.get(kind, _SAMPLES["text"]))

    def _numbers(self, name: str, slot: Any) -> list[int]:
        low, high = getattr(slot, "min", None), getattr(slot, "max", None)
        wanted = [2]
        for text in self.conditions:
            for compared, literal in _COMPARED.findall(text):
                if compared == name and literal.lstrip("-").isdigit():
                    wanted += [int(literal) - 1, int(literal), int(literal) + 1]
        wanted = [value for value in wanted if (low is None or value >= low) and (high is None or value <= high)]
        return list(dict.fromkeys(wanted or [low if low is not None else high or 1]))

    def _references(self, slot: Any) -> list[Any]:
        names = [
            str(record[key]) for records in self.fixtures.values() for record in records
            for key in ("code", "name") if key in record
        ]  # fmt: skip
        usable = [name for name in names if slot.pattern is None or slot.pattern.search(name)]
        if usable:
            return usable[:4]
        return [example(slot.pattern.source) if slot.pattern is not None else "The first one"]


def _words(slot: TextReader) -> list[Any]:
    """Words that a slot takes."""
    if slot.one_of:
        return list(slot.one_of[:_MOST_CHOICES])
    if slot.pattern is not None:
        return [example(slot.pattern.source)]
    words = str(_SAMPLES["text"][0])
    return (
        [(words * (slot.min // len(words) + 1))[: slot.max].strip()]
        if not slot.min <= len(words) <= slot.max
        else [words]
    )


def begin(sampler: Sampler, examples: Sequence[str]) -> Iterator[Step]:
    """Ways to start the flow: what people say that want it, words that lead to it, its commands."""
    flow = sampler.flow
    for text in examples:
        yield {"user": text}
    for word in sorted(flow.universals):
        yield {"user": word}
    for name in sorted(flow.events):
        for data in sampler.data(name):
            yield {"event": {"name": name, "data": data} if data else name}
    yield from commands(sampler)


def commands(sampler: Sampler) -> Iterator[Step]:
    """The flow's commands, with and without what may be left out."""
    for use in sampler.flow.commands:
        verb = use.command.source.partition("{")[0].strip()
        needed = [a for a in use.command.arguments if not a.optional]
        for arguments in dict.fromkeys((tuple(use.command.arguments), tuple(needed))):
            given = [sampler.answers(argument.slot)[0] for argument in arguments]
            if all(isinstance(one, str) for one in given):
                yield {"user": " ".join([verb, *given])}


def following(sampler: Sampler, stage: Stage, phone: str, frame: Frame, state: CompiledState) -> Iterator[Step]:
    """What might happen while a run waits in a state."""
    conversation = stage.conversations[phone]
    if conversation.owner != "bot":
        yield {"event": "handoff.returned"}
    elif state.question is not None:
        shown = stage.shown.get(phone, ())
        tappable = choices_in(shown[-1]) if shown else ()
        current = [one for one in tappable if one.id.startswith(f"{frame.run}.{frame.epoch}.")]
        yield from ({"user": {"tap": one.title}} for one in current[:_MOST_CHOICES])
        if frame.asking is not None and not frame.offers and frame.asking in sampler.flow.slots:
            yield from ({"user": answer} for answer in sampler.answers(frame.asking))
        yield {"user": NONSENSE}
        if frame.caller is not None:  # whoever called this flow may go on without it
            yield {"user": "cancel"}
    for kind in state.collects:
        samples: dict[str, Any] = {"location": _PLACE, "form": {"answer": "As asked"}}
        yield {"user": {kind: samples.get(kind, "As it looks here")}}
    live = {frame.run, *(one.run for one in conversation.frames)}
    for (run, _, _), (due, to) in sorted(stage.timers.items(), key=lambda one: one[1][0]):
        if to == phone and run in live:
            yield {"wait": spelled(due - stage.at)}
    for trigger in sampler.flow.edges:
        kind, _, name = trigger.partition(":")
        if kind == "event" and sampler.flow.can(trigger, frame.state):
            for data in sampler.data(name):
                yield {"event": {"name": name, "data": data} if data else name}
    if conversation.owner == "bot":
        yield from commands(sampler)
