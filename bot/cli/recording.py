"""`bot simulate --record`: what was played, as a conversation test for `bot test`.

The business of the recorded test is what the real one answered: each action and lookup becomes a stub with its answers.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.authoring.simulator import SimulatorMistake
from bot.authoring.testing.comparing import plain
from bot.authoring.testing.showing import inline, spelled
from bot.cli.bubbles import Said
from bot.cli.cast import Player
from bot.cli.deeds import Played, Sends, Speaks, Suffers, Waits
from bot.cli.notebook import CallMade
from bot.cli.session import Session
from bot.core.effects import EndRun, Handoff
from bot.core.messages import ChoiceIn, LocationIn, MediaIn, ReactionIn, TextIn, UnsupportedIn

_MOST_SAYING = 70  # characters of a message that tell it from others


class Recorder:
    """Writes a session down after each step, so that nothing is lost when a terminal closes.

    Args:
        path: The test file.
        cast: Everybody with a phone.
        who: Whose test it is: `user:`.
    """

    def __init__(self, path: Path, cast: Sequence[Player], who: Player) -> None:
        self._path = path
        self._cast = cast
        self._who = who

    def check_language(self, session: Session, part: str) -> None:
        """Say no to a language that a test could not have.

        Raises:
            SimulatorMistake: Somebody has written on this phone already.
        """
        if any(isinstance(one.deed, Sends) and one.deed.part == part for one in session.played):
            raise SimulatorMistake("In a recorded test a phone has one language: /lang comes before its first message.")

    def save(self, session: Session) -> None:
        """Write the test; a session without steps leaves no file."""
        lines = list(written(self._path.stem, self._cast, self._who, session.began, session.played))
        if not lines:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f".{self._path.name}.new")
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
        draft.replace(self._path)


def written(name: str, cast: Sequence[Player], who: Player, began: datetime, played: Sequence[Played]) -> Iterator[str]:
    """The lines of a test file; none when nothing happened that a test could play."""
    steps = [one for one in played if _playable(one)]
    if not steps:
        return
    languages = {one.deed.part: one.deed.language for one in played if isinstance(one.deed, Speaks)}
    failed = len(played) - len(steps) - sum(isinstance(one.deed, Speaks) for one in played)
    yield "# Recorded by `bot simulate --record`. Expectations may be taken out, or said better."
    if failed:
        yield f"# Left out: {failed} step{'s' if failed > 1 else ''} whose turn failed, or that a test has no word for."
    yield f"test: {inline(name.replace('_', ' '))}"
    yield f"at: {began.isoformat().replace('+00:00', 'Z')}"
    yield "phones:"
    for one in sorted(cast, key=lambda one: one is not who and one.part != who.part):
        phone: dict[str, Any] = {
            "role": _one_or_all(one.roles or ("customer",)),
            "name": one.name,
            "number": one.number,
        }
        if one.part in languages:
            phone["language"] = languages[one.part]
        yield f"  {one.part}: {inline(phone)}"
    stubs = dict(_stubs([call for step in steps for call in step.page.calls]))
    if stubs:
        yield "stubs:"
        for action, answer in stubs.items():
            yield from _stub(action, answer)
    yield "steps:"
    for step in steps:
        yield from _step(step, who)


def _playable(step: Played) -> bool:
    if step.failures or isinstance(step.deed, Speaks):
        return False
    return not isinstance(step.deed, Sends) or _deed(step.deed) is not None


def _one_or_all(items: Sequence[str]) -> Any:
    return items[0] if len(items) == 1 else list(items)


# --- Steps ------------------------------------------------------------------------------------------------------------


def _step(step: Played, who: Player) -> Iterator[str]:
    match step.deed:
        case Sends(part=part):
            phone = "user" if part == who.part else part
            yield f"  - {phone}: {inline(_deed(step.deed))}"
            expect = _expected(step, part)
        case Waits(length=length):
            yield f"  - wait: {spelled(length)}"
            expect = _expected(step, "")
        case Suffers(trouble="duplicate"):
            yield "  - duplicate: last"
            expect = {"nothing": True}
        case _:
            yield "  - crash: true"
            expect = {}
    if expect:
        yield f"    expect: {inline(expect)}"


def _deed(deed: Sends) -> Any:
    """What a test says of it; None when it has no word for that."""
    match deed.content:
        case TextIn(body=body):
            return body
        case ChoiceIn(title=title):
            return {"tap": title} | ({"earlier": deed.earlier} if deed.earlier else {})
        case LocationIn() as place:
            return {
                "location": _filled(
                    latitude=place.latitude, longitude=place.longitude, name=place.name, address=place.address
                )
            }
        case MediaIn() as media:
            kind = "photo" if media.media == "image" else media.media
            return {kind: _filled(id=media.media_id, caption=media.caption, filename=media.filename)}
        case ReactionIn(emoji=str(emoji)):
            return {"reaction": emoji}
        case UnsupportedIn(original_kind=kind):
            return {"unsupported": kind}
    return None


def _filled(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _expected(step: Played, part: str) -> dict[str, Any]:
    """What was heard on each phone, what was held back, and how runs ended."""
    heard: dict[str, list[str]] = {}
    held = []
    for said in step.said:
        if not said.by_business:
            continue
        if said.note.startswith("not sent"):
            held += [_saying(said)] if said.part == part else []
        else:
            heard.setdefault(said.part, []).append(_saying(said))
    expect: dict[str, Any] = {"state": step.state} if step.state is not None and part else {}
    if set(heard) == {part}:
        expect["said"] = _one_or_all(heard[part])
    elif heard:
        expect["said"] = {phone: _one_or_all(sayings) for phone, sayings in heard.items()}
    if held:
        expect["held"] = held
    newest = next((said for said in reversed(step.said) if said.by_business and said.part == part), None)
    if newest is not None and newest.choices and newest.offer is not None:
        expect["buttons"] = [title for title, _ in newest.choices]
    effects = [effect for _, effect in step.page.effects]
    ended = [effect.outcome for effect in effects if isinstance(effect, EndRun)]
    if ended:
        expect["ended"] = ended[-1]
    handed = [effect.role for effect in effects if isinstance(effect, Handoff)]
    if handed:
        expect["handed_off"] = handed[-1]
    return expect


def _saying(said: Said) -> str:
    """What tells a message from others: all of it when it is short, else what it asks, else its first line."""
    lines = [line for line in map(plain, said.text.split("\n")) if line]
    whole = " ".join(lines)
    asks = next((line for line in lines if line.endswith("?")), lines[0] if lines else "")
    chosen = whole if len(whole) <= _MOST_SAYING else asks
    return chosen if len(chosen) <= _MOST_SAYING else chosen[:_MOST_SAYING].rsplit(" ", 1)[0]


# --- Stubs ------------------------------------------------------------------------------------------------------------


def _stubs(calls: Iterable[CallMade]) -> Iterator[tuple[str, Any]]:
    by_name: dict[str, list[CallMade]] = {}
    for call in calls:
        by_name.setdefault(call.name, []).append(call)
    for name, made in sorted(by_name.items()):
        yield name, _answers(made)


def _answers(calls: Sequence[CallMade]) -> Any:
    """One answer; else by arguments, where the same always answer the same; else one after the other."""
    answers = [_answer(call) for call in calls]
    if all(one == answers[0] for one in answers):
        return answers[0]
    by_arguments: dict[str, tuple[Mapping[str, Any], Any]] = {}
    for call, answer in zip(calls, answers, strict=True):
        arguments = _json(call.arguments)
        known = by_arguments.setdefault(json.dumps(arguments, sort_keys=True), (arguments, answer))
        if known[1] != answer:
            return {"in_turn": answers}
    return {"cases": [{"with": arguments} | answer for arguments, answer in by_arguments.values()]}


def _answer(call: CallMade) -> dict[str, Any]:
    if call.code is not None:
        return {"error": call.code, "message": call.message}
    return {"result": _json(call.result)}


def _json(value: Any) -> Any:
    """As it would be stored: dates and numbers as the worker writes them."""
    return json.loads(json.dumps(value, default=str))


def _stub(name: str, answer: Any) -> Iterator[str]:
    match answer:
        case {"cases": [*cases]}:
            yield f"  {name}:"
            yield "    cases:"
            yield from (f"      - {inline(case)}" for case in cases)
        case {"in_turn": [*answers]}:
            yield f"  {name}:"
            yield "    in_turn:"
            yield from (f"      - {inline(one)}" for one in answers)
        case _:
            yield f"  {name}: {inline(answer)}"
