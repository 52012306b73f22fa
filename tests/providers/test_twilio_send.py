"""Sending by way of Twilio: forms, contents made on demand, and what its answers mean."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from bot.core.messages import (
    ButtonsOut,
    Choice,
    ContactsOut,
    FormOut,
    ListOut,
    LocationOut,
    MediaOut,
    Outgoing,
    ReactionOut,
    TemplateOut,
    TextOut,
    UrlOut,
)
from providers.base import Accepted, Delivery, Fault, NotSent, OutboundMessage, Refused, SendOutcome, Unknown
from providers.http import Patience
from providers.twilio import TwilioProvider, TwilioSettings
from tests.providers.api import Answering, Api, Asked, serving

FIXTURES = Path(__file__).parent.parent / "fixtures" / "twilio"
ACCOUNT = "AC0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"
CREATED = json.loads((FIXTURES / "api_create_ok.json").read_bytes())
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"


@asynccontextmanager
async def twilio(answer: Answering, **changes: Any) -> AsyncIterator[tuple[TwilioProvider, Api]]:
    headers = changes.pop("headers", {})
    async with serving(answer, **headers) as api:
        provider = TwilioProvider(
            TwilioSettings(
                account_sid=ACCOUNT,
                auth_tokens=("token-one", "token-two"),
                phone_number="+15550100200",
                public_url="https://bot.example.com/",
                status_path="/api/whatsapp/webhook/status",
                api_url=api.url,
                content_url=api.url,
                messaging_url=api.url,
                patience=Patience(timeout_seconds=60),
                **changes,
            )
        )
        try:
            yield provider, api
        finally:
            await provider.close()


def outbound(content: Outgoing, **changes: Any) -> OutboundMessage:
    return OutboundMessage(
        **{"phone": "+15550142233", "user_id": None, "content": content, "correlation": "s1.1.2.3.4.tag", **changes}
    )


class Account:
    """Twilio's content API in small."""

    def __init__(self, *contents: dict[str, Any], page: int = 50) -> None:
        self.contents = list(contents)
        self.page = page
        self.gone: set[str] = set()

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        if asked.path == MESSAGES:
            form = dict(parse_qsl(asked.body.decode()))
            if form.get("ContentSid") in self.gone:
                return 400, {"code": 21655, "message": "The ContentSid is Invalid", "status": 400}
            return 201, CREATED
        if asked.path == "/v1/ContentAndApprovals":
            start = int(asked.query.get("Page", "0")) * self.page
            more = start + self.page < len(self.contents)
            following = f"https://content.twilio.com/v1/ContentAndApprovals?PageSize=5&Page={start // self.page + 1}"
            found = {"contents": self.contents[start : start + self.page]}
            return 200, {**found, "meta": {"next_page_url": following if more else None}}
        if asked.path == "/v1/Content" and asked.method == "POST":
            made = {**json.loads(asked.body), "sid": f"HX{len(self.contents):032x}"}
            self.contents.append(made)
            return 201, made
        return 404, {"code": 20404, "message": "not found", "status": 404}


def forms(api: Api) -> list[dict[str, str]]:
    return [dict(parse_qsl(one.body.decode())) for one in api.asked if one.path == MESSAGES]


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (TextOut(body="Grüß Gott & 1+1 ☕"), {"Body": "Grüß Gott & 1+1 ☕"}),
        (MediaOut(media="image", link="https://x/a.jpg", caption="a"), {"MediaUrl": "https://x/a.jpg", "Body": "a"}),
        (MediaOut(media="document", link="https://x/a.pdf", caption="a"), {"MediaUrl": "https://x/a.pdf"}),
        (
            LocationOut(latitude=48.2, longitude=16.37, name="Wien | Mitte"),
            {"PersistentAction": "geo:48.200000,16.370000|Wien   Mitte", "Body": "Wien | Mitte"},
        ),
    ],
    ids=["text", "image", "document", "place"],
)
async def test_each_kind_has_its_form(content: Outgoing, fields: dict[str, str]) -> None:
    async with twilio(lambda _: (201, CREATED)) as (provider, api):
        assert await provider.send(outbound(content)) == Accepted(provider_message_id=CREATED["sid"])
    (form,) = forms(api)
    status = form.pop("StatusCallback")
    assert form == {"To": "whatsapp:+15550142233", "From": "whatsapp:+15550100200", **fields}
    assert status == "https://bot.example.com/api/whatsapp/webhook/status?c=s1.1.2.3.4.tag"


async def test_the_first_token_is_used_and_no_secret_is_shown() -> None:
    async with twilio(lambda _: (201, CREATED)) as (provider, api):
        await provider.send(outbound(TextOut(body="hi"), phone=None, user_id="US.1"))
    expected = "Basic " + base64.b64encode(f"{ACCOUNT}:token-one".encode()).decode()
    assert api.asked[0].headers["Authorization"] == expected
    assert forms(api)[0]["To"] == "whatsapp:US.1"
    assert "token" not in repr(TwilioSettings(account_sid=ACCOUNT, auth_tokens=("token",), phone_number="+1",
                                              public_url="", status_path="")).replace("auth_token", "")  # fmt: skip


async def test_a_messaging_service_is_named_besides_the_number() -> None:
    async with twilio(lambda _: (201, CREATED), messaging_service_sid="MG1") as (provider, api):
        await provider.send(outbound(TextOut(body="hi")))
    assert (forms(api)[0]["MessagingServiceSid"], forms(api)[0]["From"]) == ("MG1", "whatsapp:+15550100200")


BUTTONS = ButtonsOut(body="Sure?", buttons=(Choice(id="r1.0.y", title="Yes"), Choice(id="r1.0.n", title="No")))


async def test_buttons_become_a_content_that_is_made_once() -> None:
    async with twilio(Account()) as (provider, api):
        await provider.send(outbound(BUTTONS))
        other = ButtonsOut(body="Really?", buttons=(Choice(id="a", title="A"), Choice(id="b", title="B")))
        await provider.send(outbound(other))
    made = [json.loads(one.body) for one in api.asked if one.path == "/v1/Content"]
    assert len(made) == 1
    actions = [{"title": "{{2}}", "id": "{{3}}"}, {"title": "{{4}}", "id": "{{5}}"}]
    assert made[0]["types"] == {"twilio/quick-reply": {"body": "{{1}}", "actions": actions}}
    assert set(made[0]["variables"]) == {"1", "2", "3", "4", "5"}
    assert "Sure" not in json.dumps(made[0])
    first, second = forms(api)
    assert json.loads(first["ContentVariables"]) == {"1": "Sure?", "2": "Yes", "3": "r1.0.y", "4": "No", "5": "r1.0.n"}
    assert first["ContentSid"] == second["ContentSid"]
    assert "Body" not in first


async def test_the_next_process_finds_what_was_made() -> None:
    account = Account(page=2)
    async with twilio(account) as (provider, _):
        await provider.send(outbound(BUTTONS))
    account.contents = [{"sid": f"HXother{n}", "friendly_name": f"t{n}", "language": "en"} for n in range(5)] + [
        account.contents[0]
    ]
    async with twilio(account) as (provider, api):
        await provider.send(outbound(BUTTONS))
    assert [one.path for one in api.asked].count("/v1/ContentAndApprovals") == 3
    assert not [one for one in api.asked if one.path == "/v1/Content"]


async def test_a_content_that_somebody_deleted_is_made_again() -> None:
    account = Account()
    async with twilio(account) as (provider, api):
        await provider.send(outbound(BUTTONS))
        account.gone.add(account.contents.pop()["sid"])
        account.contents.append({"sid": "HXfiller", "friendly_name": "x", "language": "en"})
        assert isinstance(await provider.send(outbound(BUTTONS)), Accepted)
    assert len([one for one in api.asked if one.path == "/v1/Content"]) == 2


async def test_a_list_a_link_and_a_form_have_layouts_of_their_own() -> None:
    rows = (Choice(id="1", title="Tea", description="hot"), Choice(id="2", title="Milk"))
    async with twilio(Account()) as (provider, api):
        await provider.send(outbound(ListOut(body="What?", label="Menu", rows=rows)))
        await provider.send(outbound(UrlOut(body="Pay", label="Pay now", url="https://pay.example.com/a/42?x=1")))
        await provider.send(outbound(FormOut(body="Fill in", label="Open", flow_id="77", token="t", screen="S")))
    types = [json.loads(one.body)["types"] for one in api.asked if one.path == "/v1/Content"]
    assert types[0]["twilio/list-picker"]["items"] == [
        {"item": "{{3}}", "id": "{{4}}", "description": "{{5}}"},
        {"item": "{{6}}", "id": "{{7}}"},
    ]
    (action,) = types[1]["twilio/call-to-action"]["actions"]
    assert action == {"type": "URL", "title": "Pay now", "url": "https://pay.example.com/{{2}}"}
    assert json.loads(forms(api)[1]["ContentVariables"])["2"] == "a/42?x=1"
    assert types[2]["whatsapp/flows"]["flow_first_page_id"] == "S"


async def test_a_template_is_found_by_name_and_language_and_every_variable_is_filled() -> None:
    approval = {"name": "payment_reminder", "status": "approved"}
    contents = [
        {"sid": "HXde", "friendly_name": "payment_reminder", "language": "de"},
        {"sid": "HXold", "friendly_name": "payment_reminder", "language": "en", "date_created": "2026-01-01T00:00:00Z"},
        {"sid": "HXen", "friendly_name": "other", "language": "en", "approval_requests": approval,
         "date_created": "2026-02-01T00:00:00Z"},
    ]  # fmt: skip
    template = TemplateOut(
        name="payment_reminder", language="en", parameters=("Ada\n", ""), header_parameters=("H",),
        button_parameters=("", "b/1"),
    )  # fmt: skip
    async with twilio(Account(*contents)) as (provider, api):
        assert isinstance(await provider.send(outbound(template)), Accepted)
    (form,) = forms(api)
    assert form["ContentSid"] == "HXen"
    assert json.loads(form["ContentVariables"]) == {"1": "Ada", "2": "-", "3": "H", "4": "b/1"}


async def test_a_template_that_is_not_there_is_refused_as_such() -> None:
    async with twilio(Account()) as (provider, _):
        outcome = await provider.send(outbound(TemplateOut(name="nobody", language="en")))
    assert isinstance(outcome, Refused)
    assert (outcome.problem.fault, outcome.problem.code) == (Fault.TEMPLATE, 63027)


@pytest.mark.parametrize(
    "content", [ReactionOut(message_id="SM1", emoji="👍"), ContactsOut(cards=()), MediaOut(media="image", media_id="1")]
)
async def test_what_twilio_cannot_carry_is_refused_before_anything_is_sent(content: Outgoing) -> None:
    async with twilio(lambda _: (201, CREATED)) as (provider, api):
        outcome = await provider.send(outbound(content))
    assert isinstance(outcome, Refused)
    assert outcome.problem.fault is Fault.REQUEST
    assert not api.asked


def recorded(name: str) -> Any:
    return json.loads((FIXTURES / name).read_bytes())


@pytest.mark.parametrize(
    ("status", "body", "fault", "retryable"),
    [
        (401, recorded("api_error_20003.json"), Fault.AUTH, False),
        (429, recorded("api_error_20429.json"), Fault.THROTTLE_CHANNEL, True),
        (400, recorded("api_error_21617.json"), Fault.REQUEST, False),
        (503, {"code": 20503, "message": "later"}, Fault.TRANSIENT, True),
        (400, {"code": 99999, "message": "new"}, Fault.REQUEST, False),
        (403, b"", Fault.AUTH, False),
        (429, b"", Fault.THROTTLE_CHANNEL, True),
        (301, b"", Fault.AUTH, False),
        (201, {**CREATED, "status": "failed", "error_code": 63024}, Fault.RECIPIENT, False),
    ],
)
async def test_a_refusal_says_whether_to_try_again(status: int, body: Any, fault: Fault, retryable: bool) -> None:
    async with twilio(lambda _: (status, body), headers={"Retry_After": "7"}) as (provider, _):
        outcome = await provider.send(outbound(TextOut(body="hi")))
    assert isinstance(outcome, Refused)
    assert (outcome.problem.fault, outcome.retryable) == (fault, retryable)
    if status == 429:
        assert outcome.retry_after == 7


@pytest.mark.parametrize(("status", "body"), [(500, b"oops"), (502, {"code": 20500}), (504, b""), (200, b"ok")])
async def test_an_answer_that_leaves_it_open_is_not_repeated(status: int, body: Any) -> None:
    async with twilio(lambda _: (status, body)) as (provider, _):
        assert isinstance(await provider.send(outbound(TextOut(body="hi"))), Unknown)


async def test_a_content_that_could_not_be_made_means_nothing_was_sent() -> None:
    outcomes: list[SendOutcome] = []
    for answer in ((500, b""), (429, recorded("api_error_20429.json"))):
        async with twilio(lambda _, answer=answer: answer) as (provider, _):  # type: ignore[misc]
            outcomes.append(await provider.send(outbound(BUTTONS)))
    assert isinstance(outcomes[0], Refused)
    assert outcomes[0].problem.fault is Fault.TRANSIENT
    assert isinstance(outcomes[1], Refused)
    assert outcomes[1].problem.fault is Fault.THROTTLE_CHANNEL
    async with serving(lambda _: (200, {})) as api:
        pass
    provider = TwilioProvider(
        TwilioSettings(account_sid=ACCOUNT, auth_tokens=("t",), phone_number="+1", public_url="", status_path="",
                       api_url=api.url, content_url=api.url)
    )  # fmt: skip
    assert isinstance(await provider.send(outbound(BUTTONS)), NotSent)
    await provider.close()


async def test_typing_marks_as_read_and_reading_alone_is_not_possible() -> None:
    async with twilio(lambda _: (200, {"success": True})) as (provider, api):
        assert await provider.mark_read("SM9/1", typing=True)
        assert not await provider.mark_read("SM9")
    (asked,) = api.asked
    assert asked.path == "/v2/Indicators/Typing.json"
    assert dict(parse_qsl(asked.body.decode())) == {"messageId": "SM9", "channel": "whatsapp"}


async def test_a_status_that_was_lost_can_be_asked_for() -> None:
    found = {**CREATED, "status": "undelivered", "error_code": 63016, "error_message": None}
    async with twilio(lambda _: (200, found)) as (provider, api):
        update = await provider.look_up(CREATED["sid"])
    assert update is not None
    assert (update.status, update.channel) == (Delivery.FAILED, "+15550100200")
    assert update.problem is not None
    assert update.problem.fault is Fault.WINDOW
    assert urlsplit(api.asked[0].path).path.endswith(f"/Messages/{CREATED['sid']}.json")
    async with twilio(lambda _: (404, {"code": 20404})) as (provider, _):
        assert await provider.look_up("SM404") is None


def test_there_is_no_endpoint_check() -> None:
    settings = TwilioSettings(account_sid=ACCOUNT, auth_tokens=("t",), phone_number="+1", public_url="", status_path="")
    assert TwilioProvider(settings).handshake({"hub.mode": "subscribe", "hub.challenge": "1"}) is None
