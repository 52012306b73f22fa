"""The web desk in a real browser, beside phones: what staff do on the page reaches people, and the other way round."""

import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from e2e.conftest import CUSTOMER, GUIDE, MANAGER, SALES, Running
from playwright.async_api import Locator, Page, async_playwright, expect

from bot.core.ids import ContactId
from bot.operations import standard_services
from bot.operations.permissions import MATRIX, ROLES, may
from bot.runtime.loop import utc_now
from bot.web.api import all_routes
from storage.postgres.tokens import create_token

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
HOSTILE = "<img src=x onerror=\"document.title='broken'\"> <script>document.title='broken'</script>"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]

SignIn = Callable[..., Awaitable[Page]]

PATIENCE = 90_000  # milliseconds: on a busy machine a browser takes its time
expect.set_options(timeout=PATIENCE)


async def token_of(running: Running, role: str, name: str = "") -> str:
    """A token in the name of whoever has the role."""
    base, tenant = running.system.foundation, running.system.channel.tenant_id
    found = await running.rows(f"SELECT contact_id FROM contact_roles WHERE role = '{role}'")
    who = ContactId(found[0]["contact_id"]) if found else None
    async with base.database.tenant(tenant) as db:
        _, text = await create_token(
            db, base.vault, tenant, name=name or role.title(), role=role, scopes=["*:read", "*:write"], at=utc_now(),
            expires_at=None, contact_id=who,
        )  # fmt: skip
    return text


@pytest.fixture
async def sign_in(running: Running) -> AsyncIterator[SignIn]:
    """Opens the desk in a browser of its own for each person; fails when a page complains."""
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)

        async def open_desk(role: str, name: str = "") -> Page:
            context = await browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
            page = await context.new_page()
            page.set_default_timeout(PATIENCE)
            page.on(
                "console", lambda line: complaints.append(line.text) if is_complaint(line.type, line.text) else None
            )
            page.on("pageerror", lambda error: complaints.append(str(error)))
            await page.goto(f"{running.url}/desk")
            await page.get_by_label("Token").fill(await token_of(running, role, name))
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.get_by_role("heading", name="Today", exact=True)).to_be_visible()
            return page

        yield open_desk
        await browser.close()
    assert complaints == []


def is_complaint(kind: str, text: str) -> bool:
    """Errors on the console, save what the browser says of answers that the page shows itself, like 409."""
    return kind == "error" and "Failed to load resource" not in text


async def picture(page: Page, name: str) -> None:
    """Keep what a page looks like, for whoever asks for it."""
    if folder := os.environ.get("DESK_PICTURES"):
        await page.screenshot(path=Path(folder) / f"{name}.png")


def details(page: Page) -> Locator:
    return page.get_by_role("region", name="Details")


async def choose(page: Page, board: str, line: str | re.Pattern[str]) -> None:
    await page.get_by_role("navigation").get_by_role("link", name=board).click()
    await page.get_by_role("main").get_by_role("button", name=line).first.click()


async def fill(page: Page, button: str, **fields: str) -> None:
    """Open a dialog, fill it in and send it."""
    await details(page).get_by_role("button", name=button, exact=True).click()
    dialog = page.get_by_role("dialog")
    for label, text in fields.items():
        await dialog.get_by_label(label.replace("_", " ")).fill(text)
    await picture(page, f"dialog-{button.lower().replace(' ', '-')}")
    await dialog.locator("button:not([type])").click()
    await expect(dialog).to_have_count(0)


async def test_sales_quotes_and_the_customer_pays(running: Running, sign_in: SignIn) -> None:
    phone = running.emulator
    await phone.say(SALES, "hello")
    await phone.say(CUSTOMER, "Hi, interested in EBC Trek for 2 people in December")
    await phone.wait_for(CUSTOMER, lambda bubble: "Everest Base Camp" in bubble.text)
    await phone.say(CUSTOMER, "yes")
    await phone.wait_for(CUSTOMER, lambda bubble: "LEAD1" in bubble.text)
    await running.rows(f"UPDATE leads SET note = $q${HOSTILE}\u202e$q$ RETURNING 1")

    page = await sign_in("sales", "Anita")
    await expect(page.get_by_role("button", name="New leads 1")).to_be_visible()
    await picture(page, "today")
    await choose(page, "Leads", re.compile("Everest Base Camp"))
    await expect(details(page)).to_contain_text(HOSTILE)
    assert "\u202e" not in await details(page).inner_text(), "it would turn around what stands behind it"
    await picture(page, "lead")
    await fill(page, "Write a quote", Price_per_person="1450.00", Note_for_the_customer="Lodges included")
    await expect(details(page)).to_contain_text("USD 2,900.00")
    await fill(page, "Send by WhatsApp")
    await phone.wait_for(CUSTOMER, lambda bubble: "2,900" in bubble.text)
    await expect(details(page).get_by_text("Sent", exact=True).first).to_be_visible()
    await picture(page, "quote")

    await phone.say(CUSTOMER, "Looks good, how do I book?")
    await phone.wait_for(CUSTOMER, lambda bubble: "BKG1" in bubble.text)
    await choose(page, "Bookings", re.compile("BKG1"))
    await fill(page, "Note money received", Amount_in_USD="2900.00")
    await phone.wait_for(CUSTOMER, lambda bubble: "confirmed" in bubble.text)
    await expect(details(page).get_by_text("Confirmed", exact=True).first).to_be_visible()
    await picture(page, "booking")
    sources = await running.rows(
        "SELECT DISTINCT source FROM timeline_entries WHERE content->>'action' IN ('QUOTE_SENT', 'PAYMENT_RECORDED')"
    )
    assert sources == [{"source": "WEB"}]
    assert await page.title() == "Desk", "what people write is never markup"


async def test_a_manager_handles_an_incident_and_decides(running: Running, sign_in: SignIn) -> None:
    phone = running.emulator
    await phone.say(MANAGER, "hello")
    await phone.say(GUIDE, "ISSUE TRP123 Vehicle breakdown at checkpoint")
    await phone.wait_for(GUIDE, lambda bubble: "INC1" in bubble.text)
    page, colleague = await sign_in("manager", "Tenzing"), await sign_in("operations", "Omar")
    for desk in (page, colleague):
        await choose(desk, "Incidents", re.compile("Vehicle breakdown"))
        await expect(details(desk).get_by_role("button", name="I look after it")).to_be_visible()
    await fill(page, "I look after it")
    # The colleague's page has not heard of it yet, or has: either way it happens once, and the page says so.
    button = details(colleague).get_by_role("button", name="I look after it")
    await expect(button).to_have_count(0)
    await fill(page, "Tell what is done", For_the_crew="A backup jeep is with you at 14:00.")
    await phone.wait_for(GUIDE, lambda bubble: "A backup jeep" in bubble.text)
    await expect(details(page)).to_contain_text("A backup jeep is with you at 14:00.")
    await picture(page, "incident")
    await phone.say(GUIDE, "RESOLVED TRP123")
    await expect(details(page).get_by_text("Resolved", exact=True).first).to_be_visible()

    await running.rows(
        """INSERT INTO approvals (tenant_id, object_type, object_id, subject, created_at)
           VALUES (current_tenant(), 'discount', 1, 'Ten per cent for BKG1?', now()) RETURNING 1"""
    )
    await choose(page, "Approvals", re.compile("Ten per cent"))
    await fill(page, "Approve", Note="Only this time")
    await expect(details(page).get_by_text("Approved", exact=True).first).to_be_visible()
    await expect(colleague.get_by_role("navigation").get_by_role("link", name="Approvals")).to_have_count(0)


async def test_a_conversation_is_taken_answered_and_given_back(running: Running, sign_in: SignIn) -> None:
    phone = running.emulator
    await phone.say(CUSTOMER, "Everest base camp trek for 2 people")
    await phone.wait_for(CUSTOMER)
    await phone.say(CUSTOMER, "agent")
    await phone.wait_for(CUSTOMER, lambda bubble: "colleague" in bubble.text)
    page, colleague = await sign_in("sales", "Anita"), await sign_in("manager", "Tenzing")
    for desk in (page, colleague):
        await choose(desk, "Conversations", re.compile("Maya"))
        await expect(details(desk).locator("#whose")).to_have_text("waits for a person")
    await details(page).get_by_role("button", name="Take it").click()
    await expect(details(page).locator("#whose")).to_have_text("with you")
    await expect(details(colleague).locator("#whose")).to_have_text("with a colleague")

    await details(page).get_by_label("Reply").fill("Hi, Anita here. October is lovely!")
    await phone.say(CUSTOMER, f"Is it? {HOSTILE}")
    await expect(details(page).get_by_role("list", name="Messages")).to_contain_text(HOSTILE)
    await details(page).get_by_role("button", name="Send").click()
    await phone.wait_for(CUSTOMER, lambda bubble: bubble.text == "Hi, Anita here. October is lovely!")
    await expect(details(page).get_by_role("list", name="Messages")).to_contain_text("October is lovely!")
    await picture(page, "conversation")

    await details(colleague).get_by_label("Reply").fill("Me too")
    await details(colleague).get_by_role("button", name="Send").click()
    await expect(colleague.get_by_role("status")).to_contain_text("has this conversation")
    assert await details(colleague).get_by_label("Reply").input_value() == "Me too", "nothing that was written is lost"

    await details(page).get_by_role("button", name="Give back to the bot").click()
    await phone.wait_for(CUSTOMER, lambda bubble: "month" in bubble.text or "back" in bubble.text)
    await expect(details(page).locator("#whose")).to_have_text("with the bot")
    assert await page.title() == "Desk"


BOARDS_JS = """async () => (await import('/desk/boards.js')).BOARDS.map((board) => [board.id, [
  ['GET', board.path],
  ...board.actions.map((action) => ['POST', action.route ?? `${board.path}/{number}/${action.verb}`]),
  ...(board.create ? [['POST', board.create.route]] : []),
]])"""


OFFERED_JS = """async (paths) => {
  const mine = await (await import('/desk/api.js')).rights();
  return Object.fromEntries(paths.map((path) => [path, mine.may('POST', path)]));
}"""
SERVICES = {name.replace(".", "_"): service for name, service in standard_services().items()}
DONE = [route for route in all_routes().all if route.method == "POST" and route.name in SERVICES]


async def test_each_role_sees_what_it_may(running: Running, sign_in: SignIn) -> None:
    """The matrix of permissions, as the page has it from the server's own description."""
    seen: dict[str, list[str]] = {}
    for role in ROLES:
        page = await sign_in(role)
        seen[role] = await page.get_by_role("navigation").get_by_role("link").all_text_contents()
        boards: list[tuple[str, list[list[str]]]] = await page.evaluate(BOARDS_JS)
        offered: dict[str, bool] = await page.evaluate(OFFERED_JS, [route.path for route in DONE])
        for route in DONE:
            needs = SERVICES[route.name].needs
            assert offered[route.path] == (not needs or may(role, *needs)), (role, route.path)
        if role == "manager":
            await picture(page, "manager")
            async with running.http.get(f"{running.url}/api/v1/openapi.json") as answer:
                document: Any = await answer.json()
            for board, routes in boards:
                for method, path in routes:
                    assert method.lower() in document["paths"].get(f"/api/v1{path}", {}), (board, method, path)
        await page.context.close()
    assert seen["customer"] == ["Today"]
    assert seen["sales"] == ["Today", "Conversations", "Leads", "Quotes", "Bookings", "Trips"]
    assert seen["field_staff"] == ["Today", "Incidents", "Trips"]
    assert {"Incidents", "Trips", "Broadcasts"} <= set(seen["operations"])
    assert "Approvals" not in seen["operations"]
    assert set(seen["manager"]) >= {*seen["sales"], *seen["operations"], "Approvals"}
    assert MATRIX["manager"] >= MATRIX["sales"]


async def test_who_has_no_token_sees_nothing(running: Running, sign_in: SignIn) -> None:
    page = await sign_in("sales")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.clock.install()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_label("Token").fill("sdr_1_1_" + "0" * 64)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_have_text("This token is not in force.")
    await picture(page, "sign-in")
    assert await page.evaluate("sessionStorage.length") == 0
    text = await token_of(running, "sales")
    await page.goto(f"{running.url}/desk#{text}")
    await page.reload()
    await expect(page.get_by_role("heading", name="Today", exact=True)).to_be_visible()
    assert text not in page.url, "the token does not stay in the address"

    wrong: list[str] = []
    page.on("response", lambda answer: wrong.append(answer.url) if answer.status >= 400 else None)
    # What somebody else put behind the # leads to no other path, and stops nothing.
    for place in ("#%", "#leads/..%2Fcontacts%2F1", "#talk/1%2F..%2F2", "#leads//status=NEW&limit=1", "#nowhere/1"):
        await page.evaluate("(place) => { location.hash = place }", place)
    await page.evaluate("location.hash = ''")
    await expect(page.get_by_role("heading", name="Today", exact=True)).to_be_visible()
    assert not wrong, "whatever was asked for was there"
    await expect(page.get_by_role("link", name="Today")).to_have_attribute("aria-current", "page")

    await page.context.set_offline(True)
    await expect(page.get_by_role("alert")).to_contain_text("does not answer")
    await page.context.set_offline(False)
    await expect(page.get_by_role("alert")).to_have_count(0)

    await running.rows("UPDATE api_tokens SET revoked_at = now() RETURNING 1")
    await expect(page.get_by_role("alert")).to_have_text("You are signed out.")
    assert await page.evaluate("sessionStorage.length") == 0
    await page.get_by_label("Token").fill("half a to")
    asked.clear()
    await page.clock.fast_forward(60_000)
    await page.get_by_label("Token").press("End")
    assert await page.get_by_label("Token").input_value() == "half a to"
    assert asked == [], "who is signed out asks for nothing"


async def test_a_link_makes_nobody_somebody_else_unasked(running: Running, sign_in: SignIn) -> None:
    """Whoever is sent a link with another's token would otherwise work in that other's name, and not notice."""
    page = await sign_in("sales", "Anita")
    who = page.get_by_role("navigation").locator("strong")
    await expect(who).to_have_text("Anita")
    mine, other = (
        await page.evaluate("sessionStorage.getItem('sirdar-token')"),
        await token_of(running, "manager", "Mallory"),
    )
    dialog = page.get_by_role("dialog")
    await page.evaluate("(token) => { location.hash = token }", other)
    await expect(dialog).to_contain_text("You are signed in as Anita.")
    assert other not in page.url
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(who).to_have_text("Anita")
    assert await page.evaluate("sessionStorage.getItem('sirdar-token')") == mine

    await page.goto(f"{running.url}/desk?again#{other}")  # the page is loaded anew
    await dialog.get_by_role("button", name="Sign in with the link").click()
    await expect(page.get_by_role("status")).to_have_text("You are signed in as Mallory.")
    await expect(who).to_have_text("Mallory")
    await expect(dialog).to_have_count(0)


async def test_every_answer_tells_browsers_what_not_to_do(running: Running) -> None:
    """Errors too, and what aiohttp itself refuses; nobody is told which versions answer."""
    some = [
        "/", "/nothing", "/desk", "/desk/nothing.js", "/pay/x", "/files/x/y", "/healthz", "/readyz", "/metrics",
        "/api/v1/me", "/api/v1/nothing", "/api/v1/docs", "/api/v1/openapi.json", "/%ff",
    ]  # fmt: skip
    for method, path in [*(("GET", path) for path in some), ("POST", "/desk"), ("PUT", "/pay/x")]:
        async with running.http.request(method, running.url + path) as answer:
            assert answer.headers["X-Content-Type-Options"] == "nosniff", path
            assert answer.headers["Referrer-Policy"] == "no-referrer", path
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"], path
            assert "no-" in answer.headers["Cache-Control"], path
            assert answer.headers["Server"] == "Sirdar", path


async def test_the_page_takes_nothing_from_elsewhere(running: Running) -> None:
    for path in ("/desk", "/desk/main.js", "/desk/desk.css"):
        async with running.http.get(running.url + path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert answer.status == 200
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "require-trusted-types-for 'script'" in policy
            text = await answer.text()
        assert not re.search(r"https?://(?!www\.w3\.org)[\w.]", text), path
    async with running.http.get(f"{running.url}/desk/../app.py") as answer:
        assert answer.status == 404
