"""360dialog's webhooks → what happened: Meta's envelopes unchanged, and events of its own about a partner's clients.

Those go to another address by default, and have another form: `{id, event, data}`. Which number they are about they say
in words of their own, so nothing acts on them; they are kept under their name.
Source: 360dialog, "Webhook events", 2026.
"""

from datetime import datetime
from typing import Any

from providers.base import AccountChanged, WebhookItem
from providers.fields import Unreadable, identifier, mapping, read_json, storable, string
from providers.meta.parse import parse as read_envelope

MAX_EVENT = 64
_SIGN = b'"event"'


def parse(body: bytes, received_at: datetime) -> list[WebhookItem]:
    """Read a webhook's body. Never raises."""
    if _SIGN in body[:2048] and (event := _partner_event(body)) is not None:
        return [event]
    return read_envelope(body, received_at)


def _partner_event(body: bytes) -> AccountChanged | None:
    try:
        document = mapping(read_json(body))
    except Unreadable:
        return None
    event = string(document.get("event"))
    if not event or "object" in document or "entry" in document:
        return None
    data: dict[str, Any] = {"id": document.get("id"), **mapping(document.get("data"))}
    account = identifier(data.get("waba_id")) or identifier(mapping(data.get("waba_account")).get("external_id")) or ""
    return AccountChanged(account=account, channel=None, field=f"partner.{event[:MAX_EVENT]}", data=storable(data))
