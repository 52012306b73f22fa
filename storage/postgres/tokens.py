"""Tokens of the JSON API: random, shown once, stored as keyed hashes."""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.core.ids import ContactId, TenantId
from storage.crypto import Vault, number_of, proof
from storage.postgres.database import Connection
from storage.postgres.keys import kept_keys

_SECRET_BYTES = 32
DIGEST_BYTES = 32
"""Of a token; the number of the secret it was made with stands in front (storage/crypto.py)."""
_MOST_CHARACTERS = 200
_USED_AGAIN = timedelta(hours=1)  # how exact last_used_at is: a busy token's row is not written on every request

_CREATE = """
INSERT INTO api_tokens (tenant_id, name, role, scopes, digest, contact_id, created_at, expires_at)
VALUES ($1, $2, $3, $4, '', $5, $6, $7) RETURNING token_id
"""
_SET_DIGEST = "UPDATE api_tokens SET digest = $3 WHERE tenant_id = $1 AND token_id = $2"
_FIND = """
SELECT token_id, name, role, scopes, digest, contact_id, created_at, expires_at, revoked_at, last_used_at
FROM api_tokens WHERE tenant_id = $1 AND token_id = $2
"""
_LIST = """
SELECT token_id, name, role, scopes, contact_id, created_at, expires_at, revoked_at, last_used_at
FROM api_tokens WHERE tenant_id = $1 ORDER BY token_id
"""
_REVOKE = """
UPDATE api_tokens SET revoked_at = $3 WHERE tenant_id = $1 AND token_id = $2 AND revoked_at IS NULL RETURNING token_id
"""
_USED = "UPDATE api_tokens SET last_used_at = $3 WHERE tenant_id = $1 AND token_id = $2"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """Somebody, or a program, that may use the API: in which role, for what, and until when."""

    token_id: int
    name: str
    role: str
    scopes: frozenset[str]
    contact_id: ContactId | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def allows(self, scope: str) -> bool:
        """Whether a scope like `leads:read` is granted, by itself or by `*:read`; phone numbers only by themselves."""
        return scope in self.scopes or (not scope.endswith(":phone") and f"*:{scope.partition(':')[2]}" in self.scopes)


def tenant_of(text: str) -> tuple[TenantId, int] | None:
    """Whose token a text claims to be, and which; None when it has not the form of one. Proves nothing yet."""
    parts = text.split("_")
    if len(parts) != 4 or parts[0] != "sdr" or len(text) > _MOST_CHARACTERS or not text.isascii():
        return None
    if not all(part.isdigit() and len(part) <= 18 for part in parts[1:3]):
        return None
    return TenantId(int(parts[1])), int(parts[2])


async def create_token(
    db: Connection, vault: Vault, tenant: TenantId, *, name: str, role: str, scopes: Sequence[str], at: datetime,
    expires_at: datetime | None, contact_id: ContactId | None = None,
) -> tuple[int, str]:  # fmt: skip
    """Make a token.

    Returns:
        Its number, and its text, which is not stored anywhere.
    """
    number = await db.fetchval(_CREATE, tenant, name, role, sorted(set(scopes)), contact_id, at, expires_at)
    text = f"sdr_{tenant}_{number}_{secrets.token_hex(_SECRET_BYTES)}"
    await db.execute(_SET_DIGEST, tenant, number, vault.token_digest(tenant, text))
    return number, text


async def find_token(db: Connection, vault: Vault, tenant: TenantId, text: str, at: datetime) -> ApiToken | None:
    """The token that a text is; None when it is unknown, wrong, expired or revoked."""
    claimed = tenant_of(text)
    row = await db.fetchrow(_FIND, tenant, claimed[1]) if claimed is not None and claimed[0] == tenant else None
    # An unknown number costs the same as a wrong secret.
    known: bytes = row["digest"] if row is not None else bytes(32)
    if not hmac.compare_digest(known, await _digest_like(db, vault, tenant, known, text)) or row is None:
        return None
    token = _token(row)
    if token.revoked_at is not None or (token.expires_at is not None and token.expires_at <= at):
        return None
    if token.last_used_at is None or at - token.last_used_at >= _USED_AGAIN:
        await db.execute(_USED, tenant, token.token_id, at)
    return token


async def _digest_like(db: Connection, vault: Vault, tenant: TenantId, known: bytes, text: str) -> bytes:
    """The digest of a text under the secret that a known one was made with, be it in use or kept for this."""
    number = number_of(known, DIGEST_BYTES)
    key = vault.key_of(tenant, "token", number)
    if key is None:
        key, _ = (await kept_keys(db, vault, tenant, "token")).get(number, (b"", 0))
    return known[:-DIGEST_BYTES] + proof(key, text.encode()) if key else b""


async def list_tokens(db: Connection, tenant: TenantId) -> list[ApiToken]:
    """All tokens of a tenant, also those that are over."""
    return [_token(row) for row in await db.fetch(_LIST, tenant)]


async def revoke_token(db: Connection, tenant: TenantId, token_id: int, at: datetime) -> bool:
    """End a token; False when there is none that is not revoked yet."""
    return await db.fetchval(_REVOKE, tenant, token_id, at) is not None


def _token(row: Any) -> ApiToken:
    return ApiToken(
        token_id=row["token_id"],
        name=row["name"],
        role=row["role"],
        scopes=frozenset(row["scopes"]),
        contact_id=ContactId(row["contact_id"]) if row["contact_id"] is not None else None,
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )
