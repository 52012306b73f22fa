"""The aiohttp application, and serving it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog
from aiohttp import web

from bot.config import WEBHOOK_PATH
from bot.core.errors import ConfigError
from bot.operations.terms import take_payments
from bot.runtime.bootstrap import System
from bot.runtime.loop import Stopping
from bot.runtime.parts import Part
from bot.runtime.trouble import is_outage
from bot.web.api import add_api
from bot.web.desk import add_desk
from bot.web.files import SharedFiles
from bot.web.gate import Gate
from bot.web.health import Health, Lookout
from bot.web.pay import Payments
from bot.web.today import Today
from bot.web.webhook import MAX_BODY, Webhook
from storage.migrations import head

log = structlog.get_logger(__name__)

_FINISH_SECONDS = 20  # for requests under way when told to stop; less than BOT_DRAIN_SECONDS
_RETRY_SECONDS = 0.5
_PORTS = {"web": "BOT_PORT", "metrics": "BOT_METRICS_PORT"}
_BACKLOG = 1024  # connections the kernel holds while we are busy
_GUARDS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""What every answer says that says nothing else: also errors, and what aiohttp itself refuses."""


def make_app(system: System) -> web.Application:
    """The application that serves one system."""
    webhook = Webhook(
        gate=Gate(system.tenants),
        refresh=system.enrolment.refresh,
        intake=system.intake,
        courtesy=system.courtesy,
        clock=system.clock,
    )
    app = make_health_app(system)
    webhook.routes(app)
    Payments(system.office, system.tenants.closed).routes(app)
    add_api(app, system)
    add_desk(app)
    if system.links is not None:
        SharedFiles(system.links, system.files, system.clock).routes(app)
    return app


def make_health_app(system: System) -> web.Application:
    """What an operator's machines ask, alone: for processes that take no webhooks."""
    settings, tenants = system.settings, system.tenants
    today = Today(
        database=system.foundation.database,
        tenants=lambda: {tenant.tenant_id: tenant.slug for tenant in tenants},
        clock=system.clock,
    )
    health = Health(
        lookout=Lookout(queues=system.upkeep),
        clock=system.clock,
        limit_seconds=settings.bot_backlog_limit,
        today=today,
        revision=head(),
    )
    app = web.Application(client_max_size=MAX_BODY)
    app.on_response_prepare.append(_guard)
    app.router.add_get("/healthz", health.live)
    app.router.add_get("/readyz", health.ready)
    app.router.add_get("/metrics", health.metrics)
    return app


async def _guard(request: web.Request, response: web.StreamResponse) -> None:
    """Headers against what a browser might do with an answer; and nobody is told which versions answer."""
    response.headers["Server"] = "Sirdar"
    if not request.path.startswith(WEBHOOK_PATH):  # read by no browser, and many
        for name, value in _GUARDS.items():
            response.headers.setdefault(name, value)


def web_parts(system: System, names: Sequence[str]) -> list[Part]:
    """What this process answers over HTTP: webhooks and health, health alone, or nothing."""
    settings = system.settings
    if "web" in names:
        return [_serving("web", make_app(system), settings.bot_host, settings.bot_port, partial(_open_shop, system))]
    if settings.bot_metrics_port is not None:
        return [_serving("metrics", make_health_app(system), settings.bot_host, settings.bot_metrics_port)]
    return []


async def _open_shop(system: System, url: str) -> None:
    """Note who takes payments, and where people reach the page for it: of every tenant, whenever one changes."""
    edition = -1
    while True:
        tenants = system.tenants
        try:
            if edition != tenants.edition:
                seen = tenants.edition
                for tenant in tenants:
                    gateway, public = tenant.settings.bot_payment_gateway, tenant.settings.bot_public_url
                    async with system.office.acting(tenant.tenant_id) as acting:
                        await take_payments(acting, gateway, public or url)
                edition = seen
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("the database is out of reach", action="wait", error=type(error).__name__)
        await asyncio.sleep(_RETRY_SECONDS)


def _serving(
    name: str, app: web.Application, host: str, port: int, opened: Callable[[str], Awaitable[None]] | None = None
) -> Part:
    """Serves an application until told to stop; then finishes the requests under way.

    `opened` runs beside it, with the address, once it listens. Where it cannot listen, running raises ConfigError.
    """

    async def run(stopping: Stopping) -> None:
        # Bodies as they come: signatures are of these bytes, and nobody unsigned has us unpack a bomb.
        runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=_FINISH_SECONDS, auto_decompress=False
        )
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
            except OSError as error:
                setting = _PORTS[name]
                why = error.strerror or str(error)
                raise ConfigError(
                    [f"BOT_HOST {host}, {setting} {port}: {why}. Stop whatever listens there, or set {setting}."]
                ) from error
            bound_host, bound_port = runner.addresses[0][:2]
            url = f"http://{bound_host}:{bound_port}"
            log.info("listening", action="serve", part=name, url=url)
            if opened is not None:
                await stopping.first(opened(url))  # it goes on for as long as we serve
            await stopping.wait()
        finally:
            await runner.cleanup()

    return Part(name, run)
