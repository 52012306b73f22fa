"""Serving the routes: who asks, whether they may, what they say, and the answer, all in one transaction.

In this order: the token (401), its rate (429), scope and role (403), path, query and body (4xx), the receipt of an
Idempotency-Key, the version in If-Match (412, 428), the handler, the audit entry, the receipt, commit, and only then
the answer. Whatever raises undoes everything.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any, Literal, TypeVar

import asyncpg
import orjson
import structlog
from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from bot.core.errors import ActionError, StorageError
from bot.core.ids import TenantId
from bot.runtime.metrics import METRICS
from bot.runtime.pacing import Pacer
from bot.runtime.tenants import Tenants
from bot.runtime.trouble import is_outage
from bot.web.api.problems import Problem, from_http, invalid, refused
from bot.web.api.route import Asked, Route, Routes
from storage.crypto import Vault
from storage.postgres.audit import write_audit
from storage.postgres.database import Postgres
from storage.postgres.tokens import ApiToken, find_token, tenant_of

log = structlog.get_logger(__name__)

PREFIX = "/api/v1"
MOST_BYTES = 1024 * 1024
_MOST_KEY = 200
_NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

# Two requests with one key take turns; the second finds the first one's receipt.
_LOCK_KEY = "SELECT pg_advisory_xact_lock(hashtextextended($2, $1))"
_RECEIPT = "SELECT result FROM receipts WHERE tenant_id = $1 AND key = $2"
_KEEP = "INSERT INTO receipts (tenant_id, key, action, result, created_at) VALUES ($1, $2, $3, $4::jsonb, $5)"

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServer:
    """Answers the API's requests.

    Attributes:
        routes: What there is.
        database: The pool.
        vault: Knows tokens, decrypts phone numbers.
        clock: The time.
        pacer: How often each token may ask, of a tenant that has no limit of its own.
        ring: Called when something was done: conversations may have news.
        tenants: Who is served, with which limits.
    """

    routes: Routes
    database: Postgres
    vault: Vault
    clock: Callable[[], datetime]
    pacer: Pacer
    ring: Callable[[], None]
    tenants: Tenants

    def application(self) -> web.Application:
        """Everything below /api/v1."""
        app = web.Application(middlewares=[_as_problems])
        for route in self.routes.all:
            app.router.add_route(route.method, route.path, self._handler(route))
        return app

    def _handler(self, route: Route) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            answer = await self._answer(route, request)
            if route.method != "GET":
                self.ring()
            headers = dict(_NO_STORE)
            if route.method == "GET":
                headers["ETag"] = answer.etag
                if _matches(request.headers.get("If-None-Match"), answer.etag):
                    return web.Response(status=304, headers=headers)
            return web.Response(
                status=answer.status, body=answer.body, content_type="application/json", headers=headers
            )

        return handle

    async def _answer(self, route: Route, request: web.Request) -> _Answer:
        text = _bearer(request)
        claimed = tenant_of(text)
        if claimed is None or self.tenants.closed(claimed[0]):
            raise _unauthorized()
        body = await _read(request) if route.body is not None else b""
        tenant, _ = claimed
        async with self.database.tenant(tenant) as db:
            now = self.clock()
            token = await find_token(db, self.vault, tenant, text, now)
            if token is None:
                raise _unauthorized()
            self._pace(token, tenant, now)
            if route.scope is not None and not token.allows(route.scope):
                raise Problem("forbidden", f"The token has no scope {route.scope}.", code="scope")
            if route.roles and token.role not in route.roles:
                raise Problem("forbidden", f"The role {token.role} may not do this.", code="role")
            source: Literal["API", "WEB"] = "WEB" if request.headers.get("Sirdar-Client") == "desk" else "API"
            asked = Asked(tenant=tenant, token=token, db=db, vault=self.vault, at=now, source=source)
            arguments = _arguments(route, request, body)
            return await self._once(route, request, asked, arguments, body)

    def _pace(self, token: ApiToken, tenant: TenantId, now: datetime) -> None:
        served = self.tenants.get(tenant)
        pacer = served.api_pace if served is not None else self.pacer
        early = pacer.take(hash((tenant, token.token_id)), now.timestamp())
        if early:
            raise Problem(
                "too_many", "This token asks more often than it may.", headers={"Retry-After": str(ceil(early))}
            )

    async def _once(
        self, route: Route, request: web.Request, asked: Asked, arguments: dict[str, Any], body: bytes
    ) -> _Answer:
        """Do it, or find that it was done with this Idempotency-Key."""
        key = request.headers.get("Idempotency-Key") if route.method == "POST" and not route.secret else None
        if key is None:
            return await self._do(route, request, asked, arguments)
        if not 0 < len(key) <= _MOST_KEY or not key.isascii() or not key.isprintable():
            raise Problem("bad_request", f"An Idempotency-Key has 1 to {_MOST_KEY} printable ASCII characters.")
        receipt = f"api:{asked.token.token_id}:{key}"
        print_ = hashlib.sha256(f"{route.method} {request.path_qs}\n".encode() + body).hexdigest()
        await asked.db.execute(_LOCK_KEY, asked.tenant, receipt)
        known = await asked.db.fetchval(_RECEIPT, asked.tenant, receipt)
        if known is not None:
            result = json.loads(known)
            if result["request"] != print_:
                raise Problem("key_reused", "This key came with another path or body before.")
            return _Answer(result["status"], result["body"].encode())
        answer = await self._do(route, request, asked, arguments)
        result = {"request": print_, "status": answer.status, "body": answer.body.decode()}
        action = f"{route.method} {route.path}"
        await asked.db.execute(_KEEP, asked.tenant, receipt, action, json.dumps(result), asked.at)
        return answer

    async def _do(self, route: Route, request: web.Request, asked: Asked, arguments: dict[str, Any]) -> _Answer:
        if route.lock is not None and route.shows is not None:
            await _check_version(route, request.headers.get("If-Match"), asked, arguments)
        try:
            found = await route.handler(asked, **arguments)
        except ActionError as error:
            raise refused(error) from error
        await write_audit(asked.db, asked.vault, asked.tenant, asked.trail)
        return _Answer(route.status, _dump(found))


async def _check_version(route: Route, wanted: str | None, asked: Asked, arguments: dict[str, Any]) -> None:
    """Lock the object; compare its ETag with the one the client has seen."""
    if wanted is None and not route.needs_version:
        return
    if wanted is None:
        raise Problem("no_version", "This change needs If-Match with the ETag of what you read.")
    named = [arguments[name] for name in route.names]
    assert route.lock is not None and route.shows is not None  # noqa: S101, PT018
    await asked.db.fetch(route.lock, asked.tenant, *named)
    shown = _Answer(200, _dump(await route.shows(asked, *named)))
    if not _matches(wanted, shown.etag):
        raise Problem("changed", "It is not any more what you read.", headers={"ETag": shown.etag})


def _dump(found: BaseModel) -> bytes:
    return found.model_dump_json(by_alias=True).encode()


def _matches(header: str | None, etag: str) -> bool:
    if header is None:
        return False
    return header.strip() == "*" or etag in {part.strip().removeprefix("W/") for part in header.split(",")}


def _bearer(request: web.Request) -> str:
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise _unauthorized()
    return text.strip()


def _unauthorized() -> Problem:
    return Problem(
        "unauthorized", "The token is missing, unknown, expired or revoked.", headers={"WWW-Authenticate": "Bearer"}
    )


async def _read(request: web.Request) -> bytes:
    if request.content_type != "application/json":
        raise Problem("not_json", "The body must be JSON.")
    if (request.content_length or 0) > MOST_BYTES:
        raise Problem("too_large", f"The body has more than {MOST_BYTES} bytes.")
    body = await request.read()
    if len(body) > MOST_BYTES:
        raise Problem("too_large", f"The body has more than {MOST_BYTES} bytes.")
    return body


def _arguments(route: Route, request: web.Request, body: bytes) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, kind in route.names.items():
        arguments[name] = _path(name, kind, request.match_info[name])
    if route.query is not None:
        arguments["query"] = _query(route.query, request)
    elif request.query:
        raise Problem("invalid", "This path takes no query.")
    if route.body is not None:
        arguments["body"] = _body(route.body, body)
    return arguments


def _path(name: str, kind: TypeAdapter[Any], text: str) -> Any:
    if "\x00" in text:
        raise Problem("not_found", "There is nothing at this path.")
    try:
        return kind.validate_strings(text)
    except ValidationError as error:
        raise invalid(f"path.{name}", error) from error


def _query(model: type[_Model], request: web.Request) -> _Model:
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given or "\x00" in value or not _encodable(value) or not _encodable(name):
            raise Problem("invalid", "query: A parameter is there twice, or has characters that nothing has.")
        given[name] = value
    try:
        return model.model_validate_strings(given)
    except ValidationError as error:
        raise invalid("query", error) from error


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _body(model: type[_Model], body: bytes) -> _Model:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem("bad_request", "The body is not JSON in UTF-8.") from error
    if _has_nul(given):
        raise Problem("invalid", "body: The character U+0000 cannot be stored.")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise invalid("body", error) from error


def _has_nul(value: Any) -> bool:
    """Iterative: the depth of what strangers send is not ours to trust."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text if "\x00" in text:
                return True
            case dict() as found:
                waiting += [*found.keys(), *found.values()]
            case list() as found:
                waiting += found
    return False


@web.middleware
async def _as_problems(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    """Give every refusal the same form, and tell of errors without what was sent."""
    try:
        response: web.StreamResponse = await handler(request)
    except Problem as problem:
        response = problem.response()
    except web.HTTPException as error:
        response = from_http(error).response()
    except Exception as error:
        if not is_outage(error) and not isinstance(error, StorageError | asyncpg.PostgresError):
            log.exception("a request failed", action="answer_500")
            METRICS.api.labels("500").inc()
            raise
        log.warning("a request failed in the database", action="answer_503", error=type(error).__name__)
        response = Problem("unavailable", "The database did not answer.", headers={"Retry-After": "1"}).response()
    response.headers.setdefault("Cache-Control", "no-store")
    METRICS.api.labels(str(response.status)).inc()
    return response
