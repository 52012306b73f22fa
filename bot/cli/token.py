"""`bot token create|list|revoke`."""

from datetime import timedelta
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from bot.cli.running import run
from bot.cli.tenant import open_desk
from bot.core.errors import ConfigError, StorageError
from bot.core.ids import ContactId
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
        async with open_desk() as desk:
            if contact and await desk.db.fetchval(_KNOWN, desk.tenant, contact) is None:
                raise StorageError(f"There is no contact {contact}.")
            number, text = await create_token(
                desk.db, desk.vault, desk.tenant, name=name, role=role, scopes=scopes, at=desk.now,
                expires_at=desk.now + timedelta(days=days) if days else None,
                contact_id=ContactId(contact) if contact else None,
            )  # fmt: skip
            await desk.note("tokens.created", token=number)
            return text

    text = run(main())
    Console(highlight=False, stderr=True).print("Keep it well: it is not shown again.", style="yellow")
    Console(highlight=False, soft_wrap=True).print(text, markup=False)


def show() -> None:
    """List the tokens, without what makes them work."""

    async def main() -> Table:
        table = Table("number", "name", "role", "scopes", "made", "ends", "last used")
        async with open_desk() as desk:
            for token in await list_tokens(desk.db, desk.tenant):
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
        async with open_desk() as desk:
            if not await revoke_token(desk.db, desk.tenant, number, desk.now):
                raise StorageError(f"There is no token {number} that is in force.")
            await desk.note("tokens.revoked", token=number)

    run(main())
    Console(highlight=False).print(f"Token {number} is revoked.", style="green")


def _scopes() -> frozenset[str]:
    from bot.web.api import all_routes  # takes a moment to import

    known = {route.scope for route in all_routes().all if route.scope is not None}
    return frozenset(known | {"*:read", "*:write"})
