"""The panel beside the phone: where the conversation is, what it knows and waits for, and why the last turn went so."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from bot.cli import wording
from bot.cli.deeds import Played
from bot.cli.lookout import Standing
from bot.cli.session import Session
from bot.core.conversation import Frame
from bot.core.errors import ContentError

_STYLES = {
    "error": "$error bold", "ignored": "$warning", "said": "$success", "called": "$link", "answered": "$link",
    "moved": "$primary bold",
}  # fmt: skip
_LABEL = 11  # cells of what comes before a sentence
_BOOKKEEPING = frozenset(
    {
        "alembic_version",
        "audit_heads",
        "audit_seals",
        "audit_unsealed",
        "contact_identities",
        "contacts",
        "delivery_updates",
        "flow_runs",
        "inbox",
        "message_keys",
        "outbox",
        "send_attempts",
        "timers",
        "turn_traces",
        "whatsapp_audit_logs",
        "whatsapp_conversations",
        "whatsapp_messages",
    }
)
"""Tables that change in most turns: what they hold is shown in other words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What became of the content folder. `errors`: why it cannot be used; `notes`: what changed for whom."""

    errors: tuple[ContentError, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Insight:
    """What there is to see behind a phone."""

    name: str
    now: datetime
    standing: Standing | None = None
    last: Played | None = None
    why: Sequence[dict[str, Any]] = ()
    news: News = field(default_factory=News)


async def look(session: Session, news: News) -> Insight:
    """Look behind the phone in hand."""
    last = session.played[-1] if session.played else None
    return Insight(
        name=session.who.name, now=session.clock.now, standing=await session.standing(), last=last,
        why=await session.why(), news=news,
    )  # fmt: skip


class Panel(VerticalScroll, can_focus=False):
    """Sections, each with a heading."""

    def __init__(self) -> None:
        super().__init__(id="panel")
        self._insight: Insight | None = None

    def compose(self) -> ComposeResult:
        """One text: it is short, and changes all at once."""
        yield Static(id="insight")

    def on_resize(self) -> None:
        """Wrap again."""
        if self._insight is not None:
            self.show(self._insight)

    def show(self, insight: Insight) -> None:
        """Show this."""
        self._insight = insight
        parts = []
        for title, lines in _sections(insight, self.scrollable_content_region.width):
            body = list(lines)
            if body:
                parts.append(Content("\n").join([Content.styled(title.upper(), "$faint bold"), *body]))
        self.query_one("#insight", Static).update(Content("\n\n").join(parts))


def _sections(insight: Insight, width: int) -> Iterator[tuple[str, Iterator[Content]]]:
    yield "The flows cannot be used as they are", _errors(insight.news)
    yield "The flows were read again", _notes(insight.news)
    yield f"Where {insight.name.split()[0]} is", _places(insight.standing)
    yield "Waits for", _timers(insight)
    yield "The last step", _effects(insight.last)
    yield "Why the last turn went so", _why(insight.why, width)


def _errors(news: News) -> Iterator[Content]:
    for error in news.errors[:8]:
        if error.at is not None:
            yield Content.styled(str(error.at), "$error bold")
        yield Content(error.message)
        if error.hint:
            yield Content.assemble(("→ ", "$link"), error.hint)
    if len(news.errors) > 8:
        yield Content.styled(f"and {len(news.errors) - 8} more: bot check", "$faint")
    if news.errors:
        yield Content.styled("Until they are mended, the flows go on as they were.", "$faint")


def _notes(news: News) -> Iterator[Content]:
    for note in news.notes:
        yield Content.styled(note, "$warning")


def _places(standing: Standing | None) -> Iterator[Content]:
    frames = [*reversed(standing.snapshot.frames), *standing.objects] if standing is not None else []
    if standing is not None and standing.snapshot.owner != "bot":
        owner = standing.snapshot.owner.removeprefix("role:")
        yield Content.styled(f"taken over by {owner}: the bot keeps quiet", "$warning bold")
    if not frames:
        yield Content.styled("No flow is under way.", "$faint")
    for depth, frame in enumerate(frames):
        yield from _frame(frame, "below: " if depth and frame.instance is None else "")


def _frame(frame: Frame, before: str) -> Iterator[Content]:
    about = [f"v{frame.version}"]
    about += [f"about {frame.instance}"] if frame.instance else []
    about += [f"asks for {frame.asking}"] if frame.asking else []
    yield Content.assemble(
        (before, "$faint"), (f"{frame.flow}.{frame.state}", "$primary bold"), (f"  {' · '.join(about)}", "$faint")
    )
    for names in (frame.slots, frame.data):
        for name, found in names.items():
            style = "$success" if names is frame.slots else "$secondary"
            yield Content.assemble(("  ", ""), (name, style), (" = ", "$faint"), wording.value(found))


def _timers(insight: Insight) -> Iterator[Content]:
    for timer in insight.standing.timers if insight.standing is not None else ():
        left = timer["due_at"] - insight.now
        when = f"in {wording.span(left)}" if left.total_seconds() > 0 else "now"
        day = f"{timer['due_at']:%a %H:%M}"
        yield Content.assemble(("◷ ", "$warning"), (f"{timer['name']:<5}", "bold"), f" {when}", (f"  {day}", "$faint"))


def _effects(last: Played | None) -> Iterator[Content]:
    """What went out, what was called, what is new in the business."""
    if last is None:
        return
    for said in last.said:
        if said.by_business:
            held = said.note.startswith("not sent")
            first = next(iter(said.text.splitlines()), "")
            mark = ("✗ ", "$error bold") if held else ("→ ", "$success bold")
            yield Content.assemble(
                mark, (said.part, "bold"), "  ", (f"{first[:60]}{'…' if len(said.text) > 60 else ''}", "$faint")
            )
            if said.note:
                yield Content.styled(f"  {said.note}", "$warning")
    for call in last.page.calls:
        if call.kind == "action":
            answer = f"refused: {call.code}" if call.code else wording.value(call.shown)
            yield Content.assemble(
                ("ƒ ", "$link bold"), (call.name, "bold"), "  ", (answer, "$error" if call.code else "$faint")
            )
    for change in last.changes:
        if change.table not in _BOOKKEEPING:
            signs = [f"+{change.added}" if change.added else "", f"~{change.changed}" if change.changed else "",
                     f"−{change.removed}" if change.removed else ""]  # fmt: skip
            yield Content.assemble(
                ("▤ ", "$secondary bold"), (change.table, "bold"), f"  {' '.join(filter(None, signs))}"
            )
    for failure in last.failures:
        yield Content.styled(failure, "$error")


def _why(why: Sequence[dict[str, Any]], width: int) -> Iterator[Content]:
    for decision in why:
        label, sentence = wording.told(decision)
        head = Content.styled(f"{label:<{_LABEL}}", _STYLES.get(label, "$secondary"))
        first, *rest = Content(sentence).wrap(max(width - _LABEL, 16)) or [Content("")]
        yield head + first
        for line in rest:
            yield line.pad_left(_LABEL)
