"""The figures, as a person reads them."""

from collections.abc import Callable, Sequence
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.authoring import AuthoringCost
from bench.driver import percentile
from bench.engine import StepCost
from bench.phases import Measured
from bench.receiving import ReceivingCost

NOISE = 0.1  # of the machine's CPU time

ROWS: Sequence[tuple[str, Callable[[Measured], str]]] = (
    ("webhooks accepted per second", lambda m: f"{median(m.accepted_per_second):,.0f}"),
    ("turns per second, until the last reply is out", lambda m: f"{median(m.turns_per_second):,.0f}"),
    ("turns measured", lambda m: f"{m.turns:,}"),
    ("messages sent", lambda m: f"{m.sends:,}"),
    ("webhooks refused", lambda m: f"{m.refused:,}"),
    ("turns without a reply", lambda m: f"{m.missing:,}"),
    ("200 after, p50, full load (ms)", lambda m: f"{percentile(m.answers, 0.5):.1f}"),
    ("200 after, p99, full load (ms)", lambda m: f"{percentile(m.answers, 0.99):.1f}"),
    ("half load: webhooks per second", lambda m: f"{m.half_rate:,.0f}"),
    ("half load: reply out after, p50 (ms)", lambda m: f"{percentile(m.replies, 0.5):.1f}"),
    ("half load: reply out after, p99 (ms)", lambda m: f"{percentile(m.replies, 0.99):.1f}"),
    ("half load: replies missing", lambda m: f"{m.replies_missing:,}"),
)


def show(
    console: Console,
    floor: Measured | None,
    system: Measured | None,
    steps: dict[str, StepCost],
    authoring: AuthoringCost | None = None,
    receiving: ReceivingCost | None = None,
) -> None:
    """Print what was measured."""
    table = Table(title="A message in, a reply out", title_justify="left")
    table.add_column("")
    table.add_column("floor", justify="right")
    table.add_column("system", justify="right")
    for label, figure in ROWS:
        table.add_row(label, *(figure(measured) if measured else "–" for measured in (floor, system)))
    if floor and system and all(floor.turns_per_second):
        ratios = sorted(ours / bare for ours, bare in zip(system.turns_per_second, floor.turns_per_second, strict=True))
        rounds = f"system ÷ floor, turns per second ({ratios[0]:.2f} to {ratios[-1]:.2f} in {len(ratios)} rounds)"
        table.add_section()
        table.add_row(rounds, "1.00", f"{median(ratios):.2f}", style="bold")
    console.print(table)
    for name, measured in (("floor", floor), ("system", system)):
        if measured:
            console.print(_processes(name, measured))
            if measured.others > NOISE:
                console.print(f"Others took {measured.others:.0%} of the machine: measure again.", style="yellow")
    if system and system.growth:
        console.print(_growth(system))
    if steps:
        console.print(_steps(steps))
    if authoring:
        console.print(_authoring(authoring))
    if receiving:
        console.print(_receiving(receiving))


def _receiving(cost: ReceivingCost) -> Table:
    table = Table(title="Receiving", title_justify="left")
    for column in ("", "median", "best"):
        table.add_column(column, justify="right" if column else "left")
    for name, read in cost.read_us.items():
        table.add_row(f"{name}: verify and read one text", f"{read.median_us:.0f} µs", f"{read.best_us:.0f} µs")
    size = cost.batch_bytes / 1024
    table.add_row(f"200 for 1,000 messages in one request ({size:.0f} KiB)", f"{cost.batch_ms:.0f} ms", "")
    return table


def _authoring(cost: AuthoringCost) -> Table:
    table = Table(title=f"A project of {cost.flows} flows with {cost.states:,} states", title_justify="left")
    table.add_column("")
    table.add_column("seconds", justify="right")
    table.add_row("bot check, the whole command, for the first time", f"{cost.first:.2f}")
    table.add_row("bot check, the whole command", f"{cost.check:.2f}")
    table.add_row("bot check --watch, after one flow was saved", f"{cost.recheck:.2f}")
    table.add_row("a server reads everything", f"{cost.load:.2f}")
    table.add_row("a server reloads, after one flow was saved", f"{cost.reload:.2f}")
    return table


def _processes(name: str, measured: Measured) -> Table:
    table = Table(title=f"Processes of the {name}", title_justify="left")
    for column in ("", "CPU ms/turn", "MiB before", "MiB after"):
        table.add_column(column, justify="right" if column else "left")
    for kind, cpu in measured.cpu_per_turn.items():
        memory = (found.get(kind) for found in (measured.memory_before, measured.memory_after))
        table.add_row(kind, f"{cpu:.3f}", *("" if mib is None else f"{mib:.0f}" for mib in memory))
    counted = [cpu for kind, cpu in measured.cpu_per_turn.items() if not kind.startswith("(")]
    table.add_section()
    table.add_row(f"the {name} itself", f"{sum(counted):.3f}", "", "", style="bold")
    return table


def _growth(measured: Measured) -> Table:
    table = Table(title="MiB after so many new conversations", title_justify="left")
    kinds = [kind for kind in measured.memory_after if not kind.startswith("(")]
    table.add_column("", justify="right")
    for kind in kinds:
        table.add_column(kind, justify="right")
    for count, memory in [(0, measured.memory_after), *measured.growth]:
        table.add_row(f"{count:,}", *(f"{memory[kind]:.0f}" for kind in kinds))
    return table


def _steps(steps: dict[str, StepCost]) -> Table:
    table = Table(title="One engine step", title_justify="left")
    for column in ("", "median µs", "best µs", "calls"):
        table.add_column(column, justify="right" if column else "left")
    for name, cost in steps.items():
        table.add_row(name, f"{cost.median_us:.0f}", f"{cost.best_us:.0f}", f"{cost.calls:,}")
    return table
