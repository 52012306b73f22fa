"""What goes wrong, as RFC 9457 problem details: one class, one table of kinds, one form of answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

from bot.core.errors import ActionError

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its status, its title, and what a caller can do about it."""

    status: int
    title: str
    remedy: str


KINDS: Mapping[str, Kind] = {
    "bad_request": Kind(400, "The request cannot be read", "Send JSON in UTF-8, and the headers in their form."),
    "unauthorized": Kind(401, "No valid token", "Send `Authorization: Bearer …` with a token that is in force."),
    "forbidden": Kind(403, "Not allowed", "The token lacks a scope, or its role may not do this."),
    "not_found": Kind(
        404, "There is no such thing", "Look at the path and the ids. Other tenants' things are not found."
    ),
    "method_not_allowed": Kind(405, "Not this method", "The header Allow names those that this path takes."),
    "refused": Kind(409, "The business refused", "`code` says why; look at the object's present state."),
    "changed": Kind(412, "It has changed meanwhile", "Read it again and decide anew; send its new ETag in If-Match."),
    "too_large": Kind(413, "The body is too large", "Send at most 1 MiB."),
    "not_json": Kind(415, "The body is not JSON", "Send `Content-Type: application/json`."),
    "invalid": Kind(422, "The request does not fit", "`errors` names each field that is wrong."),
    "key_reused": Kind(422, "This Idempotency-Key was used for another request", "Make a new key for a new request."),
    "no_version": Kind(428, "Say which version you change", "Send the ETag of what you read in If-Match."),
    "too_many": Kind(429, "Too many requests", "Wait as long as Retry-After says."),
    "unavailable": Kind(503, "The database is out of reach", "Try again in a moment, with the same Idempotency-Key."),
}


class FieldError(BaseModel):
    """A field that is wrong."""

    field: str = Field(description="Where: `body.items.0.price`, `query.limit`, `path.lead`")
    message: str


class ProblemDetails(BaseModel):
    """RFC 9457."""

    type: str = Field(description="Names the kind of problem; a link into the documentation")
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable, for programs: the kind, or the business's reason for refusing")
    errors: list[FieldError] | None = None


class Problem(Exception):  # noqa: N818  the field's term
    """Ends a request with a problem."""

    def __init__(
        self, kind: str, detail: str, *, code: str | None = None, errors: list[FieldError] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.code = code or kind
        self.errors = errors
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """The answer."""
        kind = KINDS[self.kind]
        details = ProblemDetails(
            type=f"/api/v1/docs#{self.kind}", title=kind.title, status=kind.status, detail=self.detail, code=self.code,
            errors=self.errors,
        )  # fmt: skip
        body = orjson.dumps(details.model_dump(exclude_none=True))
        return web.Response(body=body, status=kind.status, content_type=CONTENT_TYPE, headers=self.headers)


def refused(error: ActionError) -> Problem:
    """What a service's refusal is over HTTP."""
    code = error.code
    if code == "not_found":
        return Problem("not_found", str(error))
    if code == "forbidden":
        return Problem("forbidden", str(error))
    if code.startswith("bad_"):
        return Problem("invalid", str(error), code=code)
    return Problem("refused", str(error), code=code)


def invalid(part: str, error: ValidationError) -> Problem:
    """What does not fit its model. Says where and why, and repeats nothing of what was sent."""
    found: list[FieldError] = []
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(str(step) for step in (part, *one["loc"]))
        found.append(FieldError(field=place[:200], message=one["msg"]))
    return Problem("invalid", "; ".join(f"{one.field}: {one.message}" for one in found[:5]), errors=found)


def from_http(error: web.HTTPException) -> Problem:
    """Aiohttp's own refusals in our form."""
    match error:
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return Problem("method_not_allowed", f"This path takes {allowed}.", headers={"Allow": allowed})
        case web.HTTPNotFound():
            return Problem("not_found", "There is nothing at this path.")
        case web.HTTPRequestEntityTooLarge():
            return Problem("too_large", "The body is too large.")
        case _:
            return Problem("bad_request", error.reason or "The request cannot be read.")


def dump(details: Any) -> bytes:
    """JSON of a problem that is part of something else."""
    return orjson.dumps(details)
