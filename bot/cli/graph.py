"""`bot graph`: flows as pictures."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from bot.authoring.content import Loader
from bot.authoring.diagrams import Diagram, diagrams_in, gallery, to_mermaid, to_svg
from bot.authoring.mistakes import Finding
from bot.config import load_database_settings
from bot.core.errors import ContentErrors, SirdarError
from bot.core.report import did_you_mean
from bot.runtime.project import content_dir, project_actions

Format = Literal["svg", "mermaid", "html"]

PAGE = "flows.html"
_NAMED = re.compile(r"""^flow:[ ]*['"]?(?P<name>[^'"\s#]+)""", re.MULTILINE)
"""What a flow calls itself, where its file cannot be read as YAML either."""
_ENDINGS = {"svg": "svg", "mermaid": "mmd"}


def graph(
    *flows: Annotated[str, Parameter(name="FLOW", help="Names of flows; all of them when there is none")],
    as_format: Annotated[
        Format, Parameter(name="--format", help="html: one page with all flows, for a browser")
    ] = "svg",
    output: Annotated[
        str, Parameter(allow_leading_hyphen=True, help="A folder, made if need be; - prints instead")
    ] = "diagrams",
) -> int:
    """Draw flows as SVG or Mermaid, or all of them on one page to search and zoom.

    Flows that do not compile are named instead, and the exit code is 1 then.
    """
    settings = load_database_settings()
    root = content_dir(settings)
    loader = Loader(root, project_actions(settings, root))
    every = diagrams_in(loader)
    missing = undrawn(loader, every)
    diagrams = _chosen(every, flows, {name for name, _ in missing.values()})
    missing = {file: one for file, one in missing.items() if not flows or one[0] in flows}
    if not diagrams:
        told = [finding for _, finding in missing.values()] or loader.findings
        raise ContentErrors([finding.error() for finding in told if finding.severity == "error"])
    files = {PAGE: gallery(diagrams)} if as_format == "html" else dict(drawn(diagrams, as_format))
    if output == "-":
        sys.stdout.write("\n".join(files.values()))
    else:
        folder = Path(output)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
        sys.stdout.write(f"{_flows(len(diagrams))} drawn: {folder / PAGE if as_format == 'html' else folder}\n")
    if missing:
        reasons = "".join(f"  {finding}\n" for _, finding in missing.values())
        sys.stderr.write(f"{_flows(len(missing))} not drawn (try `bot check`):\n{reasons}")
    return 1 if missing else 0


def undrawn(loader: Loader, diagrams: Sequence[Diagram]) -> Mapping[str, tuple[str, Finding]]:
    """The files of flows that could not be drawn: the flow's name, and the first thing that is wrong with it."""
    errors = [finding for finding in loader.findings if finding.severity == "error"]
    done = {diagram.file for diagram in diagrams}
    missing = {}
    for file in sorted({name for name, _ in loader.paths} - done):
        named = _NAMED.search(loader.files.get(file, ""))
        name = named["name"] if named else Path(file).stem
        replies = file.removeprefix("flows/").removesuffix(".yaml")
        own = [one for one in errors if one.file == file] or [one for one in errors if f"/{replies}." in one.file]
        missing[file] = (name, (own or errors)[0])
    return missing


def _flows(count: int) -> str:
    return f"{count} flow{'' if count == 1 else 's'}"


def drawn(diagrams: Sequence[Diagram], as_format: Literal["svg", "mermaid"]) -> Iterable[tuple[str, str]]:
    """File names and texts. The newest version of a flow has the flow's name, older ones their number as well."""
    newest = {diagram.flow: diagram.version for diagram in sorted(diagrams, key=lambda one: one.version)}
    for diagram in diagrams:
        name = diagram.flow.replace("/", "-")
        if diagram.version != newest[diagram.flow]:
            name = f"{name}-v{diagram.version}"
        yield f"{name}.{_ENDINGS[as_format]}", to_svg(diagram) if as_format == "svg" else to_mermaid(diagram)


def _chosen(diagrams: Sequence[Diagram], names: Sequence[str], broken: set[str]) -> Sequence[Diagram]:
    known = {diagram.flow for diagram in diagrams} | broken
    for name in names:
        if name not in known:
            raise SirdarError(f"There is no flow {name}. {did_you_mean(name, known)}".strip())
    return [diagram for diagram in diagrams if not names or diagram.flow in names]
