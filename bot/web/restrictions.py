"""What an account's restriction means for the messages that we would begin with, and until when it holds."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from providers.base import AccountChanged, Effect
from providers.fields import integer

RESTRICTED = timedelta(hours=6)
"""For how long a restriction stops us, unless it says how long it lasts."""
LONGEST = timedelta(days=31)
"""Meta's last 1 to 30 days: who says more is not believed, since nothing would lift it."""

_LIFTED = ("REINSTATE", "REINSTATED")
_NOT_ABOUT_SENDING = "RESTRICTED_ADD_PHONE_NUMBER_ACTION"
_MILLISECONDS_FROM = 10**11


def restricted_until(item: AccountChanged, at: datetime) -> datetime | None:
    """Until when the provider forbids writing to people first; None when it does not.

    Meta's `account_update` (webhooks reference, September 2026): a restriction lists what is restricted and until when
    each holds; a ban says its state, of which one is that it is over.
    """
    if item.field == "errors":
        forbidden = item.data.get("effect") in (Effect.STOP_CHANNEL, Effect.STOP_INITIATED)
        return at + RESTRICTED if forbidden else None
    event = item.data.get("event")
    if item.field != "account_update" or is_lifted(item):
        return None
    if event == "ACCOUNT_RESTRICTION":
        return _of_messages(item.data.get("restriction_info"), at)
    return at + RESTRICTED if event in ("ACCOUNT_DELETED", "DISABLED_UPDATE") else None


def is_lifted(item: AccountChanged) -> bool:
    """Whether the news is that a ban is over."""
    ban = item.data.get("ban_info")
    return isinstance(ban, Mapping) and str(ban.get("waba_ban_state")).upper() in _LIFTED


def _of_messages(listed: Any, at: datetime) -> datetime | None:
    """When the last of the restrictions that concern messages ends."""
    entries = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    if not entries:
        return at + RESTRICTED
    ends = [
        _moment(one.get("expiration"), at) or at + RESTRICTED
        for one in entries
        if one.get("restriction_type") != _NOT_ABOUT_SENDING
    ]
    return max(ends, default=None)


def _moment(value: Any, at: datetime) -> datetime | None:
    """A moment to come, in seconds, milliseconds or ISO 8601; None when it is none that can be true."""
    seconds: float | None = integer(value)
    if seconds is None:
        try:
            end = datetime.fromisoformat(str(value))
        except ValueError:
            return None
        end = end if end.tzinfo is not None else end.replace(tzinfo=UTC)
    else:
        seconds = seconds / 1000 if seconds >= _MILLISECONDS_FROM else seconds
        if not 0 < seconds < _MILLISECONDS_FROM:
            return None
        end = datetime.fromtimestamp(seconds, UTC)
    return end if at < end <= at + LONGEST else None
