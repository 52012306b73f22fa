"""What somebody types into the simulator: words for the bot, and commands that begin with a slash.

Pure: reads lines, runs nothing. bot/cli/session.py carries them out.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from bot.core.flow import parse_duration
from bot.core.report import did_you_mean


class SimulatorMistake(ValueError):  # noqa: N818  the typist's mistake, not a fault of ours
    """A line that means nothing; the message says what would."""


@dataclass(frozen=True, slots=True)
class Say:
    """Write to the bot."""

    text: str


@dataclass(frozen=True, slots=True)
class Tap:
    """Tap a choice of the last message that has any: its number, from 1, or its words."""

    choice: str


@dataclass(frozen=True, slots=True)
class SendPhoto:
    """Send a photo."""

    caption: str


@dataclass(frozen=True, slots=True)
class SendPlace:
    """Send a location, in degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass."""

    length: timedelta


@dataclass(frozen=True, slots=True)
class Become:
    """Take somebody else's phone."""

    part: str


@dataclass(frozen=True, slots=True)
class Speak:
    """Be answered in another language: `hi`, `pt_BR`."""

    language: str


@dataclass(frozen=True, slots=True)
class Trick:
    """What only a simulator can do: go back, crash, deliver again, begin again."""

    name: Literal["back", "crash", "dup", "reset"]


@dataclass(frozen=True, slots=True)
class Look:
    """Look behind the scenes: at `state`, `why` or `help`."""

    at: str


@dataclass(frozen=True, slots=True)
class Expect:
    """Check, in a script, that the last reply contains a text."""

    text: str


@dataclass(frozen=True, slots=True)
class Quit:
    """Leave."""


Input = Say | Tap | SendPhoto | SendPlace | Wait | Become | Speak | Trick | Look | Expect | Quit

Commands = Sequence[tuple[str, str]]
"""What to type, and what it does."""

COMMANDS: Commands = (
    ("/tap 1", "tap a button or row: its number, or its words"),
    ("/wait 2h", "let time pass; reminders and timeouts fire"),
    ("/back", "go back to before the last step, business and all"),
    ("/as guide", "take another phone: customer, guide, sales, manager"),
    ("/photo caption", "send a photo: a caption, or a file"),
    ("/location 27.98 86.92", "send a location"),
    ("/lang hi", "be answered in another language"),
    ("/crash", "the last turn again; its process dies before it commits"),
    ("/dup", "the last message is delivered once more"),
    ("/state", "where the conversation is: flows, slots, timers"),
    ("/why", "why the last turn went as it did"),
    ("/reset", "begin again"),
    ("/help", "what you can do here"),
    ("/quit", "leave; nothing is kept"),
)
"""For `/help`, where the phones are the shipped ones."""

BASE_CAMP = (28.0072, 86.8594)
"""Degrees: where `/location` is without any."""
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[_-][A-Za-z]{2,4})?")
_PLACE = re.compile(r"(-?\d{1,3}(?:\.\d+)?)[ ,]+(-?\d{1,3}(?:\.\d+)?)")


def commands(parts: Sequence[str]) -> Commands:
    """The commands, for people with these phones."""
    another = (f"/as {parts[-1] if len(parts) < 3 else parts[1]}", f"take another phone: {', '.join(parts)}")
    return [another if example.startswith("/as ") else (example, meaning) for example, meaning in COMMANDS]


def read_line(line: str) -> Input | None:
    """Read what was typed; None for an empty line.

    A text that begins with a slash is written with two: `//status`.

    Raises:
        SimulatorMistake: A command that there is not, or not so.
    """
    line = line.strip()
    if not line:
        return None
    if not line.startswith("/") or line.startswith("//"):
        return Say(line[1:] if line.startswith("//") else line)
    word, _, rest = line[1:].partition(" ")
    rest = rest.strip()
    match word:
        case "tap" if rest:
            return Tap(rest)
        case "wait":
            return Wait(_duration(rest))
        case "as" if rest:
            return Become(rest)
        case "photo":
            return SendPhoto(rest)
        case "location":
            return _place(rest) if rest else SendPlace(*BASE_CAMP)
        case "lang" if _LANGUAGE.fullmatch(rest):
            return Speak(rest)
        case "back" | "crash" | "dup" | "reset":
            return Trick(word)
        case "state" | "why" | "help":
            return Look(word)
        case "quit" | "exit" | "q":
            return Quit()
    raise SimulatorMistake(_what_would(word))


def read_script(text: str) -> Iterator[tuple[int, Input]]:
    """Read a script: a line each, `#` begins a comment, `? text` is what the last reply must contain.

    Yields:
        The line's number, from 1, and what it means.

    Raises:
        SimulatorMistake: With the line's number.
    """
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("?"):
            yield number, Expect(line[1:].strip())
            continue
        try:
            read = read_line(line)
        except SimulatorMistake as mistake:
            raise SimulatorMistake(f"Line {number}: {mistake}") from None
        if read is not None:
            yield number, read


def _what_would(word: str) -> str:
    """What to write instead of a command that is none, or not so."""
    known = next((example for example, _ in COMMANDS if example.startswith(f"/{word}")), None)
    if known:
        return f"Write it like {known}"
    meant = did_you_mean(f"/{word}", [example.split()[0] for example, _ in COMMANDS])
    near = f" {meant}" if meant.startswith("Did") else ""
    return f"There is no /{word}.{near} /help lists what there is."


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text.replace(" ", ""))
    except ValueError as mistake:
        raise SimulatorMistake(f"{mistake}.") from None


def _place(text: str) -> SendPlace:
    match = _PLACE.fullmatch(text)
    if match is None or abs(float(match[1])) > 90 or abs(float(match[2])) > 180:
        raise SimulatorMistake("Write it like /location 27.98 86.92")
    return SendPlace(float(match[1]), float(match[2]))
