"""Twilio's webhooks → what happened. A form with one event: a message, or a status of a message of ours.

Twilio adds fields without notice, and tells the kinds of messages apart by which fields there are more than by
`MessageType`. What cannot be read becomes `NotUnderstood`; a message whose kind we do not know `UnsupportedIn`.
Source: Twilio, "Twilio's request to your webhook" and "Status callbacks", 2026.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from providers.base import (
    Delivery,
    InboundMessage,
    NotUnderstood,
    Problem,
    Sender,
    StatusUpdate,
    WebhookItem,
    WebhookRequest,
)
from providers.fields import MAX_IDENTIFIER, clean, encode, identifier, integer, phone, storable
from providers.twilio.errors import CATALOGUE, words
from providers.twilio.parse_content import read_contents
from providers.twilio.signature import form_fields

PREFIX = "whatsapp:"
CORRELATION = "c"
"""The query field of the status address that carries what we sent along."""
MAX_NAME = 256

DELIVERIES: dict[str, Delivery] = {
    "accepted": Delivery.ACCEPTED,
    "scheduled": Delivery.ACCEPTED,
    "queued": Delivery.ACCEPTED,
    "sending": Delivery.ACCEPTED,
    "sent": Delivery.SENT,
    "delivered": Delivery.DELIVERED,
    "partially_delivered": Delivery.DELIVERED,
    "read": Delivery.READ,
    "undelivered": Delivery.FAILED,
    "failed": Delivery.FAILED,
    "canceled": Delivery.FAILED,
}


def parse(request: WebhookRequest) -> list[WebhookItem]:
    """Read a verified webhook. Never raises."""
    fields: dict[str, str] = {}
    try:
        pairs = list(request.query.items()) if request.method == "GET" else form_fields(request.body)
        for name, value in pairs:
            fields.setdefault(clean(name), clean(value))
        if not fields:
            return [_not_understood("no form", {"body": clean(request.body.decode("utf-8", "replace"))})]
        if _is_status(fields):
            return [_read_status(fields, request.query, request.received_at)]
        return _read_message(fields, request.received_at)
    except Exception as error:  # noqa: BLE001  the last guard: Twilio asks once, and what it said must be kept
        return [_not_understood(f"reading it failed ({type(error).__name__})", fields)]


def _is_status(fields: Mapping[str, str]) -> bool:
    """Whether it tells of a message of ours: what people send is `received`, whatever else stands there."""
    if fields.get("MessageStatus", "").lower() in DELIVERIES:
        return True
    if "Body" in fields or "NumMedia" in fields:
        return False
    return "MessageStatus" in fields or "EventType" in fields or fields.get("SmsStatus", "").lower() in DELIVERIES


def _not_understood(reason: str, fields: Mapping[str, str], channel: str | None = None) -> NotUnderstood:
    return NotUnderstood(reason=reason, raw=encode(storable(dict(fields))), channel=channel)


def _read_message(fields: Mapping[str, str], received_at: datetime) -> list[WebhookItem]:
    channel = read_address(fields.get("To"))[0]
    if channel is None:
        return [_not_understood("it did not come to a WhatsApp number", fields)]
    message_id = identifier(fields.get("MessageSid") or fields.get("SmsMessageSid") or fields.get("SmsSid"))
    if message_id is None:
        return [_not_understood("a message without an id", fields, channel)]
    sender = _sender(fields)
    if sender is None:
        return [_not_understood("a message without a sender", fields, channel)]
    return [
        InboundMessage(
            channel=channel,
            provider_message_id=f"{message_id}/{place}" if place else message_id,
            sender=sender,
            at=received_at,  # Twilio tells no time
            content=content,
            reply_to=identifier(fields.get("OriginalRepliedMessageSid")),
            referral=_referral(fields),
            forwarded=any(fields.get(one, "").lower() == "true" for one in ("Forwarded", "FrequentlyForwarded")),
        )
        for place, content in enumerate(read_contents(fields))
    ]


def _sender(fields: Mapping[str, str]) -> Sender | None:
    number, user_id = read_address(fields.get("From"))
    number = number or phone(fields.get("WaId"))
    external = fields.get("ExternalUserId", "")
    user_id = read_address(external if external.startswith(PREFIX) else PREFIX + external)[1] or user_id
    if number is None and user_id is None:
        return None
    return Sender(phone=number, user_id=user_id, name=fields.get("ProfileName", "")[:MAX_NAME])


def read_address(address: str | None) -> tuple[str | None, str | None]:
    """Phone number and business-scoped id in `whatsapp:…`: one of them, or neither."""
    if address is None or not address.startswith(PREFIX):
        return None, None
    rest = address[len(PREFIX) :].strip()
    if rest.startswith("+") or rest.isdigit():
        return phone(rest), None
    return None, identifier(rest)


# Twilio's names for what Meta calls a referral, so that flows find the same words whoever carries the message.
_REFERRAL = {
    "ReferralSourceUrl": "source_url",
    "ReferralSourceId": "source_id",
    "ReferralSourceType": "source_type",
    "ReferralHeadline": "headline",
    "ReferralBody": "body",
    "ReferralCtwaClid": "ctwa_clid",
    "ReferralMediaUrl": "media_url",
    "ReferralMediaContentType": "media_type",
    "ReferralMediaId": "media_id",
}


def _referral(fields: Mapping[str, str]) -> dict[str, Any] | None:
    """What brought the person here. `ReferralNumMedia` is always there, and says nothing."""
    found = {ours: fields[theirs] for theirs, ours in _REFERRAL.items() if fields.get(theirs)}
    return found or None


def _read_status(fields: Mapping[str, str], query: Mapping[str, str], received_at: datetime) -> WebhookItem:
    channel = read_address(fields.get("From"))[0]
    if channel is None:
        return _not_understood("a status of a number that is not on WhatsApp", fields)
    delivery = DELIVERIES.get(
        (fields.get("MessageStatus") or fields.get("SmsStatus") or fields.get("EventType", "")).lower()
    )
    message_id = identifier(fields.get("MessageSid") or fields.get("SmsSid"))
    if delivery is None or message_id is None:
        reason = "a status we do not know" if message_id else "a status without an id"
        return _not_understood(reason, fields, channel)
    correlation = query.get(CORRELATION)
    recipient, user_id = read_address(fields.get("To"))
    return StatusUpdate(
        channel=channel,
        provider_message_id=message_id,
        status=delivery,
        at=received_at,
        correlation=correlation if correlation and len(correlation) <= MAX_IDENTIFIER else None,
        problem=read_problem(fields, failed=delivery is Delivery.FAILED),
        recipient_phone=recipient,
        recipient_user_id=user_id,
    )


def read_problem(fields: Mapping[str, Any], *, failed: bool) -> Problem | None:
    """The error of a status, if it has one."""
    code = integer(fields.get("ErrorCode") or None)
    if code is None and not failed:
        return None
    said = fields.get("ChannelStatusMessage") or fields.get("ErrorMessage") or fields.get("MessageStatus") or ""
    return CATALOGUE.problem(code, words(str(said)))
