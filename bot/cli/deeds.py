"""What somebody did in a simulated chat, and what came of it: what `/back`, `/crash` and `--record` work on."""

import hashlib
import mimetypes
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from bot.authoring.simulator import SimulatorMistake
from bot.cli import wording
from bot.cli.bubbles import Said
from bot.cli.notebook import Page
from bot.core.messages import Choice, Incoming, MediaIn
from storage.base import NewMessage, Outcome
from storage.postgres.snapshots import DatabaseCopy, TableChange

_PICTURE = re.compile(r"\S+\.(jpe?g|png|gif|webp|heic|bmp)|[./~]\S*/\S+", re.IGNORECASE)
"""A word that can only be meant as the path of a picture."""
Kind = Literal["text", "choice", "photo", "location", "other"]
"""How a phone shows a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sends:
    """Somebody sends something. For a tap, `earlier` counts the newer messages with choices."""

    part: str
    shown: str
    content: Incoming
    kind: Kind = "text"
    earlier: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Time passes."""

    length: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaks:
    """Somebody wants to be answered in another language."""

    part: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suffers:
    """Something goes wrong: the process dies, or the provider delivers twice."""

    trouble: Literal["crash", "duplicate"]


Deed = Sends | Waits | Speaks | Suffers


@dataclass(frozen=True, slots=True)
class Offer:
    """A message with something to tap; as rows when it has a `label` that opens them, else as buttons."""

    choices: tuple[Choice, ...]
    label: str = ""

    @property
    def listed(self) -> bool:
        """Whether its choices are rows."""
        return bool(self.label)

    def choice(self, wanted: str) -> Choice:
        """The choice with these words, or this number, from 1.

        Raises:
            SimulatorMistake: There is none.
        """
        place = int(wanted) - 1 if wanted.isdecimal() else -1
        by_title = [one for one in self.choices if one.title.casefold() == wanted.casefold()]
        if not by_title and not 0 <= place < len(self.choices):
            known = ", ".join(f"{number} {one.title}" for number, one in enumerate(self.choices, 1))
            raise SimulatorMistake(f"There is {known}.")
        return by_title[0] if by_title else self.choices[place]


@dataclass(slots=True)
class Chat:
    """One phone: what it can still tap, oldest first, and what it heard since somebody last did something with it."""

    offers: tuple[Offer, ...] = ()
    heard: tuple[str, ...] = ()


@dataclass(slots=True)
class Desk:
    """What a session knows besides the database; `/back` brings it back with the database."""

    part: str
    now: datetime
    chats: dict[str, Chat]
    messages: int = 0
    held: int = 0
    dead: int = 0
    failures: list[str] = field(default_factory=list)
    delivered: NewMessage | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything as it was."""

    copy: DatabaseCopy
    desk: Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A step that was played.

    Attributes:
        deed: What was done.
        at: When it was done; what it led to may have come later.
        before: Everything before it.
        said: What was said then, on all phones, with what the person said themselves.
        page: Actions, effects and news of its turns.
        changes: What became different in the database.
        failures: Why turns failed.
        state: Where the run that talks on this phone then was.
        instead: For a crash: the place of the step that was played again, and how it had gone the first time.
    """

    deed: Deed
    at: datetime
    before: Moment
    said: tuple[Said, ...] = ()
    page: Page = field(default_factory=Page)
    changes: tuple[TableChange, ...] = ()
    failures: tuple[str, ...] = ()
    state: str | None = None
    instead: "tuple[int, Played] | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """A process died in the middle of a turn, and the turn was taken again.

    Attributes:
        lost: What it had written and not committed, in words.
        said: What was said the second time, on all phones.
        same_words: Whether that is what was said the first time.
        doubled: Tables that now have more rows than after the first time, with how many: nothing should be.
    """

    lost: tuple[str, ...]
    said: tuple[Said, ...]
    same_words: bool
    doubled: tuple[tuple[str, int], ...]


def lost(outcome: Outcome) -> tuple[str, ...]:
    """What a turn had written and not committed, in words."""
    found = [f"{number} {'message' if number == 1 else 'messages'}" for number in [len(outcome.outbound)] if number]
    found += [f"what {entry.action} had done" for entry in outcome.audit if entry.detail.get("receipt")]
    found += [f"the timer {timer.name}" for timer in outcome.timers.values()]
    places = [conversation.frames[-1] for conversation in outcome.conversations if conversation.frames]
    found += [f"the step to {frame.flow}.{frame.state}" for frame in places]
    return tuple(found)


def wording_of(deed: Deed) -> str:
    """A step in a few words."""
    match deed:
        case Sends(kind="choice", shown=shown):
            return f"the tap on “{shown}”"
        case Sends(shown=shown):
            return f"“{shown}”"
        case Waits(length=length):
            return f"the wait of {wording.span(length)}"
        case Speaks(language=language):
            return f"the change of language to {language}"
        case Suffers(trouble="crash"):
            return "the crash"
        case _:
            return "the second delivery"


def duplicated(changed: tuple[TableChange, ...]) -> str:
    """What came of delivering a message twice."""
    if changed:
        return f"delivered again, and it changed {', '.join(one.table for one in changed)}: a fault of the bot"
    return "delivered again: known by its id, so nothing happened"


def crashed(crash: Crash) -> list[str]:
    """What came of a crash, a sentence each."""
    undone = ", ".join(crash.lost) or "nothing yet"
    lines = [f"the process died before it committed; undone: {undone}"]
    if crash.doubled:
        more = ", ".join(f"{table} +{count}" for table, count in crash.doubled)
        return [*lines, f"another one took the turn again, and there is more than before: {more}"]
    words = "the same words" if crash.same_words else "the same, but for numbers that PostgreSQL never gives twice"
    return [*lines, f"another one took the turn again: {words}, and nothing is there twice"]


def photo_of(what: str, number: int) -> MediaIn:
    """A photo: a file, or a made-up one with a caption.

    Args:
        what: Path of a file, else the caption.
        number: Tells made-up photos apart.

    Raises:
        SimulatorMistake: It is written like the path of a picture, and there is none.
    """
    path = Path(what).expanduser()
    found = bool(what) and path.is_file()
    if not found and _PICTURE.fullmatch(what):
        raise SimulatorMistake(f"There is no file {what}. For a caption, use more than one word.")
    return MediaIn(
        media="image",
        media_id=f"simulated.photo.{number}",
        mime_type=(mimetypes.guess_type(path.name)[0] if found else None) or "image/jpeg",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest() if found else None,
        filename=path.name if found else None,
        caption=None if found else what or None,
    )
