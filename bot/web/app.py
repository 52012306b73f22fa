"""The aiohttp application, and serving it."""

import structlog
from aiohttp import web

from bot.runtime.bootstrap import System
from bot.runtime.loop import Stopping
from bot.runtime.parts import Part
from bot.web.health import Health
from bot.web.webhook import MAX_BODY, PATH, Webhook, by_address

log = structlog.get_logger(__name__)


def make_app(system: System) -> web.Application:
    """The application that serves one system."""
    webhook = Webhook(
        provider=system.provider,
        channels=by_address([system.channel], system.channel.provider),
        intake=system.intake,
        clock=system.clock,
    )
    health = Health(queues=system.upkeep, clock=system.clock, limit_seconds=system.settings.bot_backlog_limit)
    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_get(PATH, webhook.handshake)
    app.router.add_post(PATH, webhook.receive)
    app.router.add_get("/healthz", health.live)
    app.router.add_get("/readyz", health.ready)
    app.router.add_get("/metrics", health.metrics)
    return app


def web_part(system: System) -> Part:
    """Serves `make_app` until told to stop; then finishes the requests under way."""

    async def run(stopping: Stopping) -> None:
        runner = web.AppRunner(make_app(system), access_log=None, handle_signals=False, shutdown_timeout=20)
        await runner.setup()
        try:
            site = web.TCPSite(runner, system.settings.bot_host, system.settings.bot_port, backlog=1024)
            await site.start()
            host, port = runner.addresses[0][:2]
            log.info("listening", action="serve", url=f"http://{host}:{port}")
            await stopping.wait()
        finally:
            await runner.cleanup()

    return Part("web", run)
