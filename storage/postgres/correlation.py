"""The text that travels with a message to the provider and comes back in its statuses.

It names the message and its attempt, and is signed: another deployment on the same WhatsApp account (a staging server,
say) sees our statuses too, and must not take them for its own.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bot.core.errors import StorageError
from bot.core.ids import ChannelId, ConversationId, MessageId, TenantId
from bot.core.messages import Outgoing, ReactionOut
from storage.base import Claim
from storage.crypto import Vault

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Which attempt at which message."""

    tenant_id: TenantId
    message_id: MessageId
    created_at: datetime
    attempt: int

    def write(self, vault: Vault) -> str:
        """About 50 characters; no secret, no personal data."""
        micros = (self.created_at - _EPOCH) // _MICROSECOND
        text = f"s1.{self.tenant_id}.{self.message_id}.{micros}.{self.attempt}"
        return f"{text}.{vault.sign(text)}"


def read_correlation(text: str | None, vault: Vault) -> Correlation | None:
    """What `Correlation.write` wrote; None for anything else, however hostile."""
    if not text or not text.startswith("s1.") or not text.isascii() or len(text) > 120:
        return None
    body, _, tag = text.rpartition(".")
    if not vault.signed(body, tag):
        return None
    _, tenant, message, micros, attempt = body.split(".")
    return Correlation(
        tenant_id=TenantId(int(tenant)),
        message_id=MessageId(int(message)),
        created_at=_EPOCH + int(micros) * _MICROSECOND,
        attempt=int(attempt),
    )


def claimed(
    vault: Vault,
    tenant_id: TenantId,
    *,
    conversation_id: ConversationId,
    message_id: MessageId,
    created_at: datetime,
    channel_id: ChannelId,
    attempt: int,
    fence: int,
    content: Outgoing,
    phone: str | None,
    user_id: str | None,
    reply_to: str | None = None,
    last_inbound_at: datetime | None = None,
    language: str = "en",
) -> Claim:
    """A claim on a message, with the text that its statuses will bring back.

    Ids of messages it refers to are opened. What it quotes is left out when that cannot be read.

    Raises:
        StorageError: It is a reaction, and what to cannot be read.
    """
    named = Correlation(tenant_id=tenant_id, message_id=message_id, created_at=created_at, attempt=attempt)
    return Claim(
        tenant_id=tenant_id,
        conversation_id=conversation_id,
        message_id=message_id,
        created_at=created_at,
        channel_id=channel_id,
        attempt=attempt,
        fence=fence,
        content=replace(content, message_id=vault.open_id(tenant_id, content.message_id))
        if isinstance(content, ReactionOut)
        else content,
        phone=phone,
        user_id=user_id,
        correlation=named.write(vault),
        reply_to=_quoted(vault, tenant_id, reply_to),
        last_inbound_at=last_inbound_at,
        language=language,
    )


def _quoted(vault: Vault, tenant_id: TenantId, reply_to: str | None) -> str | None:
    try:
        return vault.open_id(tenant_id, reply_to) if reply_to else None
    except StorageError:
        return None
