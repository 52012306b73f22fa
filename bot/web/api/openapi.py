"""The OpenAPI 3.1 document of the routes, made from the same models that check requests."""

from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from bot.web.api.problems import CONTENT_TYPE, KINDS, ProblemDetails
from bot.web.api.route import Route, Routes
from bot.web.api.serving import PREFIX

_REF = "#/components/schemas/{model}"
_INTRODUCTION = """\
Everything Sirdar knows about one business, and everything that can be done to it. A token says whose business it is.

Lists come newest first, in pages: ask again with `cursor` set to the `next` of the page before. Amounts are decimal
strings, times are RFC 3339 in UTC. Whatever goes wrong is answered as `application/problem+json`.
"""


def document(routes: Routes) -> dict[str, Any]:
    """The whole document."""
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(ProblemDetails, "serialization")]
    for route in routes.all:
        wanted.append((route.answer, "serialization"))
        wanted += [(model, "validation") for model in (route.body, route.query) if model is not None]
    references, definitions = models_json_schema(list(dict.fromkeys(wanted)), ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes.all:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route, references, definitions)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Sirdar", "version": version("sirdar"), "description": _INTRODUCTION},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes.all)],
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "Made by `bot token create`."}
            },
            "responses": {name: _problem(name, references) for name in KINDS},
        },
    }


def _operation(route: Route, references: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_in_path(route), *_in_query(route, references, definitions), *_headers(route)],
        "responses": {
            str(route.status): {
                "description": "Done" if route.method != "GET" else "Found",
                "content": {"application/json": {"schema": references[route.answer, "serialization"]}},
            },
            **{str(KINDS[name].status): {"$ref": f"#/components/responses/{name}"} for name in _problems(route)},
        },
    }
    if route.method == "GET":
        found["responses"][str(route.status)]["headers"] = {"ETag": {"schema": {"type": "string"}}}
    about = [route.description] if route.description else []
    about += [f"Scope: `{route.scope}`."] if route.scope else []
    about += [f"Roles: {', '.join(sorted(route.roles))}."] if route.roles else []
    found["description"] = " ".join(about)
    found |= {"x-roles": sorted(route.roles)} if route.roles else {}
    found |= {"x-scope": route.scope} if route.scope else {}
    if route.body is not None:
        schema = references[route.body, "validation"]
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return found


def _in_path(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": kind.json_schema(ref_template=_REF)}
        for name, kind in route.names.items()
    ]


def _in_query(route: Route, references: Any, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    name = references[route.query, "validation"]["$ref"].rpartition("/")[2]
    model = definitions["$defs"][name]
    found = []
    for field, schema in model["properties"].items():
        # null is how a parameter that is not there is modelled; it cannot be written in a query.
        kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
        told = {key: value for key, value in schema.items() if key not in ("anyOf", "default", "title", "description")}
        if "default" in schema and schema["default"] is not None:
            told["default"] = schema["default"]
        told |= kinds[0] if kinds else {}
        found.append(
            {
                "name": field, "in": "query", "required": field in model.get("required", []), "schema": told,
                "description": schema.get("description", ""),
            }
        )  # fmt: skip
    return found


def _headers(route: Route) -> list[dict[str, Any]]:
    found = []
    if route.method == "POST" and not route.secret:
        text = "Any text of yours. The same request with the same key is done once; the answer is repeated."
        schema = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[\x20-\x7e]+$"}
        found.append({"name": "Idempotency-Key", "in": "header", "description": text, "schema": schema})
    if route.lock is not None:
        text = "The ETag of what you read. If it has changed since, nothing is done (412)."
        found.append({"name": "If-Match", "in": "header", "description": text, "schema": {"type": "string"}})
    return found


def _problems(route: Route) -> list[str]:
    found = ["unauthorized", "forbidden", "invalid", "too_many", "unavailable"]
    found += ["not_found"] if route.names or route.method != "GET" else []
    found += ["not_json", "too_large"] if route.body is not None else []
    found += ["bad_request", "refused"] if route.method != "GET" else []
    found += ["changed"] if route.lock is not None else []
    found += ["no_version"] if route.needs_version else []
    return found


def _problem(name: str, references: Any) -> dict[str, Any]:
    kind = KINDS[name]
    schema = references[ProblemDetails, "serialization"]
    return {"description": f"{kind.title}. {kind.remedy}", "content": {CONTENT_TYPE: {"schema": schema}}}
