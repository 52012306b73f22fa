"""One secret key takes another's place, while everything runs.

Each step is in the database before the next one begins, so that whoever is killed goes on where it was: the states of
the keys (storage/postgres/keys.py), and how far making things anew has come. Rows are made anew a few at a time, each
time in a transaction of its own, and only if nobody has changed them meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from bot.core.errors import StorageError
from bot.core.ids import ChannelId, TenantId
from storage.base import AuditEntry
from storage.crypto import MOST_KEYS, Vault, check_value, number_of
from storage.postgres.anew import Step, people_step, sealed_step
from storage.postgres.audit import AuditChain, write_audit
from storage.postgres.database import Postgres
from storage.postgres.ids import id_steps, ids_left, messages_step
from storage.postgres.keys import (
    EVERYBODY,
    Ring,
    add_key,
    keep_key,
    key_is_gone,
    move_key,
    open_ring,
    processes,
)
from storage.postgres.sealed import SEALED
from storage.postgres.tokens import DIGEST_BYTES

_LONG = 3600.0  # seconds that counting may take
_STEADY = 3.0  # seconds that all processes must have been as far: one that starts is heard within less
_LOOK = 0.2
_IN_FLIGHT = timedelta(minutes=2)  # after which what was signed with the old key has come back, or never will

_TENANTS = "SELECT * FROM all_tenants()"
_PROGRESS = "SELECT position, done, finished FROM key_progress WHERE tenant_id = $1 AND number = $2 AND step = $3"
_PROGRESSED = """
INSERT INTO key_progress (tenant_id, number, step, position, done, finished) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, number, step) DO UPDATE
SET position = excluded.position, done = excluded.done, finished = excluded.finished
"""
_OVER = "DELETE FROM key_progress WHERE tenant_id = $1 AND number = $2"

_CHANNELS = "SELECT channel_id FROM whatsapp_configurations WHERE tenant_id = $1"
_UPDATES = """
SELECT update_id, key, provider_message_id FROM delivery_updates WHERE tenant_id = $1 ORDER BY update_id FOR UPDATE
"""
_REKEY_UPDATE = "UPDATE delivery_updates SET key = $3 WHERE tenant_id = $1 AND update_id = $2"
_UNANSWERED = "SELECT EXISTS (SELECT FROM outbox WHERE tenant_id = $1 AND state <> 'READY')"
_XMAX = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_XMIN = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_HAS_CHAIN = "SELECT seal_id FROM audit_heads WHERE tenant_id = $1"
_DIGESTS = "SELECT digest FROM api_tokens WHERE tenant_id = $1"
_ERASED = "SELECT identity FROM erased_addresses WHERE tenant_id = $1"


def _forget_page(table: str, column: str) -> str:
    """Deletes what is under a key ($2 bytes, $3 in front) from a page of an index; the page's last entry, if any."""
    return f"""
    WITH page AS (
        SELECT t.{column} AS entry FROM {table} t WHERE t.tenant_id = $1 AND t.{column} > $4
        ORDER BY t.{column} LIMIT 5000
    ), gone AS (
        DELETE FROM {table} t USING page
        WHERE t.tenant_id = $1 AND t.{column} = page.entry
          AND octet_length(page.entry) = $2 AND ($2 = 16 OR get_byte(page.entry, 0) = $3)
    )
    SELECT page.entry FROM page ORDER BY page.entry DESC LIMIT 1
    """  # noqa: S608  our own names


_FORGET = (_forget_page("contact_identities", "identity"), _forget_page("message_keys", "key"))


@dataclass(frozen=True, slots=True)
class Progress:
    """What is being done, for whoever watches: so many rows `done` of about so many; None: it waits for something."""

    step: str
    done: int
    of: int | None = None


Stop = Callable[[str], Awaitable[None]]


async def _no_stop(_: str) -> None:
    return None


class Rotation:
    """Replaces the current secret key by the next one.

    Args:
        database: Where.
        secrets: Those this process has: the current one, and the next one.
        clock: The time.
        patience: Seconds to wait for servers that have not taken a step.
        steady: Seconds for which all must have taken it.
        stop: Called at each named place; tests die there.
    """

    def __init__(
        self, database: Postgres, secrets: Sequence[bytes], clock: Callable[[], datetime], *,
        patience: float = 60.0, steady: float = _STEADY, stop: Stop = _no_stop,
    ) -> None:  # fmt: skip
        self._database = database
        self._secrets = secrets
        self._clock = clock
        self._patience = patience
        self._steady = steady
        self._stop = stop

    async def run(self) -> AsyncIterator[Progress]:
        """Go on from wherever it is, to the end.

        Yields:
            How far it is.

        Raises:
            StorageError: There is no next key, or a server does not go along. What is done stays done.
        """
        ring = await open_ring(self._database, self._secrets)
        if all(key.state in ("CURRENT", "RETIRED") for key in ring.known):
            if (left := next((key for key in ring.known if key.state == "RETIRED" and not key.gone_at), None)) is None:
                await self._introduce(ring)
            else:
                async for progress in self._clear(left.number):
                    yield progress
                return
        if (ring := await self._ring()).only("READY"):
            yield Progress("all servers write indexes under both keys", 0)
            await self._all_have(ring)
            await self._move({"CURRENT": "RETIRING", "READY": "CURRENT"})
        if (ring := await self._ring()).only("RETIRING"):
            yield Progress("all servers encrypt with the new key", 0)
            await self._all_have(ring)
            await self._others_are_done()
            async for progress in self._make_anew(ring):
                yield progress
            await self._move({"RETIRING": "LEAVING"})
        if (ring := await self._ring()).only("LEAVING"):
            yield Progress("all servers look up under the new key", 0)
            await self._all_have(ring)
            await self._others_are_done()
            await self._let_it_come_back(ring)
            await self._keep(ring)
            await self._move({"LEAVING": "RETIRED"})
        ring = await self._ring()
        for key in ring.known:
            if key.state == "RETIRED" and key.gone_at is None:
                yield Progress("no server uses the old key", 0)
                async for progress in self._clear(key.number):
                    yield progress

    async def _ring(self) -> Ring:
        return await open_ring(self._database, self._secrets)

    async def _introduce(self, ring: Ring) -> None:
        known = {key.check_value for key in ring.known}
        fresh = [secret for secret in self._secrets if check_value(secret) not in known]
        if not fresh:
            raise StorageError(
                "There is no next key. On every host, add one to BOT_SECRET_KEY after a comma: openssl rand -base64 32"
            )
        number = max(key.number for key in ring.known) + 1
        if number > MOST_KEYS:
            raise StorageError(f"This database has had {MOST_KEYS} keys, and there are no more numbers.")
        async with self._database.tenant(EVERYBODY) as db:
            await add_key(db, number, fresh[0], self._clock())
        await self._stop("introduced")

    async def _move(self, states: dict[str, str]) -> None:
        """All at once; who is killed before has changed nothing."""
        ring = await self._ring()
        async with self._database.tenant(EVERYBODY) as db:
            for old, new in states.items():
                key = ring.only(old)
                if key is None:
                    raise StorageError("Somebody else is replacing the key.")
                await move_key(db, key.number, new, self._clock())
        await self._stop(f"moved to {new}")

    async def _all_have(self, ring: Ring) -> None:
        """Wait until all servers go by this ring, and have for a while."""
        loop = asyncio.get_running_loop()
        give_up, since = loop.time() + self._patience, loop.time()
        while True:
            async with self._database.connection() as db:
                who = await processes(db, ring.version)
            now = loop.time()
            if who.behind:
                since = now
            elif now - since >= (self._steady if who.all else 0):
                return
            if now >= give_up and who.behind:
                lack = (
                    f"{who.lacking} of them lack the new key in BOT_SECRET_KEY" if who.lacking else "they do not answer"
                )
                raise StorageError(
                    f"{who.behind} of {who.all} servers have not taken the last step: {lack}. "
                    "Nothing is lost; see to them, and run this again."
                )
            await asyncio.sleep(_LOOK)

    async def _others_are_done(self) -> None:
        """Wait until every transaction that was under way has ended: it may have begun with the step before."""
        async with self._database.connection() as db:
            began = await db.fetchval(_XMAX)
            loop = asyncio.get_running_loop()
            give_up = loop.time() + self._patience
            while await db.fetchval(_XMIN) < began:
                if loop.time() > give_up:
                    raise StorageError(
                        "A transaction does not end; see pg_stat_activity. Nothing is lost: run this again."
                    )
                await asyncio.sleep(_LOOK)

    async def _tenants(self) -> list[TenantId]:
        async with self._database.connection() as db:
            return [TenantId(row[0]) for row in await db.fetch(_TENANTS)]

    # --- Making anew --------------------------------------------------------------------------------------------------

    async def _make_anew(self, ring: Ring) -> AsyncIterator[Progress]:
        vault = Vault(ring.keys)
        new = ring.keys.seal
        waiting = [("people", "contacts", people_step(vault)), *id_steps(vault)]
        steps: list[tuple[str, str, Step]] = [("messages", "whatsapp_messages", messages_step(vault))]
        steps += [(one.table, one.table, sealed_step(vault, one)) for one in SEALED]
        tenants = await self._tenants()
        for tenant in tenants:
            for name, table, step in waiting:
                async for progress in self._walk(tenant, new, name, table, step):
                    yield progress
        await self._others_are_done()  # who has read an id that waited writes it into a message
        for tenant in tenants:
            for name, table, step in steps:
                async for progress in self._walk(tenant, new, name, table, step):
                    yield progress
            if left := await self._left(vault, tenant):
                raise StorageError(f"Something is still encrypted with the old key, in {left}: run this again.")

    async def _walk(self, tenant: TenantId, number: int, name: str, table: str, step: Step) -> AsyncIterator[Progress]:
        async with self._database.tenant(tenant) as db:
            row = await db.fetchrow(_PROGRESS, tenant, number, name)
            if row is not None and row["finished"]:
                return
            count = f'SELECT count(*) FROM "{table}" WHERE tenant_id = $1'  # noqa: S608  our own names
            total = await db.fetchval(count, tenant, timeout=_LONG)
        position, done = (row["position"], row["done"]) if row is not None else (0, 0)
        while True:
            try:
                async with self._database.tenant(tenant) as db:
                    page = await step(db, tenant, position)
                    done_now, last = done + page.rows, page.last
                    await db.execute(_PROGRESSED, tenant, number, name, page.position, done_now, last)
            except asyncpg.DeadlockDetectedError:
                continue  # somebody else goes first
            await self._stop(name)
            position, done = page.position, done_now
            yield Progress(name, done, max(total, done))
            if last:
                return

    async def _left(self, vault: Vault, tenant: TenantId) -> str:
        """Where something is that was not encrypted with the present key; forgets that this was walked through."""
        for one in SEALED:
            for column in one.columns:
                async with self._database.tenant(tenant) as db:
                    found = await db.fetchval(
                        f"SELECT EXISTS (SELECT FROM {one.table} WHERE tenant_id = $1 "  # noqa: S608
                        f"AND octet_length({column}) > 0 AND substring({column} FROM 1 FOR 1) <> $2)",
                        tenant, bytes([vault.keys.seal]), timeout=_LONG,
                    )  # fmt: skip
                    if found:
                        await db.execute(_PROGRESSED, tenant, vault.keys.seal, one.table, 0, 0, False)
                        return f"{one.table}.{column}"
        async with self._database.tenant(tenant) as db:
            if table := await ids_left(db, vault, tenant):
                for name, _, _ in (*id_steps(vault), ("messages", "", None)):
                    await db.execute(_PROGRESSED, tenant, vault.keys.seal, name, 0, 0, False)
        return table

    # --- Letting go ---------------------------------------------------------------------------------------------------

    async def _let_it_come_back(self, ring: Ring) -> None:
        """What goes out is signed with the key of the moment: wait for what is on its way."""
        until = self._clock() + _IN_FLIGHT
        for tenant in await self._tenants():
            while self._clock() < until:
                async with self._database.tenant(tenant) as db:
                    if not await db.fetchval(_UNANSWERED, tenant):
                        break
                await asyncio.sleep(_LOOK)

    async def _keep(self, ring: Ring) -> None:
        """Keep what has to be proved with the old key for ever, and say in the audit that it is replaced."""
        leaving = ring.only("LEAVING")
        assert leaving is not None  # noqa: S101
        old, vault = leaving.number, Vault(ring.keys)
        chain = AuditChain(self._database, vault)
        for tenant in await self._tenants():
            await self._rekey_updates(vault, tenant, old)
            while await chain.seal(tenant, self._clock()):
                pass
            async with self._database.tenant(tenant) as db:
                last = await db.fetchval(_HAS_CHAIN, tenant)
                if last is not None:
                    await keep_key(db, vault, tenant, "audit", old, last)
                digests = [row["digest"] for row in await db.fetch(_DIGESTS, tenant)]
                if any(number_of(digest, DIGEST_BYTES) == old for digest in digests):
                    await keep_key(db, vault, tenant, "token", old)
                if any(number_of(row["identity"]) == old for row in await db.fetch(_ERASED, tenant)):
                    await keep_key(db, vault, tenant, "index", old)
                if last is not None:
                    detail = {"from": old, "to": ring.keys.seal}
                    said = AuditEntry(
                        at=self._clock(), actor="cli", action="keys.rotated", conversation_id=None, detail=detail
                    )
                    await write_audit(db, vault, tenant, [said])
            await chain.seal(tenant, self._clock())
        await self._stop("kept")

    async def _clear(self, old: int) -> AsyncIterator[Progress]:
        """Delete the indexes under a key that nobody uses any more."""
        ring = await self._ring()
        await self._all_have(ring)
        await self._others_are_done()
        vault = Vault(ring.keys)
        size = 16 if old == 1 else 17
        for tenant in await self._tenants():
            for done, statement in enumerate(_FORGET):
                last: bytes | None = b""
                while last is not None:
                    async with self._database.tenant(tenant) as db:
                        last = await db.fetchval(statement, tenant, size, old, last)
                    await self._stop("forget")
                yield Progress("forgetting", done + 1, len(_FORGET))
            async with self._database.tenant(tenant) as db:
                await db.execute(_OVER, tenant, vault.keys.seal)
        async with self._database.tenant(EVERYBODY) as db:
            await key_is_gone(db, old, self._clock())

    async def _rekey_updates(self, vault: Vault, tenant: TenantId, old: int) -> None:
        """Statuses that wait for their message look for it under the present key from now on."""
        async with self._database.tenant(tenant) as db:
            channels = [ChannelId(row["channel_id"]) for row in await db.fetch(_CHANNELS, tenant)]
            for row in await db.fetch(_UPDATES, tenant):
                told = vault.open_id(tenant, row["provider_message_id"])
                for channel in channels:  # which number it came to is not written there, but the old key tells
                    before, after = vault.message_keys(tenant, channel, told)
                    if row["key"] == before:
                        await db.execute(_REKEY_UPDATE, tenant, row["update_id"], after)
