"""Comparing what a step led to with what was expected: one small check for each word of `expect:`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.authoring.testing.comparing import contains, fits, mismatch, plain
from bot.authoring.testing.showing import inline, spelled, spoken
from bot.authoring.testing.spec import ExpectSpec, HandoffSpec, NoticeSpec
from bot.authoring.testing.stage import Call, Heard, Stage, Taken
from bot.authoring.testing.stubs import Refusal
from bot.core.conversation import Frame
from bot.core.effects import EndRun, Handoff, Notify
from bot.core.report import did_you_mean

NONE = "none"
"""What `state:` and `flow:` say when no run is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is not as expected.

    Attributes:
        key: The word of `expect:`, and what is below it: `("slots", "people")`.
        expected: What the test says.
        got: What there was.
        hint: What might be meant.
        sentence: Instead of expected and got, where those would not tell.
    """

    key: tuple[str | int, ...]
    expected: str = ""
    got: str = ""
    hint: str = ""
    sentence: str = ""


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
        return self.stage.standing(self.phone) or next((t.last for t in reversed(self.mine) if t.last is not None), None)

    def entered(self) -> tuple[str, str] | None:
        """Flow and state entered last."""
        notes = [note.detail for turn in self.mine for note in turn.trace if note.kind == "enter"]
        return (str(notes[-1]["flow"]), str(notes[-1]["state"])) if notes else None

    def heard(self, phone: str | None = None, *, held: bool = False) -> list[Heard]:
        """What a phone was told."""
        return [one for turn in self.turns for one in turn.heard if one.phone == (phone or self.phone) and one.held is held]

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


def check(expect: ExpectSpec, moment: Moment) -> list[Problem]:
    """Everything that is not as expected."""
    return [problem for key in expect.keys for problem in _CHECKS[key](getattr(expect, key), moment)]


def observe(key: str, moment: Moment, like: Any = None) -> Any:
    """What an expectation would have to say to hold, as JSON. `like` is what it says now: how much it mentions."""
    return _OBSERVERS[key](moment, like)


# --- Where it is ------------------------------------------------------------------------------------------------------


def flow_of(moment: Moment, like: Any = None) -> str:
    """The flow under way, or entered last."""
    frame = moment.stage.standing(moment.phone)
    return frame.flow if frame is not None else (moment.entered() or (NONE, ""))[0]


def state_of(moment: Moment, like: Any = None) -> str:
    """The state under way, or entered last."""
    frame = moment.stage.standing(moment.phone)
    return frame.state if frame is not None else (moment.entered() or ("", NONE))[1]


def _flow(expected: str | None, moment: Moment) -> Iterator[Problem]:
    got = flow_of(moment)
    if expected is not None and got != expected:
        yield Problem(key=("flow",), expected=expected, got=got)


def _state(expected: str | None, moment: Moment) -> Iterator[Problem]:
    got = state_of(moment)
    if expected is not None and got != expected:
        yield Problem(key=("state",), expected=expected, got=got)


def _within(key: str, values: Mapping[str, Any], expected: Mapping[str, Any] | None) -> Iterator[Problem]:
    for name, wanted in (expected or {}).items():
        found = mismatch(wanted, values.get(name), name)
        if found is not None:
            at, left, right = found
            hint = did_you_mean(name, values) if name not in values and wanted is not None else ""
            got = "not filled" if right is None else inline(right)
            yield Problem(key=(key, name), expected=f"{at} = {inline(left)}", got=got, hint=hint)


def _slots(expected: Mapping[str, Any] | None, moment: Moment) -> Iterator[Problem]:
    frame = moment.frame
    return _within("slots", frame.slots if frame is not None else {}, expected)


def _saved(expected: Mapping[str, Any] | None, moment: Moment) -> Iterator[Problem]:
    frame = moment.frame
    return _within("saved", frame.data if frame is not None else {}, expected)


# --- What is heard ----------------------------------------------------------------------------------------------------


def _by_phone(wanted: Any, moment: Moment) -> dict[str, list[str]]:
    return wanted if isinstance(wanted, dict) else {moment.phone: wanted or []}


def _said(expected: Any, moment: Moment) -> Iterator[Problem]:
    for phone, sayings in _by_phone(expected, moment).items():
        words = moment.words(phone)
        for place, saying in enumerate(sayings):
            if contains("\n".join(words), saying):
                continue
            held = any(contains(text, saying) for text in moment.words(phone, held=True))
            hint = "It was held back: more than 24 hours after the person's last message only templates may be sent." if held else ""
            got = " ⏎ ".join(plain(text) for text in words) if words else "nothing was said"
            yield Problem(key=_key("said", phone, place, expected), expected=saying, got=got, hint=hint)


def _not_said(expected: Any, moment: Moment) -> Iterator[Problem]:
    for phone, sayings in _by_phone(expected, moment).items():
        for place, saying in enumerate(sayings):
            found = next((text for text in moment.words(phone) if contains(text, saying)), None)
            if found is not None:
                yield Problem(key=_key("not_said", phone, place, expected), expected=f"not {saying}", got=plain(found))


def _key(word: str, phone: str, place: int, expected: Any) -> tuple[str | int, ...]:
    return (word, phone, place) if isinstance(expected, dict) else (word, place)


def _held(expected: Sequence[str] | None, moment: Moment) -> Iterator[Problem]:
    words = moment.words(held=True)
    for place, saying in enumerate(expected or ()):
        if not any(contains(text, saying) for text in words):
            got = " ⏎ ".join(map(plain, words)) or "nothing was held back"
            yield Problem(key=("held", place), expected=saying, got=got)


def buttons_of(moment: Moment, like: Any = None) -> list[str]:
    """What can be tapped in the newest message on this phone."""
    heard = moment.heard()
    if not heard:
        return []
    _, choices, _, _ = spoken(heard[-1].content, moment.stage.project.templates)
    return [title for title, _ in choices]


def _buttons(expected: Sequence[str] | None, moment: Moment) -> Iterator[Problem]:
    got = buttons_of(moment)
    if expected is not None and got != list(expected):
        yield Problem(key=("buttons",), expected=inline(expected), got=inline(got))


# --- What is done -----------------------------------------------------------------------------------------------------


def _actions(expected: Sequence[Mapping[str, Any]] | None, moment: Moment) -> Iterator[Problem]:
    wanted = [next(iter(one.items())) for one in expected or ()]
    named = {name for name, _ in wanted}
    calls = [call for call in moment.calls() if call.kind == "action" or call.name in named]
    if [name for name, _ in wanted] != [call.name for call in calls]:
        listed = inline([{call.name: call.arguments} for call in calls]) if calls else "none were called"
        yield Problem(key=("actions",), expected=inline([name for name, _ in wanted]) if wanted else "no actions", got=listed)
        return
    for place, ((name, arguments), call) in enumerate(zip(wanted, calls, strict=True)):
        found = mismatch(arguments or {}, call.arguments)
        if found is not None:
            at, left, right = found
            yield Problem(key=("actions", place), expected=f"{name}({at}={inline(left)})", got=f"{at}={inline(right)}")


def receipts_of(moment: Moment, like: Any = None) -> list[str]:
    """The receipts kept."""
    return [call.receipt for call in moment.calls() if call.receipt and not call.reused and not isinstance(call.answer, Refusal)]


def _receipts(expected: Sequence[str] | None, moment: Moment) -> Iterator[Problem]:
    got = receipts_of(moment)
    wanted = list(expected or ())
    left = list(got)
    for one in wanted:
        match = next((key for key in left if fits(key, one)), None)
        if match is None:
            yield Problem(key=("receipts",), expected=inline(wanted), got=inline(got) if got else "none were kept")
            return
        left.remove(match)


def _notified(expected: Any, moment: Moment) -> Iterator[Problem]:
    notices: list[Notify] = moment.effects(Notify)
    if expected is False:
        if notices:
            yield Problem(key=("notified",), expected="nobody notified", got=", ".join(one.role for one in notices))
        return
    for role, notice in (expected or {}).items():
        wanted: NoticeSpec = notice
        theirs = [one for one in notices if one.role == role]
        if not any(_tells(one, wanted) for one in theirs):
            parts = [f"template {wanted.template}"] if wanted.template else []
            got = " ⏎ ".join(f"{one.template}: {plain(one.text)}" for one in theirs)
            others = sorted({one.role for one in notices})
            yield Problem(
                key=("notified", role), expected=", ".join([*wanted.text, *parts]) or "a notification",
                got=got or "nothing was sent to this role", hint=f"Notified: {', '.join(others)}." if others and not theirs else "",
            )  # fmt: skip


def _tells(notice: Notify, wanted: NoticeSpec) -> bool:
    return wanted.template in {None, notice.template} and all(contains(notice.text, one) for one in wanted.text)


def ended_of(moment: Moment, like: Any = None) -> str | bool:
    """How the run ended last; False when none did."""
    ends: list[EndRun] = moment.effects(EndRun)
    return ends[-1].outcome if ends else False


def _ended(expected: str | bool | None, moment: Moment) -> Iterator[Problem]:
    outcomes = [one.outcome for one in moment.effects(EndRun)]
    if expected is False and outcomes:
        yield Problem(key=("ended",), expected="no run ended", got=inline(outcomes))
    elif isinstance(expected, str) and expected not in outcomes:
        yield Problem(key=("ended",), expected=expected, got=", ".join(outcomes) or "no run ended",
                      hint=did_you_mean(expected, outcomes))  # fmt: skip


def _handed_off(expected: Any, moment: Moment) -> Iterator[Problem]:
    handoffs: list[Handoff] = moment.effects(Handoff)
    if expected is False:
        if handoffs:
            yield Problem(key=("handed_off",), expected="not handed over", got=handoffs[-1].role)
    elif isinstance(expected, HandoffSpec):
        wanted = {name: getattr(expected, name) for name in expected.model_fields_set}
        got = {name: getattr(handoffs[-1], name) for name in wanted} if handoffs else None
        if got != wanted:
            yield Problem(key=("handed_off",), expected=inline(wanted), got=inline(got) if got else "not handed over")


def _timers(expected: Sequence[str] | None, moment: Moment) -> Iterator[Problem]:
    got = moment.stage.timers_of(moment.phone)
    if expected is not None and sorted(got) != sorted(expected):
        yield Problem(key=("timers",), expected=inline(list(expected)), got=inline(got) if got else "none are running")


def _language(expected: str | None, moment: Moment) -> Iterator[Problem]:
    got = moment.stage.conversations[moment.phone].contact.language
    if expected is not None and got != expected:
        yield Problem(key=("language",), expected=expected, got=got)


def happened(moment: Moment) -> str:
    """What changed, in a few words; empty when nothing did."""
    found = [f"said: {plain(text)}" for phone in moment.stage.conversations for text in moment.words(phone)]
    found += [f"called {call.name}" for call in moment.calls("action")]
    for turn in moment.turns:
        before, after = [(f.flow, f.state) for f in turn.before.frames], [(f.flow, f.state) for f in turn.after.frames]
        found += [f"moved: {inline(before)} → {inline(after)}"] if before != after else []
    return "; ".join(found)


def _nothing(expected: bool | None, moment: Moment) -> Iterator[Problem]:
    got = happened(moment)
    if expected is not None and expected is bool(got):
        yield Problem(key=("nothing",), expected="nothing happens" if expected else "something happens", got=got or "nothing")


_CHECKS: dict[str, Callable[[Any, Moment], Iterator[Problem]]] = {
    "flow": _flow, "state": _state, "slots": _slots, "saved": _saved, "said": _said, "not_said": _not_said,
    "held": _held, "buttons": _buttons, "actions": _actions, "receipts": _receipts, "notified": _notified,
    "ended": _ended, "handed_off": _handed_off, "timers": _timers, "language": _language, "nothing": _nothing,
}  # fmt: skip

# --- What there is ----------------------------------------------------------------------------------------------------


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
    "actions": _calls_of, "receipts": receipts_of, "notified": _notices, "ended": ended_of, "handed_off": _handoff,
    "timers": lambda moment, like: moment.stage.timers_of(moment.phone),
    "language": lambda moment, like: moment.stage.conversations[moment.phone].contact.language,
    "nothing": lambda moment, like: not happened(moment),
}  # fmt: skip
