"""What flows may call: actions change the business, lookups find things in it.

The core knows only their shape, for the linter; the functions live in `bot/operations` and in authors' projects.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

from bot.core.conversation import Contact
from bot.core.errors import ContentError, Mark
from bot.core.ids import ChannelId, ConversationId, RunId, TenantId

Kind = Literal["action", "lookup"]
_MARK = "__sirdar_actions__"


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


class Seals(Protocol):
    """Encrypts secrets of a tenant that its rows hold."""

    def seal(self, tenant: TenantId, data: bytes) -> bytes:
        """Ciphertext of `data`."""

    def unseal(self, tenant: TenantId, ciphertext: bytes) -> bytes:
        """What `seal` was given."""


Things = Sequence[Sequence[str]]
"""What a business calls its things: of each, its name and its synonyms."""
Listing = Callable[[Database, TenantId], Awaitable[Things]]
"""Reads all things of a kind that a tenant has. Called now and then, never for a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionCall:
    """In whose name and where an action runs. `at` is the event's time: actions read no clock either.

    Without `seals` secrets in the tenant's rows can be neither read nor written.
    """

    tenant_id: TenantId
    channel_id: ChannelId
    conversation_id: ConversationId
    contact: Contact
    role: str
    run: RunId
    at: datetime
    db: Database
    seals: Seals | None = None


ActionFunction = Callable[..., Awaitable[Any]]
_Function = TypeVar("_Function", bound=ActionFunction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A function flows can call by name: `async def f(call: ActionCall, *, trek: int, …) -> JSON`.

    A lookup takes `text` and returns a list of `{"id", "name", …}`: the candidates mentioned in it, best first.
    `roles` may call it; empty means everybody. `things` tells, of a lookup, everything that it could find for a tenant.
    One that only `reads` changes nothing, so it needs no receipt; one that reaches `outside`, to another system, always
    does.
    """

    name: str
    function: ActionFunction
    kind: Kind = "action"
    roles: frozenset[str] = frozenset()
    things: Listing | None = None
    reads: bool = False
    outside: bool = False

    @property
    def place(self) -> Mark | None:
        """Where its function is written; None when it is no plain function. The file is an absolute path."""
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        return Mark(code.co_filename, code.co_firstlineno, 1) if code is not None else None

    @property
    def parameters(self) -> dict[str, bool]:
        """Argument names, each with whether it is required."""
        found = inspect.signature(self.function).parameters.values()
        return {p.name: p.default is p.empty for p in found if p.kind is p.KEYWORD_ONLY}


@dataclass(slots=True)
class Actions:
    """The actions and lookups a project has, by name."""

    by_name: dict[str, Action] = field(default_factory=dict)

    def action(
        self, name: str, *, roles: tuple[str, ...] = (), reads: bool = False
    ) -> Callable[[ActionFunction], ActionFunction]:
        """Register the decorated function as an action."""
        return self._register(name, "action", roles, reads=reads)

    def lookup(
        self, name: str, *, roles: tuple[str, ...] = (), things: Listing | None = None
    ) -> Callable[[ActionFunction], ActionFunction]:
        """Register the decorated function as a lookup."""
        return self._register(name, "lookup", roles, things)

    def including(self, *others: "Actions") -> "Actions":
        """All of these and those; a later one with the same name wins, so projects can replace ours."""
        merged: dict[str, Action] = dict(self.by_name)
        for other in others:
            merged.update(other.by_name)
        return Actions(merged)

    def add(self, action: Action) -> None:
        """Take one more.

        Raises:
            ContentError: Another function has this name already.
        """
        known = self.by_name.get(action.name, action)
        if known.function is not action.function:
            raise two_alike(known, action)
        self.by_name[action.name] = action

    def names(self, kind: Kind) -> Mapping[str, Action]:
        """Those of one kind."""
        return {name: action for name, action in self.by_name.items() if action.kind == kind}

    def _register(
        self, name: str, kind: Kind, roles: tuple[str, ...], things: Listing | None = None, *, reads: bool = False
    ) -> Callable[[ActionFunction], ActionFunction]:
        def register(function: ActionFunction) -> ActionFunction:
            made = Action(name=name, function=function, kind=kind, roles=frozenset(roles), things=things, reads=reads)
            self.add(made)
            return function

        return register


def action(name: str, *, roles: tuple[str, ...] = (), reads: bool = False) -> Callable[[_Function], _Function]:
    """Make the decorated function an action, in the module that BOT_ACTIONS names.

    Args:
        name: What flows write after `do:`, like `workshop.book`.
        roles: Who may call it; empty: everybody.
        reads: It changes nothing, so flows need no `once:` for it.
    """
    return _marking(name, "action", roles, reads=reads)


def lookup(
    name: str, *, roles: tuple[str, ...] = (), things: Listing | None = None
) -> Callable[[_Function], _Function]:
    """Make the decorated function a lookup, in the module that BOT_ACTIONS names; as for `action`.

    Args:
        name: What flows write after `lookup:`.
        roles: Who may call it; empty: everybody.
        things: Tells all that it could find, so that entities of intents know these names: see `Listing`.
    """
    return _marking(name, "lookup", roles, things)


def marked(function: object) -> tuple[Action, ...]:
    """What `action` and `lookup` have made of a function; nothing, if it is not decorated."""
    found: tuple[Action, ...] = getattr(function, _MARK, ()) if inspect.isfunction(function) else ()
    return found


def two_alike(first: Action, second: Action) -> ContentError:
    """The complaint that two functions want the same name."""
    there = f"at {first.place.file}:{first.place.line} " if first.place is not None else ""
    return ContentError(
        f"There are two functions for `{second.name}`: the other one is {there}".rstrip() + ".",
        at=second.place,
        hint="Give one of them another name.",
    )


def _marking(
    name: str, kind: Kind, roles: tuple[str, ...], things: Listing | None = None, *, reads: bool = False
) -> Callable[[_Function], _Function]:
    def mark(function: _Function) -> _Function:
        made = Action(name=name, function=function, kind=kind, roles=frozenset(roles), things=things, reads=reads)
        setattr(function, _MARK, (*marked(function), made))
        return function

    return mark
