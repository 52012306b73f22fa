"""The JSON API: typed routes below /api/v1, their OpenAPI document, and a page that shows it.

`route.py` says what a route is, `serving.py` how it is served, `collections.py` how most of them are made; the other
files are the routes, by subject.
"""

from collections.abc import Callable
from functools import lru_cache, partial

from aiohttp import web

from bot.runtime.bells import INBOX
from bot.runtime.bootstrap import System
from bot.runtime.loop import Clock
from bot.runtime.pacing import Pacer
from bot.runtime.tenants import Tenants
from bot.web.api import approvals, bookings, events, field, house, metrics, people, records, sales, stores, talk, trips
from bot.web.api.openapi import document
from bot.web.api.page import documentation
from bot.web.api.route import Routes
from bot.web.api.serving import PREFIX, ApiServer
from storage.crypto import Vault
from storage.postgres import Postgres


@lru_cache(maxsize=1)
def all_routes() -> Routes:
    """Every route there is."""
    parts = (people, talk, sales, bookings, approvals, trips, field, records, stores, house, metrics, events)
    return Routes().including(*(part.ROUTES for part in parts))


def add_api(app: web.Application, system: System) -> None:
    """Serve the API below /api/v1."""
    settings, base = system.settings, system.foundation
    pacer = Pacer(1 / settings.bot_api_rate if settings.bot_api_rate else 0, settings.bot_api_burst)
    ring = partial(system.bells.ring, INBOX)
    app.add_subapp(PREFIX, api_application(base.database, base.vault, system.clock, pacer, ring, system.tenants))


def api_application(
    database: Postgres, vault: Vault, clock: Clock, pacer: Pacer, ring: Callable[[], None],
    tenants: Tenants | None = None,
) -> web.Application:  # fmt: skip
    """The API by itself, with its document and the page about it."""
    routes = all_routes()
    server = ApiServer(
        routes=routes, database=database, vault=vault, clock=clock, pacer=pacer, ring=ring, tenants=tenants or Tenants()
    )
    api = server.application()
    documentation(api, document(routes))
    return api
