"""The full-screen simulator: carries out what is typed and tapped, one after the other, and shows what comes of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.css.query import NoMatches
from textual.widgets import Footer, Input, Static

from bot.authoring.simulator import Input as Wanted
from bot.authoring.simulator import Look, Quit, SimulatorMistake, commands, read_line
from bot.authoring.watching import Stamp, stamp
from bot.cli.cast import BUSINESS, Player
from bot.cli.replaying import play
from bot.cli.screen import scenes
from bot.cli.screen.bubble import Tappable
from bot.cli.screen.chat import Chat
from bot.cli.screen.doing import Notes, do
from bot.cli.screen.entry import Entry, Hints
from bot.cli.screen.looks import DARK, LIGHT
from bot.cli.screen.panel import Insight, News, Panel, look
from bot.cli.screen.sheet import Sheet
from bot.cli.screen.tabs import PhoneTab
from bot.cli.session import Session
from bot.core.errors import ContentErrors, SirdarError
from storage.postgres.history import History

if TYPE_CHECKING:
    from bot.cli.recording import Recorder

NARROW = 100
"""Columns below which phone and panel take turns."""
LOW = 30
"""Rows below which nothing is spent on air."""
_WATCH_SECONDS = 0.5

Opener = Callable[[], Awaitable[Session]]


class PhoneApp(App[None]):
    """A terminal full of phone.

    Args:
        opener: Makes the session; the screen is there before it is.
        cast: Everybody with a phone.
        who: Whose is in hand first.
        recorder: Writes down what is played.
        past: A real conversation to play first.
    """

    CSS_PATH = "phone.tcss"
    TITLE = "Sirdar simulator"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "type('/help')", "Help"),
        Binding("f2", "panel", "State & why"),
        Binding("f3", "theme", "Light/dark"),
        Binding("f4", "type('/back')", "Back"),
        *(Binding(f"f{key}", f"phone({key - 5})", show=False) for key in range(5, 10)),
        Binding("pageup", "scroll(-1)", show=False, priority=True),
        Binding("pagedown", "scroll(1)", show=False, priority=True),
        Binding("escape", "write", show=False),
        Binding("f10", "quit", "Quit"),
        Binding("ctrl+q", "quit", show=False),
    ]

    def __init__(
        self, opener: Opener, cast: tuple[Player, ...], who: Player, *, recorder: "Recorder | None" = None,
        past: History | None = None, business: str = BUSINESS,
    ) -> None:  # fmt: skip
        super().__init__()
        self.session: Session | None = None
        self.insight: Insight | None = None
        self._opener = opener
        self._cast = cast
        self._commands = commands([player.part for player in cast])
        self._who = who
        self._business = business
        self.failure: SirdarError | None = None
        self._recorder = recorder
        self._past = past
        self._one_at_a_time = asyncio.Lock()
        self._notes = Notes()
        self._read: dict[str, int] = {}
        self._news = News()
        self._stamp: Stamp = {}
        self._panel_wanted: bool | None = None

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our colours, whatever the theme."""
        return dict(DARK.variables)

    # --- Building -----------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Tabs, head, chat and entry; the panel beside them."""
        with Horizontal(id="desk"):
            with Vertical(id="phone"):
                with Horizontal(id="tabs"):
                    for number, player in enumerate(self._cast):
                        yield PhoneTab(player, f"F{number + 5}")
                with Horizontal(id="head"):
                    yield Static(initials(self._business), id="avatar", markup=False)
                    yield Static(id="title")
                    yield Static(id="clock")
                yield Chat()
                yield Hints(self._commands)
                yield Entry(self._commands)
            yield Panel()
        yield Footer(show_command_palette=False, compact=True)

    async def on_mount(self) -> None:
        """Dress, and make the session."""
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name
        self.query_one(Entry).focus()
        self._head("setting up a database of its own…")
        self.run_worker(self._open(), name="open")

    async def _open(self) -> None:
        async with self._one_at_a_time:
            try:
                self.session = await self._opener()
            except SirdarError as error:
                self.failure = error
                self.exit()
                return
            self._stamp = await asyncio.to_thread(stamp, self.session.root)
            if self._past is not None:
                await self._replay(self.session, self._past)
            await self._show_all()
        self.set_interval(_WATCH_SECONDS, self.look_for_changes)

    async def _replay(self, session: Session, past: History) -> None:
        count = len(past.messages)
        await play(session, past, lambda number, said: self._head(f"playing {number} of {count}"))
        self._remark("Here the conversation was; go on from here.", "good")
        if self._recorder is not None:
            self._recorder.save(session)

    # --- What people do -----------------------------------------------------------------------------------------------

    def on_entry_written(self, event: Entry.Written) -> None:
        """A line was written."""
        self._begin(event.text)

    def on_entry_numbered(self, event: Entry.Numbered) -> None:
        """A button or row was chosen by its number."""
        session = self._now()
        offer = session.offer(session.who.part)
        if offer is not None and offer.listed:
            self._unroll(len(session.offers(session.who.part)) - 1, event.number - 1)
        else:
            self._begin(f"/tap {event.number}")

    def on_tappable_tapped(self, event: Tappable.Tapped) -> None:
        """A button was tapped, or a list is to be opened."""
        if not event.title:
            self._unroll(event.offer, 0)
        else:
            self.run_worker(self._in_turn(lambda session: self._tap(session, event.title, event.offer)))
        self.query_one(Entry).focus()

    def on_phone_tab_chosen(self, event: PhoneTab.Chosen) -> None:
        """Another phone is wanted."""
        self._begin(f"/as {event.part}")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Commands are suggested while they are written."""
        self.query_one(Hints).suggest(event.value)

    def action_type(self, line: str) -> None:
        """Do as if this was written."""
        self._begin(line)

    def action_phone(self, place: int) -> None:
        """Take a phone by its place."""
        if place < len(self._cast):
            self._begin(f"/as {self._cast[place].part}")

    def action_write(self) -> None:
        """Back to the line one writes on."""
        self.query_one(Entry).focus()

    def action_scroll(self, way: int) -> None:
        """Look through the chat, or the panel where it hides the chat."""
        shown = self.query_one(Chat) if self.query_one("#phone").display else self.query_one(Panel)
        shown.scroll_relative(y=way * max(shown.size.height - 2, 1), animate=False)

    def action_theme(self) -> None:
        """Light or dark."""
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name

    def action_panel(self) -> None:
        """Show or hide what is behind the phone."""
        self._panel_wanted = not self.query_one(Panel).display
        self._lay_out()

    def on_resize(self, event: events.Resize) -> None:
        """Make the best of the room there is."""
        self._lay_out()

    # --- Carrying out -------------------------------------------------------------------------------------------------

    def _begin(self, line: str) -> None:
        try:
            wanted = read_line(line)
        except SimulatorMistake as mistake:
            complaint = str(mistake)
            self.run_worker(self._in_turn(lambda session: self._complain(complaint)))
            return
        if isinstance(wanted, Quit):
            self.exit()
        elif wanted is not None:
            self.run_worker(self._in_turn(lambda session: self._carry_out(session, wanted)))

    async def _in_turn(self, deed: Callable[[Session], Awaitable[None]]) -> None:
        """Do one thing after the other, however fast somebody types."""
        async with self._one_at_a_time:
            if self.session is None:
                return
            self._head("typing…")
            try:
                await deed(self.session)
            except (SimulatorMistake, SirdarError) as mistake:
                self._remark(str(mistake), "bad")
            if self._recorder is not None:
                self._recorder.save(self.session)
            await self._show_all()

    async def _complain(self, complaint: str) -> None:
        self._remark(complaint, "bad")

    async def _tap(self, session: Session, title: str, offer: int) -> None:
        await session.tap(title, offer=offer)
        self._notes.about_silence(session)

    async def _carry_out(self, session: Session, wanted: Wanted) -> None:
        match wanted:
            case Look(at="help"):
                self._help()
            case Look():
                self._panel_wanted = True
                self._lay_out()
            case _:
                await do(session, wanted, self._notes, self._recorder)

    def _unroll(self, number: int, row: int) -> None:
        session = self._now()
        part = session.who.part
        item = session.offers(part)[number]
        rows = [(choice.title, choice.description or "") for choice in item.choices]

        def chosen(place: int | None) -> None:
            if place is not None:
                title = rows[place][0]
                self.run_worker(self._in_turn(lambda session: self._tap(session, title, number)))

        self.push_screen(Sheet(item.label, rows, row, self.query_one("#phone").size.width), chosen)

    def _help(self) -> None:
        self._remark("\n".join(f"{example}\t{meaning}" for example, meaning in self._commands), "table")

    # --- Reading the flows again --------------------------------------------------------------------------------------

    async def look_for_changes(self) -> None:
        """Read the flows again when somebody has saved one of their files."""
        if self._one_at_a_time.locked() or self.session is None:
            return
        now = await asyncio.to_thread(stamp, self.session.root)
        if now != self._stamp:
            self._stamp = now
            self.run_worker(self._in_turn(self.reload), name="reload")

    async def reload(self, session: Session) -> None:
        """Read the content folder again, and keep the conversation."""
        try:
            lost = await session.reload()
        except ContentErrors as errors:
            self._news = News(errors=tuple(errors.errors))
            count = len(errors.errors)
            self._remark(
                f"The flows have {count} mistake{'s' if count > 1 else ''}; they go on as they were (F2 tells more).\n"
                f"{errors.errors[0]}", "bad",
            )  # fmt: skip
            return
        self._news = News(notes=tuple(lost))
        self._remark("The flows were read again; the conversation goes on.", "good")
        for note in lost:
            self._remark(note, "bad")

    # --- Showing ------------------------------------------------------------------------------------------------------

    def _now(self) -> Session:
        if self.session is None:
            raise SimulatorMistake("Not ready yet.")
        return self.session

    def _remark(self, text: str, tone: scenes.Tone = "plain") -> None:
        self._notes.add(self._now(), text, tone)

    async def _show_all(self) -> None:
        session = self._now()
        part = session.who.part
        self._read[part] = scenes.unread(part, session.played)
        for tab in self.query(PhoneTab):
            theirs = tab.player.part
            unread = scenes.unread(theirs, session.played) - self._read.get(theirs, 0)
            tab.show(inhand=theirs == part, unread=max(unread, 0))
        items = scenes.scene(part, session.played, self._notes.remarks, session.began.date())
        await self.query_one(Chat).show(items)
        newest = next(
            (one.said for one in reversed(items) if isinstance(one, scenes.Bubble) and one.said.by_business), None
        )
        entry = self.query_one(Entry)
        entry.tappable = len(newest.choices) if newest is not None and newest.offer is not None else 0
        entry.placeholder = f"Message · 1–{entry.tappable} taps" if entry.tappable else _placeholder(session)
        self.insight = await look(session, self._news)
        self.query_one(Panel).show(self.insight)
        owner = self.insight.standing.snapshot.owner if self.insight.standing is not None else "bot"
        self._head("online" if owner == "bot" else f"{owner.removeprefix('role:')} has taken over")

    def _head(self, presence: str) -> None:
        who = self.session.who if self.session is not None else self._who
        chat = Content.assemble((self._business, "bold"), "\n", (presence, "$bar-faint"))
        self.query_one("#title", Static).update(chat)
        at = self.session.clock.now if self.session is not None else None
        words = (
            Content.assemble((f"{at:%H:%M}", "bold"), "\n", (f"{at:%a %d %b %Y}", "$bar-faint")) if at else Content("")
        )
        self.query_one("#clock", Static).update(words)
        self.sub_title = f"{who.name} ({who.part})"

    def _lay_out(self) -> None:
        try:
            panel, phone = self.query_one(Panel), self.query_one("#phone")
        except NoMatches:  # resized before it was built
            return
        narrow = self.size.width < NARROW
        self.screen_stack[0].set_class(narrow, "narrow")
        self.screen_stack[0].set_class(self.size.height < LOW, "low")
        wanted = not narrow if self._panel_wanted is None else self._panel_wanted
        panel.display = wanted
        phone.display = not (wanted and narrow)
        if phone.display:
            self.query_one(Entry).focus()


def initials(business: str) -> str:
    """The letters in its picture."""
    return "".join(word[0] for word in business.split()[:2]).upper()


def _placeholder(session: Session) -> str:
    hint = session.who.hint
    return f"Try: {hint}" if hint and not session.played else "Message"
