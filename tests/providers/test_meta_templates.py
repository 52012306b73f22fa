"""Message templates at Meta: what is handed in, what is read back, and what is said when Meta refuses."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.core.errors import ProviderError
from bot.core.whatsapp import WhatsAppTemplate
from providers.base import RemoteTemplate
from providers.emulator import Emulator, EmulatorSettings, Phone
from providers.meta import MetaSettings
from providers.meta.templates import MetaTemplates
from providers.templates import build_template, wording

SETTINGS = MetaSettings(
    app_secrets=("fixture-app-secret-0001",),
    verify_token="fixture-verify-token",
    access_token="fixture-access-token",
    phone_number_id="700800900100200",
    business_account_id="900100200300400",
)
REMINDER = WhatsAppTemplate.model_validate(
    {
        "name": "payment_reminder", "language": "en", "category": "TRANSACTIONAL", "header": "For {{1}}",
        "header_example": "Asha", "footer": "Travel Management System",
        "body": "Hi {{1}}, your booking {{2}} has a pending payment.", "examples": ["Asha", "BKG1042"],
        "ttl_seconds": 3600,
        "buttons": [
            {"type": "url", "text": "Pay Now", "url": "https://pay.example.com/{{1}}",
             "example": "https://pay.example.com/BKG1042"},
            {"type": "phone_number", "text": "Call us", "phone_number": "+15550100200"},
            {"type": "copy_code", "example": "TREK10"},
            {"type": "quick_reply", "text": "Later"},
        ],
    }
)  # fmt: skip
NAMED = WhatsAppTemplate.model_validate(
    {
        "name": "visit", "category": "MARKETING", "header": "Dear {{first}}", "header_example": "Ada",
        "body": "See you {{day}}, dear {{first}}, at noon.", "examples": {"first": "Ada", "day": "Monday"},
    }
)  # fmt: skip


def test_what_is_handed_in() -> None:
    assert build_template(REMINDER) == {
        "name": "payment_reminder", "language": "en", "category": "UTILITY", "message_send_ttl_seconds": 3600,
        "components": [
            {"type": "HEADER", "format": "TEXT", "text": "For {{1}}", "example": {"header_text": ["Asha"]}},
            {"type": "BODY", "text": "Hi {{1}}, your booking {{2}} has a pending payment.",
             "example": {"body_text": [["Asha", "BKG1042"]]}},
            {"type": "FOOTER", "text": "Travel Management System"},
            {"type": "BUTTONS", "buttons": [
                {"type": "URL", "text": "Pay Now", "url": "https://pay.example.com/{{1}}",
                 "example": ["https://pay.example.com/BKG1042"]},
                {"type": "PHONE_NUMBER", "text": "Call us", "phone_number": "+15550100200"},
                {"type": "COPY_CODE", "example": "TREK10"},
                {"type": "QUICK_REPLY", "text": "Later"},
            ]},
        ],
    }  # fmt: skip
    assert build_template(NAMED) == {
        "name": "visit", "language": "en", "category": "MARKETING", "parameter_format": "NAMED",
        "components": [
            {"type": "HEADER", "format": "TEXT", "text": "Dear {{first}}",
             "example": {"header_text_named_params": [{"param_name": "first", "example": "Ada"}]}},
            {"type": "BODY", "text": "See you {{day}}, dear {{first}}, at noon.",
             "example": {"body_text_named_params": [
                 {"param_name": "day", "example": "Monday"}, {"param_name": "first", "example": "Ada"}]}},
        ],
    }  # fmt: skip


def test_examples_do_not_make_another_wording_but_words_do() -> None:
    ours = build_template(REMINDER)["components"]
    theirs = [{key: value for key, value in part.items() if key != "example"} for part in ours]
    assert wording(theirs) == wording(ours)
    assert wording([{**part, "text": "Other words"} if part["type"] == "FOOTER" else part for part in ours]) != wording(
        ours
    )


@pytest.fixture
async def emulated() -> AsyncIterator[MetaTemplates]:
    settings = EmulatorSettings(
        webhook_url="http://127.0.0.1:9/",
        app_secret="fixture-app-secret-0001",
        verify_token="fixture-verify-token",
        access_token="fixture-access-token",
        phone_number_id="700800900100200",
        business_account_id="900100200300400",
        business_number="+15550100200",
    )
    async with Emulator(settings, [Phone("Ada Fixture", "+15550142233", "customer")]) as emulator:
        desk = MetaTemplates(replace(SETTINGS, base_url=emulator.base_url))
        yield desk
        await desk.close()


async def test_handed_in_listed_and_deleted(emulated: MetaTemplates) -> None:
    created = await emulated.create(REMINDER)
    assert (created.status, created.category) == ("PENDING", "UTILITY")
    hindi = await emulated.create(REMINDER.model_copy(update={"language": "hi"}))
    listed = {one.language: one for one in await emulated.list()}
    assert listed["en"].provider_template_id == created.provider_template_id
    assert wording(listed["en"].components) == wording(build_template(REMINDER)["components"])
    with pytest.raises(ProviderError, match="code 100") as refused:
        await emulated.create(REMINDER)
    assert not refused.value.retryable
    await emulated.delete(hindi)
    assert [one.language for one in await emulated.list()] == ["en"]


class Graph:
    """A Graph API that answers what a test wants, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.answers: list[web.Response] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        self.asked.append((request.method, request.path, dict(request.query), body))
        assert request.headers["Authorization"] == "Bearer fixture-access-token"
        return self.answers.pop(0)


@pytest.fixture
async def graph() -> AsyncIterator[tuple[Graph, MetaTemplates]]:
    graph = Graph()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", graph.take)
    async with TestServer(app) as server:
        desk = MetaTemplates(replace(SETTINGS, base_url=str(server.make_url("/"))))
        yield graph, desk
        await desk.close()


async def test_every_page_is_read_by_its_cursor(graph: tuple[Graph, MetaTemplates]) -> None:
    """`next` is not followed: it holds the token, and may lead anywhere."""
    meta, desk = graph
    entry = {"name": "a", "language": "en", "status": "APPROVED", "category": "UTILITY", "id": "1", "components": []}
    odd = [{"name": 7}, "rubbish", {**entry, "name": "b", "status": "rejected", "rejected_reason": "SCAM",
                                    "quality_score": {"score": "RED"}, "id": 2}]  # fmt: skip
    meta.answers = [
        web.json_response({"data": [entry], "paging": {"cursors": {"after": "C1"}, "next": "https://evil.example/"}}),
        web.json_response({"data": odd, "paging": {"cursors": {"after": "C2"}}}),
    ]
    first, second = await desk.list()
    assert (first.name, first.status, first.provider_template_id) == ("a", "APPROVED", "1")
    assert (second.status, second.provider_template_id, second.reason, second.quality) == (
        "REJECTED",
        "2",
        "SCAM",
        "RED",
    )
    assert [query.get("after") for _, _, query, _ in meta.asked] == [None, "C1"]


async def test_other_words_are_posted_to_the_template(graph: tuple[Graph, MetaTemplates]) -> None:
    meta, desk = graph
    meta.answers = [web.json_response({"success": True})]
    changed = await desk.edit(
        RemoteTemplate(provider_template_id="81", name="x", language="en", status="APPROVED"), REMINDER
    )
    assert (changed.status, changed.provider_template_id) == ("PENDING", "81")
    method, path, _, body = meta.asked[0]
    assert (method, path, list(body)) == ("POST", "/v25.0/81", ["components"])


@pytest.mark.parametrize(
    ("answer", "told", "retryable"),
    [
        (web.json_response({"error": {"code": 100, "message": "Invalid parameter",
                                      "error_user_msg": "Variables can't be at the start."}}, status=400),
         "Variables can't be at the start", False),
        (web.json_response({"error": {"code": 80008, "message": "Too many calls"}}, status=400), "80008", True),
        (web.json_response({"error": {"code": 190, "message": "Token expired"}}, status=401), "code 190", False),
        (web.Response(status=503, text="<html>"), "HTTP 503", True),
        (web.Response(status=302, headers={"Location": "https://evil.example/"}), "another address", False),
        (web.Response(body=b"[" + b" " * 9 * 1024 * 1024), "did not answer", True),
    ],
)  # fmt: skip
async def test_what_is_said_when_meta_refuses(
    graph: tuple[Graph, MetaTemplates], answer: web.Response, told: str, retryable: bool
) -> None:
    meta, desk = graph
    meta.answers = [answer]
    with pytest.raises(ProviderError, match=told) as refused:
        await desk.create(REMINDER)
    assert refused.value.retryable is retryable
    assert "fixture-access-token" not in str(refused.value)


async def test_nobody_there(graph: tuple[Graph, MetaTemplates]) -> None:
    desk = MetaTemplates(replace(SETTINGS, base_url="http://127.0.0.1:9"))
    with pytest.raises(ProviderError, match="did not answer") as refused:
        await desk.list()
    assert refused.value.retryable
    await desk.close()
