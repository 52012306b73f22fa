"""`bot graph`: flows as pictures."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from bot.authoring.diagrams import Diagram, diagrams_in, gallery, to_mermaid, to_svg
from bot.config import load_database_settings
from bot.core.errors import SirdarError
from bot.core.report import did_you_mean
from bot.runtime.project import content_dir, project_actions

Format = Literal["svg", "mermaid", "html"]

PAGE = "flows.html"
_ENDINGS = {"svg": "svg", "mermaid": "mmd"}


def graph(
    *flows: Annotated[str, Parameter(name="FLOW", help="Names of flows; all of them when there is none")],
    as_format: Annotated[
        Format, Parameter(name="--format", help="html: one page with all flows, for a browser")
    ] = "svg",
    output: Annotated[
        str, Parameter(allow_leading_hyphen=True, help="A folder, made if need be; - prints instead")
    ] = "diagrams",
) -> None:
    """Draw flows as SVG or Mermaid, or all of them on one page to search and zoom."""
    settings = load_database_settings()
    root = content_dir(settings)
    diagrams = _chosen(diagrams_in(root, project_actions(settings, root)), flows)
    files = {PAGE: gallery(diagrams)} if as_format == "html" else dict(drawn(diagrams, as_format))
    if output == "-":
        sys.stdout.write("\n".join(files.values()))
        return
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    what = f"{len(diagrams)} flow{'' if len(diagrams) == 1 else 's'}"
    sys.stdout.write(f"{what} drawn: {folder / PAGE if as_format == 'html' else folder}\n")


def drawn(diagrams: Sequence[Diagram], as_format: Literal["svg", "mermaid"]) -> Iterable[tuple[str, str]]:
    """File names and texts. The newest version of a flow has the flow's name, older ones their number as well."""
    newest = {diagram.flow: diagram.version for diagram in sorted(diagrams, key=lambda one: one.version)}
    for diagram in diagrams:
        name = diagram.flow.replace("/", "-")
        if diagram.version != newest[diagram.flow]:
            name = f"{name}-v{diagram.version}"
        yield f"{name}.{_ENDINGS[as_format]}", to_svg(diagram) if as_format == "svg" else to_mermaid(diagram)


def _chosen(diagrams: Sequence[Diagram], names: Sequence[str]) -> Sequence[Diagram]:
    known = {diagram.flow for diagram in diagrams}
    for name in names:
        if name not in known:
            raise SirdarError(f"There is no flow {name}. {did_you_mean(name, known)}".strip())
    return [diagram for diagram in diagrams if not names or diagram.flow in names]
