"""Payloads as the formats allow them and no recording has them: other versions, missing, unknown and odd fields."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from bot.core.messages import (
    ChoiceIn,
    ContactsIn,
    EditIn,
    FormReplyIn,
    Incoming,
    LocationIn,
    MediaIn,
    OrderIn,
    OrderItem,
    ReactionIn,
    TextIn,
    UnsupportedIn,
)
from providers.base import (
    Delivery,
    Fault,
    IdentityChanged,
    InboundMessage,
    NotUnderstood,
    Sender,
    StatusUpdate,
    WebhookItem,
    WebhookRequest,
)
from providers.meta.parse import parse
from providers.twilio.parse import parse as parse_form

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
METADATA = {"display_phone_number": "15550100200", "phone_number_id": "700800900100200"}
ADA = {"profile": {"name": "Ada"}, "wa_id": "15550142233", "user_id": "US.40000000000000000001"}
ADA_SENDER = Sender(phone="+15550142233", user_id="US.40000000000000000001", name="Ada")
SHA = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ABSENT = object()


def read(value: dict[str, Any], field: str = "messages") -> list[WebhookItem]:
    value = {"messaging_product": "whatsapp", "metadata": METADATA, **value}
    entry = {"id": "900100200300400", "changes": [{"field": field, "value": value}]}
    return parse(json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode(), NOW)


def heard(**fields: Any) -> InboundMessage:
    message = {"from": "15550142233", "id": "wamid.X", "timestamp": "1795348800", **fields}
    message = {name: value for name, value in message.items() if value is not ABSENT}
    (item,) = read({"contacts": [ADA], "messages": [message]})
    assert isinstance(item, InboundMessage), item
    return item


def told(**fields: Any) -> WebhookItem:
    status = {"id": "wamid.S", "status": "sent", "timestamp": "1795348800", "recipient_id": "15550142233", **fields}
    (item,) = read({"statuses": [{name: value for name, value in status.items() if value is not ABSENT}]})
    return item


def media(kind: Any, **more: Any) -> MediaIn:
    return MediaIn(media=kind, media_id="1", mime_type=more.pop("mime_type", "application/octet-stream"), **more)


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"type": "text", "text": {"body": ""}}, TextIn(body="")),
        ({"type": "text", "text": {"body": "a\0b \ud83d", "new": 1}, "extra": {"x": []}},
         TextIn(body="a\ufffdb \ufffd")),
        ({"type": "image", "image": {"id": "1"}}, media("image")),
        ({"type": "image", "image": {"id": 1, "sha256": SHA.upper(), "caption": ""}},
         media("image", sha256=SHA, caption="")),
        ({"type": "image", "image": {"id": "1", "sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}},
         media("image", sha256=SHA)),
        ({"type": "image", "image": {"id": "1", "mime_type": None, "caption": None, "url": None}}, media("image")),
        ({"type": "audio", "audio": {"id": "1", "mime_type": "audio/ogg; codecs=opus", "voice": True}},
         media("audio", mime_type="audio/ogg; codecs=opus", voice=True)),
        ({"type": "voice", "voice": {"id": "1", "mime_type": "audio/ogg"}},
         media("audio", mime_type="audio/ogg", voice=True)),
        ({"type": "location", "location": {"latitude": "27.5", "longitude": 86, "url": "https://x.example"}},
         LocationIn(latitude=27.5, longitude=86)),
        ({"type": "contacts", "contacts": [{"phones": [{"phone": "+15550142233"}], "origin": "contact_request"}]},
         ContactsIn(cards=({"phones": [{"phone": "+15550142233"}], "origin": "contact_request"},), requested=True)),
        ({"type": "button", "button": {"text": "Yes"}}, ChoiceIn(id="Yes", title="Yes", origin="template")),
        ({"type": "interactive", "interactive": {"button_reply": {"id": "a", "title": "A"}}},
         ChoiceIn(id="a", title="A", origin="button")),
        ({"type": "interactive", "interactive": {"type": "list_reply", "list_reply": {"id": "a"}}},
         ChoiceIn(id="a", title="", origin="list")),
        ({"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": {"response_json": {"a": 1}}}},
         FormReplyIn(data={"a": 1})),
        ({"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": {
            "name": "address_message", "response_json": '{"values": {"in_pin_code": "400063"}}'}}},
         FormReplyIn(data={"values": {"in_pin_code": "400063"}}, name="address_message")),
        ({"type": "reaction", "reaction": {"message_id": "wamid.Q", "emoji": None}}, ReactionIn(message_id="wamid.Q")),
        ({"type": "order", "order": {"catalog_id": 7, "product_items": [
            {"product_retailer_id": "sku", "quantity": "2", "item_price": "12", "currency": "NPR"}]}},
         OrderIn(catalog_id="7",
                 items=(OrderItem(product="sku", quantity=2, price=Decimal(12), currency="NPR"),))),
        ({"type": "edit", "edit": {"original_message_id": "wamid.O", "message": {
            "type": "image", "image": {"id": "1", "caption": "new"}}}}, EditIn(message_id="wamid.O", text="new")),
    ],
)  # fmt: skip
def test_what_people_said_in_other_words(message: dict[str, Any], content: Incoming) -> None:
    assert heard(**message).content == content


@pytest.mark.parametrize(
    ("message", "kind", "code"),
    [
        ({"type": "text", "text": {"body": None}}, "text", None),
        ({"type": "text"}, "text", None),
        ({"type": None, "text": {"body": "x"}}, "unknown", None),
        ({"type": "image", "image": {}, "errors": [{"code": "131052"}]}, "image", 131052),
        ({"type": "location", "location": {"latitude": 127.5, "longitude": 86}}, "location", None),
        ({"type": "contacts", "contacts": []}, "contacts", None),
        ({"type": "interactive"}, "interactive", None),
        ({"type": "interactive", "interactive": {"type": "call_permission_reply", "call_permission_reply": {
            "response": "accept"}}}, "interactive.call_permission_reply", None),
        ({"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": {"response_json": "{oops"}}},
         "interactive.nfm_reply", None),
        ({"type": "order", "order": {"catalog_id": "1", "product_items": [{"product_retailer_id": "s"}]}},
         "order", None),
        ({"type": "unsupported", "unsupported": {"type": "poll"}, "errors": [{"code": 131051}]}, "poll", 131051),
        ({"type": "unsupported", "errors": [{"code": 131060}]}, "unsupported", 131060),
        ({"type": "video_note", "video_note": {"id": "1"}}, "video_note", None),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_kept_and_says_why(message: dict[str, Any], kind: str, code: int | None) -> None:
    content = heard(**message).content
    assert isinstance(content, UnsupportedIn)
    assert (content.original_kind, content.error_code) == (kind, code)
    assert content.raw is not None
    assert content.raw["id"] == "wamid.X"


TEXT = {"type": "text", "text": {"body": "x"}}


@pytest.mark.parametrize(
    ("fields", "sender"),
    [
        ({}, ADA_SENDER),
        ({"from": ABSENT, "from_user_id": "US.40000000000000000001"}, ADA_SENDER),
        ({"from": None, "from_user_id": "US.40000000000000000001"}, ADA_SENDER),
        ({"from": "", "from_user_id": "US.40000000000000000001"}, ADA_SENDER),
        ({"from": 15550142233}, ADA_SENDER),
        ({"from": "+1 555-014-2233"}, ADA_SENDER),
        ({"from": "US.40000000000000000001"}, ADA_SENDER),
        ({"from": ABSENT, "from_user_id": ABSENT}, ADA_SENDER),  # nobody else is spoken of
        ({"from": "DE.ENT.77abc"}, Sender(user_id="DE.ENT.77abc")),
        ({"from": "15550149999", "from_user_id": None}, Sender(phone="+15550149999")),
    ],
)  # fmt: skip
def test_whoever_wrote_is_found_however_they_are_called(fields: dict[str, Any], sender: Sender) -> None:
    found = heard(**TEXT, **fields).sender
    if fields.get("from") == "US.40000000000000000001":
        assert (found.user_id, found.name) == (sender.user_id, sender.name)
    else:
        assert found == sender


@pytest.mark.parametrize(
    ("stamp", "at"),
    [("1795262400", -86400), (1795262400, -86400), ("1795262400123", -86399.877), (None, 0), ("", 0), ("soon", 0),
     ("0", 0), ("99999999999", 0)],
)  # fmt: skip
def test_times_that_cannot_be_true_are_the_time_of_arrival(stamp: Any, at: float) -> None:
    assert (heard(**TEXT, timestamp=stamp).at - NOW).total_seconds() == pytest.approx(at)


@pytest.mark.parametrize(
    ("fields", "status", "code", "fault"),
    [
        ({"status": "delivered", "recipient_id": ABSENT, "recipient_user_id": "US.1"}, Delivery.DELIVERED, None, None),
        ({"pricing": {"billable": True, "category": "authentication-international"}, "conversation": {
            "id": "c", "expiration_timestamp": "1795348800", "origin": {"type": "utility"}}},
         Delivery.SENT, None, None),
        ({"pricing": None, "conversation": None, "errors": None}, Delivery.SENT, None, None),
        ({"status": "failed", "errors": []}, Delivery.FAILED, None, Fault.REQUEST),
        ({"status": "failed", "errors": {"code": 131049}}, Delivery.FAILED, 131049, Fault.CONSENT),
        ({"status": "failed", "errors": [{"code": "131047", "error_data": '{"details": "d"}'}]},
         Delivery.FAILED, 131047, Fault.WINDOW),
        ({"status": "failed", "errors": [{"code": 987654}]}, Delivery.FAILED, 987654, Fault.REQUEST),
        ({"recipient_type": "group", "recipient_id": "G", "recipient_participant_user_id": "US.1"},
         Delivery.SENT, None, None),
    ],
)  # fmt: skip
def test_statuses_of_every_version(
    fields: dict[str, Any], status: Delivery, code: int | None, fault: Fault | None
) -> None:
    item = told(**fields)
    assert isinstance(item, StatusUpdate)
    problem = item.problem
    assert (item.status, problem and problem.code, problem and problem.fault) == (status, code, fault)


@pytest.mark.parametrize("word", ["deleted", "warning", "captured", "", None, 7, ["sent"]])
def test_statuses_that_say_nothing_of_delivery_are_kept(word: Any) -> None:
    assert isinstance(told(status=word), NotUnderstood)


def test_a_change_of_number_in_its_older_form() -> None:
    system = {"type": "customer_changed_number", "customer": "15550142233", "new_wa_id": "15550149999"}
    (item,) = read({"messages": [{"from": None, "id": "w", "timestamp": "1", "type": "system", "system": system}]})
    assert isinstance(item, IdentityChanged)
    assert (item.old_phone, item.new_phone) == ("+15550142233", "+15550149999")


def test_one_body_with_everything_in_it() -> None:
    """Several entries, numbers and kinds, and rubbish between them: nothing is lost, nothing spoils another."""
    texts = [{"from": "15550142233", "id": f"w{n}", "timestamp": "1", **TEXT} for n in range(3)]
    other = {"display_phone_number": "1", "phone_number_id": 42}
    value = {"metadata": other, "contacts": None, "messages": [texts[2]], "statuses": [{"id": "s", "status": "read"}]}
    body = {
        "object": "whatsapp_business_account",
        "entry": [
            {"id": "1", "changes": [{"field": "messages", "value": {
                "metadata": METADATA, "contacts": [ADA], "messages": [texts[0], None, {}, texts[1]], "statuses": []}}]},
            None,
            {"id": 10**25, "changes": [
                {"field": "messages", "value": value}, {"field": "flows", "value": {"a": None}}]},
            {"id": "3", "changes": []},
        ],
    }  # fmt: skip
    items = parse(json.dumps(body).encode(), NOW)
    assert [item.provider_message_id for item in items if isinstance(item, InboundMessage)] == ["w0", "w1", "w2"]
    assert [item.channel for item in items if isinstance(item, InboundMessage)] == ["700800900100200"] * 2 + ["42"]
    assert [type(item).__name__ for item in items if not isinstance(item, InboundMessage)] == [
        "NotUnderstood", "NotUnderstood", "NotUnderstood", "StatusUpdate", "AccountChanged",
    ]  # fmt: skip


# --- Twilio ---------------------------------------------------------------------------------------------------------

FORM = {
    "MessageSid": "SM1", "SmsSid": "SM1", "AccountSid": "AC1", "From": "whatsapp:+15550142233", "Body": "hi",
    "To": "whatsapp:+15550100200", "WaId": "15550142233", "ProfileName": "Ada", "NumMedia": "0",
    "SmsStatus": "received", "MessageType": "text", "NumSegments": "1", "ReferralNumMedia": "0",
    "ApiVersion": "2010-04-01",
}  # fmt: skip
FILE = {"NumMedia": "1", "MediaUrl0": "https://api.twilio.com/x", "Body": ""}


def form(**fields: str | None) -> WebhookItem:
    body = urlencode({name: value for name, value in (FORM | fields).items() if value is not None}).encode()
    request = WebhookRequest(method="POST", url="/s", headers={}, query={}, body=body, received_at=NOW)
    (item,) = parse_form(request)
    return item


def file(kind: Any, mime_type: str, **more: Any) -> MediaIn:
    url = "https://api.twilio.com/x"
    return MediaIn(media=kind, media_id=url, url=url, mime_type=mime_type, **more)


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        ({"Body": "a\r\nb + c & d=é☕ "}, TextIn(body="a\r\nb + c & d=é☕ ")),
        ({"NumMedia": "1"}, TextIn(body="hi")),
        ({"NumMedia": "none"}, TextIn(body="hi")),
        ({"MessageType": "poll", "NewField": "x"}, TextIn(body="hi")),
        ({**FILE, "MediaContentType0": "image/webp", "MessageType": None}, file("sticker", "image/webp")),
        ({**FILE, "MediaContentType0": "audio/ogg; codecs=opus"}, file("audio", "audio/ogg; codecs=opus", voice=True)),
        ({**FILE, "Body": "Plan v2.pdf", "MediaContentType0": "application/pdf", "MessageType": "document"},
         file("document", "application/pdf", filename="Plan v2.pdf")),
        ({**FILE, "MessageType": "video"}, file("document", "application/octet-stream")),
        ({**FILE, "MediaContentType0": "text/x-vcard", "MessageType": "contacts"},
         ContactsIn(cards=({"vcard_url": "https://api.twilio.com/x", "mime_type": "text/x-vcard"},))),
        ({"NumMedia": None, "MediaUrl0": "https://api.twilio.com/x", "MediaContentType0": "image/png", "Body": ""},
         file("image", "image/png")),
        ({"ListId": "r1", "Body": "Row", "MessageType": "interactive"}, ChoiceIn(id="r1", title="Row", origin="list")),
        ({"ButtonText": "Yes", "Body": "Yes", "MessageType": "button"},
         ChoiceIn(id="Yes", title="Yes", origin="template")),
        ({"FlowData": '{"a": 1}', "Body": ""}, FormReplyIn(data={"a": 1})),
        ({"Latitude": "27.98", "Longitude": "86.92", "Label": "", "Body": "", "MessageType": "location"},
         LocationIn(latitude=27.98, longitude=86.92)),
    ],
)  # fmt: skip
def test_what_people_said_by_way_of_twilio(fields: dict[str, str | None], content: Incoming) -> None:
    item = form(**fields)
    assert isinstance(item, InboundMessage)
    assert item.content == content


@pytest.mark.parametrize(
    ("fields", "phone", "user_id"),
    [
        ({"From": "whatsapp:US.40000000000000000001", "WaId": ""}, None, "US.40000000000000000001"),
        ({"ExternalUserId": "US.4"}, "+15550142233", "US.4"),
        ({"ExternalUserId": "whatsapp:US.4"}, "+15550142233", "US.4"),
        ({"From": "whatsapp:15550142233"}, "+15550142233", None),
    ],
)
def test_who_wrote_by_way_of_twilio(fields: dict[str, str], phone: str | None, user_id: str | None) -> None:
    item = form(**fields)
    assert isinstance(item, InboundMessage)
    assert (item.sender.phone, item.sender.user_id) == (phone, user_id)


STATUS: dict[str, str | None] = {
    "From": "whatsapp:+15550100200", "To": "whatsapp:+15550142233", "Body": None, "NumMedia": None, "SmsStatus": "sent",
    "MessageType": None, "ProfileName": None, "WaId": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"MessageStatus": "sent", "ErrorCode": ""}, Delivery.SENT, None),
        ({"MessageStatus": "Delivered"}, Delivery.DELIVERED, None),
        ({"MessageStatus": "scheduled"}, Delivery.ACCEPTED, None),
        ({"MessageStatus": "canceled"}, Delivery.FAILED, None),
        ({"MessageStatus": "undelivered", "ErrorCode": "63024"}, Delivery.FAILED, 63024),
        ({"MessageStatus": "read", "Body": "an echo of the words"}, Delivery.READ, None),
        ({}, Delivery.SENT, None),  # SmsStatus alone
        ({"SmsStatus": None, "EventType": "READ"}, Delivery.READ, None),
        ({"MessageStatus": "sent", "To": "whatsapp:US.1abcdef"}, Delivery.SENT, None),
    ],
)
def test_statuses_by_way_of_twilio(fields: dict[str, str], status: Delivery, code: int | None) -> None:
    item = form(**STATUS | fields)
    assert isinstance(item, StatusUpdate)
    assert (item.channel, item.status, item.problem and item.problem.code) == ("+15550100200", status, code)
