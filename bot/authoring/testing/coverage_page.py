"""Coverage as a page: for each flow its diagram, with what was gone through in green, and what was not in a table.

One file, needing nothing else; `diagrams` draws the flows.
"""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from bot.authoring.content import FlowFile
from bot.authoring.diagrams import Marks, diagram_of, stylesheet, to_svg
from bot.authoring.testing.coverage import FlowCover, percent
from bot.core.book import FlowBook
from bot.core.errors import Mark
from bot.core.flow import FlowSpec

_STYLE = """
:root { --paper: #fff; --ink: #1c2024; --quiet: #667085; --line: #e4e7ec;
  --hit: #16803c; --miss: #c4320a; --some: #b54708 }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171a; --ink: #e6e8ea; --quiet: #98a2b3; --line: #2c3238;
    --hit: #4cc38a; --miss: #ff8b6b; --some: #ffb454 }
}
body { margin: 2rem auto; max-width: 72rem; padding: 0 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem }
p { margin: .2rem 0 1rem; color: var(--quiet) }
table { border-collapse: collapse; width: 100% }
th { text-align: left; font-weight: 500; color: var(--quiet) }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap }
a { color: inherit } code { font: .9em ui-monospace, monospace }
.hit { color: var(--hit) } .miss { color: var(--miss) } .some { color: var(--some) }
.bar { display: inline-block; width: 9rem; height: .5rem; border-radius: .25rem;
  background: var(--line); overflow: hidden }
.bar i { display: block; height: 100%; background: currentColor }
.diagram { overflow-x: auto; margin: 1rem 0 }
details { margin: .5rem 0 } summary { cursor: pointer; color: var(--quiet) }
"""


def write_page(folder: Path, covers: Sequence[FlowCover], book: FlowBook, files: Sequence[FlowFile]) -> Path:
    """Write `index.html` into a folder; returns its path.

    Args:
        folder: Made when it is not there.
        covers: What was gone through.
        book: The flows, for their diagrams.
        files: Their files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.html"
    path.write_text("".join(_page(covers, _drawings(covers, book, files))), encoding="utf-8")
    return path


def _drawings(covers: Sequence[FlowCover], book: FlowBook, files: Sequence[FlowFile]) -> dict[str, str]:
    """The flows' diagrams as SVG, marked."""
    by_flow = {(file.spec.flow, file.spec.version): file for file in files}
    drawn = {}
    for cover in covers:
        flow, file = book.flow(cover.flow, cover.version), by_flow.get((cover.flow, cover.version))
        if flow is not None and file is not None:
            spec = FlowSpec.model_validate(file.document.value)  # as it was written, with nested states
            drawn[cover.flow] = to_svg(
                diagram_of(flow, spec, file=file.document.file), marks=_marks(cover), standalone=False
            )
    return drawn


def _marks(cover: FlowCover) -> Marks:
    states = {state.name: _class(state.covered) for state in cover.states}
    return states | {(edge.source, edge.trigger, edge.to): _class(edge.covered) for edge in cover.written}


def _class(covered: bool) -> str:
    return "hit" if covered else "miss"


def _page(covers: Sequence[FlowCover], drawings: dict[str, str]) -> Iterator[str]:
    yield '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    yield f"<title>Conversation coverage</title><style>{_STYLE}{stylesheet()}</style>"
    yield f"<h1>Conversation coverage <span class={_tone(percent(covers))}>{percent(covers):.1f} %</span></h1>"
    yield "<p>The ways through the flows that tests take; those that the engine adds by itself are not counted.</p>"
    yield "<table><tr><th>Flow<th>States<th>Ways<th><th></tr>"
    for cover in covers:
        entered, states, taken, ways = cover.counts
        share = percent([cover])
        yield f'<tr><td><a href="#{escape(cover.flow)}">{escape(cover.flow)}</a><td class=number>{entered} of {states}'
        yield f'<td class=number>{taken} of {ways}<td class="number {_tone(share)}">{share:.0f} %'
        yield f'<td class={_tone(share)}><span class=bar><i style="width:{share:.0f}%"></i></span>'
    yield "</table>"
    for cover in covers:
        yield from _flow(cover, drawings.get(cover.flow, ""))
    yield "</html>\n"


def _flow(cover: FlowCover, drawing: str) -> Iterator[str]:
    yield f'<h2 id="{escape(cover.flow)}">{escape(cover.flow)}</h2>'
    yield f"<p><code>{escape(cover.file)}</code>, version {cover.version}</p>"
    if drawing:
        yield f"<div class=diagram>{drawing}</div>"
    if cover.unvisited:
        yield f"<details open><summary>{len(cover.unvisited)} of {len(cover.states)} states are not covered</summary>"
        yield "<table><tr><th>State<th>Where</tr>"
        for state in cover.unvisited:
            yield f"<tr><td class=miss>{escape(state.name)}<td><code>{escape(_where(state.at))}</code>"
        yield "</table></details>"
    yield f"<details{' open' if cover.missing else ''}>"
    yield f"<summary>{len(cover.missing)} of {len(cover.written)} ways are not covered</summary>"
    yield "<table><tr><th>From<th>To<th>On<th>Where<th></tr>"
    for edge in sorted(cover.written, key=lambda one: one.covered):
        told = "covered" if edge.covered else "not covered"
        yield f"<tr><td>{escape(edge.source)}<td>{escape(edge.to)}<td><code>{escape(edge.trigger)}</code>"
        yield f"<td><code>{escape(_where(edge.at))}</code><td class={_class(edge.covered)}>{told}"
    yield "</table></details>"


def _where(at: Mark | None) -> str:
    return f"{at.file}:{at.line}" if at is not None else ""


def _tone(share: float) -> str:
    return "hit" if share >= 100 else "some" if share >= 60 else "miss"
