"""`bot simulate` line by line: in a pipe, for scripts, and where there is no room for a phone."""

import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from rich.tree import Tree

from bot.authoring.simulator import (
    Become,
    Expect,
    Input,
    Look,
    Quit,
    Say,
    SendPhoto,
    SendPlace,
    SimulatorMistake,
    Speak,
    Tap,
    Trick,
    Wait,
    commands,
    read_line,
)
from bot.cli import wording
from bot.cli.bubbles import Bubbles, Lines, Said
from bot.cli.cast import Player
from bot.cli.deeds import crashed, duplicated, wording_of
from bot.cli.explain import decided
from bot.cli.lookout import Standing
from bot.cli.replaying import play
from bot.cli.session import Session
from bot.core.conversation import Frame
from bot.core.languages import name_of
from storage.postgres.history import History

if TYPE_CHECKING:
    from bot.cli.recording import Recorder


class Stage:
    """Carries out what is typed, and shows what comes of it.

    Args:
        screen: Where to show it.
        recorder: Writes down what is played.
    """

    def __init__(self, screen: Bubbles | Lines, recorder: "Recorder | None" = None) -> None:
        self._screen = screen
        self._recorder = recorder
        self._shown_failures = 0

    def opening(self, who: Player, data_dir: Path) -> None:
        """Say what this is."""
        if isinstance(self._screen, Bubbles):
            you = f" · you are {who.name} ({who.part}) · "
            title = Text.assemble(("Sirdar simulator", "bold"), you, ("/help", "cyan"), " lists what you can do")
            self._screen.show(title)
            if not (data_dir / "scratch").exists():
                self._screen.note("The first start makes a small database; that takes a few seconds.")
            if who.hint:
                self._screen.note(f"Try: {who.hint}")

    async def chat(self, session: Session) -> None:
        """Read and carry out lines until there are no more."""
        while True:
            prompt = f"{session.who.part}> " if isinstance(self._screen, Bubbles) else ""
            line = _ask(prompt)  # nothing else runs in this process meanwhile
            if line is None:
                return
            if not sys.stdin.isatty() and line.strip().startswith("#"):
                continue
            try:
                wanted = read_line(line)
                if isinstance(wanted, Quit):
                    return
                if wanted is not None:
                    await self.carry_out(session, wanted)
            except SimulatorMistake as mistake:
                self._screen.wrong(str(mistake))

    async def play(self, session: Session, steps: Iterable[tuple[int, Input]]) -> int:
        """Carry out a script; returns the exit code."""
        failed = 0
        for number, step in steps:
            match step:
                case Expect(text=text):
                    if text.casefold() not in session.last_reply.casefold():
                        failed += 1
                        self._screen.wrong(f"line {number}: the last reply does not contain “{text}”")
                case Quit():
                    break
                case _:
                    try:
                        await self.carry_out(session, step)
                    except SimulatorMistake as mistake:
                        failed += 1
                        self._screen.wrong(f"line {number}: {mistake}")
        return 1 if failed or session.failures else 0

    async def carry_out(self, session: Session, wanted: Input) -> None:
        """Do one thing, and write it down.

        Raises:
            SimulatorMistake: It cannot be done here.
        """
        await self._do(session, wanted)
        if self._recorder is not None:
            self._recorder.save(session)

    async def replay(self, session: Session, past: History) -> None:
        """Play a real conversation up to where it is wanted."""
        await play(session, past, lambda number, said: self._say(session, said))
        self._screen.note(f"played {len(past.messages)} messages; go on from here")
        if self._recorder is not None:
            self._recorder.save(session)

    async def _do(self, session: Session, wanted: Input) -> None:
        match wanted:
            case Say(text=text):
                self._say(session, await session.say(text))
            case Tap(choice=choice):
                self._say(session, await session.tap(choice))
            case SendPhoto(caption=caption):
                self._say(session, await session.send_photo(caption))
            case SendPlace(latitude=latitude, longitude=longitude):
                self._say(session, await session.send_place(latitude, longitude))
            case Wait(length=length):
                found = await session.wait(length)
                self._screen.note(f"{wording.span(length)} later, {wording.moment(session.clock.now)}")
                self._say(session, found)
            case Become(part=part):
                one = session.become(part)
                self._screen.note(f"now {one.name} ({one.part}){f'; try: {one.hint}' if one.hint else ''}")
            case Speak(language=language):
                if self._recorder is not None:
                    self._recorder.check_language(session, session.who.part)
                await session.speak(language)
                self._screen.note(f"{session.who.name} is answered in {name_of(language)} from now on")
            case Trick(name=name):
                await self._trick(session, name)
            case Look(at=at):
                await self._look(session, at)
            case Expect() | Quit():
                pass

    async def _look(self, session: Session, at: str) -> None:
        match at:
            case "state":
                self._state(await session.standing())
            case "why":
                self._why(await session.why())
            case _:
                self._help([player.part for player in session.cast])

    async def _trick(self, session: Session, name: str) -> None:
        match name:
            case "back":
                deed = await session.back()
                self._screen.note(f"undone: {wording_of(deed)}; it is {wording.moment(session.clock.now)} again")
            case "reset":
                await session.reset()
                self._screen.note("everything is as in the beginning")
            case "dup":
                changed = await session.duplicate()
                self._screen.note(duplicated(changed))
            case _:
                crash = await session.crash()
                for line in crashed(crash):
                    self._screen.note(line)
                self._say(session, list(crash.said))
        self._shown_failures = len(session.failures)

    def _say(self, session: Session, found: list[Said]) -> None:
        if isinstance(self._screen, Bubbles):
            self._screen.watch(session.who.part)
        for one in found:
            self._screen.said(one)
        failures = session.failures[self._shown_failures :]
        for failure in failures:
            self._screen.wrong(f"the turn failed: {failure}")
        if found and not failures and not any(one.by_business for one in found):
            self._screen.note("no answer; /why tells the reason")
        self._shown_failures = len(session.failures)

    def _state(self, standing: Standing | None) -> None:
        tree = Tree(Text("Conversation", "bold"), guide_style="dim")
        if standing is not None and standing.snapshot.owner != "bot":
            tree.add(Text(f"taken over by {standing.snapshot.owner}: the bot keeps quiet", "yellow"))
        if standing is not None:
            for frame in (*reversed(standing.snapshot.frames), *standing.objects):
                run = f"  version {frame.version}, run {frame.run}"
                branch = tree.add(Text.assemble((f"{frame.flow}.{frame.state}", "bold cyan"), run))
                for text in _frame_lines(frame):
                    branch.add(text)
            for timer in standing.timers:
                due = f"{timer['name']} due {wording.moment(timer['due_at'])}"
                tree.add(Text.assemble(("timer ", "yellow"), due))
        if tree.children:
            self._screen.show(tree)
        else:
            self._screen.note("No flow is under way.")

    def _why(self, decisions: list[dict[str, object]]) -> None:
        if not decisions:
            self._screen.note("Nothing has happened here yet.")
            return
        tree = Tree(Text("The last turn that was completed", "bold"), guide_style="dim")
        for decision in decisions:
            tree.add(decided(decision))
        self._screen.show(tree)

    def _help(self, parts: list[str]) -> None:
        lines = [Text.assemble((f"{example:<25}", "cyan"), meaning) for example, meaning in commands(parts)]
        self._screen.show(Text("\n").join(lines))
        self._screen.note("Anything else is said to the bot.")


def _frame_lines(frame: Frame) -> Iterable[Text]:
    for name, found in frame.slots.items():
        yield Text.assemble((f"{name} ", "green"), "= ", wording.value(found))
    for name, found in frame.data.items():
        yield Text.assemble((f"{name} ", "magenta"), "= ", wording.value(found))
    if frame.asking:
        yield Text(f"asks for {frame.asking}", "dim")
    if frame.instance:
        yield Text(f"belongs to {frame.instance}", "dim")


def _ask(prompt: str) -> str | None:
    """The next line; None at the end of input and at Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio's own would wait for the line first
    try:
        return input(prompt)
    except (EOFError, KeyboardInterrupt):
        if prompt:
            sys.stdout.write("\n")
        return None
    finally:
        signal.signal(signal.SIGINT, before)
