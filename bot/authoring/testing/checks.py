"""Comparing what a step led to with what was expected: one small check for each word of `expect:`."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.authoring.testing.comparing import contains, fits, mismatch, plain
from bot.authoring.testing.observing import (
    Moment,
    buttons_of,
    flow_of,
    happened,
    quotes_of,
    receipts_of,
    sent_of,
    state_of,
)
from bot.authoring.testing.showing import inline
from bot.authoring.testing.spec import ExpectSpec, HandoffSpec, NoticeSpec
from bot.authoring.testing.stage import Taken
from bot.core.effects import EndRun, Handoff, Notify
from bot.core.report import did_you_mean

_MISSING = re.compile(r"(?:has no attribute '|^')([a-z_]+)'(?: is undefined)?")


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


def faults(turns: Iterable[Taken]) -> Iterator[Problem]:
    """What the engine could not do as the flow says, a reply it could not word, say: nobody can want that."""
    for note in (note for turn in turns for note in turn.trace if note.kind == "error"):
        about, error = note.detail, str(note.detail.get("error"))
        missing = _MISSING.search(error)
        hint = f"Does a stub leave out `{missing[1]}`?" if missing else ""
        where = f" (line {about['line']})" if "line" in about else ""
        what = f"Block `{about['block']}`{where} cannot be said: {error}." if "block" in about else f"{error}."
        yield Problem(key=(), sentence=what, hint=hint)


def check(expect: ExpectSpec, moment: Moment) -> list[Problem]:
    """Everything that is not as expected."""
    return [problem for key in expect.keys for problem in _CHECKS[key](getattr(expect, key), moment)]


# --- Where it is ------------------------------------------------------------------------------------------------------


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
            hint = (
                "It was held back: more than 24 hours after the person's last message only templates may be sent."
                if held
                else ""
            )
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


def _buttons(expected: Sequence[str] | None, moment: Moment) -> Iterator[Problem]:
    got = buttons_of(moment)
    if expected is not None and got != list(expected):
        yield Problem(key=("buttons",), expected=inline(expected), got=inline(got))


def _sent(expected: Sequence[Any] | None, moment: Moment) -> Iterator[Problem]:
    wanted = [(one, "") if isinstance(one, str) else next(iter(one.items())) for one in expected or ()]
    got = sent_of(moment)
    words = [word for word, _ in wanted]
    if words != [word for word, _ in got]:
        listed = inline([{word: text} for word, text in got]) if got else "nothing but words was sent"
        yield Problem(key=("sent",), expected=inline(words) if words else "nothing but words", got=listed)
        return
    for place, ((word, saying), (_, text)) in enumerate(zip(wanted, got, strict=True)):
        if not contains(text, saying):
            yield Problem(key=("sent", place), expected=f"{word}: {saying}", got=f"{word}: {plain(text)}")


def _quotes(expected: bool | None, moment: Moment) -> Iterator[Problem]:
    got = quotes_of(moment)
    if expected is not None and got != expected:
        told = ("the message it answers is quoted", "nothing is quoted")
        yield Problem(key=("quotes",), expected=told[not expected], got=told[expected])


# --- What is done -----------------------------------------------------------------------------------------------------


def _actions(expected: Sequence[Mapping[str, Any]] | None, moment: Moment) -> Iterator[Problem]:
    wanted = [next(iter(one.items())) for one in expected or ()]
    named = {name for name, _ in wanted}
    calls = [call for call in moment.calls() if call.kind == "action" or call.name in named]
    if [name for name, _ in wanted] != [call.name for call in calls]:
        listed = inline([{call.name: call.arguments} for call in calls]) if calls else "none were called"
        yield Problem(
            key=("actions",), expected=inline([name for name, _ in wanted]) if wanted else "no actions", got=listed
        )
        return
    for place, ((name, arguments), call) in enumerate(zip(wanted, calls, strict=True)):
        found = mismatch(arguments or {}, call.arguments)
        if found is not None:
            at, left, right = found
            yield Problem(key=("actions", place), expected=f"{name}({at}={inline(left)})", got=f"{at}={inline(right)}")


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
            others = ", ".join(sorted({one.role for one in notices}))
            hint = f"Notified: {others}." if others and not theirs else ""
            yield Problem(
                key=("notified", role), expected=", ".join([*wanted.text, *parts]) or "a notification",
                got=got or "nothing was sent to this role", hint=hint,
            )  # fmt: skip


def _tells(notice: Notify, wanted: NoticeSpec) -> bool:
    return wanted.template in {None, notice.template} and all(contains(notice.text, one) for one in wanted.text)


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


def _nothing(expected: bool | None, moment: Moment) -> Iterator[Problem]:
    got = happened(moment)
    if expected is not None and expected is bool(got):
        yield Problem(
            key=("nothing",), expected="nothing happens" if expected else "something happens", got=got or "nothing"
        )


_CHECKS: dict[str, Callable[[Any, Moment], Iterator[Problem]]] = {
    "flow": _flow, "state": _state, "slots": _slots, "saved": _saved, "said": _said, "not_said": _not_said,
    "held": _held, "buttons": _buttons, "sent": _sent, "quotes": _quotes,
    "actions": _actions, "receipts": _receipts, "notified": _notified,
    "ended": _ended, "handed_off": _handed_off, "timers": _timers, "language": _language, "nothing": _nothing,
}  # fmt: skip
