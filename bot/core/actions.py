"""What flows may call: actions change the business, lookups find things in it.

The core knows only their shape, for the linter; the functions live in `bot/operations` and in authors' projects.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from bot.core.conversation import Contact
from bot.core.ids import ChannelId, ConversationId, RunId, TenantId


class Database(Protocol):
    """The tenant's transaction that the whole turn commits in. asyncpg's connection fits."""

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """All rows."""

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """The first row, or None."""

    async def fetchval(self, query: str, *args: Any) -> Any:
        """The first value of the first row, or None."""

    async def execute(self, query: str, *args: Any) -> str:
        """Run a statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionCall:
    """In whose name and where an action runs. `at` is the event's time: actions read no clock either."""

    tenant_id: TenantId
    channel_id: ChannelId
    conversation_id: ConversationId
    contact: Contact
    role: str
    run: RunId
    at: datetime
    db: Database


ActionFunction = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A function flows can call by name: `async def f(call: ActionCall, *, trek: int, …) -> JSON`.

    A lookup takes `text` and returns a list of `{"id", "name", …}`: the candidates mentioned in it, best first.
    `roles` may call it; empty means everybody.
    """

    name: str
    function: ActionFunction
    kind: Literal["action", "lookup"] = "action"
    roles: frozenset[str] = frozenset()

    @property
    def parameters(self) -> dict[str, bool]:
        """Argument names, each with whether it is required."""
        found = inspect.signature(self.function).parameters.values()
        return {p.name: p.default is p.empty for p in found if p.kind is p.KEYWORD_ONLY}


@dataclass(slots=True)
class Actions:
    """The actions and lookups a project has, by name."""

    by_name: dict[str, Action] = field(default_factory=dict)

    def action(self, name: str, *, roles: tuple[str, ...] = ()) -> Callable[[ActionFunction], ActionFunction]:
        """Register the decorated function as an action."""
        return self._register(name, "action", roles)

    def lookup(self, name: str, *, roles: tuple[str, ...] = ()) -> Callable[[ActionFunction], ActionFunction]:
        """Register the decorated function as a lookup."""
        return self._register(name, "lookup", roles)

    def including(self, *others: "Actions") -> "Actions":
        """All of these and those; a later one with the same name wins, so projects can replace ours."""
        merged: dict[str, Action] = dict(self.by_name)
        for other in others:
            merged.update(other.by_name)
        return Actions(merged)

    def names(self, kind: Literal["action", "lookup"]) -> Mapping[str, Action]:
        """Those of one kind."""
        return {name: action for name, action in self.by_name.items() if action.kind == kind}

    def _register(
        self, name: str, kind: Literal["action", "lookup"], roles: tuple[str, ...]
    ) -> Callable[[ActionFunction], ActionFunction]:
        def register(function: ActionFunction) -> ActionFunction:
            self.by_name[name] = Action(name=name, function=function, kind=kind, roles=frozenset(roles))
            return function

        return register
