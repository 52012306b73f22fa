"""A flow as a picture knows it: nodes and edges with words on them, before anything has a place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bot.core.cursor import START

Key = tuple[str, str, str]
"""Source state, trigger and destination state: how a transition is called in traces, tests and pictures."""
NodeKind = Literal["start", "question", "action", "say", "wait", "handoff", "end", "group"]
EdgeKind = Literal["next", "choice", "return", "event", "command", "error", "misunderstood", "timer", "other"]
"""From the usual to the exceptional; drawings and descriptions keep to this order."""
FactKind = Literal["action", "notify", "timer", "collect", "handoff", "end", "form", "forget", "origins", "note"]

__all__ = ["START", "Diagram", "Edge", "EdgeKind", "Fact", "FactKind", "Key", "Node", "NodeKind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A small line about a state: what it does besides talking. `role` when it concerns people of one."""

    kind: FactKind
    text: str
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A state, or a group of states.

    Attributes:
        name: Unique in the flow; of a nested state `parent/child`, of a group `parent/`.
        kind: What the state is for.
        parent: The name of the group it is in, or nothing.
        text: What it says or asks, in the fallback language.
        facts: What else it does.
    """

    name: str
    kind: NodeKind
    parent: str = ""
    text: str = ""
    facts: tuple[Fact, ...] = ()

    @property
    def title(self) -> str:
        """The name without its group's."""
        return self.name.removeprefix(self.parent).rstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A transition, all branches of one trigger to one destination taken together.

    Attributes:
        label: When it is taken, in plain words; empty when always.
        condition: The guards as the author wrote them.
        implied: It is there in every flow, without the author's writing it: back, agent, the end of the ladder.
    """

    source: str
    trigger: str
    dest: str
    kind: EdgeKind
    label: str = ""
    condition: str = ""
    implied: bool = False

    @property
    def key(self) -> Key:
        """What it is found by."""
        return (self.source, self.trigger, self.dest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagram:
    """A flow version.

    Attributes:
        nodes: By name, in the author's order; the first is `START`, groups come before what is in them.
        edges: By key, in the author's order.
        slots: Names, each with its type.
        commands: As the author wrote them.
        file: Where it is written, below the content folder.
    """

    flow: str
    version: int
    roles: tuple[str, ...]
    nodes: Mapping[str, Node]
    edges: Mapping[Key, Edge]
    intents: tuple[str, ...] = ()
    universals: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    slots: Mapping[str, str]
    commands: tuple[str, ...] = ()
    instance: str = ""
    file: str = ""

    @property
    def states(self) -> tuple[Node, ...]:
        """The nodes somebody can be in."""
        return tuple(node for node in self.nodes.values() if node.kind not in {"start", "group"})
