"""Identifiers. Each is its own type, so that mypy catches one used for another."""

from typing import NewType

TenantId = NewType("TenantId", int)
ChannelId = NewType("ChannelId", int)
ContactId = NewType("ContactId", int)
ConversationId = NewType("ConversationId", int)
MessageId = NewType("MessageId", int)

EventId = NewType("EventId", int)
"""Place in the inbox: events of one conversation are processed in ascending order."""

RunId = NewType("RunId", str)
"""One walk through a flow. Derived from the event that started it, so a retried turn finds the same id."""
