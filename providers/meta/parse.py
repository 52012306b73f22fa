"""Meta's webhooks → what happened.

A request carries up to 1000 updates: `entry[]` → `changes[]` → `messages[]`, `statuses[]`, `errors[]`. Each of them is
read on its own, so that one we cannot read becomes `NotUnderstood` and the others flow on: an exception here would make
Meta send the whole batch again for days. Nothing in here may therefore rely on a field to be there or to have its type.
Source: Meta, WhatsApp webhooks reference, 2026.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bot.core.messages import TextIn
from providers.base import (
    AccountChanged,
    Delivery,
    IdentityChanged,
    InboundMessage,
    NotUnderstood,
    Sender,
    StatusUpdate,
    WebhookItem,
)
from providers.fields import (
    MAX_IDENTIFIER,
    Unreadable,
    clean,
    encode,
    identifier,
    items,
    kept,
    mapping,
    moment,
    phone,
    read_json,
    storable,
    string,
)
from providers.meta.errors import meaning, read_problem
from providers.meta.parse_account import read_account_change
from providers.meta.parse_content import read_content

OBJECT = "whatsapp_business_account"
MAX_NAME = 256

_DELIVERIES: dict[Any, Delivery] = {
    "sent": Delivery.SENT,
    "delivered": Delivery.DELIVERED,
    "read": Delivery.READ,
    "played": Delivery.PLAYED,
    "failed": Delivery.FAILED,
}
_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
_MOVES = frozenset({"user_changed_number", "user_changed_user_id", "customer_changed_number"})


def parse(body: bytes, received_at: datetime) -> list[WebhookItem]:
    """Read a webhook's body.

    Args:
        body: The bytes as they came in, already verified.
        received_at: Aware, UTC; stands in for timestamps that are missing or cannot be true.

    Returns:
        Every update in order, each storable in PostgreSQL; empty for a request without updates. Never raises.
    """
    try:
        document = read_json(body)
    except Unreadable as error:
        return [NotUnderstood(reason=f"not JSON ({error})", raw=encode(clean(body.decode("utf-8", "replace"))))]
    if not isinstance(document, dict) or document.get("object") != OBJECT:
        return [_not_understood("not about a WhatsApp account", document)]
    entries = document.get("entry")
    if not isinstance(entries, list):
        return [_not_understood("no list of entries", document)]
    found: list[WebhookItem] = []
    for entry in entries:
        changes = entry.get("changes") if isinstance(entry, dict) else None
        if not isinstance(changes, list):
            found.append(_not_understood("an entry without a list of changes", entry))
            continue
        account = identifier(entry.get("id")) or ""
        for change in changes:
            try:
                found.extend(_read_change(account, change, received_at))
            except Exception as error:  # noqa: BLE001  the last guard: one update must never spoil the batch
                found.append(_not_understood(f"reading it failed ({type(error).__name__})", change))
    return found


def _not_understood(reason: str, raw: Any, channel: str | None = None) -> NotUnderstood:
    return NotUnderstood(reason=reason, raw=encode(storable(raw)), channel=channel)


def _read_change(account: str, change: Any, received_at: datetime) -> list[WebhookItem]:
    if not isinstance(change, dict) or not isinstance(change.get("field"), str):
        return [_not_understood("a change without a field", change)]
    value = change.get("value")
    if not isinstance(value, dict):
        return [_not_understood(f"{change['field'][:64]} without a value", change)]
    channel = identifier(mapping(value.get("metadata")).get("phone_number_id"))
    if change["field"] != "messages":
        return list(read_account_change(account, channel, change["field"], value, received_at))
    if channel is None:
        return [_not_understood("no phone_number_id says which number it came to", change)]
    return _read_messages_field(account, channel, value, received_at)


def _read_messages_field(account: str, channel: str, value: dict[str, Any], received_at: datetime) -> list[WebhookItem]:
    found: list[WebhookItem] = []
    if messages := value.get("messages"):
        people = _People(value.get("contacts"))
        errors = items(value.get("errors"))
        if not isinstance(messages, list):
            messages = [messages]
        for message in messages:
            try:
                found.append(_read_message(account, channel, message, people, errors, received_at))
            except Exception as error:  # noqa: BLE001  as above, for one message
                found.append(_not_understood(f"reading it failed ({type(error).__name__})", message, channel))
    if statuses := value.get("statuses"):
        for status in statuses if isinstance(statuses, list) else [statuses]:
            try:
                found.append(_read_status(channel, status, received_at))
            except Exception as error:  # noqa: BLE001  as above, for one status
                found.append(_not_understood(f"reading it failed ({type(error).__name__})", status, channel))
    found.extend(_value_errors(account, channel, value))
    return found or [_not_understood("no messages, statuses or errors", value, channel)]


def _value_errors(account: str, channel: str, value: dict[str, Any]) -> Iterator[WebhookItem]:
    """Errors about the number or the payload rather than about one message of ours."""
    for error in items(value.get("errors")):
        problem = read_problem(error)
        yield AccountChanged(
            account=account,
            channel=channel,
            field="errors",
            data={
                "code": problem.code,
                "fault": problem.fault.value,
                "effect": problem.effect.value,
                "meaning": meaning(problem.code).text,
                "detail": problem.detail,
            },
        )


# --- Messages -------------------------------------------------------------------------------------------------------


class _People:
    """`value.contacts`, found by address: the array is not parallel to `messages`."""

    __slots__ = ("_by_address",)

    def __init__(self, contacts: Any) -> None:
        self._by_address: dict[str, dict[str, Any]] = {}
        if isinstance(contacts, list):
            for contact in contacts:
                if isinstance(contact, dict):
                    for address in (contact.get("user_id"), contact.get("wa_id")):
                        if isinstance(address, str):
                            self._by_address[address] = contact

    def sender(self, message: dict[str, Any]) -> Sender | None:
        """Who wrote a message, or None if nobody can be named."""
        address, user_id = message.get("from"), message.get("from_user_id")
        contact = self._by_address.get(address) if isinstance(address, str) else None
        if contact is None:
            contact = self._found(address, user_id)
        number = phone(address or contact.get("wa_id"))
        user_id = identifier(user_id or contact.get("user_id"))
        if number is None and user_id is None and isinstance(address, str) and _USER_ID.fullmatch(address):
            user_id = identifier(address)  # in the place of a number that is hidden
        if number is None and user_id is None:
            return None
        profile = mapping(contact.get("profile"))
        name = profile.get("name") or profile.get("username")
        return Sender(phone=number, user_id=user_id, name=name[:MAX_NAME] if isinstance(name, str) else "")

    def _found(self, address: Any, user_id: Any) -> dict[str, Any]:
        """The contact by the business-scoped id, or by a number that is written otherwise."""
        if isinstance(user_id, str) and user_id in self._by_address:
            return self._by_address[user_id]
        if address:
            return self._by_address.get((phone(address) or "").removeprefix("+"), {})
        # The message names nobody, and one person only is spoken of: then it is theirs.
        people = {id(contact): contact for contact in self._by_address.values()}
        return next(iter(people.values())) if len(people) == 1 and not user_id else {}


def _read_message(
    account: str,
    channel: str,
    message: Any,
    people: _People,
    errors: list[Any],
    received_at: datetime,
) -> WebhookItem:
    if not isinstance(message, dict):
        return _not_understood("a message that is no object", message, channel)
    kind = message.get("type")
    if kind == "system":
        return _read_system(account, channel, message, received_at)
    message_id = identifier(message.get("id"))
    if message_id is None:
        return _not_understood("a message without an id", message, channel)
    sender = people.sender(message)
    if sender is None:
        return _not_understood("a message without a sender", message, channel)
    text = message.get("text")
    if kind == "text" and isinstance(text, dict) and isinstance(body := text.get("body"), str):
        content: Any = TextIn(body=body)  # the usual case, without a detour
    else:
        content = read_content(message, errors)
    context = message.get("context")
    return InboundMessage(
        channel=channel,
        provider_message_id=message_id,
        sender=sender,
        at=moment(message.get("timestamp"), received_at),
        content=content,
        reply_to=identifier(context.get("id")) if isinstance(context, dict) else None,
        group_id=identifier(message.get("group_id")),
        referral=_referral(message, context),
        forwarded=isinstance(context, dict)
        and (context.get("forwarded") is True or context.get("frequently_forwarded") is True),
    )


def _referral(message: dict[str, Any], context: Any) -> dict[str, Any] | None:
    """What brought the person here: an advert, or a product page's "message business"."""
    referral = kept(message.get("referral"))
    product = kept(context.get("referred_product")) if isinstance(context, dict) else None
    if product is None:
        return referral
    return {**(referral or {}), "referred_product": product}


def _read_system(account: str, channel: str, message: dict[str, Any], received_at: datetime) -> WebhookItem:
    """A person's number or id changed. Nobody said anything, so it is no turn of the conversation."""
    system = mapping(message.get("system"))
    change = string(system.get("type")) or "unknown"
    if change not in _MOVES:
        return AccountChanged(
            account=account, channel=channel, field=f"messages.system.{change[:64]}", data=kept(message) or {}
        )
    # `customer` was the old number's place in older versions.
    old_phone = phone(message.get("from") or system.get("customer"))
    new_phone = phone(system.get("wa_id") or system.get("new_wa_id"))
    old_user_id, new_user_id = identifier(message.get("from_user_id")), identifier(system.get("user_id"))
    if (old_phone is None and old_user_id is None) or (new_phone is None and new_user_id is None):
        return _not_understood(f"{change} without the old or the new address", message, channel)
    return IdentityChanged(
        channel=channel,
        old_phone=old_phone,
        new_phone=new_phone,
        old_user_id=old_user_id,
        new_user_id=new_user_id,
        at=moment(message.get("timestamp"), received_at),
    )


# --- Statuses -------------------------------------------------------------------------------------------------------


def _read_status(channel: str, status: Any, received_at: datetime) -> WebhookItem:
    if not isinstance(status, dict):
        return _not_understood("a status that is no object", status, channel)
    word = status.get("status")
    delivery = _DELIVERIES.get(word) if isinstance(word, str) else None
    message_id = identifier(status.get("id"))
    if delivery is None or message_id is None:
        return _not_understood("a status we do not know" if message_id else "a status without an id", status, channel)
    errors = status.get("errors")
    error = (errors[0] if errors else None) if isinstance(errors, list) else errors
    failed = delivery is Delivery.FAILED
    group = status.get("recipient_type") == "group"
    correlation = status.get("biz_opaque_callback_data")
    return StatusUpdate(
        channel=channel,
        provider_message_id=message_id,
        status=delivery,
        at=moment(status.get("timestamp"), received_at),
        correlation=correlation if isinstance(correlation, str) and 0 < len(correlation) <= MAX_IDENTIFIER else None,
        problem=read_problem(error) if failed or error else None,
        recipient_phone=phone(status.get("recipient_participant_id" if group else "recipient_id")),
        recipient_user_id=identifier(status.get("recipient_participant_user_id" if group else "recipient_user_id")),
        pricing=kept(status.get("pricing")),
    )
