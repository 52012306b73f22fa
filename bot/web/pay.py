"""The payment page behind our links, and what gateways tell about payments."""

import secrets
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from jinja2 import Environment, StrictUndefined

from bot.core.ids import TenantId
from bot.operations import payments
from bot.operations.gateways import (
    GATEWAYS,
    BadWebhookError,
    DemoGateway,
    GatewayEvent,
    Kind,
    Order,
    PaymentGateway,
    read_link,
)
from bot.operations.terms import terms_of
from bot.runtime.office import Office

log = structlog.get_logger(__name__)

WEBHOOK = "/api/payments/{gateway}/{tenant}/webhook"
_MOST_BODY = 256 * 1024  # bytes of a gateway's webhook

_PAGE = Environment(autoescape=True, undefined=StrictUndefined).from_string(
    Path(__file__).with_name("pay.html").read_text(encoding="utf-8")
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",  # the address is the key
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


class Payments:
    """Serves payment links and gateways' webhooks.

    Args:
        office: Where services are called.
        closed: Whether a tenant is not served.
    """

    def __init__(self, office: Office, closed: Callable[[TenantId], bool]) -> None:
        self._office = office
        self._closed = closed

    def routes(self, app: web.Application) -> None:
        """Add ours."""
        app.router.add_get("/pay/{token}", self.show)
        app.router.add_post("/pay/{token}", self.answer)
        app.router.add_post(WEBHOOK, self.hear)

    async def show(self, request: web.Request) -> web.Response:
        """The page: what is to pay, or what became of it."""
        return _page(await self._found(request), failed="failed" in request.query)

    async def answer(self, request: web.Request) -> web.Response:
        """Somebody wants to pay: send them to the gateway, or be the demo's."""
        tenant, link = await self._found(request)
        if link["status"] != "PENDING":
            return _page((tenant, link))
        gateway = await self._gateway(tenant, link["gateway"])
        amount = Decimal(link["amount"])
        order = Order(
            reference=link["reference"],
            amount=amount,
            currency=link["currency"],
            title=link["title"],
            back=link["link"],
        )
        there = await gateway.checkout(order)
        if there is not None:
            raise web.HTTPSeeOther(there)
        paid = (await request.post()).get("answer") == "pay"
        await self._be_the_gateway(tenant, gateway, order, "paid" if paid else "failed")
        raise web.HTTPSeeOther(request.path if paid else f"{request.path}?failed")

    async def hear(self, request: web.Request) -> web.Response:
        """A gateway's webhook: verified, then acted on once. 200 only after the commit."""
        name, tenant = request.match_info["gateway"], request.match_info["tenant"]
        if name not in GATEWAYS or not tenant.isascii() or not tenant.isdigit() or len(tenant) > 18:
            raise web.HTTPNotFound
        if (request.content_length or 0) > _MOST_BODY:
            raise web.HTTPRequestEntityTooLarge(_MOST_BODY, request.content_length or 0)
        gateway = await self._gateway(TenantId(int(tenant)), name)
        body = await request.read()
        if len(body) > _MOST_BODY:  # it came in chunks, which announce no length
            raise web.HTTPRequestEntityTooLarge(_MOST_BODY, len(body))
        # As they are, whatever their case: proxies write names of headers as they like.
        result = await self._take(TenantId(int(tenant)), gateway, request.headers, body)
        return web.json_response({"result": result}, status=404 if result == "unknown" else 200)

    async def _be_the_gateway(self, tenant: TenantId, gateway: PaymentGateway, order: Order, kind: Kind) -> None:
        """What a real gateway does on servers of its own: write the webhook, and deliver it."""
        if not isinstance(gateway, DemoGateway):
            raise web.HTTPNotFound
        number = order.reference if kind == "paid" else secrets.token_hex(8)
        event = GatewayEvent(
            event_id=f"demo_{kind}_{number}", kind=kind, reference=order.reference, amount=order.amount,
            currency=order.currency,
        )  # fmt: skip
        headers, body = gateway.write_webhook(event, self._office.clock())
        await self._take(tenant, gateway, headers, body)

    async def _take(self, tenant: TenantId, gateway: PaymentGateway, headers: Mapping[str, str], body: bytes) -> str:
        try:
            event = gateway.read_webhook(headers, body, self._office.clock())
        except BadWebhookError as error:
            log.warning("a payment webhook was refused", action="payment_refused", reason=str(error))
            raise web.HTTPUnauthorized from error
        if event is None:
            return "ignored"
        async with self._office.acting(tenant, name=f"gateway:{gateway.name}") as acting:
            return await payments.take_event(acting, gateway.name, event)

    async def _gateway(self, tenant: TenantId, name: str) -> PaymentGateway:
        """The tenant's gateway.

        Raises:
            HTTPNotFound: They have none of this name.
        """
        if self._closed(tenant):
            raise web.HTTPNotFound
        async with self._office.acting(tenant) as acting:
            terms = await terms_of(acting)
        if terms.link_key is None or name not in GATEWAYS:
            raise web.HTTPNotFound
        return GATEWAYS[name](terms.link_key)

    async def _found(self, request: web.Request) -> tuple[TenantId, dict[str, Any]]:
        """What a link is for.

        Raises:
            HTTPNotFound: We have not signed it.
        """
        read = read_link(request.match_info["token"])
        if read is not None and not self._closed(TenantId(read[0])):
            async with self._office.acting(TenantId(read[0])) as acting:
                link = await payments.find_link(acting, read[1], read[2])
            if link is not None:
                return TenantId(read[0]), link
        raise web.HTTPNotFound(text="There is no such payment.", headers=_HEADERS)


def _page(found: tuple[TenantId, dict[str, Any]], *, failed: bool = False) -> web.Response:
    _, link = found
    text = _PAGE.render(
        title=link["title"],
        booking=link["booking"],
        amount=f"{link['currency']} {Decimal(link['amount']):,.2f}",
        status=link["status"],
        demo=link["gateway"] == DemoGateway.name,
        failed=failed,
    )
    return web.Response(text=text, content_type="text/html", headers=_HEADERS)
