"""A route of the API: where it is, who may use it, what goes in and what comes out.

Serving, the document and tests read the same.

A handler is a plain function, and its signature is the contract:

    @routes.get("/leads/{lead}", "Show a lead", scope="leads:read", roles=SALES)
    async def show_lead(asked: Asked, lead: Id) -> Lead: ...

`asked` says who asks; parameters named in the path are in the path; `query` and `body` are pydantic models.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from bot.core.ids import TenantId
from storage.base import AuditEntry
from storage.crypto import Vault
from storage.postgres.database import Connection
from storage.postgres.tokens import ApiToken

_BIGGEST = 2**63 - 1  # PostgreSQL's bigint

Id = Annotated[int, Field(ge=1, le=_BIGGEST, description="Number of the object")]

Handler = Callable[..., Awaitable[BaseModel]]
_H = TypeVar("_H", bound=Handler)
_IN_PATH = re.compile(r"\{(\w+)\}")


class Given(BaseModel):
    """What a client sends: nothing that we do not know, so that a mistyped name is not ignored."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)


class Nothing(Given):
    """An empty object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asks, and the tenant's transaction in which the answer is found; it commits when the handler has ended.

    `at` is the time (aware, UTC), `source` what timelines call the way it came. What is put on the `trail` goes to the
    audit log in the same transaction.
    """

    tenant: TenantId
    token: ApiToken
    db: Connection
    vault: Vault
    at: datetime
    source: Literal["API", "WEB"] = "API"
    trail: list[AuditEntry] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path.

    Attributes:
        method: GET, POST, PATCH or PUT.
        path: Below /api/v1, with `{names}`.
        name: Its operation id.
        summary: One line.
        description: More, when there is more.
        scope: What the token must allow.
        roles: Who may; empty: every role.
        handler: The function.
        names: Parameters of the path.
        query: Model of the query, if there is one.
        body: Model of the body, if there is one.
        answer: Model of the answer.
        lock: Statement that locks the object ($1: tenant, $2: its id), for changes that compare ETags.
        shows: The handler that shows the object a change is about; its ETag is what If-Match is compared with.
        needs_version: Whether a change without If-Match is refused.
        secret: Whether the answer is shown once and kept nowhere: then there is no Idempotency-Key.
    """

    method: str
    path: str
    name: str
    summary: str
    scope: str | None
    handler: Handler
    answer: type[BaseModel]
    description: str = ""
    roles: frozenset[str] = frozenset()
    names: Mapping[str, TypeAdapter[Any]] = field(default_factory=dict)
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    lock: str | None = None
    shows: Handler | None = None
    needs_version: bool = False
    secret: bool = False

    @property
    def status(self) -> int:
        """Of success."""
        return 201 if self.method == "POST" and not self.names else 200

    @property
    def tag(self) -> str:
        """What it is about, for the document: the first word of its path."""
        return self.path.split("/")[1]


class Routes:
    """The routes of one file, or of all."""

    def __init__(self) -> None:
        self.all: list[Route] = []

    def add(self, route: Route) -> None:
        """Take one more."""
        self.all.append(route)

    def get(self, path: str, summary: str, *, scope: str | None, roles: tuple[str, ...] = ()) -> Callable[[_H], _H]:
        """Make the decorated function what answers a GET."""
        return self._decorate("GET", path, summary, scope=scope, roles=frozenset(roles))

    def post(
        self, path: str, summary: str, *, scope: str, roles: tuple[str, ...] = (), secret: bool = False
    ) -> Callable[[_H], _H]:
        """Make the decorated function what makes or does something."""
        return self._decorate("POST", path, summary, scope=scope, roles=frozenset(roles), secret=secret)

    def patch(
        self, path: str, summary: str, *, scope: str, lock: str, shows: Handler, roles: tuple[str, ...] = ()
    ) -> Callable[[_H], _H]:
        """Make the decorated function what changes something, for who has seen its present version."""
        return self._decorate(
            "PATCH", path, summary, scope=scope, roles=frozenset(roles), lock=lock, shows=shows, needs_version=True
        )

    def including(self, *others: "Routes") -> "Routes":
        """These and those."""
        merged = Routes()
        merged.all = [*self.all, *(route for other in others for route in other.all)]
        return merged

    def _decorate(self, method: str, path: str, summary: str, **more: Any) -> Callable[[_H], _H]:
        def add(handler: _H) -> _H:
            hints = get_type_hints(handler, include_extras=True)
            self.add(
                Route(
                    method=method,
                    path=path,
                    name=handler.__name__,
                    summary=summary,
                    description=" ".join((handler.__doc__ or "").partition("\n\n")[0].split()),
                    handler=handler,
                    names={name: TypeAdapter(hints[name]) for name in _IN_PATH.findall(path)},
                    query=hints.get("query"),
                    body=hints.get("body"),
                    answer=hints["return"],
                    **more,
                )
            )
            return handler

        return add
