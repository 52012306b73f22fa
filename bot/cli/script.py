"""Scripts for `bot demo --script`: who writes what, and what they should hear.

- customer: "Hi, interested in EBC Trek for 2 people in December"
- expect: {customer: "Everest Base Camp"}
- customer: {tap: "Send me a quote"}
- expect: {customer: "Your enquiry", sales: "New lead"}
- guide: {location: "27.98 86.92"}
- guide: {photo: "The broken axle"}
- sales: {desk: {quotes.send: {quote: QUO1}}}
- customer: {pay: link}
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.authoring.reader import read
from bot.authoring.simulator import SendPhoto, SendPlace, Tap, read_line
from bot.cli.backstage import PAY_PATH, Backstage
from bot.cli.bubbles import Bubbles, Lines, Said
from bot.cli.cast import CAST, Player, player
from bot.core.errors import FlowError, Mark, SirdarError
from providers.emulator import Bubble, Emulator

BUILT_IN = Path(__file__).with_name("demo.yaml")
PATIENCE_SECONDS = 60.0

_DEEDS = "`tap:`, `photo:`, `location:`, `desk:` or `pay: link`"
_LINK = re.compile(r"https?://\S+" + PAY_PATH + r"\S+")
_MARKUP = re.compile(r"[*_~]")
_PIXEL = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb004300" + "08" * 64 + "ffc00011080001000103012200021101031101ffd9"
)
"""The smallest thing that looks like a JPEG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Somebody writes."""

    who: Player
    text: str
    at: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """Somebody does something else with their phone."""

    who: Player
    deed: Tap | SendPhoto | SendPlace
    at: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Somebody does something at the desk."""

    who: Player
    service: str
    arguments: Mapping[str, Any]
    at: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Pay:
    """Somebody opens the newest payment link on their phone, and pays."""

    who: Player
    at: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Hear:
    """Somebody should hear something."""

    who: Player
    text: str
    at: Mark


Step = Write | Do | Work | Pay | Hear


def read_steps(path: Path, people: Sequence[Player] = CAST) -> list[Step]:
    """Read a script: a file of its own, or what a `demo.yaml` has under `script:`.

    Args:
        path: The file.
        people: Who may occur in it.

    Raises:
        FlowError: It is not written as scripts are; with place and remedy.
        SirdarError: The file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SirdarError(f"{path} cannot be read: {error}") from error
    document = read(text, str(path))
    within = isinstance(document.value, dict) and "script" in document.value
    value = document.value["script"] if within else document.value
    if not isinstance(value, list):
        raise FlowError("A script is a list.", at=document.mark(()), hint='Begin each step with "- ".')
    marks = [document.mark(("script", place) if within else (place,)) for place in range(len(value))]
    return [step for at, item in zip(marks, value, strict=True) for step in _steps(at, item, people)]


def _steps(at: Mark, item: Any, people: Sequence[Player]) -> list[Step]:
    if not isinstance(item, dict) or len(item) != 1:
        raise FlowError("A step is one line.", at=at, hint='For example `- customer: "Hi"`.')
    ((key, given),) = item.items()
    if key == "expect":
        if not isinstance(given, dict):
            raise FlowError("`expect:` says who hears what.", at=at, hint='For example {customer: "Thank you"}.')
        wanted = {part: texts if isinstance(texts, list) else [texts] for part, texts in given.items()}
        return [
            Hear(who=_who(part, at, people), text=str(text), at=at) for part, texts in wanted.items() for text in texts
        ]
    who = _who(key, at, people)
    if isinstance(given, dict) and len(given) == 1:
        ((verb, argument),) = given.items()
        if verb == "pay" and argument == "link":
            return [Pay(who=who, at=at)]
        if verb == "desk":
            return [_work(who, argument, at)]
        try:
            deed = read_line(f"/{verb} {argument}")
        except ValueError:
            deed = None
        if not isinstance(deed, Tap | SendPhoto | SendPlace):
            raise FlowError(f"Nobody can `{verb}: {argument}`.", at=at, hint=f"There is {_DEEDS}.")
        return [Do(who=who, deed=deed, at=at)]
    if isinstance(given, dict | list) or given is None:
        raise FlowError("What do they write?", at=at, hint=f"A text, or {_DEEDS}.")
    return [Write(who=who, text=str(given), at=at)]


def _work(who: Player, given: Any, at: Mark) -> Work:
    (service, arguments), *more = given.items() if isinstance(given, dict) and given else [("", None)]
    if more or not isinstance(arguments, dict):
        raise FlowError("What do they do at the desk?", at=at, hint="For example {desk: {quotes.send: {quote: QUO1}}}.")
    return Work(who=who, service=str(service), arguments=arguments, at=at)


def _who(part: str, at: Mark, people: Sequence[Player]) -> Player:
    found = player(part, people)
    if found is None:
        raise FlowError(
            f"Nobody here is `{part}`.", at=at, hint="There is " + ", ".join(one.part for one in people) + "."
        )
    return found


class Rehearsal:
    """Plays a script on the phones, and shows what is said on any of them.

    Args:
        emulator: The phones.
        screen: Where to show it.
        patience: Seconds to wait for each expected answer.
        people: Whose phones they are.
        backstage: Does what is not done on a phone.
    """

    def __init__(
        self,
        emulator: Emulator,
        screen: Bubbles | Lines,
        patience: float = PATIENCE_SECONDS,
        people: Sequence[Player] = CAST,
        backstage: Backstage | None = None,
    ) -> None:
        self._emulator = emulator
        self._screen = screen
        self._patience = patience
        self._people = people
        self._backstage = backstage
        self._shown = {one.number: 0 for one in people}

    async def play(self, steps: list[Step]) -> str | None:
        """Play until something expected does not come; returns what, or None when all is well."""
        for step in steps:
            missing = await self._play(step)
            self._show()
            if missing is not None:
                return f"{step.at}: {missing}"
        await self._emulator.settled(self._patience)
        self._show()
        return None

    async def _play(self, step: Step) -> str | None:
        number = step.who.number
        match step:
            case Write(text=text):
                await self._emulator.say(number, text)
            case Do(deed=SendPhoto(caption=caption)):
                await self._emulator.send_image(number, _PIXEL, caption=caption)
            case Do(deed=SendPlace(latitude=latitude, longitude=longitude)):
                await self._emulator.send_location(number, latitude, longitude)
            case Do(deed=Tap(choice=wanted)):
                return await self._tap(number, wanted)
            case Work(who=who, service=service, arguments=arguments):
                if self._backstage is None:
                    return "there is no desk here."
                self._screen.note(f"{who.name} at the desk: {service} {_shown(arguments)}".rstrip())
                return await self._backstage.work(who, service, arguments)
            case Pay(who=who):
                return await self._pay(who)
            case Hear(who=who, text=text):
                try:
                    await self._emulator.wait_for(number, _says(text), self._patience)
                except TimeoutError:
                    return f"{who.name} ({who.part}) did not hear “{text}” within {self._patience:g} s."
        return None

    async def _pay(self, who: Player) -> str | None:
        for bubble in reversed(self._emulator.transcript(who.number)):
            link = _LINK.search(bubble.text)
            if link is not None and self._backstage is not None:
                self._screen.note(f"{who.name} opens the payment page, and pays")
                return await self._backstage.pay(link[0])
        return f"{who.name} ({who.part}) has no payment link."

    async def _tap(self, number: str, wanted: str) -> str | None:
        for bubble in reversed(self._emulator.transcript(number)):
            if bubble.author != "business":
                continue
            for button in bubble.buttons:
                if button.title.casefold() == wanted.casefold():
                    await self._emulator.tap(number, bubble.id, button.id)
                    return None
            for section in bubble.menu.sections if bubble.menu is not None else ():
                for row in section.rows:
                    if row.title.casefold() == wanted.casefold():
                        await self._emulator.pick(number, bubble.id, row.id)
                        return None
        return f"nothing on this phone is called “{wanted}”, so it cannot be tapped."

    def _show(self) -> None:
        """Show what has appeared on any phone since, in the order of time."""
        fresh: list[tuple[datetime, Said]] = []
        for one in self._people:
            bubbles = self._emulator.transcript(one.number)
            fresh += [(bubble.at, _said(one, bubble)) for bubble in bubbles[self._shown[one.number] :]]
            self._shown[one.number] = len(bubbles)
        for _, said in sorted(fresh, key=lambda entry: entry[0]):
            self._screen.said(said)


def _shown(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in arguments.items())


def _says(wanted: str) -> Callable[[Bubble], bool]:
    """Whether a bubble contains a text, whatever its case and formatting."""
    plain = _MARKUP.sub("", wanted).casefold()

    def check(bubble: Bubble) -> bool:
        titles = [button.title for button in bubble.buttons]
        whole = "\n".join([bubble.header, bubble.text, bubble.footer, *titles])
        return plain in _MARKUP.sub("", whole).casefold()

    return check


def _said(one: Player, bubble: Bubble) -> Said:
    choices = tuple((button.title, "") for button in bubble.buttons)
    label = ""
    if bubble.menu is not None:
        label = bubble.menu.label
        choices += tuple((row.title, row.description) for section in bubble.menu.sections for row in section.rows)
    parts = [f"*{bubble.header}*" if bubble.header else "", bubble.text, f"_{bubble.footer}_" if bubble.footer else ""]
    if bubble.place is not None:
        parts.insert(0, f"📍 {bubble.place.latitude:g}, {bubble.place.longitude:g}")
    if bubble.media is not None:
        parts.insert(0, f"📷 {bubble.media.mime_type}")
    return Said(
        part=one.part,
        name=one.name,
        by_business=bubble.author == "business",
        text="\n".join(filter(None, parts)),
        choices=choices,
        label=label,
        at=bubble.at.astimezone(),
        note="template" if bubble.kind == "template" else "",
    )
