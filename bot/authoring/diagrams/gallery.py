"""All flows on one page: one file that needs no network, with search, filters, and a viewer to pan and zoom."""

from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from bot.authoring.diagrams.model import Diagram
from bot.authoring.diagrams.svg import hue, stylesheet, to_svg


def gallery(diagrams: Sequence[Diagram], *, title: str = "Flows") -> str:
    """The page.

    Args:
        diagrams: In the order they are shown.
        title: What the page is called.
    """
    page = files(__package__).joinpath("page")
    text = {
        name: page.joinpath(name).read_text(encoding="utf-8") for name in ("gallery.html", "gallery.css", "gallery.js")
    }
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    roles = sorted({role for diagram in diagrams for role in diagram.roles} - {"any"})
    return environment.from_string(text["gallery.html"]).render(
        title=title,
        style=Markup(f"{stylesheet()}\n{text['gallery.css']}"),  # noqa: S704  our own files
        script=Markup(text["gallery.js"]),  # noqa: S704
        cards=[_card(diagram) for diagram in diagrams],
        states=sum(len(diagram.states) for diagram in diagrams),
        roles=[_role(role) for role in roles],
    ) + "\n"  # fmt: skip


def _role(role: str) -> dict[str, str]:
    return {"name": role, "text": role.replace("_", " "), "hue": hue(role)}


def _card(diagram: Diagram) -> dict[str, Any]:
    ways = [edge for edge in diagram.edges.values() if not edge.implied]
    return {
        "id": f"{diagram.flow}-{diagram.version}".replace("/", "-"),
        "flow": diagram.flow,
        "version": diagram.version,
        "file": diagram.file,
        "roles": [_role(role) for role in diagram.roles],
        "states": len(diagram.states),
        "ways": len({(edge.trigger, edge.dest, edge.label) for edge in ways}),
        "starts": ", ".join(_starts(diagram)),
        "svg": Markup(to_svg(diagram, standalone=False)),  # noqa: S704  `to_svg` escapes what authors wrote
        "lists": [(name, list(items)) for name, items in _lists(diagram)],
        "nodes": [{"name": node.name, "kind": node.kind} for node in diagram.states],
    }


def _starts(diagram: Diagram) -> Iterator[str]:
    """What begins the flow, in two or three words."""
    if diagram.intents:
        yield diagram.intents[0].replace("_", " ")
    elif diagram.universals:
        yield f"“{diagram.universals[0]}”"
    elif diagram.events:
        yield diagram.events[0]
    if diagram.commands:
        yield diagram.commands[0].split("{")[0].strip()


def _lists(diagram: Diagram) -> Iterator[tuple[str, Iterator[dict[str, str]]]]:
    yield "Starts with", ({"name": name, "text": kind} for name, kind in _beginnings(diagram))
    yield "Commands", ({"name": source, "text": ""} for source in diagram.commands)
    yield "Slots", ({"name": name, "text": kind} for name, kind in diagram.slots.items())
    if diagram.instance:
        yield "One run for each", iter([{"name": diagram.instance, "text": ""}])


def _beginnings(diagram: Diagram) -> Iterator[tuple[str, str]]:
    for intent in diagram.intents:
        yield intent, "intent"
    for word in diagram.universals:
        yield word, "word"
    for event in diagram.events:
        yield event, "event"
