"""Things of one kind: a list in pages, one by its number, and the services that change it. One `Collection` for each.

What is shown comes from one statement, whose columns are the model's fields. What is changed is changed by a service of
bot/operations, the same that flows call: so it is allowed to the same roles, noted on the timeline, and told to people
on WhatsApp. Afterwards the object is shown as it is now.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, create_model

from bot.operations import standard_services
from bot.operations.acting import Acting
from bot.operations.permissions import roles_with
from bot.web.api.paging import Page, PageQuery, cut, place_of
from bot.web.api.problems import Problem
from bot.web.api.route import Asked, Given, Handler, Id, Nothing, Route, Routes

SERVICES = standard_services()
_NUMBER: TypeAdapter[int] = TypeAdapter(Id)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A query parameter: its type, and the condition it stands for, with `{}` for its value."""

    kind: Any
    condition: str


@dataclass(frozen=True, kw_only=True)
class Collection:
    """Things of one kind.

    Attributes:
        routes: Where its routes go.
        path: `/leads`.
        one: What one is called: `lead`.
        model: What is shown of one; its fields are the statement's columns.
        select: Statement that shows them, with `$1` for the tenant; ends in a condition.
        key: The column that numbers them, as the statement calls it.
        table: Where one is locked, by its `key`.
        roles: Who may read them.
        filters: By name of the query parameter.
        documents: Columns that are JSON.
        dated: The column that says when they came to be; lists can be narrowed by it with `since` and `until`.
    """

    routes: Routes
    path: str
    one: str
    model: type[BaseModel]
    select: str
    key: str
    table: str
    roles: tuple[str, ...]
    filters: Mapping[str, Filter] = field(default_factory=dict)
    documents: Sequence[str] = ()
    dated: str = ""

    def __post_init__(self) -> None:
        """Lists of what has a date can be narrowed by it."""
        if self.dated:
            since = Annotated[AwareDatetime, Field(description="Only those from then on, ISO 8601 with an offset")]
            until = Annotated[AwareDatetime, Field(description="Only those before then")]
            between = {
                "since": Filter(kind=since, condition=f"{self.dated} >= {{}}"),
                "until": Filter(kind=until, condition=f"{self.dated} < {{}}"),
            }
            object.__setattr__(self, "filters", {**self.filters, **between})

    @property
    def lock(self) -> str:
        """Locks one, so that its version cannot change between comparing and changing."""
        column = self.key.rpartition(".")[2]
        return f"SELECT FROM {self.table} WHERE tenant_id = $1 AND {column} = $2 FOR UPDATE"

    def listed(self) -> "Collection":
        """Add the list."""
        fields: dict[str, Any] = {name: (one.kind | None, None) for name, one in self.filters.items()}
        query = create_model(f"{self.model.__name__}Query", __base__=PageQuery, **fields)

        async def handler(asked: Asked, query: PageQuery) -> BaseModel:
            given = {name: getattr(query, name) for name in self.filters}
            wanted = {name: value for name, value in given.items() if value is not None}
            (before,) = place_of(query.cursor)
            statement = self._list_statement(*wanted)
            rows = await asked.db.fetch(statement, asked.tenant, before, query.limit + 1, *wanted.values())
            items, after = cut([self.item(row) for row in rows], query.limit, [(row["id"],) for row in rows])
            return self._page(items=items, next=after)

        self._read(self.path, f"list_{_snake(self.path)}", f"List {_words(self.path)}", handler, {}, query, self._page)
        return self

    def shown(self) -> "Collection":
        """Add the one by its number."""
        names = {"number": _NUMBER}
        self._read(
            f"{self.path}/{{number}}", f"show_{self.one}", f"Show the {self.one} of a number", self.show, names, None,
            self.model,
        )  # fmt: skip
        return self

    def created(self, service: str, body: type[Given], *extra: str, result: str = "id") -> "Collection":
        """Add making one by a service that returns its number as `result`, and shows `extra` fields only then."""

        async def handler(asked: Asked, body: Given) -> BaseModel:
            made = await serve(asked, service, body)
            shown = await self.show(asked, int(made[result]))
            return shown.model_copy(update={name: made[name] for name in extra})

        self._change(self.path, service, handler, body, {})
        return self

    def verb(self, word: str, service: str, argument: str, body: type[Given] = Nothing) -> "Collection":
        """Add something that is done to one, by a service that takes its number as `argument`."""

        async def handler(asked: Asked, number: int, body: Given) -> BaseModel:
            await self.show(asked, number)
            await serve(asked, service, body, **{argument: number})
            return await self.show(asked, number)

        self._change(f"{self.path}/{{number}}/{word}", service, handler, body, {"number": _NUMBER})
        return self

    async def show(self, asked: Asked, number: int) -> BaseModel:
        """One of them.

        Raises:
            Problem: There is none of this number.
        """
        row = await asked.db.fetchrow(f"{self.select} AND {self.key} = $2", asked.tenant, number)
        if row is None:
            raise Problem("not_found", f"There is no {self.one} {number}.")
        return self.item(row)

    def item(self, row: Any) -> BaseModel:
        """What is shown of a row."""
        found = dict(row.items())
        for name in self.documents:
            found[name] = json.loads(found[name]) if found[name] is not None else None
        return self.model.model_validate(found)

    @property
    def _page(self) -> type[BaseModel]:
        return Page[self.model]  # type: ignore[name-defined]

    def _list_statement(self, *wanted: str) -> str:
        conditions = [self.filters[name].condition.format(f"${n}") for n, name in enumerate(wanted, 4)]
        return " AND ".join([self.select, f"{self.key} < $2", *conditions]) + f" ORDER BY {self.key} DESC LIMIT $3"

    def _read(
        self, path: str, name: str, summary: str, handler: Handler, names: Mapping[str, TypeAdapter[Any]],
        query: type[BaseModel] | None, answer: type[BaseModel],
    ) -> None:  # fmt: skip
        self.routes.add(
            Route(
                method="GET",
                path=path,
                name=name,
                summary=summary,
                scope=f"{self.area}:read",
                roles=frozenset(self.roles),
                handler=handler,
                names=names,
                query=query,
                answer=answer,
            )
        )

    def _change(
        self, path: str, service: str, handler: Handler, body: type[Given], names: Mapping[str, TypeAdapter[Any]]
    ) -> None:
        known = SERVICES[service]
        told = (known.function.__doc__ or "").strip()
        self.routes.add(
            Route(
                method="POST",
                path=path,
                name=service.replace(".", "_"),
                summary=told.partition(".")[0],
                description=" ".join(told.partition("\n\n")[0].split()),
                scope=f"{self.area}:write",
                roles=frozenset(roles_with(*known.needs)) if known.needs else frozenset(),
                handler=handler,
                names=names,
                body=body,
                answer=self.model,
                lock=self.lock if names else None,
                shows=self.show if names else None,
            )
        )

    @property
    def area(self) -> str:
        """The first half of its scopes."""
        return self.path.strip("/")


async def serve(asked: Asked, service: str, body: BaseModel, **more: Any) -> Any:
    """Call a service in the token's name."""
    given = body.model_dump(mode="json", exclude_unset=True)
    return await SERVICES[service].function(acting_for(asked), **more, **given)


def acting_for(asked: Asked) -> Acting:
    """The token, as services know who acts."""
    return Acting(
        tenant_id=asked.tenant, db=asked.db, at=asked.at, role=asked.token.role, source=asked.source,
        contact_id=asked.token.contact_id, name=f"token:{asked.token.token_id}",
        seals=asked.vault, trail=asked.trail,
    )  # fmt: skip


def _snake(path: str) -> str:
    return path.strip("/").replace("-", "_").replace("/", "_")


def _words(path: str) -> str:
    return path.strip("/").replace("-", " ")
