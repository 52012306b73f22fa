"""What the API promises whatever it is about: tokens, rates, receipts, pages, versions, problems."""

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application

from bot.runtime.pacing import Pacer
from bot.web.api import PREFIX, api_application
from storage.crypto import Vault
from storage.postgres import Postgres
from storage.postgres.tokens import create_token, list_tokens, revoke_token
from tests.api.conftest import Shop, fill, open_shop
from tests.conftest import EPOCH, FakeClock
from tests.storage.support import owner

# --- Tokens -----------------------------------------------------------------------------------------------------------


async def test_a_token_works_until_it_ends(shop: Shop, clock: FakeClock) -> None:
    assert (await shop.get("/me"))["role"] == "manager"
    clock.advance(hours=23)
    assert (await shop.ask("GET", "/me")).status == 200
    clock.advance(hours=1)
    answer = await shop.ask("GET", "/me")
    assert (answer.status, answer.body["code"]) == (401, "unauthorized")


async def test_a_revoked_token_is_refused_at_once(shop: Shop, clock: FakeClock) -> None:
    number = (await shop.get("/me", role="sales"))["token"]
    async with shop.database.tenant(shop.tenant) as db:
        assert await revoke_token(db, shop.tenant, number, clock())
        assert not await revoke_token(db, shop.tenant, number, clock())
    assert (await shop.ask("GET", "/me", role="sales")).status == 401
    assert (await shop.ask("GET", "/me")).status == 200


async def test_only_the_exact_text_is_the_token(shop: Shop, other: Shop) -> None:
    text = shop.tokens["manager"]
    head, tenant, number, secret = text.split("_")
    last = "0" if secret[-1] != "0" else "1"
    wrong = [
        text[:-1] + last, text + "0", text[:-1], f"{head}_{tenant}_{number}_",
        f"{head}_{other.tenant}_{number}_{secret}",
        f"{head}_{tenant}_{int(number) + 1}_{secret}", f"{head}_{tenant}_999_{secret}", f"{head}_999_{number}_{secret}",
        f"{head}_0_{number}_{secret}", "", "x" * 5000, f"{head}_-1_{number}_{secret}", f"{head}_{'9' * 30}_1_{secret}",
    ]  # fmt: skip
    for token in wrong:
        answer = await shop.ask("GET", "/me", Authorization=f"Bearer {token}")
        assert answer.status == 401, token


async def test_tokens_are_nowhere_in_the_database(shop: Shop) -> None:
    await shop.get("/me")
    secret = shop.tokens["manager"].rpartition("_")[2]
    async with owner(shop.database.dsn) as admin:
        for table in ("api_tokens", "receipts", "whatsapp_audit_logs"):
            found = await admin.fetchval(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
            assert secret not in found
            assert bytes(secret, "ascii").hex() not in found


async def test_wildcards_give_no_phone_numbers(shop: Shop, vault: Vault) -> None:
    async with shop.database.tenant(shop.tenant) as db:
        _, token = await create_token(
            db, vault, shop.tenant, name="all", role="manager", scopes=["*:read", "*:write"], at=EPOCH, expires_at=None
        )
    contact = shop.people["customer"]
    shown = await shop.ask("GET", f"/contacts/{contact}", token=token)
    assert shown.status == 200
    assert "phone" not in shown.body
    refused = await shop.ask("GET", f"/contacts/{contact}/phone", token=token)
    assert (refused.status, refused.body["code"]) == (403, "scope")
    assert (await shop.get(f"/contacts/{contact}/phone"))["phone"] == "+9779801000000"
    audit = (await shop.get("/audit"))["items"][0]
    assert (audit["action"], audit["detail"]) == ("contacts.phone_read", {"contact_id": contact})


async def test_somebodys_clock_is_set_and_left_to_the_phone_again(shop: Shop) -> None:
    contact = f"/contacts/{shop.people['customer']}"
    assert (await shop.get(contact))["timezone"] is None
    for zone, kept in (("America/Lima", "America/Lima"), ("", None)):
        etag = (await shop.ask("GET", contact)).headers["ETag"]
        changed = await shop.ask("PATCH", contact, {"timezone": zone}, If_Match=etag)
        assert (changed.status, changed.body["timezone"]) == (200, kept)
    etag = (await shop.ask("GET", contact)).headers["ETag"]
    refused = await shop.ask("PATCH", contact, {"timezone": "Nepal time"}, If_Match=etag)
    assert refused.status == 422


async def test_the_last_use_is_noted_once_an_hour(shop: Shop, clock: FakeClock) -> None:
    async def used() -> Any:
        async with shop.database.tenant(shop.tenant) as db:
            return next(t.last_used_at for t in await list_tokens(db, shop.tenant) if t.role == "manager")

    await shop.get("/me")
    clock.advance(minutes=59)
    await shop.get("/me")
    assert await used() == EPOCH
    clock.advance(minutes=1)
    await shop.get("/me")
    assert await used() == EPOCH + timedelta(hours=1)


@pytest.fixture
async def slow(database: Postgres, vault: Vault, clock: FakeClock) -> AsyncIterator[Shop]:
    """Tokens may ask twice at once, and then once a second."""
    app = Application()
    app.add_subapp(PREFIX, api_application(database, vault, clock, Pacer(1, 2), lambda: None))
    async with TestClient(TestServer(app)) as client:
        yield await open_shop(client, database, vault, "acme", 100)


async def test_each_token_has_its_own_rate(slow: Shop, clock: FakeClock) -> None:
    statuses = [(await slow.ask("GET", "/me")).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    limited = await slow.ask("GET", "/me")
    assert (limited.headers["Retry-After"], limited.body["code"]) == ("1", "too_many")
    assert (await slow.ask("GET", "/me", role="sales")).status == 200
    clock.advance(seconds=1)
    assert (await slow.ask("GET", "/me")).status == 200


# --- Receipts ---------------------------------------------------------------------------------------------------------

LEAD = {"trek": 1, "people": 2, "month": "2026-12"}


async def lead_body(shop: Shop) -> dict[str, Any]:
    """A lead to be."""
    return {**LEAD, "trek": (await shop.get("/treks"))["items"][0]["id"]}


async def count(shop: Shop, table: str) -> int:
    return int((await shop.rows(f"SELECT count(*) AS n FROM {table}"))[0]["n"])


async def test_a_key_makes_a_request_happen_once(shop: Shop) -> None:
    body = await lead_body(shop)
    first = await shop.ask("POST", "/leads", body, role="customer", Idempotency_Key="k1")
    again = await shop.ask("POST", "/leads", body, role="customer", Idempotency_Key="k1")
    assert (first.status, first.body) == (again.status, again.body)
    assert await count(shop, "leads") == 1
    different = await shop.ask("POST", "/leads", {**body, "people": 3}, role="customer", Idempotency_Key="k1")
    assert (different.status, different.body["code"]) == (422, "key_reused")
    assert (await shop.ask("POST", "/leads", body, role="customer", Idempotency_Key="k2")).status == 201
    assert (await shop.ask("POST", "/leads", body, role="manager", Idempotency_Key="k1")).status != 422, "its own keys"
    for key in ("", "x" * 201):
        assert (await shop.ask("POST", "/leads", body, role="customer", Idempotency_Key=key)).status == 400


async def test_many_at_once_with_one_key_do_it_once(shop: Shop) -> None:
    body = await lead_body(shop)
    asked = (shop.ask("POST", "/leads", body, role="customer", Idempotency_Key="k") for _ in range(8))
    answers = await asyncio.gather(*asked)
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["id"] for answer in answers}) == 1
    assert await count(shop, "leads") == 1


async def test_a_refusal_leaves_no_receipt_and_nothing_else(shop: Shop) -> None:
    lead = await shop.post("/leads", await lead_body(shop), role="customer")
    before = await count(shop, "whatsapp_audit_logs")
    refused = await shop.ask("POST", "/quotes", {"lead": lead["id"] + 1}, Idempotency_Key="k")
    assert refused.status == 404
    assert await count(shop, "receipts") == 0
    assert await count(shop, "whatsapp_audit_logs") == before
    assert (await shop.ask("POST", "/quotes", {"lead": lead["id"]}, Idempotency_Key="k")).status == 201


# --- Pages ------------------------------------------------------------------------------------------------------------


async def test_pages_show_everything_once_while_more_comes_in(shop: Shop) -> None:
    body = await lead_body(shop)
    for _ in range(7):
        await shop.post("/leads", body, role="customer")
    seen: list[int] = []
    cursor = ""
    while True:
        page = await shop.get(f"/leads?limit=3{cursor}")
        seen += [item["id"] for item in page["items"]]
        await shop.post("/leads", body, role="customer")
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == len(seen) == 7


async def test_filters_narrow_a_list(shop: Shop) -> None:
    body = await lead_body(shop)
    first = await shop.post("/leads", body, role="customer")
    second = await shop.post("/leads", body, role="customer")
    await shop.post(f"/leads/{first['id']}/lose", {"reason": "too dear"})
    assert [item["id"] for item in (await shop.get("/leads?status=NEW"))["items"]] == [second["id"]]
    both = f"/leads?status=LOST&contact={shop.people['customer']}"
    assert [item["reason"] for item in (await shop.get(both))["items"]] == ["too dear"]
    assert (await shop.get("/leads?assignee=999"))["items"] == []


async def test_messages_come_in_pages_by_time(shop: Shop, vault: Vault) -> None:
    numbers = await fill(shop, vault)
    path = f"/conversations/{numbers['conversation']}/messages?limit=2"
    first = await shop.get(path)
    second = await shop.get(f"{path}&cursor={first['next']}")
    third = await shop.get(f"{path}&cursor={second['next']}")
    ids = [item["id"] for page in (first, second, third) for item in page["items"]]
    assert ids == [numbers["message"] + n for n in (4, 3, 2, 1, 0)]
    assert third["next"] is None
    trace = await shop.get(f"/messages/{numbers['message']}/trace")
    assert trace["steps"] == [{"kind": "started", "flow": "enquiry"}]


# --- Versions ---------------------------------------------------------------------------------------------------------


async def test_what_has_not_changed_is_not_sent_again(shop: Shop) -> None:
    contact = shop.people["customer"]
    shown = await shop.ask("GET", f"/contacts/{contact}")
    etag = shown.headers["ETag"]
    again = await shop.ask("GET", f"/contacts/{contact}", If_None_Match=f'"other", W/{etag}')
    assert (again.status, again.body) == (304, b"")


async def test_a_change_needs_the_version_it_is_made_from(shop: Shop) -> None:
    path = f"/contacts/{shop.people['customer']}"
    etag = (await shop.ask("GET", path)).headers["ETag"]
    blind = await shop.ask("PATCH", path, {"name": "Maya"})
    assert (blind.status, blind.body["code"]) == (428, "no_version")
    changed = await shop.ask("PATCH", path, {"name": "Maya"}, If_Match=etag)
    assert (changed.status, changed.body["name"]) == (200, "Maya")
    stale = await shop.ask("PATCH", path, {"name": "Noor"}, If_Match=etag)
    assert (stale.status, stale.body["code"]) == (412, "changed")
    assert (await shop.ask("PATCH", path, {"name": "Noor"}, If_Match=stale.headers["ETag"])).status == 200


async def test_of_two_who_saw_the_same_version_one_wins(shop: Shop) -> None:
    body = await lead_body(shop)
    lead = await shop.post("/leads", body, role="customer")
    quote = await shop.post("/quotes", {"lead": lead["id"]})
    path = f"/quotes/{quote['id']}"
    etag = (await shop.ask("GET", path)).headers["ETag"]
    words = [("send", "sales"), ("withdraw", "manager"), ("send", "manager")]
    answers = await asyncio.gather(
        *(shop.ask("POST", f"{path}/{word}", {}, role=role, If_Match=etag) for word, role in words)
    )
    assert sorted(answer.status for answer in answers) == [200, 412, 412]


# --- Problems ---------------------------------------------------------------------------------------------------------


async def raw(shop: Shop, method: str, path: str, data: bytes = b"", **headers: str) -> tuple[int, Any]:
    """Ask with a body as it is."""
    given = {"Authorization": f"Bearer {shop.tokens['manager']}", "Content-Type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    async with shop.client.request(method, PREFIX + path, data=io.BytesIO(data), headers=given) as response:
        assert response.content_type == "application/problem+json"
        body = await response.json(content_type=None)
        assert {"type", "title", "status", "detail", "code"} <= set(body)
        assert body["status"] == response.status
        return response.status, body


BAD_BODIES = [
    (b"", 400),
    (b"{", 400),
    (b"\xff\xfe", 400),
    (b'{"trek": 1, "people": 2, "note": "\\ud800"}', 400),
    (b"[]", 422),
    (b'{"trek": 1, "people": 2, "note": "a\\u0000b"}', 422),
    (b'{"trek": 1, "people": 2, "nothing": 1}', 422),
    (b'{"trek": "1; DROP TABLE leads", "people": 2}', 422),
    (b'{"trek": 1, "people": 0}', 422),
    (b'{"trek": 99999999999999999999, "people": 2}', 422),
    (b"[" * 10_000, 400),
    (b'{"trek": 1, "people": 2, "note": "' + b"x" * 3000 + b'"}', 422),
    (b'{"note": "' + b"x" * 1_100_000 + b'"}', 413),
]


async def test_bad_bodies_are_told_apart(shop: Shop) -> None:
    for body, status in BAD_BODIES:
        assert (await raw(shop, "POST", "/leads", body))[0] == status, body[:50]


async def test_bad_requests_have_one_form(shop: Shop) -> None:
    assert (await raw(shop, "GET", "/nothing"))[0] == 404
    assert (await raw(shop, "GET", "/leads/x"))[0] == 422
    assert (await raw(shop, "GET", "/leads/0"))[0] == 422
    assert (await raw(shop, "GET", "/leads/9223372036854775808"))[0] == 422
    assert (await raw(shop, "GET", "/leads/9223372036854775807"))[0] == 404
    assert (await raw(shop, "DELETE", "/leads"))[0] == 405
    assert (await raw(shop, "POST", "/leads", b"{}", Content_Type="text/plain"))[0] == 415
    for query in ("limit=0", "limit=201", "limit=x", "colour=red", "cursor=!!", "cursor=MQ%3D%3D%3D", "limit=1&limit=2",
                  "status=new", "cursor=%00", "cursor=LTE"):  # fmt: skip
        status, body = await raw(shop, "GET", f"/leads?{query}")
        assert (status, body["code"]) == (422, "invalid"), query


async def test_a_problem_names_the_field_and_repeats_nothing(shop: Shop) -> None:
    _, body = await raw(shop, "POST", "/leads", b'{"trek": "secret words", "people": 2}')
    assert [error["field"] for error in body["errors"]] == ["body.trek"]
    assert "secret" not in str(body)


async def test_a_service_s_refusal_keeps_its_reason(shop: Shop) -> None:
    lead = await shop.post("/leads", await lead_body(shop), role="customer")
    await shop.post(f"/leads/{lead['id']}/lose")
    refused = await shop.ask("POST", f"/leads/{lead['id']}/lose", {})
    assert (refused.status, refused.body["code"]) == (409, "wrong_status")
    assert "lost" in refused.body["detail"]


async def test_when_the_database_is_away_the_client_may_try_again(shop: Shop) -> None:
    await shop.database.close()
    status, body = await raw(shop, "GET", "/leads")
    assert (status, body["code"]) == (503, "unavailable")
