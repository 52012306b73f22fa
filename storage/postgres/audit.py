"""The audit log: entries that nobody can change unnoticed, not even the database's owner.

Theory of operation. Three things make an entry provable:

1. Its writer puts a *mac* beside it: a few random bytes, and a keyed hash of them and all it says, with a key derived
   from BOT_SECRET_KEY, which is not in the database. An entry that is edited, or written by somebody without the key,
   does not fit its mac; a copy of one has a mac that is there twice.
2. In the same statement, its number goes to `audit_unsealed`. Nothing is locked: writers never wait for each other.
3. Within seconds a chore takes a tenant's unsealed numbers, in order, into the next *seal*: the numbers, and a chain
   value, which is a keyed hash of the head before it, the numbers, and the macs. An entry that is gone is still named
   by its seal; one that was put in is named by none; exchanged, repeated or replaced ones change the chain.

The head of a tenant's chain says how many seals and entries there are, with a proof of its own that is kept nowhere
else: whoever cuts off the end of the chain cannot make the shorter one's head, and the next seal, which is made from
the head as it is found, does not fit what is left. Somebody who kept a copy of an older head, or removes the whole
chain, leaves no trace here; that is what the anchor is for, a file outside the database with the last head seen.

When a secret key is replaced, the key made from it for the audit is kept (storage/postgres/keys.py), with the number of
the last seal it may have been used for. What is older stays provable; with a stolen old key nothing new can be written,
and the first seal under the new key holds on to all that came before it.
"""

import json
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.core.ids import TenantId
from storage.base import AuditEntry
from storage.crypto import Vault, proof
from storage.postgres.database import Connection, Postgres, columns
from storage.postgres.keys import kept_keys

SEAL_ENTRIES = 5000
"""The most entries of one seal: their macs are read at once."""

_LONG = 3600.0  # seconds a statement over the whole log may take

_NONCE_BYTES = 8  # two entries of a tenant with the same ones: once in billions of entries, and they must be alike

_WRITE = """
WITH written AS (
    INSERT INTO whatsapp_audit_logs (tenant_id, at, actor, action, conversation_id, detail, mac)
    SELECT $1, a.at, a.actor, a.action, a.conversation_id, a.detail::jsonb, a.mac
    FROM unnest($2::timestamptz[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bytea[])
        AS a (at, actor, action, conversation_id, detail, mac)
    RETURNING audit_id
)
INSERT INTO audit_unsealed (tenant_id, audit_id) SELECT $1, w.audit_id FROM written w
"""
# The first seal of a tenant; of several processes that come at once, one makes it.
_FOUND = """
INSERT INTO audit_heads (tenant_id, seal_id, entries, proof) VALUES ($1, 0, 0, $2) ON CONFLICT DO NOTHING
"""
# The row lock is the lease: whoever holds it is the only one to seal, until the commit.
_HEAD = "SELECT seal_id, entries, proof FROM audit_heads WHERE tenant_id = $1 FOR UPDATE SKIP LOCKED"
_SET_HEAD = "UPDATE audit_heads SET seal_id = $2, entries = $3, proof = $4 WHERE tenant_id = $1"
_TAKE = """
WITH next AS (
    SELECT u.audit_id FROM audit_unsealed u WHERE u.tenant_id = $1 ORDER BY u.audit_id LIMIT $2
), taken AS (
    DELETE FROM audit_unsealed u USING next WHERE u.tenant_id = $1 AND u.audit_id = next.audit_id RETURNING u.audit_id
)
SELECT t.audit_id, l.at, l.actor, l.action, l.conversation_id, l.detail, l.mac
FROM taken t LEFT JOIN whatsapp_audit_logs l ON l.tenant_id = $1 AND l.audit_id = t.audit_id ORDER BY t.audit_id
"""
_SEAL = "INSERT INTO audit_seals (tenant_id, seal_id, sealed_at, entries, chain) VALUES ($1, $2, $3, $4, $5)"

_HEAD_NOW = "SELECT seal_id, entries, proof FROM audit_heads WHERE tenant_id = $1"
_SEALS = """
SELECT seal_id, sealed_at, entries, chain FROM audit_seals
WHERE tenant_id = $1 AND seal_id > $2 AND seal_id <= $3 ORDER BY seal_id LIMIT 20
"""
_ENTRIES = """
SELECT audit_id, at, actor, action, conversation_id, detail, mac FROM whatsapp_audit_logs
WHERE tenant_id = $1 AND audit_id = ANY ($2::bigint[])
"""
_WAITING = """
SELECT u.audit_id, l.at, l.actor, l.action, l.conversation_id, l.detail, l.mac FROM audit_unsealed u
LEFT JOIN whatsapp_audit_logs l ON l.tenant_id = $1 AND l.audit_id = u.audit_id
WHERE u.tenant_id = $1 ORDER BY u.audit_id
"""
_COUNTS = """
SELECT (SELECT count(*) FROM whatsapp_audit_logs WHERE tenant_id = $1) AS stored,
       (SELECT coalesce(sum(cardinality(entries)), 0) FROM audit_seals WHERE tenant_id = $1) AS sealed,
       (SELECT count(*) FROM audit_unsealed WHERE tenant_id = $1) AS waiting
"""
_IN_NO_SEAL = """
SELECT l.audit_id FROM whatsapp_audit_logs l
WHERE l.tenant_id = $1
  AND NOT EXISTS (SELECT FROM audit_unsealed u WHERE u.tenant_id = $1 AND u.audit_id = l.audit_id)
  AND l.audit_id NOT IN (SELECT unnest(s.entries) FROM audit_seals s WHERE s.tenant_id = $1)
ORDER BY l.audit_id LIMIT 100
"""
_TWICE = """
SELECT audit_id FROM (SELECT audit_id, row_number() OVER (PARTITION BY mac ORDER BY audit_id) AS place
                      FROM whatsapp_audit_logs WHERE tenant_id = $1 AND mac <> '') AS l
WHERE l.place > 1 ORDER BY audit_id LIMIT 100
"""
_BEYOND = """
SELECT s.seal_id FROM audit_seals s
WHERE s.tenant_id = $1 AND s.seal_id > (SELECT h.seal_id FROM audit_heads h WHERE h.tenant_id = $1)
ORDER BY s.seal_id LIMIT 100
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A head that was seen, kept outside the database: how many seals there were, and the last one's chain value."""

    seal: int
    chain: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written. `place` is like `entry 17`, `seal 3` or `head`."""

    place: str
    told: str


@dataclass(frozen=True, slots=True)
class Checked:
    """So much of the log has been looked at."""

    entries: int
    of: int


async def write_audit(db: Connection, vault: Vault, tenant: TenantId, entries: Sequence[AuditEntry]) -> None:
    """Add entries to the log, in the caller's transaction.

    Details are JSON and must name no person, by number or otherwise: entries outlive erasure. Receipts, whose wording
    is the author's, are kept as keyed hashes.
    """
    if not entries:
        return
    rows = []
    for entry in entries:
        detail = _settled(entry.detail)
        if detail.get("receipt"):
            detail["receipt"] = vault.receipt(tenant, str(detail["receipt"]))
        said = (entry.at, entry.actor, entry.action, entry.conversation_id, detail)
        nonce = os.urandom(_NONCE_BYTES)
        mac = nonce + vault.audit_mac(tenant, _entry_text(nonce, *said))
        rows.append((entry.at, entry.actor, entry.action, entry.conversation_id, json.dumps(detail), mac))
    await db.execute(_WRITE, tenant, *columns(rows, 6))


@dataclass(frozen=True, slots=True)
class _Key:
    """What entries and seals may have been made with; `until`: the last seal so made, None when it is in use."""

    key: bytes
    until: int | None

    def may(self, seal: int) -> bool:
        return self.until is None or seal <= self.until


class AuditChain:
    """Seals the audit log and verifies it.

    Args:
        database: Where it is.
        vault: Has the key.
    """

    def __init__(self, database: Postgres, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def seal_all(self, now: datetime) -> int:
        """Seal what waits, of every tenant; returns how many entries."""
        async with self._database.connection() as db:
            tenants = [TenantId(row[0]) for row in await db.fetch("SELECT * FROM tenants_with_unsealed()")]
        sealed = 0
        for tenant in tenants:
            while taken := await self.seal(tenant, now):
                sealed += taken
        return sealed

    async def found(self, tenant: TenantId) -> None:
        """Begin a tenant's chain, unless it has begun: from then on it is noticed when the whole of it disappears."""
        async with self._database.tenant(tenant) as db:
            await db.execute(_FOUND, tenant, self._vault.audit_mac(tenant, _head_text(0, 0, b"")))

    async def seal(self, tenant: TenantId, now: datetime) -> int:
        """Put a tenant's oldest unsealed entries into the next seal.

        Returns:
            How many; 0 when none waits, or another process is at it.
        """
        async with self._database.tenant(tenant) as db:
            await db.execute(_FOUND, tenant, self._vault.audit_mac(tenant, _head_text(0, 0, b"")))
            head = await db.fetchrow(_HEAD, tenant)
            if head is None:
                return 0
            rows = await db.fetch(_TAKE, tenant, SEAL_ENTRIES)
            if not rows:
                return 0
            number, total = head["seal_id"] + 1, head["entries"] + len(rows)
            ids = [row["audit_id"] for row in rows]
            key = self._vault.key_of(tenant, "audit", self._vault.keys.seal) or b""
            macs = [_told_mac(key, row, first=number == 1) for row in rows]
            chain = proof(key, _link_text(number, now, head["proof"], ids, macs))
            await db.execute(_SEAL, tenant, number, now, ids, chain)
            await db.execute(_SET_HEAD, tenant, number, total, proof(key, _head_text(number, total, chain)))
        return len(rows)

    async def verify(self, tenant: TenantId, anchor: Anchor | None = None) -> AsyncIterator[Finding | Checked | Anchor]:
        """Look at a tenant's whole log.

        Yields:
            What is wrong, and after each few seals how far we are. The last item is the present head.
        """
        async with self._database.tenant(tenant) as db:
            head = await db.fetchrow(_HEAD_NOW, tenant)
            keys = await self._keys(db, tenant)
        last, total = (head["seal_id"], head["entries"]) if head else (0, 0)
        seen, done, chain, anchored = 0, 0, b"", anchor is None or anchor.seal == 0
        heads = [proof(key.key, _head_text(0, 0, b"")) for key in keys]  # whichever of the keys it was made with
        while seen < last:
            async with self._database.tenant(tenant) as db:
                seals = await db.fetch(_SEALS, tenant, seen, last)
                for seal in seals:
                    if seal["seal_id"] != seen + 1:
                        yield _gone(seen + 1, seal["seal_id"] - 1)
                    rows = {row["audit_id"]: row for row in await db.fetch(_ENTRIES, tenant, seal["entries"])}
                    allowed = [key for key in keys if key.may(seal["seal_id"])]
                    findings, made_with = _look_at(seal, heads, rows, allowed)
                    for finding in findings:
                        yield finding
                    seen, chain, done = seal["seal_id"], seal["chain"], done + len(seal["entries"])
                    heads = [proof(key.key, _head_text(seen, done, chain)) for key in made_with]
                    if anchor is not None and seen == anchor.seal:
                        anchored = chain.hex() == anchor.chain
            yield Checked(done, total)
            if not seals:
                yield _gone(seen + 1, last)
                break
        if head is None:
            yield Finding("head", "The chain has no head: it was removed, or the clock part has never run here.")
        elif head["proof"] not in heads or total != done:
            yield Finding("head", "It does not fit the last seal: the end of the log was cut off, or the head changed.")
        if not anchored:
            yield Finding("head", f"Seal {anchor.seal if anchor else 0} is not the one that was seen before.")
        async for finding in self._loose(tenant, [key for key in keys if key.until is None]):
            yield finding
        yield Anchor(seal=seen, chain=chain.hex())

    async def _keys(self, db: Connection, tenant: TenantId) -> list[_Key]:
        kept = await kept_keys(db, self._vault, tenant, "audit")
        keys = [_Key(key, until) for number, (key, until) in kept.items() if number not in self._vault.keys.secrets]
        for number in self._vault.keys.secrets:
            key = self._vault.key_of(tenant, "audit", number)
            keys += [_Key(key, None)] if key is not None else []
        return keys

    async def _loose(self, tenant: TenantId, keys: Sequence[_Key]) -> AsyncIterator[Finding]:
        """What is outside the chain: entries that wait, and rows nobody knows."""
        async with self._database.tenant(tenant) as db:
            for row in await db.fetch(_BEYOND, tenant):
                yield Finding(f"seal {row['seal_id']}", "It is beyond the head: one was put in, or the head set back.")
            for row in await db.fetch(_WAITING, tenant):
                known = row if row["at"] is not None else None
                finding = _of_entry(keys, row["audit_id"], known, first=False)
                if finding is not None:
                    yield finding
            for row in await db.fetch(_TWICE, tenant, timeout=_LONG):
                yield Finding(f"entry {row['audit_id']}", "It is a copy of another one.")
            counts = await db.fetchrow(_COUNTS, tenant, timeout=_LONG)
            if counts is not None and counts["stored"] != counts["sealed"] + counts["waiting"]:
                for row in await db.fetch(_IN_NO_SEAL, tenant, timeout=_LONG):
                    yield Finding(f"entry {row['audit_id']}", "It is in no seal: it was put in, or kept from sealing.")


def _look_at(
    seal: Any, before: Sequence[bytes], rows: dict[int, Any], keys: Sequence[_Key]
) -> tuple[list[Finding], list[_Key]]:
    """What is wrong with a seal and its entries, and which key it was made with: any of them, if it fits none."""
    first, found = seal["seal_id"] == 1, []
    for number in seal["entries"]:
        finding = _of_entry(keys, number, rows.get(number), first=first)
        if finding is not None:
            found.append(finding)
    for key in keys:
        macs = [_told_mac(key.key, rows[one], first=first) if one in rows else b"" for one in seal["entries"]]
        for head in before:
            text = _link_text(seal["seal_id"], seal["sealed_at"], head, seal["entries"], macs)
            if seal["chain"] == proof(key.key, text):
                return found, [key]
    if not found:
        told = "It does not fit the chain: it, one before it, or the order of its entries was changed."
        found.append(Finding(f"seal {seal['seal_id']}", told))
    return found, list(keys)


def _of_entry(keys: Sequence[_Key], number: int, row: Any, *, first: bool) -> Finding | None:
    if row is None:
        return Finding(f"entry {number}", "It is gone.")
    if first and not row["mac"]:
        return None  # written before there were macs; the chain has it
    nonce = row["mac"][:_NONCE_BYTES]
    text = _row_text(row, nonce)
    if not any(row["mac"] == nonce + proof(key.key, text) for key in keys):
        return Finding(f"entry {number}", "It was changed, or is not from this system.")
    return None


def _told_mac(key: bytes, row: Any, *, first: bool) -> bytes:
    """The mac that goes into the chain: the stored one. In the first seal, entries older than macs get theirs."""
    stored: bytes = row["mac"] or b""
    return proof(key, _row_text(row, b"")) if first and not stored and row["at"] is not None else stored


def _row_text(row: Any, nonce: bytes) -> bytes:
    detail = _settled(json.loads(row["detail"]))
    return _entry_text(nonce, row["at"], row["actor"], row["action"], row["conversation_id"], detail)


def _entry_text(nonce: bytes, at: datetime, actor: str, action: str, where: int | None, detail: Any) -> bytes:
    said = [nonce.hex(), at.astimezone(UTC).isoformat(), actor, action, where, detail]
    return b"entry " + json.dumps(said, sort_keys=True).encode()


def _link_text(number: int, at: datetime, before: bytes, ids: Sequence[int], macs: Sequence[bytes]) -> bytes:
    text = f"seal {number} {at.astimezone(UTC).isoformat()} {before.hex()} "
    return (text + ",".join(f"{entry}:{mac.hex()}" for entry, mac in zip(ids, macs, strict=True))).encode()


def _head_text(number: int, entries: int, chain: bytes) -> bytes:
    return f"head {number} {entries} {chain.hex()}".encode()


def _settled(value: Any) -> Any:
    """A JSON value that PostgreSQL gives back as it took it: floats, whose form it changes, become text."""
    match value:
        case float():
            return repr(value)
        case dict():
            return {str(key): _settled(item) for key, item in value.items()}
        case list() | tuple():
            return [_settled(item) for item in value]
        case _:
            return value


def _gone(first: int, last: int) -> Finding:
    place = f"seal {first}" if first == last else f"seals {first} to {last}"
    return Finding(place, "Gone: the entries of that time cannot be vouched for.")
