"""What Meta's webhooks become. `pytest tests/providers --update` rewrites the expectations."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.core.messages import ChoiceIn, EditIn, FormReplyIn, MediaIn, OrderIn, TextIn, UnsupportedIn
from providers.base import (
    AccountChanged,
    Delivery,
    Fault,
    IdentityChanged,
    InboundMessage,
    MessageEchoed,
    NotUnderstood,
    PreferenceChanged,
    StatusUpdate,
    TemplateChanged,
    WebhookItem,
)
from providers.meta.parse import parse
from tests.providers.reading import plain

FIXTURES = Path(__file__).parent.parent / "fixtures" / "meta"
EXPECTED = Path(__file__).parent / "expected" / "meta"
RECEIVED_AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WEBHOOKS = sorted(path.name for path in FIXTURES.glob("*.json") if not path.name.startswith("api_"))


def envelope(value: Any, field: str = "messages") -> bytes:
    account = {"id": "900", "changes": [{"field": field, "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [account]}).encode()


def messages(*elements: Any, **beside: Any) -> bytes:
    return envelope({"metadata": {"phone_number_id": "700"}, "messages": list(elements), **beside})


def text(body: Any = "hello", **changes: Any) -> dict[str, Any]:
    plain_text = {
        "from": "15550142233",
        "id": "wamid.A",
        "timestamp": "1790000001",
        "type": "text",
        "text": {"body": body},
    }
    return {name: value for name, value in {**plain_text, **changes}.items() if value is not ...}


def statuses(*elements: Any) -> bytes:
    return envelope({"metadata": {"phone_number_id": "700"}, "statuses": list(elements)})


def one(body: bytes) -> WebhookItem:
    items = parse(body, RECEIVED_AT)
    assert len(items) == 1, items
    return items[0]


def message(body: bytes) -> InboundMessage:
    item = one(body)
    assert isinstance(item, InboundMessage), item
    return item


def status(body: bytes) -> StatusUpdate:
    item = one(body)
    assert isinstance(item, StatusUpdate), item
    return item


@pytest.mark.parametrize("name", WEBHOOKS)
def test_every_recorded_webhook_reads_as_expected(name: str, check_expected: Callable[[Path, object], None]) -> None:
    items = parse((FIXTURES / name).read_bytes(), RECEIVED_AT)
    assert not any(isinstance(item, NotUnderstood) for item in items)
    check_expected(EXPECTED / name, [plain(item) for item in items])


def test_no_expectation_is_left_without_its_webhook() -> None:
    assert sorted(path.name for path in EXPECTED.glob("*.json")) == WEBHOOKS


# --- Senders --------------------------------------------------------------------------------------------------------


def test_contacts_are_matched_by_address_not_by_place() -> None:
    body = messages(
        text("one", **{"from": "15550142233", "id": "wamid.1"}),
        text("two", **{"from": "15550147788", "id": "wamid.2"}),
        text("three", **{"from": "15550142233", "id": "wamid.3"}),
        contacts=[
            {"wa_id": "15550147788", "profile": {"name": "Bo"}, "user_id": "US.2"},
            {"wa_id": "15550142233", "profile": {"name": "Ada"}},
        ],
    )
    senders = [item.sender for item in parse(body, RECEIVED_AT) if isinstance(item, InboundMessage)]
    assert [(s.name, s.phone, s.user_id) for s in senders] == [
        ("Ada", "+15550142233", None),
        ("Bo", "+15550147788", "US.2"),
        ("Ada", "+15550142233", None),
    ]


def test_a_person_known_by_id_only_gets_phone_and_name_from_their_contact() -> None:
    body = messages(
        text(**{"from": ..., "from_user_id": "US.1"}),
        contacts=[{"user_id": "US.1", "wa_id": "15550142233", "profile": {"username": "@ada"}}],
    )
    sender = message(body).sender
    assert (sender.phone, sender.user_id, sender.name) == ("+15550142233", "US.1", "@ada")


@pytest.mark.parametrize("address", [15550142233, "+15550142233", "+1 555 014-2233"])
def test_a_phone_is_e164_however_it_is_written(address: Any) -> None:
    assert message(messages(text(**{"from": address}))).sender.phone == "+15550142233"


@pytest.mark.parametrize("address", [..., None, "", "abc", "12", "1" * 16, "١٢٣٤٥٦", [], {}, True, -5, 1.5])
def test_a_message_that_nobody_can_be_named_for_is_kept_aside(address: Any) -> None:
    assert isinstance(one(messages(text(**{"from": address}))), NotUnderstood)


@pytest.mark.parametrize("message_id", [..., None, "", [], {}, "x" * 600])
def test_a_message_without_an_id_cannot_be_recognised_again_and_is_kept_aside(message_id: Any) -> None:
    assert isinstance(one(messages(text(id=message_id))), NotUnderstood)


# --- Times ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timestamp", ["1790000001", 1790000001, 1790000001.0, "1790000001000", 1790000001000])
def test_a_timestamp_is_read_in_seconds_and_milliseconds(timestamp: Any) -> None:
    assert message(messages(text(timestamp=timestamp))).at == datetime.fromtimestamp(1790000001, UTC)


@pytest.mark.parametrize(
    "timestamp", [..., None, "", "soon", "0", "-1", "1" * 400, 2**80, 10**18, 1e300, [], True, "²", "9999999999"]
)
def test_a_timestamp_that_cannot_be_true_is_replaced_by_the_time_of_receipt(timestamp: Any) -> None:
    assert message(messages(text(timestamp=timestamp))).at == RECEIVED_AT


def test_a_timestamp_far_ahead_would_hold_the_24_hour_window_open() -> None:
    ahead = RECEIVED_AT + timedelta(days=2)
    assert message(messages(text(timestamp=str(int(ahead.timestamp()))))).at == RECEIVED_AT


# --- Content --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"text": ...},
        {"text": "hello"},
        {"text": {"body": 5}},
        {"type": "image"},
        {"type": "image", "image": {"mime_type": "image/jpeg"}},
        {"type": "location", "location": {"latitude": 91, "longitude": 0}},
        {"type": "location", "location": {"latitude": "north", "longitude": 0}},
        {"type": "contacts", "contacts": [1, "x"]},
        {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": {"title": "Yes"}}},
        {"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": {"response_json": "{"}}},
        {"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": {"response_json": "[1]"}}},
        {"type": "button", "button": {}},
        {"type": "reaction", "reaction": {"emoji": "👍"}},
        {"type": "order", "order": {"product_items": []}},
        {"type": "edit", "edit": {}},
        {"type": "revoke"},
        {"type": ...},
        {"type": 7},
        {"type": "hologram"},
    ],
)
def test_a_message_of_an_unreadable_shape_still_reaches_the_conversation_with_all_it_had(
    changes: dict[str, Any],
) -> None:
    element = text(**changes)
    content = message(messages(element)).content
    assert isinstance(content, UnsupportedIn)
    assert content.raw == element


def test_an_order_with_one_unreadable_line_is_not_read_at_all() -> None:
    """A cart without one of its lines would be quoted at the wrong total."""
    good = {"product_retailer_id": "A", "quantity": 2, "item_price": 12.5, "currency": "EUR"}
    cart = {"type": "order", "order": {"catalog_id": "1", "product_items": [good, {**good, "quantity": 0}]}}
    assert isinstance(message(messages(text(**cart))).content, UnsupportedIn)
    cart["order"]["product_items"].pop()  # type: ignore[index]
    content = message(messages(text(**cart))).content
    assert isinstance(content, OrderIn)
    assert content.items[0].price == Decimal("12.5")


def test_a_hash_is_hex_whether_meta_writes_base64_or_hex() -> None:
    digest = "dac1fed13aa242918137de32273ba0b85544a6cf762c16d8fea8d5a3085b8f19"
    for written in ("2sH+0TqiQpGBN94yJzuguFVEps92LBbY/qjVowhbjxk=", digest.upper()):
        content = message(messages(text(type="image", image={"id": 61, "sha256": written}))).content
        assert isinstance(content, MediaIn)
        assert (content.sha256, content.media_id) == (digest, "61")
    content = message(messages(text(type="image", image={"id": "61", "sha256": "nonsense"}))).content
    assert isinstance(content, MediaIn)
    assert content.sha256 is None


def test_a_reply_is_read_without_its_type() -> None:
    content = message(
        messages(text(type="interactive", interactive={"list_reply": {"id": "slot:1", "title": "11:00"}}))
    ).content
    assert content == ChoiceIn(id="slot:1", title="11:00", origin="list")


def test_a_completed_form_is_decoded_twice_and_made_storable() -> None:
    reply = {"name": "flow", "response_json": '{"note": "a\\u0000b\\ud800", "n": NaN}'}
    content = message(messages(text(type="interactive", interactive={"type": "nfm_reply", "nfm_reply": reply}))).content
    assert content == FormReplyIn(data={"note": "a�b�", "n": None})


def test_an_edited_caption_is_the_edit() -> None:
    edit = {"original_message_id": "wamid.B", "message": {"type": "image", "image": {"id": "1", "caption": "new"}}}
    assert message(messages(text(type="edit", edit=edit))).content == EditIn(message_id="wamid.B", text="new")


def test_a_product_page_is_what_brought_the_person_here() -> None:
    product = {"catalog_id": "1", "product_retailer_id": "SKU"}
    item = message(messages(text(context={"referred_product": product, "id": 5.5})))
    assert item.referral == {"referred_product": product}
    assert item.reply_to is None


def test_unstorable_characters_become_replacement_characters() -> None:
    body = messages(text("a\x00b")).replace(b'"wamid.A"', b'"wam\\ud800"')
    item = message(body)
    assert item.content == TextIn(body="a�b")
    assert item.provider_message_id == "wam�"


# --- Changes of number ----------------------------------------------------------------------------------------------


def test_a_changed_number_is_no_turn_of_the_conversation() -> None:
    system = {"type": "customer_changed_number", "new_wa_id": "15550147788"}
    item = one(messages(text(type="system", system=system, id=...)))
    assert isinstance(item, IdentityChanged)
    assert (item.old_phone, item.new_phone) == ("+15550142233", "+15550147788")


def test_a_change_that_names_no_new_address_rebinds_nobody() -> None:
    assert isinstance(one(messages(text(type="system", system={"type": "user_changed_number"}))), NotUnderstood)
    other = one(messages(text(type="system", system={"type": "something_new", "wa_id": "15550147788"})))
    assert isinstance(other, AccountChanged)
    assert other.field == "messages.system.something_new"


@pytest.mark.parametrize(
    "value",
    [
        {"user_id_update": [{"user_id": {"previous": "US.1", "current": "US.2"}, "timestamp": "1790000001"}]},
        {"previous": "US.1", "current": "US.2", "timestamp": 1790000001},
    ],
)
def test_a_new_business_scoped_id_is_read_in_both_shapes(value: dict[str, Any]) -> None:
    item = one(envelope({"metadata": {"phone_number_id": "700"}, **value}, "user_id_update"))
    assert isinstance(item, IdentityChanged)
    assert (item.old_user_id, item.new_user_id) == ("US.1", "US.2")


# --- Statuses -------------------------------------------------------------------------------------------------------

SENT = {"id": "wamid.S", "status": "sent", "timestamp": "1790000001", "recipient_id": "15550142233"}


def test_what_we_sent_along_comes_back_as_the_correlation() -> None:
    assert status(statuses({**SENT, "biz_opaque_callback_data": "attempt:7"})).correlation == "attempt:7"


@pytest.mark.parametrize(
    "errors",
    [
        [{"code": 131047, "title": "Re-engagement message"}],
        [{"code": "131047"}],
        [{"code": 131047.0, "error_data": '{"details": "too late"}'}],
        [{"code": 131047, "error_data": "too late"}, {"code": 1}],
        {"code": 131047, "error_data": ["?"], "message": 5},
    ],
)
def test_a_failure_is_understood_in_every_shape(errors: Any) -> None:
    item = status(statuses({**SENT, "status": "failed", "errors": errors}))
    assert item.status is Delivery.FAILED
    assert item.problem is not None
    assert (item.problem.fault, item.problem.code) == (Fault.WINDOW, 131047)


@pytest.mark.parametrize("errors", [..., None, [], {}, [None], "oops", [{"code": True}], [{"code": 10**40}]])
def test_a_failure_without_a_readable_error_is_still_a_failure(errors: Any) -> None:
    failed = {**SENT, "status": "failed", "errors": errors}
    item = status(statuses({name: value for name, value in failed.items() if value is not ...}))
    assert item.problem is not None
    assert (item.problem.fault, item.problem.code) == (Fault.REQUEST, None)


def test_an_error_names_no_person() -> None:
    details = "Recipient +1 (555) 014-2233 or US.40000000000000000001 of wamid.HBgLMTU1NTAx== is not allowed"
    error = {"code": 131030, "message": "(#131030) 20 not allowed", "error_data": {"details": details}}
    item = status(statuses({**SENT, "status": "failed", "errors": [error]}))
    assert item.problem is not None
    assert item.problem.detail == "(#131030) 20 not allowed: Recipient … or … of … is not allowed"


@pytest.mark.parametrize(
    "changes", [{"status": "warning"}, {"status": "teleported"}, {"status": None}, {"status": ["sent"]}, {"id": None}]
)
def test_a_status_we_do_not_know_is_kept_aside(changes: dict[str, Any]) -> None:
    assert isinstance(one(statuses({**SENT, **changes})), NotUnderstood)


def test_in_a_group_the_person_is_the_participant() -> None:
    group = {"recipient_type": "group", "recipient_id": "R1JPVVA", "recipient_participant_id": "15550142233"}
    assert status(statuses({**SENT, **group})).recipient_phone == "+15550142233"


# --- Account --------------------------------------------------------------------------------------------------------


def test_messages_that_a_colleague_typed_on_the_phone_are_not_from_a_customer() -> None:
    echo = {"from": "15550100200", "to": "15550142233", "id": "wamid.E", "type": "text", "text": {"body": "hi"}}
    body = envelope({"metadata": {"phone_number_id": "700"}, "message_echoes": [echo, 5]}, "smb_message_echoes")
    item, rest = parse(body, RECEIVED_AT)
    assert isinstance(item, MessageEchoed)
    assert (item.channel, item.recipient.phone, item.content) == ("700", "+15550142233", TextIn(body="hi"))
    assert isinstance(rest, AccountChanged)
    assert rest.data["message_echoes"] == [5]


def test_an_error_of_the_number_says_what_to_do_about_it() -> None:
    value = {"metadata": {"phone_number_id": "700"}, "errors": [{"code": 190}, "oops"]}
    faults = [item.data["fault"] for item in parse(envelope(value), RECEIVED_AT) if isinstance(item, AccountChanged)]
    assert faults == ["auth", "request"]


def test_preferences_of_another_kind_are_passed_on_unread() -> None:
    stop = {"wa_id": "15550142233", "category": "marketing_messages", "value": "stop", "timestamp": 1790000001}
    other = {**stop, "category": "newsletters"}
    value = {"metadata": {"phone_number_id": "700"}, "user_preferences": [stop, other, 5]}
    first, rest = parse(envelope(value, "user_preferences"), RECEIVED_AT)
    assert isinstance(first, PreferenceChanged)
    assert first.marketing is False
    assert isinstance(rest, AccountChanged)
    assert rest.data["user_preferences"] == [other, 5]


def test_a_template_id_is_a_string_and_a_nameless_template_is_passed_on() -> None:
    value = {"message_template_id": 81, "message_template_name": "t", "event": "PAUSED", "reason": "NONE"}
    item = one(envelope(value, "message_template_status_update"))
    assert isinstance(item, TemplateChanged)
    assert (item.template_id, item.status, item.reason, item.language) == ("81", "PAUSED", None, "")
    assert isinstance(one(envelope({"event": "PAUSED"}, "message_template_status_update")), AccountChanged)


# --- The whole ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b"NaN",
        b"1" * 5000,
        b"[" * 100_000,
        b'{"object":' * 100_000,
        b'{"object": "page", "entry": []}',
        b'{"object": "whatsapp_business_account"}',
        b'{"object": "whatsapp_business_account", "entry": {}}',
        b'{"object": "whatsapp_business_account", "entry": [5]}',
        b'{"object": "whatsapp_business_account", "entry": [{"changes": 5}]}',
        b'{"object": "whatsapp_business_account", "entry": [{"changes": [5]}]}',
        b'{"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages"}]}]}',
        b"\xff\xfe\x00\xd8",
        envelope({"messages": [text()]}),
        envelope({"metadata": {"phone_number_id": "700"}, "contacts": []}),
        messages("hello"),
        statuses(5),
    ],
)
def test_what_cannot_be_read_is_kept_as_json(body: bytes) -> None:
    item = one(body)
    assert isinstance(item, NotUnderstood)
    json.loads(item.raw)


def test_an_empty_request_holds_nothing() -> None:
    assert parse(b'{"object": "whatsapp_business_account", "entry": []}', RECEIVED_AT) == []


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_almost_json_is_read_all_the_same(bom: bytes) -> None:
    body = messages(text(context={"weight": "INFINITE"})).replace(b'"INFINITE"', b"NaN")
    assert message(bom + body).content == TextIn(body="hello")


def test_deep_nesting_in_one_message_spoils_neither_it_nor_its_neighbours() -> None:
    deep: Any = "bottom"
    for _ in range(500):
        deep = [deep]
    body = messages(text(id="wamid.1"), text(id="wamid.2", type="hologram", hologram=deep), text(id="wamid.3"))
    items = parse(body, RECEIVED_AT)
    assert [item.provider_message_id for item in items if isinstance(item, InboundMessage)] == [
        "wamid.1",
        "wamid.2",
        "wamid.3",
    ]
    assert len(json.dumps(plain(items[1]))) < 2000


def test_a_single_object_where_a_list_belongs_is_read() -> None:
    body = envelope({"metadata": {"phone_number_id": 700}, "messages": text(), "statuses": SENT})
    kinds = [type(item) for item in parse(body, RECEIVED_AT)]
    assert kinds == [InboundMessage, StatusUpdate]
