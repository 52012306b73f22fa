"""`bot token create|list|revoke`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from bot.cli.running import run
from bot.config import load_database_settings
from bot.core.errors import ConfigError, StorageError
from bot.core.ids import ContactId, TenantId
from bot.runtime.bootstrap import Foundation, open_foundation
from bot.runtime.loop import utc_now
from storage.base import AuditEntry
from storage.postgres.audit import write_audit
from storage.postgres.database import Connection
from storage.postgres.inspection import Inspection
from storage.postgres.tokens import create_token, list_tokens, revoke_token

Role = Literal["customer", "sales", "operations", "field_staff", "manager"]

_MOST_DAYS = 3650
_KNOWN = "SELECT contact_id FROM contacts WHERE tenant_id = $1 AND contact_id = $2"


def create(
    name: Annotated[str, Parameter(help="What it is for, for people who look at the list")],
    role: Annotated[Role, Parameter(help="What it may do in the business")],
    *,
    scope: Annotated[
        list[str] | None,
        Parameter(help="What it may use: leads:read, leads:write, *:read, *:write, contacts:phone… Unset: *:read"),
    ] = None,
    days: Annotated[int, Parameter(help="After how many days it ends; 0: never")] = 365,
    contact: Annotated[int, Parameter(help="Number of the contact in whose name it acts; 0: nobody's")] = 0,
) -> None:
    """Make a token for the JSON API. It is shown now and never again."""
    scopes = scope or ["*:read"]
    wrong = [one for one in scopes if one not in _scopes()]
    if wrong:
        raise ConfigError([f"{', '.join(wrong)}: there are the scopes {', '.join(sorted(_scopes()))}."])
    if not 0 <= days <= _MOST_DAYS:
        raise ConfigError([f"--days {days}: between 0 and {_MOST_DAYS}."])

    async def main() -> str:
        async with _tenant() as (base, tenant, db):
            if contact and await db.fetchval(_KNOWN, tenant, contact) is None:
                raise StorageError(f"There is no contact {contact}.")
            now = utc_now()
            number, text = await create_token(
                db, base.vault, tenant, name=name, role=role, scopes=scopes, at=now,
                expires_at=now + timedelta(days=days) if days else None,
                contact_id=ContactId(contact) if contact else None,
            )  # fmt: skip
            await _note(db, base, tenant, "tokens.created", number)
            return text

    text = run(main())
    Console(highlight=False, stderr=True).print("Keep it well: it is not shown again.", style="yellow")
    Console(highlight=False, soft_wrap=True).print(text, markup=False)


def show() -> None:
    """List the tokens, without what makes them work."""

    async def main() -> Table:
        table = Table("number", "name", "role", "scopes", "made", "ends", "last used")
        async with _tenant() as (_, tenant, db):
            for token in await list_tokens(db, tenant):
                ends = (
                    "revoked" if token.revoked_at else f"{token.expires_at:%Y-%m-%d}" if token.expires_at else "never"
                )
                used = f"{token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "never"
                scopes = " ".join(sorted(token.scopes))
                made = f"{token.created_at:%Y-%m-%d}"
                table.add_row(str(token.token_id), token.name, token.role, scopes, made, ends, used)
        return table

    Console(highlight=False).print(run(main()))


def revoke(number: Annotated[int, Parameter(help="As `bot token list` shows it")]) -> None:
    """End a token at once."""

    async def main() -> None:
        async with _tenant() as (base, tenant, db):
            if not await revoke_token(db, tenant, number, utc_now()):
                raise StorageError(f"There is no token {number} that is in force.")
            await _note(db, base, tenant, "tokens.revoked", number)

    run(main())
    Console(highlight=False).print(f"Token {number} is revoked.", style="green")


def _scopes() -> frozenset[str]:
    from bot.web.api import all_routes  # takes a moment to import

    known = {route.scope for route in all_routes().all if route.scope is not None}
    return frozenset(known | {"*:read", "*:write"})


@asynccontextmanager
async def _tenant() -> AsyncIterator[tuple[Foundation, TenantId, Connection]]:
    settings = load_database_settings()
    async with open_foundation(settings) as base:
        tenant = await Inspection(base.database).tenant(settings.bot_tenant)
        if tenant is None:
            raise StorageError(f"There is no tenant {settings.bot_tenant}: start the server once, or set BOT_TENANT.")
        async with base.database.tenant(tenant) as db:
            yield base, tenant, db


async def _note(db: Connection, base: Foundation, tenant: TenantId, action: str, number: int) -> None:
    entry = AuditEntry(at=utc_now(), actor="cli", action=action, conversation_id=None, detail={"token": number})
    await write_audit(db, base.vault, tenant, [entry])
