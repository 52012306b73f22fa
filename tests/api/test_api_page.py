"""The examples of docs/api.md, in their order, and the commands that make tokens."""

import json
import re
from typing import Any

import pytest

from bot.web.api import all_routes
from storage.crypto import Vault
from storage.postgres.audit import AuditChain, Finding
from tests.api.conftest import Shop, fill
from tests.conftest import EPOCH, FIXTURES

PAGE = FIXTURES.parents[1] / "docs" / "api.md"
EXAMPLE = re.compile(r"^```http\n(.*?)\n```\n\n```json\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


def within(shown: Any, whole: Any) -> bool:
    """Whether all that is shown is in the whole."""
    match shown:
        case dict():
            return isinstance(whole, dict) and all(k in whole and within(v, whole[k]) for k, v in shown.items())
        case list():
            return isinstance(whole, list) and len(shown) == len(whole) and all(map(within, shown, whole))
        case _:
            return bool(shown == whole)


async def test_the_examples_work_as_they_stand(shop: Shop) -> None:
    found = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))
    assert len(found) == 5
    for request, shown in found:
        head, _, body = request.partition("\n\n")
        line, *headers = head.splitlines()
        method, path = line.split(" ")
        given = dict(header.split(": ", 1) for header in headers)
        assert given.pop("Authorization").startswith("Bearer sdr_")
        given = {name.replace("-", "_"): value for name, value in given.items()}
        answer = await shop.ask(
            method, path.removeprefix("/api/v1"), json.loads(body) if body else None, role="sales", **given
        )
        assert within(json.loads(shown), answer.body), (request, answer.body)


def test_the_page_lists_every_path() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for area in {route.path.split("/")[1] for route in all_routes().all}:
        assert f"`/{area}" in text, area


async def test_what_programs_do_reaches_people_and_the_audit_log(shop: Shop, vault: Vault) -> None:
    """News waits in people's conversations; every change is signed in the audit log, by the token that made it."""
    await fill(shop, vault)
    news = await shop.rows(
        """SELECT i.event ->> 'name' AS name, w.contact_id FROM inbox i JOIN whatsapp_conversations w
           USING (conversation_id) WHERE i.kind = 'business'"""
    )
    told = {(row["name"], row["contact_id"]) for row in news}
    assert ("quote.sent", shop.people["customer"]) in told
    assert ("payment.requested", shop.people["customer"]) in told
    audit = {(row["action"], row["actor"]) for row in (await shop.get("/audit?limit=200"))["items"]}
    number = (await shop.get("/me"))["token"]
    assert {("quotes.send", f"token:{number}"), ("incidents.update", f"token:{number}")} <= audit
    chain = AuditChain(shop.database, vault)
    await chain.seal_all(EPOCH)
    assert [item async for item in chain.verify(shop.tenant) if isinstance(item, Finding)] == []
    sources = {row["source"] for row in (await shop.get("/timeline?object_type=quote"))["items"]}
    assert sources == {"API"}


@pytest.mark.parametrize("path", ["/leads", "/quotes"])
async def test_customers_cannot_read_lists(shop: Shop, path: str) -> None:
    assert (await shop.ask("GET", path, role="customer")).status == 403


async def test_a_code_for_staff_is_kept_nowhere(shop: Shop) -> None:
    body = {"roles": ["field_staff"], "name": "Dawa"}
    first, second = [await shop.ask("POST", "/invites", body, Idempotency_Key="k") for _ in range(2)]
    assert (first.status, second.status) == (201, 201)
    assert first.body["code"] != second.body["code"], "no receipt holds it"
    text = str(await shop.rows("SELECT t::text FROM receipts t UNION ALL SELECT t::text FROM whatsapp_audit_logs t"))
    assert first.body["code"].replace("-", "") not in text.replace("-", "")


async def test_a_broadcast_is_prepared_started_and_watched(shop: Shop) -> None:
    made = await shop.post("/broadcasts", {"name": "Spring", "template": "spring", "segment": {"roles": ["customer"]}})
    assert (made["status"], made["segment"]["roles"]) == ("DRAFT", ["customer"])
    progress = await shop.get(f"/broadcasts/{made['id']}/progress")
    assert set(progress["people"].values()) == {0}
    refused = await shop.ask("POST", f"/broadcasts/{made['id']}/pause", {})
    assert (refused.status, refused.body["code"]) == (409, "wrong_status")
    assert (await shop.post(f"/broadcasts/{made['id']}/cancel"))["status"] == "CANCELLED"


async def test_managers_look_after_people(shop: Shop) -> None:
    someone = shop.people["customer"]
    named = await shop.post(f"/contacts/{someone}/roles", {"roles": ["sales", "field_staff"]})
    assert named["roles"] == ["field_staff", "sales"]
    own = await shop.ask("POST", f"/contacts/{shop.people['manager']}/roles", {"roles": ["sales"]})
    assert (own.status, own.body["code"]) == (409, "own_roles")
    merged = await shop.post(f"/contacts/{someone}/merge", {"gone": shop.people["field_staff"]})
    assert merged["id"] == someone
    (merge,) = await shop.rows("SELECT merge_id FROM contact_merges")
    wrong = await shop.ask("POST", f"/contacts/{shop.people['sales']}/unmerge", {"merge": merge["merge_id"]})
    assert wrong.status == 404
    assert (await shop.post(f"/contacts/{someone}/unmerge", {"merge": merge["merge_id"]}))["id"] == someone
    again = await shop.ask("POST", f"/contacts/{someone}/unmerge", {"merge": merge["merge_id"]})
    assert (again.status, again.body["code"]) == (409, "wrong_status")
    done = [row["action"] for row in await shop.rows("SELECT action FROM whatsapp_audit_logs ORDER BY audit_id")]
    assert done.count("people.unmerge") == 1


async def test_money_that_came_another_way_is_written_down(shop: Shop, vault: Vault) -> None:
    numbers = await fill(shop, vault)
    due = (await shop.get(f"/bookings/{numbers['booking']}"))["due"]
    booking = await shop.post(f"/bookings/{numbers['booking']}/payments", {"amount": due, "note": "cash"})
    assert (booking["status"], booking["due"]) == ("CONFIRMED", "0.00")


async def test_consent_given_elsewhere_is_noted_with_its_proof(shop: Shop) -> None:
    body = {"contact": shop.people["customer"], "purpose": "marketing", "allowed": True, "proof": {"form": "spring"}}
    made = await shop.post("/opt-ins", body)
    assert (made["source"], made["proof"], made["allowed"]) == ("API", {"form": "spring"}, True)
    assert (await shop.ask("POST", "/opt-ins", {**body, "proof": {}})).status == 422
    assert (await shop.ask("POST", "/opt-ins", {**body, "contact": 999_999})).status == 404
