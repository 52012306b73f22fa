"""What came of conversation tests, for people: the talk so far, the step that failed, and what was expected there."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rapidfuzz import fuzz
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bot.authoring.mistakes import Finding
from bot.authoring.testing.acting import Line
from bot.authoring.testing.checks import Problem
from bot.authoring.testing.coverage import FlowCover, percent
from bot.authoring.testing.runner import Failure, Result
from bot.cli.bubbles import Bubbles, Lines, Said
from bot.core.errors import Mark

_BOT = "bot"  # who speaks for the business in a transcript: whose business it is, tests do not say
_MOST_QUOTED = 6
_BAR = 16  # cells of a coverage bar
_MOST_LINES = 40  # of a transcript; what comes before is summed up


def show_result(console: Console, result: Result) -> None:
    """One line: whether it passed."""
    mark = Text("✓ ", "bold green") if result.passed else Text("✗ ", "bold red")
    place = Text(f"  {Path(result.at.file).name}", "dim")
    console.print(mark + Text(result.name) + place, no_wrap=True, overflow="ellipsis", crop=True, soft_wrap=False)


def show_finding(console: Console, finding: Finding) -> None:
    """A mistake in a test file."""
    where = f"{finding.file}:{finding.line}:{finding.column}"
    console.print(Text.assemble((where, "bold"), " ", ("error", "bold red"), f" {finding.message}"), soft_wrap=True)
    for line in quoted(Path(finding.file), finding.line, [(finding.line, finding.column)], console.width - 10):
        console.print(line, soft_wrap=True)
    if finding.hint:
        console.print(Text.assemble("    ", ("→ ", "cyan"), finding.hint), soft_wrap=True)


def show_failure(console: Console, result: Result, failure: Failure) -> None:
    """The talk up to the step that failed, the step, and what is wrong with it."""
    console.print()
    console.rule(Text.assemble(("✗ ", "bold red"), (result.name, "bold")), align="left", style="red", characters="─")
    _talk(console, result.lines, failure.step)
    step = f"step {failure.step + 1} of {result.steps}" if failure.step is not None else "the whole test"
    console.print(Text.assemble((f"{failure.at.file}:{failure.at.line}", "bold"), (f"  {step}", "dim")), soft_wrap=True)
    places = [(one.at.line, one.at.column) for one in failure.complaints]
    for line in quoted(Path(failure.at.file), failure.at.line, places, console.width - 10):
        console.print(line, soft_wrap=True)
    console.print(Padding(_complaints([one.problem for one in failure.complaints]), (0, 0, 0, 4)))
    console.print()


def quoted(path: Path, first: int, places: Sequence[tuple[int, int]], width: int) -> list[Text]:
    """Lines of a file with their numbers, and carets below the places (line, column) in them.

    Lines that are too wide are cut so that their places can be seen.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    marked = {line: sorted(column for other, column in places if other == line) for line, _ in places}
    last = max(marked)
    shown = sorted({*range(first, min(first + _MOST_QUOTED, last + 1)), *marked})
    found: list[Text] = []
    for before, number in zip([shown[0] - 1, *shown], shown, strict=False):
        if number > len(lines):
            break
        if number > before + 1:
            found.append(Text("       ⋮", "dim"))
        line, columns = lines[number - 1], marked.get(number, [])
        if len(line) > width and columns and columns[0] > width * 3 // 4:
            cut = columns[0] - width // 2
            line, columns = f"…{line[cut:]}", [column - cut + 1 for column in columns]
        found.append(Text.assemble((f"{number:>6} │ ", "dim"), line if len(line) <= width else f"{line[: width - 1]}…"))
        visible = [column for column in columns if column <= width]
        if visible:
            carets = "".join("^" if place in visible else " " for place in range(1, visible[-1] + 1))
            found.append(Text.assemble(("       │ ", "dim"), (carets, "bold red")))
    return found


def _talk(console: Console, lines: Sequence[Line], step: int | None) -> None:
    """The transcript as bubbles; a rule sets off the step that failed."""
    screen = Bubbles(console, business=_BOT) if console.is_terminal else Lines(console, business=_BOT)
    shown = lines[-_MOST_LINES:]
    if len(lines) > len(shown):
        screen.note(f"… {len(lines) - len(shown)} more before")
    failing = next((place for place, line in enumerate(shown) if line.step == step), None)
    if isinstance(screen, Bubbles) and shown:
        people = [line.phone for line in shown if line.phone and not line.ours]
        screen.watch(people[-1] if people else "")
    for place, line in enumerate(shown):
        if place == failing and place:
            console.rule(Text("the step that failed", "dim red"), style="dim red", characters="╌", align="right")
        if not line.phone:
            screen.note(line.text if isinstance(screen, Lines) else f"⋯ {line.text}")
            continue
        screen.said(
            Said(part=line.phone, name=line.name, by_business=line.ours, text=line.text, choices=line.choices,
                 label=line.label, at=line.at, note=line.note)
        )  # fmt: skip


def _complaints(problems: Sequence[Problem]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for problem in problems:
        if problem.sentence:
            table.add_row(Text("✗", "bold red"), Text(problem.sentence, "red"))
        else:
            table.add_row(
                Text(str(problem.key[0]), "bold"), Text.assemble(("expected ", "dim"), (problem.expected, "green"))
            )
            table.add_row(Text(""), Text.assemble(("got      ", "dim"), _nearest(problem)))
        if problem.hint:
            table.add_row(Text("→", "cyan", justify="right"), Text(problem.hint))
    return table


def _nearest(problem: Problem) -> Text:
    """What there was, with the part underlined that comes nearest to what was expected."""
    text = Text(problem.got, "red")
    if problem.key[:1] == ("said",) and not problem.expected.startswith("/"):
        found = fuzz.partial_ratio_alignment(problem.expected.casefold(), problem.got.casefold())
        if found is not None and found.score >= 60:
            text.stylize("underline", found.dest_start, found.dest_end)
    return text


def summary(passed: int, failed: int, broken: int, seconds: float) -> Text:
    """The last line."""
    parts = [f"{failed} failed"] if failed else []
    parts += [f"{broken} unreadable"] if broken else []
    parts += [f"{passed} passed"]
    text = f"{', '.join(parts)} in {seconds:.2f} s"
    rate = f" ({(passed + failed) / seconds:.0f} tests/s)" if seconds > 0 and passed + failed > 1 else ""
    good = not failed and not broken
    return Text.assemble(("✓ " if good else "✗ ") + text, (rate, "dim"), style="bold green" if good else "bold red")


# --- Coverage ---------------------------------------------------------------------------------------------------------


def show_coverage(console: Console, covers: Sequence[FlowCover]) -> None:
    """A line for each flow, then every state that no test entered and every way that none took, with their places."""
    table = Table(box=None, padding=(0, 2), header_style="dim", show_edge=False)
    table.add_column("flow")
    for title in ("states", "ways", "built in", ""):
        table.add_column(title, justify="right")
    table.add_column("")
    for cover in covers:
        entered, states, taken, ways = cover.counts
        extra = [edge for edge in cover.edges if edge.built_in]
        share = percent([cover])
        table.add_row(
            Text(cover.flow, "bold"), f"{entered}/{states}", f"{taken}/{ways}",
            Text(f"{sum(edge.covered for edge in extra)}/{len(extra)}" if extra else "", "dim"),
            _share(share), _bar(share),
        )  # fmt: skip
    whole = percent(covers)
    table.add_section()
    table.add_row(Text("all", "bold"), "", "", "", _share(whole), _bar(whole))
    console.print()
    console.print(table)
    show_missing(console, covers)


def show_missing(console: Console, covers: Iterable[FlowCover]) -> None:
    """The states no test entered, and the ways none took."""
    for cover in covers:
        if cover.unvisited:
            console.print()
            console.print(Text.assemble((cover.flow, "bold"), (": no test comes to these states", "dim")))
        for state in cover.unvisited:
            console.print(Text.assemble(f"  {state.name}", (f"  {_where(state.at)}", "dim")), soft_wrap=True)
        if cover.missing:
            console.print()
            tip = f"bot test --explore {cover.flow} --write …"
            console.print(
                Text.assemble(
                    (cover.flow, "bold"), (": no test goes these ways; ", "dim"), (tip, "cyan"), (" writes some", "dim")
                )
            )
        for edge in sorted(cover.missing, key=lambda one: one.at.line if one.at is not None else 0):
            way = Text.assemble(f"  {edge.source} → {edge.to}", (f"  on {edge.trigger}", "cyan"))
            console.print(Text.assemble(way, (f"  {_where(edge.at)}", "dim")), soft_wrap=True)


def _where(at: Mark | None) -> str:
    return f"{at.file}:{at.line}" if at is not None else ""


def _share(share: float) -> Text:
    return Text(f"{share:.0f} %" if share in (0, 100) else f"{share:.1f} %", _colour(share))


def _bar(share: float) -> Text:
    full = int(_BAR * share / 100)
    return Text.assemble(("━" * full, _colour(share)), ("━" * (_BAR - full), "bright_black"))


def _colour(share: float) -> str:
    return "green" if share >= 100 else "yellow" if share >= 60 else "red"
