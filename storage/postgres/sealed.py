"""Everything in the database that was made with a secret key. A test compares this with the schema.

Whoever adds a column of bytes adds it here: only what is named here outlives the replacement of a key.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """Columns of a table that `Vault.seal` made.

    `key` is a number that leads to the row, None: there are few rows. What has `plain` bytes was kept in the clear
    by an older version, and is still to be sealed.
    """

    table: str
    columns: tuple[str, ...]
    key: str | None
    at_once: int = 500
    plain: int | None = None


SEALED = (
    Sealed(table="contacts", columns=("phone", "user_id"), key="contact_id"),
    Sealed(table="whatsapp_configurations", columns=("secrets",), key="channel_id"),
    Sealed(table="webhook_endpoints", columns=("secret",), key="endpoint_id"),
    Sealed(table="webhook_events", columns=("body",), key="webhook_id", at_once=20),  # up to 4 MiB each
    Sealed(table="contact_merges", columns=("phone", "user_id"), key="merge_id"),
    Sealed(table="kept_keys", columns=("sealed",), key=None),
    Sealed(table="business_settings", columns=("link_key",), key=None, plain=32),
)
"""Decrypted with the old key and encrypted with the new one."""

IDS = {
    "whatsapp_messages.provider_message_id": "a column",
    "whatsapp_messages.reply_to": "a column",
    "whatsapp_messages.content": "message_id, of what reacts to, changes or takes back a message",
    "delivery_updates.provider_message_id": "a column",
    "inbox.event": "sent_as, reply_to, content.message_id",
    "dead_letters.event": "sent_as, reply_to, content.message_id",
}
"""Texts that hold what `Vault.seal_id` made (storage/postgres/ids.py): decrypted and encrypted anew as well."""

INDEXED = {
    "contact_identities.identity": "made anew from contacts",
    "message_keys.key": "made anew from whatsapp_messages",
    "delivery_updates.key": "made anew from its own row",
    "erased_addresses.identity": "the address is gone: its index key is kept",
    "whatsapp_audit_logs.mac": "append-only: its key is kept",
    "audit_seals.chain": "append-only: its key is kept",
    "audit_heads.proof": "made anew with each seal; until then its key is kept",
    "api_tokens.digest": "the token is not known: its key is kept",
}
"""Keyed hashes, and what becomes of them."""

KEYLESS = {
    "secret_keys.check_value": "tells keys apart; of each key its own",
    "staff_invites.code_hash": "a slow hash of a code that is good for days",
    "whatsapp_media.sha256": "of the file",
    "media_uploads.sha256": "of the file",
}
"""Bytes that no secret key has a part in."""
