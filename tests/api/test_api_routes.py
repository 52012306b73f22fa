"""Every route: who may use it, and that nobody sees or touches another tenant's things by it."""

import re
from typing import Any

from bot.operations import standard_services
from bot.operations.permissions import roles_with
from bot.web.api import all_routes
from bot.web.api.route import Route
from storage.crypto import Vault
from storage.postgres.tokens import create_token
from tests.api.conftest import EVERYTHING, ROLES, Shop, fill
from tests.conftest import EPOCH

ROUTES = all_routes().all
LISTS = [
    route for route in ROUTES if route.method == "GET" and not route.names and "items" in route.answer.model_fields
]
ABOUT_ONE = [route for route in ROUTES if route.names]
CHECKSUM = """
SELECT c.relname AS name FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname NOT IN ('api_tokens')
  AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
"""


def ids_for(route: Route, numbers: dict[str, int]) -> str:
    """The path with numbers of that business's things."""
    known = {**numbers, "opt-in": 1}
    word = route.path.split("/")[1].rstrip("s").replace("-", "_")

    def number(match: "re.Match[str]") -> str:
        return str(known.get(match[1], known.get(word, 1)))

    return re.sub(r"\{(\w+)\}", number, route.path)


def body_for(route: Route) -> Any:
    """A body that fits."""
    if route.body is None:
        return None
    given: dict[str, Any] = {
        "trek": 1, "people": 2, "lead": 1, "quote": 1, "booking": 1, "trip": 1, "text": "x", "reason": "x", "seats": 5,
        "starts_on": "2027-01-01", "person": 1, "severity": "HIGH", "approve": True, "note": "x",
        "quantity": "1", "amount": "1", "gone": 1, "merge": 1, "roles": ["sales"], "rating": 5,
        "object_type": "x", "object_id": 1, "subject": "x", "name": "x", "days": 1, "max_leads": 1, "media_id": "1",
        "latitude": 27.8, "longitude": 86.7,
    }  # fmt: skip
    return {name: given[name] for name in route.body.model_fields if name in given}


async def everything_in(shop: Shop) -> dict[str, Any]:
    """A checksum of each of a tenant's tables."""
    found = {}
    for table in await shop.rows(CHECKSUM):
        query = f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) AS sum FROM {table['name']} t"
        found[table["name"]] = (await shop.rows(query))[0]["sum"]
    return found


async def test_no_route_shows_or_changes_what_is_another_tenants(shop: Shop, other: Shop, vault: Vault) -> None:
    """With every role's token: lists are empty of it, numbers of it are not found, and nothing of it changes."""
    numbers = await fill(shop, vault)
    before = await everything_in(shop)
    for route in LISTS:
        theirs = {item["id"] for item in (await shop.get(route.path, role=min(route.roles)))["items"]}
        assert theirs, f"{route.path} has nothing to see, so that this test would prove nothing"
        for role in route.roles:
            seen = {item["id"] for item in (await other.get(route.path, role=role))["items"]}
            assert not seen & theirs, (route.path, role)
    for route in ABOUT_ONE:
        for role in route.roles or ROLES:
            path = ids_for(route, numbers)
            answer = await other.ask(route.method, path, body_for(route), role=role, If_Match="*")
            assert answer.status == 404, (route.method, path, role, answer.body)
    assert await everything_in(shop) == before


IDS = ("trek", "lead", "quote", "booking", "trip", "person", "contact", "gone", "to", "assignee")
"""Fields of queries and bodies that name things by number."""


async def test_no_query_or_body_reaches_what_is_another_tenants(shop: Shop, other: Shop, vault: Vault) -> None:
    """A number of theirs in a query finds nothing; in a body, beside one's own, it is refused or not looked at."""
    numbers = await fill(shop, vault)
    numbers |= dict.fromkeys(("gone", "to", "assignee"), numbers["person"])
    before = await everything_in(shop)
    own = await fill(other, vault)
    tried: set[tuple[str, str]] = set()
    taken: list[tuple[object, ...]] = []
    for route in ROUTES:
        for field in IDS:
            path = ids_for(route, own)
            if route.query is not None and field in route.query.model_fields:
                answer = await other.ask(
                    route.method, f"{path}?{field}={numbers[field]}", role=min(route.roles or ROLES)
                )
                if answer.status == 422:  # it is no number there
                    continue
                assert answer.status == 200, (path, field, answer.body)
                assert answer.body["items"] == [], (path, field)
                tried.add(("query", field))
            if route.body is not None and field in route.body.model_fields:
                body = {**body_for(route), **{name: own[name] for name in route.body.model_fields if name in own}}
                for role in route.roles or ROLES:
                    answer = await other.ask(
                        route.method, path, {**body, field: numbers[field]}, role=role, If_Match="*"
                    )
                    named = {answer.body.get(field), answer.body.get(f"{field}_id")}
                    if not 400 <= answer.status < 500 and named & {numbers[field], str(numbers[field])}:
                        taken.append((route.method, path, field, role, answer.status))
                tried.add(("body", field))
    assert not taken, "\n".join(map(str, taken))
    assert {("query", "contact"), ("body", "trip"), ("body", "contact"), ("body", "gone")} <= tried
    assert await everything_in(shop) == before


async def test_the_matrix_of_roles(shop: Shop) -> None:
    for route in ROUTES:
        path = ids_for(route, {})
        for role in ROLES:
            answer = await shop.ask(route.method, path, body_for(route), role=role, If_Match='"x"')
            refused = answer.status == 403 and answer.body["code"] == "role"
            assert refused == bool(route.roles and role not in route.roles), (route.method, path, role, answer.body)


READ_AT = {
    "leads.show": "/leads/{number}", "leads.list": "/leads", "quotes.show": "/quotes/{number}",
    "quotes.current": "/quotes",
    "bookings.show": "/bookings/{number}", "bookings.list": "/bookings", "payments.list": "/payments",
    "trips.show": "/trips/{number}", "trips.departures": "/treks/{trek}/departures", "staff.trips": "/trips",
    "staff.free": "/trips/{trip}/free-staff", "check_ins.list": "/check-ins", "incidents.show": "/incidents/{number}",
    "incidents.list": "/incidents", "approvals.list": "/approvals", "feedback.list": "/feedback",
    "inventory.list": "/inventory", "people.show": "/contacts/{number}", "broadcasts.list": "/broadcasts",
    "broadcasts.status": "/broadcasts/{broadcast}/progress", "broadcasts.people": "/broadcasts/{broadcast}/recipients",
    "handoffs.list": "/handoffs", "terms.show": "/terms", "hours.now": "/hours",
    "treks.list": "/treks",
}  # fmt: skip
DONE_AT = {
    "staff.assign": "/trips/{trip}/assignments", "staff.release": "/trips/{trip}/assignments/{person}/release",
    "staff.confirm": "/trips/{trip}/confirm", "staff.decline": "/trips/{trip}/decline", "staff.invite": "/invites",
    "incidents.add_media": "/incidents/{incident}/media", "conversations.reply": "/conversations/{conversation}/reply",
    "terms.change": "/terms",
}  # fmt: skip
WHO_WRITES = {"staff.join", "staff.switch"}
"""Only for somebody who writes from their own phone: a code proves who has the phone, a role is what they speak in."""


def test_every_service_is_reached_by_a_route() -> None:
    """What flows can do, programs can: each action has its route, or is read at one."""
    reads = {route.path for route in ROUTES if route.method == "GET"}
    changes = {route.path for route in ROUTES if route.method != "GET"}
    named = {route.name for route in ROUTES}
    for name, service in standard_services().items():
        if service.kind == "lookup" or name in WHO_WRITES:
            continue
        if name in READ_AT:
            assert READ_AT[name] in reads, name
        elif name in DONE_AT:
            assert DONE_AT[name] in changes, name
        else:
            assert name.replace(".", "_") in named, f"no route does {name}"


def test_a_route_asks_for_the_roles_that_its_service_asks_for() -> None:
    """So that the document, and what is made from it, promises nobody what the service would refuse."""
    services = {name.replace(".", "_"): service for name, service in standard_services().items()}
    same = [route for route in ROUTES if route.name in services]
    for route in same:
        needs = services[route.name].needs
        assert route.roles == (frozenset(roles_with(*needs)) if needs else frozenset()), (route.method, route.path)
    assert len(same) > len(ROUTES) / 3


async def test_without_its_scope_a_token_is_refused(shop: Shop, vault: Vault) -> None:
    for route in ROUTES:
        if route.scope is None:
            continue
        async with shop.database.tenant(shop.tenant) as db:
            scopes = [scope for scope in EVERYTHING if scope != route.scope]
            _, token = await create_token(
                db, vault, shop.tenant, name="x", role="manager", scopes=scopes, at=EPOCH, expires_at=None
            )
        answer = await shop.ask(route.method, ids_for(route, {}), body_for(route), token=token)
        assert (answer.status, answer.body["code"]) == (403, "scope"), route.path


async def test_without_a_token_nothing_is_told(shop: Shop) -> None:
    for route in ROUTES:
        answer = await shop.ask(route.method, ids_for(route, {}), body_for(route), Authorization="Basic eDp5")
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), route.path


def test_names_are_unique_and_every_change_has_a_scope_of_its_own() -> None:
    names = [route.name for route in ROUTES]
    assert len(set(names)) == len(names)
    for route in ROUTES:
        assert route.method == "GET" or (route.scope or "").endswith(":write"), route.path
        assert route.method != "GET" or route.scope is None or route.scope.endswith((":read", ":phone")), route.path
