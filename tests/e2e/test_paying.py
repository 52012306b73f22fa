"""The payment page and gateways' webhooks, over HTTP."""

from decimal import Decimal
from typing import Any

from e2e.conftest import CUSTOMER, Running

from bot.operations import bookings, leads, payments, quotes
from bot.operations.gateways import SIGNATURE, DemoGateway, GatewayEvent, webhook_key
from bot.operations.terms import terms_of

LEAD_OF = """
SELECT contact_id FROM whatsapp_conversations WHERE last_inbound_at IS NOT NULL
"""


async def booked(running: Running) -> dict[str, Any]:
    """A booking of a customer who has written, with its payment link."""
    await running.emulator.say(CUSTOMER, "hello")
    await running.emulator.wait_for(CUSTOMER)
    (customer, *_) = await running.rows(LEAD_OF)
    office, tenant = running.system.office, running.system.channel.tenant_id
    async with office.acting(tenant, role="manager", source="API", name="token:1") as acting:
        lead = await leads.create_lead(acting, trek=1, people=2, contact=customer["contact_id"])
        quote = await quotes.draft_quote(acting, lead=lead["id"])
        await quotes.send_quote(acting, quote=quote["id"])
        booking = await bookings.create_booking(acting, quote=quote["id"], trip="TRP130")
        return await payments.request_payment(acting, booking=booking["id"])


async def webhook(running: Running, event: GatewayEvent, key: bytes | None = None) -> int:
    """Deliver a gateway's webhook, signed."""
    async with running.system.office.acting(running.system.channel.tenant_id) as acting:
        secret = key or webhook_key((await terms_of(acting)).link_key or b"")
    headers, body = DemoGateway(secret).write_webhook(event, running.system.clock())
    headers = {name.lower(): value for name, value in headers.items()}  # as some proxies write them
    url = f"{running.url}/api/payments/demo/{running.system.channel.tenant_id}/webhook"
    async with running.http.post(url, data=body, headers=headers) as answer:
        return answer.status


async def test_a_link_is_paid_on_its_page_and_only_once(running: Running) -> None:
    link = await booked(running)
    assert link["link"].startswith(running.url + "/pay/")
    async with running.http.get(link["link"]) as page:
        text = await page.text()
        assert (page.status, page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == (
            200, "no-store", "no-referrer",
        )  # fmt: skip
    assert "Pay USD 2,900.00" in text
    assert "Everest Base Camp, 2 people" in text
    async with running.http.post(link["link"], data={"answer": "decline"}) as page:
        assert "did not go through" in await page.text()
    for _ in range(3):
        async with running.http.post(link["link"], data={"answer": "pay"}) as page:
            assert "Paid. Thank you!" in await page.text()
    (booking,) = await running.rows("SELECT status, paid, total FROM bookings")
    assert booking == {"status": "CONFIRMED", "paid": Decimal("2900.00"), "total": Decimal("2900.00")}
    actions = await running.rows("SELECT content->>'action' AS action FROM timeline_entries ORDER BY entry_id")
    assert [row["action"] for row in actions].count("PAYMENT_RECEIVED") == 1
    audit = await running.rows(
        "SELECT actor, action FROM whatsapp_audit_logs WHERE actor = 'token:1' ORDER BY audit_id"
    )
    assert [row["action"] for row in audit][-3:] == ["quotes.send", "bookings.create", "payments.request"]


async def test_a_forged_link_and_a_strangers_webhook_do_nothing(running: Running) -> None:
    link = (await booked(running))["link"]
    for other in (link[:-1] + ("0" if link[-1] != "0" else "1"), f"{running.url}/pay/999.x.y", f"{running.url}/pay/x"):
        async with running.http.get(other) as page:
            assert page.status == 404
    reference = link.rpartition("/")[2].split(".")[1]
    event = GatewayEvent(event_id="e1", kind="paid", reference=reference, amount=Decimal(2900), currency="USD")
    assert await webhook(running, event, b"stranger") == 401
    url = f"{running.url}/api/payments/demo/{running.system.channel.tenant_id}/webhook"
    async with running.http.post(url, data=b"{}", headers={SIGNATURE: "t=1,v1=ab"}) as answer:
        assert answer.status == 401
    for path in ("/api/payments/other/1/webhook", "/api/payments/demo/x/webhook", "/api/payments/demo/999/webhook"):
        async with running.http.post(running.url + path, data=b"{}") as answer:
            assert answer.status == 404, path
    assert (await running.rows("SELECT status FROM payments"))[0]["status"] == "PENDING"
    assert [await webhook(running, event) for _ in range(3)] == [200, 200, 200]
    assert await webhook(running, GatewayEvent(**{**vars_of(event), "reference": "nothing"})) == 404
    assert len(await running.rows("SELECT * FROM payment_events")) == 1


def vars_of(event: GatewayEvent) -> dict[str, Any]:
    """Its fields."""
    return {name: getattr(event, name) for name in event.__slots__}
