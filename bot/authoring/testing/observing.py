"""What a step led to: where a run is, what was heard, what was done. And how an expectation would put it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.authoring.testing.comparing import plain
from bot.authoring.testing.showing import carried, inline, spelled, spoken, word_for
from bot.authoring.testing.stage import Call, Heard, Stage, Taken
from bot.authoring.testing.stubs import Refusal
from bot.core.conversation import Frame
from bot.core.effects import EndRun, Handoff, Notify

NONE = "none"
"""What `state:` and `flow:` say when no run is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a step, or the whole test, led to, on whose phone."""

    stage: Stage
    phone: str
    turns: Sequence[Taken]

    @property
    def mine(self) -> list[Taken]:
        """The turns of this phone."""
        return [turn for turn in self.turns if turn.phone == self.phone]

    @property
    def frame(self) -> Frame | None:
        """The run under way; the last one known of, when all are over."""
        return self.stage.standing(self.phone) or next(
            (t.last for t in reversed(self.mine) if t.last is not None), None
        )

    def entered(self) -> tuple[str, str] | None:
        """Flow and state entered last."""
        notes = [note.detail for turn in self.mine for note in turn.trace if note.kind == "enter"]
        return (str(notes[-1]["flow"]), str(notes[-1]["state"])) if notes else None

    def heard(self, phone: str | None = None, *, held: bool = False) -> list[Heard]:
        """What a phone was told."""
        return [
            one for turn in self.turns for one in turn.heard if one.phone == (phone or self.phone) and one.held is held
        ]

    def words(self, phone: str | None = None, *, held: bool = False) -> list[str]:
        """What a phone was told, in words, with what there was to tap."""
        texts = []
        for one in self.heard(phone, held=held):
            text, choices, label, _ = spoken(one.content, self.stage.project.templates)
            texts.append("\n".join([text, label, *[" ".join(filter(None, choice)) for choice in choices]]).strip())
        return texts

    def calls(self, kind: str = "") -> list[Call]:
        """Actions and lookups that were asked for."""
        return [call for turn in self.turns for call in turn.calls if kind in ("", call.kind)]

    def effects(self, kind: type[Any]) -> list[Any]:
        """Effects of one kind."""
        return [effect for turn in self.turns for effect in turn.effects if isinstance(effect, kind)]


def observe(key: str, moment: Moment, like: Any = None) -> Any:
    """What an expectation would have to say to hold, as JSON. `like` is what it says now: how much it mentions."""
    return _OBSERVERS[key](moment, like)


def flow_of(moment: Moment, like: Any = None) -> str:
    """The flow under way, or entered last."""
    frame = moment.stage.standing(moment.phone)
    return frame.flow if frame is not None else (moment.entered() or (NONE, ""))[0]


def state_of(moment: Moment, like: Any = None) -> str:
    """The state under way, or entered last."""
    frame = moment.stage.standing(moment.phone)
    return frame.state if frame is not None else (moment.entered() or ("", NONE))[1]


def buttons_of(moment: Moment, like: Any = None) -> list[str]:
    """What can be tapped in the newest message on this phone."""
    heard = moment.heard()
    if not heard:
        return []
    _, choices, _, _ = spoken(heard[-1].content, moment.stage.project.templates)
    return [title for title, _ in choices]


def sent_of(moment: Moment) -> list[tuple[str, str]]:
    """What this phone got that is more than words: what `send:` calls it, and what it carries."""
    found = [(word_for(one.content), carried(one.content)) for one in moment.heard()]
    return [(word, text) for word, text in found if word]


def quotes_of(moment: Moment, like: Any = None) -> bool:
    """Whether something this phone got quotes the message it answers."""
    return any(one.quotes for one in moment.heard())


def receipts_of(moment: Moment, like: Any = None) -> list[str]:
    """The receipts kept."""
    return [
        call.receipt
        for call in moment.calls()
        if call.receipt and not call.reused and not isinstance(call.answer, Refusal)
    ]


def ended_of(moment: Moment, like: Any = None) -> str | bool:
    """How the run ended last; False when none did."""
    ends: list[EndRun] = moment.effects(EndRun)
    return ends[-1].outcome if ends else False


def happened(moment: Moment) -> str:
    """What changed, in a few words; empty when nothing did."""
    found = [f"said: {plain(text)}" for phone in moment.stage.conversations for text in moment.words(phone)]
    found += [f"called {call.name}" for call in moment.calls("action")]
    for turn in moment.turns:
        before, after = [(f.flow, f.state) for f in turn.before.frames], [(f.flow, f.state) for f in turn.after.frames]
        found += [f"moved: {inline(before)} → {inline(after)}"] if before != after else []
    return "; ".join(found)


def _values(values: Mapping[str, Any], like: Any) -> dict[str, Any]:
    """The values that are mentioned, or all; records by what people call them."""
    names = [name for name in like if name in values] if isinstance(like, dict) else list(values)
    return {name: _called(values[name]) for name in names}


def _called(value: Any) -> Any:
    if isinstance(value, Mapping):
        return next((value[key] for key in ("code", "name", "id") if key in value), dict(value))
    return value


def _sayings(moment: Moment, like: Any) -> Any:
    if isinstance(like, dict):
        return {phone: _sayings_of(moment, phone) for phone in like}
    return _sayings_of(moment, moment.phone)


def _sayings_of(moment: Moment, phone: str) -> Any:
    found = [saying for text in moment.words(phone) if (saying := phrase(text))]
    return found[0] if len(found) == 1 else found


def phrase(text: str) -> str:
    """A few words that tell a message from others: its last sentence of the first paragraph that has one."""
    lines = [plain(line) for line in text.split("\n") if plain(line)]
    best = next((line for line in lines if line.endswith("?")), lines[0] if lines else "")
    sentences = best.replace("! ", "!\n").replace(". ", ".\n").replace("? ", "?\n").split("\n")
    chosen = next((one for one in sentences if one.endswith("?")), sentences[0])
    if len(chosen) <= 60:
        return chosen
    return chosen[:60].rsplit(" ", 1)[0]


def _calls_of(moment: Moment, like: Any) -> list[Any]:
    wanted = [one for one in like if isinstance(one, dict)] if isinstance(like, list) else []
    about = {name: set(given or ()) for one in wanted for name, given in one.items()}
    found: list[Any] = []
    for call in moment.calls("action"):
        names = about.get(call.name) if like is not None else set(call.arguments)
        arguments = {name: value for name, value in call.arguments.items() if names and name in names}
        found.append({call.name: arguments} if arguments else call.name)
    return found


def _notices(moment: Moment, like: Any) -> Any:
    notices: list[Notify] = moment.effects(Notify)
    return {one.role: {"template": one.template} for one in notices} or False


def _handoff(moment: Moment, like: Any) -> Any:
    handoffs: list[Handoff] = moment.effects(Handoff)
    if not handoffs:
        return False
    names = like if isinstance(like, dict) else {"role": 1, "reason": 1} if like is None else {"role": 1}
    last = handoffs[-1]
    whole = {"role": last.role, "reason": last.reason, "sla": spelled(last.sla) if last.sla else None}
    found = {name: whole[name] for name in names if name in whole}
    return found["role"] if list(found) == ["role"] else found


def _frame_values(part: str) -> Callable[[Moment, Any], dict[str, Any]]:
    def values(moment: Moment, like: Any) -> dict[str, Any]:
        frame = moment.frame
        return _values(getattr(frame, part), like) if frame is not None else {}

    return values


_OBSERVERS: dict[str, Callable[[Moment, Any], Any]] = {
    "flow": flow_of, "state": state_of, "slots": _frame_values("slots"), "saved": _frame_values("data"),
    "said": _sayings, "not_said": lambda moment, like: None,
    "held": lambda moment, like: [phrase(text) for text in moment.words(held=True)], "buttons": buttons_of,
    "sent": lambda moment, like: [{word: phrase(text)} if text else word for word, text in sent_of(moment)],
    "quotes": quotes_of, "actions": _calls_of, "receipts": receipts_of, "notified": _notices,
    "ended": ended_of, "handed_off": _handoff,
    "timers": lambda moment, like: moment.stage.timers_of(moment.phone),
    "language": lambda moment, like: moment.stage.conversations[moment.phone].contact.language,
    "nothing": lambda moment, like: not happened(moment),
}  # fmt: skip
