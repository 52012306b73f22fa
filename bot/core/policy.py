"""WhatsApp's rules that decide what may be sent when."""

from datetime import datetime, timedelta

SERVICE_WINDOW = timedelta(hours=24)
"""How long after a person's last message a business may answer freely. Source: Meta, messaging policy, 2026."""

MARGIN = timedelta(minutes=5)
"""Taken off, since the provider's clock decides and a message takes time to get there."""


def window_open(last_inbound_at: datetime | None, at: datetime) -> bool:
    """Whether free text may be sent to a person at `at`; outside the window only templates may."""
    return last_inbound_at is not None and at < last_inbound_at + SERVICE_WINDOW - MARGIN
