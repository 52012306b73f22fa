"""`bot unread`."""

from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from bot.cli.running import run
from bot.cli.tenant import load_tenant_settings
from bot.core.ids import TenantId
from bot.runtime.bootstrap import open_system
from storage.postgres import kept_webhooks

NOBODY = TenantId(0)


def unread(*, limit: Annotated[int, Parameter(help="How many at the most")] = 20) -> None:
    """Show the latest webhooks that nothing was made of: kinds we do not act on, rubbish, numbers that are not ours."""
    settings = load_tenant_settings()

    async def main() -> None:
        console = Console(highlight=False)
        async with open_system(settings, deploy=False) as system:
            base, found = system.foundation, 0
            for tenant in (system.channel.tenant_id, NOBODY):
                for kept in await kept_webhooks(base.database, base.vault, tenant, limit):
                    found += 1
                    console.print(f"{kept.received_at:%Y-%m-%d %H:%M:%S} UTC  {kept.kind}", style="bold", markup=False)
                    console.print(kept.body.decode(errors="replace"), markup=False, soft_wrap=True)
            console.print(f"{found} kept." if found else "Nothing was kept: every webhook was understood.", style="dim")

    run(main())
