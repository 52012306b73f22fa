"""Pages: newest first, and a cursor that says where the next one begins."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, Field

from bot.core.ids import TenantId
from bot.web.api.problems import FieldError, Problem
from bot.web.api.route import Given
from storage.postgres.database import Connection

MOST = 200
_BIGGEST = 2**63 - 1

_Item = TypeVar("_Item", bound=BaseModel)


class PageQuery(Given):
    """Which page."""

    limit: Annotated[int, Field(ge=1, le=MOST, description="How many at the most")] = 50
    cursor: Annotated[str | None, Field(max_length=100, description="`next` of the page before; unset: the newest")] = (
        None
    )


class Page(BaseModel, Generic[_Item]):
    """Some of many things, newest first."""

    items: list[_Item]
    next: str | None = Field(None, description="`cursor` of the next page; null on the last one")


def cursor_of(*place: int) -> str:
    """A cursor that stands behind a place, which is one or more numbers."""
    return urlsafe_b64encode(",".join(map(str, place)).encode()).decode().rstrip("=")


def place_of(cursor: str | None, numbers: int = 1) -> tuple[int, ...]:
    """The place a cursor stands behind; without a cursor, before everything.

    Raises:
        Problem: It is no cursor of ours.
    """
    if cursor is None:
        return (_BIGGEST,) * numbers
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        place = tuple(int(part) for part in text.split(","))
    except ValueError:
        place = ()
    if len(place) != numbers or not all(0 <= part <= _BIGGEST for part in place) or cursor_of(*place) != cursor:
        wrong = FieldError(field="query.cursor", message="It is not the `next` of a page.")
        raise Problem("invalid", "query.cursor: It is not the `next` of a page.", errors=[wrong])
    return place


def cut(found: Sequence[_Item], limit: int, places: Sequence[tuple[int, ...]]) -> tuple[list[_Item], str | None]:
    """Of `limit` + 1 things that were asked for, those of this page, and the cursor of the next."""
    more = len(found) > limit
    return list(found[:limit]), cursor_of(*places[limit - 1]) if more else None


async def page(
    db: Connection, tenant: TenantId, model: type[_Item], statement: str, query: PageQuery, *about: Any
) -> Page[_Item]:
    """A page of a statement that takes the tenant, what it is `about`, the place before and how many; it gives `id`."""
    (before,) = place_of(query.cursor)
    rows = await db.fetch(statement, tenant, *about, before, query.limit + 1)
    items = [model.model_validate(dict(row.items())) for row in rows]
    shown, after = cut(items, query.limit, [(row["id"],) for row in rows])
    return Page[model](items=shown, next=after)  # type: ignore[valid-type]
