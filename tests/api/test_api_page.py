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
