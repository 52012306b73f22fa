"""What Twilio's webhooks become. `pytest tests/providers --update` rewrites the expectations."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.core.messages import ChoiceIn, ContactsIn, FormReplyIn, LocationIn, MediaIn, TextIn, UnsupportedIn
from providers.base import Delivery, Fault, InboundMessage, NotUnderstood, StatusUpdate, WebhookItem, WebhookRequest
from providers.fields import encode
from providers.twilio.parse import DELIVERIES, parse
from tests.providers.conftest import RECEIVED_AT
from tests.providers.reading import plain

FIXTURES = Path(__file__).parent.parent / "fixtures" / "twilio"
EXPECTED = Path(__file__).parent / "expected" / "twilio"
WEBHOOKS = sorted(path.name for path in FIXTURES.glob("*.txt"))

TEXT = {
    "MessageSid": "SM1",
    "From": "whatsapp:+15550142233",
    "To": "whatsapp:+15550100200",
    "MessageType": "text",
    "SmsStatus": "received",
    "NumMedia": "0",
    "Body": "hello",
}
STATUS = {
    "MessageSid": "SM2",
    "MessageStatus": "delivered",
    "From": "whatsapp:+15550100200",
    "To": "whatsapp:+15550142233",
}


def read(body: bytes, query: Mapping[str, str] | None = None, method: str = "POST") -> list[WebhookItem]:
    return parse(
        WebhookRequest(method=method, url="/", headers={}, query=query or {}, body=body, received_at=RECEIVED_AT)
    )


def one(fields: Mapping[str, Any], query: Mapping[str, str] | None = None) -> WebhookItem:
    items = read(urlencode(fields).encode(), query)
    assert len(items) == 1
    return items[0]


def message(**changes: str) -> InboundMessage:
    item = one({**TEXT, **changes})
    assert isinstance(item, InboundMessage), item
    return item


def status(query: Mapping[str, str] | None = None, **changes: str) -> StatusUpdate:
    item = one({**STATUS, **changes}, query)
    assert isinstance(item, StatusUpdate), item
    return item


@pytest.mark.parametrize("name", WEBHOOKS)
def test_every_recorded_webhook_reads_as_expected(name: str, check_expected: Callable[[Path, object], None]) -> None:
    items = read((FIXTURES / name).read_bytes())
    assert not any(isinstance(item, NotUnderstood) for item in items)
    check_expected(EXPECTED / name.replace(".txt", ".json"), [plain(item) for item in items])


def test_no_expectation_is_left_without_its_webhook() -> None:
    assert sorted(path.stem for path in EXPECTED.glob("*.json")) == [Path(name).stem for name in WEBHOOKS]


def test_a_person_is_known_by_phone_and_by_business_scoped_id() -> None:
    sender = message(From="whatsapp:+15550142233", ExternalUserId="whatsapp:US.1").sender
    assert (sender.phone, sender.user_id) == ("+15550142233", "US.1")
    sender = message(From="whatsapp:US.1", WaId="").sender
    assert (sender.phone, sender.user_id) == (None, "US.1")


@pytest.mark.parametrize(
    "changes",
    [{"From": "+15550142233"}, {"From": ""}, {"From": "whatsapp:"}, {"To": "+15550100200"}, {"MessageSid": ""}],
)
def test_what_is_no_whatsapp_message_is_kept_aside(changes: dict[str, str]) -> None:
    assert isinstance(one({**TEXT, **changes}), NotUnderstood)


def test_the_body_is_not_trimmed() -> None:
    assert message(Body=" 1+1 = 2 & ☕ \n").content == TextIn(body=" 1+1 = 2 & ☕ \n")


def test_a_tap_is_read_by_its_id() -> None:
    tapped = message(MessageType="button", ButtonText="Yes", ButtonPayload="r1.2.yes", Body="Yes").content
    assert tapped == ChoiceIn(id="r1.2.yes", title="Yes", origin="template")
    tapped = message(MessageType="interactive", ButtonText="Yes", ButtonPayload="r1.2.yes", Body="Yes").content
    assert tapped == ChoiceIn(id="r1.2.yes", title="Yes", origin="button")
    tapped = message(MessageType="interactive", ListId="row", ListTitle="Tea", Body="Tea").content
    assert tapped == ChoiceIn(id="row", title="Tea", origin="list")


@pytest.mark.parametrize(
    ("data", "answers"),
    [
        ('{"date": "2026-12-01"}', {"date": "2026-12-01"}),
        ('{"nfm_reply": {"response_json": "{\\"date\\": 1}"}}', {"date": 1}),
        ('{"response_json": {"date": 1}}', {"date": 1}),
    ],
)
def test_a_completed_form_is_read_whatever_is_around_it(data: str, answers: dict[str, Any]) -> None:
    assert message(MessageType="interactive", InteractiveData=data, Body="").content == FormReplyIn(data=answers)


def test_a_place_needs_both_coordinates() -> None:
    assert message(Latitude="48.2", Longitude="16.37", Body="").content == LocationIn(latitude=48.2, longitude=16.37)
    lost = message(MessageType="location", Latitude="91", Longitude="16.37", Body="").content
    assert isinstance(lost, UnsupportedIn)


@pytest.mark.parametrize(
    ("mime_type", "changes", "kind", "caption", "filename"),
    [
        ("image/jpeg", {"Body": "look"}, "image", "look", None),
        ("image/webp", {"Body": ""}, "sticker", None, None),
        ("audio/ogg; codecs=opus", {"Body": ""}, "audio", None, None),
        ("video/mp4", {"Body": "see"}, "video", "see", None),
        ("application/pdf", {"Body": "order-17.pdf"}, "document", None, "order-17.pdf"),
        ("application/pdf", {"Body": "As agreed."}, "document", "As agreed.", None),
        ("image/png", {"Body": "plan.png", "MessageType": "document"}, "document", None, "plan.png"),
    ],
)
def test_a_file_has_its_kind_caption_and_name(
    mime_type: str, changes: dict[str, str], kind: str, caption: str | None, filename: str | None
) -> None:
    fields = {"NumMedia": "1", "MediaUrl0": "https://api.twilio.com/m", "MediaContentType0": mime_type}
    content = message(**{"MessageType": kind, **fields, **changes}).content
    assert isinstance(content, MediaIn)
    assert (content.media, content.caption, content.filename) == (kind, caption, filename)
    assert content.voice is mime_type.startswith("audio/ogg")
    assert content.media_id == content.url == "https://api.twilio.com/m"


def test_several_files_are_several_messages_with_ids_of_their_own() -> None:
    files = {"NumMedia": "2", "MediaUrl0": "https://a/0", "MediaUrl1": "https://a/1", "Body": "two"}
    types = {"MediaContentType0": "image/png", "MediaContentType1": "text/vcard"}
    first, second = read(urlencode({**TEXT, **files, **types}).encode())
    assert isinstance(first, InboundMessage)
    assert isinstance(second, InboundMessage)
    assert (first.provider_message_id, second.provider_message_id) == ("SM1", "SM1/1")
    assert isinstance(second.content, ContactsIn)
    assert second.content.cards[0]["vcard_url"] == "https://a/1"


@pytest.mark.parametrize(
    "changes",
    [
        {"MessageType": "hologram", "Body": ""},
        {"MessageType": "image", "NumMedia": "1", "Body": ""},
        {"MessageType": "interactive", "InteractiveData": "{", "Body": ""},
        {"MessageType": "order", "Body": ""},
    ],
)
def test_a_message_we_cannot_read_reaches_the_conversation_with_all_it_had(changes: dict[str, str]) -> None:
    content = message(**changes).content
    assert isinstance(content, UnsupportedIn)
    assert content.original_kind == changes["MessageType"]
    assert content.raw == {**TEXT, **changes}


def test_an_advert_has_the_names_it_has_at_meta() -> None:
    item = message(ReferralSourceId="120", ReferralCtwaClid="clid", ReferralNumMedia="0", Forwarded="true")
    assert item.referral == {"source_id": "120", "ctwa_clid": "clid"}
    assert item.forwarded
    assert message(ReferralNumMedia="0").referral is None


# --- Statuses -------------------------------------------------------------------------------------------------------


def test_what_we_put_into_the_address_is_the_correlation() -> None:
    assert status({"c": "s1.1.2.3.4.tag"}).correlation == "s1.1.2.3.4.tag"
    assert status().correlation is None
    assert status({"c": "x" * 5000}).correlation is None


@pytest.mark.parametrize(("word", "delivery"), DELIVERIES.items())
def test_every_word_of_twilios_has_its_place(word: str, delivery: Delivery) -> None:
    item = status(MessageStatus=word)
    assert item.status is delivery
    assert (item.problem is not None) is (delivery is Delivery.FAILED)


def test_a_failure_carries_its_code() -> None:
    problem = status(MessageStatus="failed", ErrorCode="63016", ErrorMessage="To +1 555 014 2233: no").problem
    assert problem is not None
    assert (problem.fault, problem.code, problem.detail) == (Fault.WINDOW, 63016, "To …: no")


@pytest.mark.parametrize("changes", [{"MessageStatus": "teleported"}, {"MessageSid": ""}, {"From": "+15550100200"}])
def test_a_status_we_do_not_know_is_kept_aside(changes: dict[str, str]) -> None:
    assert isinstance(one({**STATUS, **changes}), NotUnderstood)


def test_a_webhook_by_get_has_its_fields_in_the_address() -> None:
    (item,) = read(b"", TEXT, "GET")
    assert isinstance(item, InboundMessage)


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff\xfe", b"&&&", b"=", b"a=1&" * 100_000])
def test_what_is_no_form_of_twilios_is_kept(body: bytes) -> None:
    (item,) = read(body)
    assert isinstance(item, NotUnderstood)


NAMES = st.sampled_from([*TEXT, *STATUS, "ListId", "ButtonPayload", "MediaUrl0", "Latitude", "InteractiveData", "WaId"])
WORDS = st.one_of(st.text(max_size=30), st.sampled_from([*TEXT.values(), "NaN", "1e400", "[]", "{}", "-1", "\x00"]))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, WORDS, max_size=12), st.binary(max_size=60))
def test_no_form_makes_the_parser_fail(fields: dict[str, str], noise: bytes) -> None:
    for item in read(urlencode(fields, errors="surrogatepass").encode() + b"&" + noise):
        encode(plain(item))
        assert b"\\u0000" not in encode(plain(item))
