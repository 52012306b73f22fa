"""Webhook fields other than `messages`: templates, preferences, limits, names, restrictions, echoes.

What changes how we send has a type of its own; the rest becomes `AccountChanged`, also for fields that Meta has not
invented yet. Source: Meta, WhatsApp webhooks reference, 2026.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from providers.base import (
    AccountChanged,
    IdentityChanged,
    MessageEchoed,
    PreferenceChanged,
    Sender,
    TemplateChanged,
    WebhookItem,
)
from providers.fields import identifier, items, mapping, moment, phone, storable, string
from providers.meta.parse_content import read_content

MAX_FIELD = 64

_TEMPLATE_FIELDS = {
    "message_template_status_update": "status",
    "message_template_quality_update": "quality",
    "template_category_update": "category",
    "message_template_components_update": "components",
}


def read_account_change(
    account: str,
    channel: str | None,
    field: str,
    value: dict[str, Any],
    received_at: datetime,
) -> Iterator[WebhookItem]:
    """Read a change of any field but `messages`; `account` is the WhatsApp Business account's id."""
    if field == "smb_message_echoes" and channel is not None:
        yield from _echoes(account, channel, value, received_at)
        return
    rest: dict[str, Any] | None = value
    if change := _TEMPLATE_FIELDS.get(field):
        template = _template(account, change, value)
        if template is not None:
            yield template
            return
    elif field in ("user_preferences", "user_id_update") and channel is not None:
        read = _preference if field == "user_preferences" else _identity
        entries = value.get(field, value)
        unread = []
        for entry in entries if isinstance(entries, list) else [entries]:
            item = read(channel, mapping(entry), received_at)
            if item is None:
                unread.append(entry)
            else:
                yield item
        rest = {**value, field: unread} if unread else None
    if rest is not None:
        yield AccountChanged(account=account, channel=channel, field=field[:MAX_FIELD], data=storable(rest))


def _echoes(account: str, channel: str, value: dict[str, Any], received_at: datetime) -> Iterator[WebhookItem]:
    """What a colleague typed on the phone. Each on its own: one that cannot be read is passed on as it is."""
    unread = []
    for echo in items(value.get("message_echoes")) or [value.get("message_echoes")]:
        message = mapping(echo)
        message_id = identifier(message.get("id"))
        recipient = Sender(phone=phone(message.get("to")), user_id=identifier(message.get("to_user_id")))
        if message_id is None or (recipient.phone is None and recipient.user_id is None):
            unread.append(echo)
            continue
        yield MessageEchoed(
            channel=channel,
            provider_message_id=message_id,
            recipient=recipient,
            at=moment(message.get("timestamp"), received_at),
            content=read_content(message, []),
        )
    if unread:
        data = {**value, "message_echoes": unread}
        yield AccountChanged(account=account, channel=channel, field="smb_message_echoes", data=storable(data))


def _template(account: str, change: str, value: dict[str, Any]) -> TemplateChanged | None:
    template_id = identifier(value.get("message_template_id"))
    name = string(value.get("message_template_name"))
    if template_id is None or name is None:
        return None
    # The day before a category changes, `new_category` is still the present one and `correct_category` the coming one.
    if change == "category" and value.get("correct_category"):
        change = "category_announced"
    reason = string(value.get("reason"))
    return TemplateChanged(
        account=account,
        template_id=template_id,
        name=name,
        language=string(value.get("message_template_language")) or "",
        change=change,
        status=string(value.get("event")) if change == "status" else None,
        category=string(value.get("new_category")) or string(value.get("message_template_category")),
        reason=reason if reason != "NONE" else None,
        data=storable(value),
    )


def _preference(channel: str, entry: dict[str, Any], received_at: datetime) -> PreferenceChanged | None:
    number, user_id = phone(entry.get("wa_id")), identifier(entry.get("user_id"))
    wish = entry.get("value")
    if entry.get("category") != "marketing_messages" or wish not in ("stop", "resume"):
        return None
    if number is None and user_id is None:
        return None
    return PreferenceChanged(
        channel=channel,
        phone=number,
        user_id=user_id,
        marketing=wish == "resume",
        at=moment(entry.get("timestamp"), received_at),
    )


def _identity(channel: str, entry: dict[str, Any], received_at: datetime) -> IdentityChanged | None:
    # `previous` and `current` stand in the entry or in its `user_id`, depending on the version of the page.
    ids = mapping(entry.get("user_id")) or entry
    old, new = identifier(ids.get("previous")), identifier(ids.get("current"))
    if old is None or new is None:
        return None
    return IdentityChanged(
        channel=channel,
        old_user_id=old,
        new_user_id=new,
        new_phone=phone(entry.get("wa_id")),
        at=moment(entry.get("timestamp"), received_at),
    )
