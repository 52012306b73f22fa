"""What programs can do about conversations, staff, terms, treks and files, as a client sees it."""

import pytest

from bot.core.errors import ActionError
from bot.operations.acting import Acting
from bot.operations.terms import terms_of
from bot.web.api.collections import SERVICES
from storage.crypto import Vault
from tests.api.conftest import Shop, fill
from tests.conftest import EPOCH


async def test_a_colleague_takes_a_conversation_answers_and_gives_it_back(shop: Shop, vault: Vault) -> None:
    numbers = await fill(shop, vault)
    at = f"/conversations/{numbers['conversation']}"
    await shop.rows("UPDATE whatsapp_conversations SET last_inbound_at = $1 RETURNING 1", EPOCH)
    (waiting,) = (await shop.get("/handoffs?status=WAITING&role=sales&overdue=false", role="sales"))["items"]
    assert (waiting["conversation_id"], waiting["reason"]) == (numbers["conversation"], "stuck")
    await shop.post(f"{at}/take", role="sales")
    said = await shop.post(f"{at}/reply", {"text": "Anita here."}, role="sales")
    assert (said["direction"], said["content"]["body"], said["status"]) == ("OUTBOUND", "Anita here.", "QUEUED")
    told = await shop.rows("SELECT event->>'name' AS name, event->'data'->>'by' AS by FROM inbox ORDER BY event_id")
    posted = [(row["name"], row["by"]) for row in told if row["name"].startswith("handoff.")]
    assert [name for name, _ in posted] == ["handoff.taken", "handoff.taken"]
    assert len({by for _, by in posted}) == 1
    # Nobody has taken a turn in it yet: theirs it is all the same, and theirs to give back.
    assert [(await shop.get(at, role="sales"))["owner"]] == [f"person:{by}" for by in {by for _, by in posted}]
    await shop.post(f"{at}/give-back", role="sales")
    await shop.post(f"{at}/pause", role="operations")
    assert (await shop.ask("POST", f"{at}/pause", {}, role="sales")).status == 403
    await shop.rows(
        "UPDATE whatsapp_conversations SET last_inbound_at = $1::timestamptz - interval '25 hours' RETURNING 1", EPOCH
    )
    late = await shop.ask("POST", f"{at}/reply", {"text": "Too late."}, role="sales")
    assert (late.status, late.body["code"]) == (409, "window_closed")


async def test_terms_are_changed_by_who_has_seen_them_and_hold_at_once(shop: Shop, vault: Vault) -> None:
    shown = await shop.ask("GET", "/terms")
    assert shown.body["quote_limit"] is None
    change = {"quote_limit": "2000.00", "timezone": "Asia/Kathmandu", "opens": "09:00", "closes": "18:00"}
    assert (await shop.ask("PATCH", "/terms", change)).status == 428
    changed = await shop.ask("PATCH", "/terms", change, If_Match=shown.headers["ETag"])
    assert (changed.status, changed.body["quote_limit"], changed.body["hold_hours"]) == (200, "2000.00", 48)
    assert (await shop.ask("PATCH", "/terms", change, If_Match=shown.headers["ETag"])).status == 412
    for wrong in ({"opens": ""}, {"opens": "19:00"}, {"timezone": "Asia/Nowhere"}):
        refused = await shop.ask("PATCH", "/terms", wrong, If_Match="*")
        assert (refused.status, refused.body["code"]) == (422, "bad_value"), wrong
    async with shop.database.tenant(shop.tenant) as db:
        terms = await terms_of(Acting(tenant_id=shop.tenant, db=db, at=EPOCH, role="system", seals=vault))
    assert (str(terms.quote_limit), terms.public_url) == ("2000.00", "https://pay.example"), "what was not named stays"
    opened = await shop.get("/hours", role="customer")  # EPOCH is 14:45 in Kathmandu
    assert opened == {"open": True, "opens_at": None, "timezone": "Asia/Kathmandu"}
    await shop.ask("PATCH", "/terms", {"closes": "14:00", "workdays": [1, 2, 3, 4, 5, 7]}, If_Match="*")
    closed = await shop.get("/hours")
    assert (closed["open"], closed["opens_at"]) == (False, "2026-11-23T09:00:00+05:45")
    always = await shop.ask("PATCH", "/terms", {"opens": "", "closes": "", "quote_limit": ""}, If_Match="*")
    assert (always.body["opens"], always.body["quote_limit"]) == (None, None)
    assert (await shop.get("/hours"))["open"]


async def test_what_is_on_offer_is_added_and_changed(shop: Shop) -> None:
    made = await shop.post("/treks", {"name": "Mardi Himal", "synonyms": ["Mardi"], "days": 5, "price": "640.00"})
    assert (made["price"], made["currency"]) == ("640.00", "USD")
    again = await shop.ask("POST", "/treks", {"name": "Mardi Himal"})
    assert (again.status, again.body["code"]) == (409, "taken")
    changed = await shop.post(f"/treks/{made['id']}/change", {"price": "", "days": 6})
    assert (changed["price"], changed["days"], changed["synonyms"]) == (None, 6, ["Mardi"])
    other = (await shop.get("/treks?name=everest base camp"))["items"][0]
    named = await shop.ask("POST", f"/treks/{made['id']}/change", {"name": other["name"]})
    assert (named.status, named.body["code"]) == (409, "taken")
    trip = await shop.post("/trips", {"trek": made["id"], "starts_on": "2027-03-01", "seats": 4})
    (departure,) = (await shop.get(f"/treks/{made['id']}/departures?people=4&month=2027-03"))["items"]
    assert (departure["code"], departure["free"], departure["ends_on"]) == (trip["code"], 4, "2027-03-06")
    assert (await shop.get(f"/treks/{made['id']}/departures?people=5"))["items"] == []


async def test_staff_is_assigned_answers_and_is_away(shop: Shop) -> None:
    guide = shop.people["field_staff"]
    trip = (await shop.get("/trips?code=TRP130"))["items"][0]["id"]
    assert guide in {one["id"] for one in (await shop.get(f"/trips/{trip}/free-staff"))["items"]}
    await shop.post(f"/trips/{trip}/assignments", {"person": guide}, role="operations")
    assert trip in {one["id"] for one in (await shop.get(f"/trips?person={guide}"))["items"]}
    agreed = await shop.post(f"/trips/{trip}/confirm", role="field_staff")
    assert agreed["items"][0]["status"] == "CONFIRMED"
    declined = await shop.post(f"/trips/{trip}/decline", {"reason": "ill"}, role="field_staff")
    assert declined["items"][0]["status"] == "DECLINED"
    away = await shop.post(f"/contacts/{guide}/away", {"days": 60})
    assert away["away_until"] is not None
    assert guide not in {one["id"] for one in (await shop.get(f"/trips/{trip}/free-staff"))["items"]}
    limited = await shop.post(f"/contacts/{guide}/limit", {"max_leads": 3})
    assert (limited["max_leads"], limited["away_until"]) == (3, away["away_until"]), "a limit brings nobody back"
    assert (await shop.post(f"/contacts/{guide}/limit", {"max_leads": None}))["max_leads"] is None
    others = await shop.ask("POST", f"/contacts/{guide}/away", {"days": 0}, role="sales")
    assert (others.status, others.body["code"]) == (403, "forbidden")
    own = await shop.post(f"/contacts/{guide}/away", {"days": 0}, role="field_staff")
    assert own["away_until"] is None
    customer = await shop.ask("POST", f"/contacts/{shop.people['customer']}/limit", {"max_leads": 1})
    assert (customer.status, customer.body["code"]) == (409, "not_staff")


async def test_invitations_are_listed_without_their_codes_and_revoked(shop: Shop) -> None:
    made = await shop.post("/invites", {"roles": ["sales"], "name": "Bikram"})
    (listed,) = (await shop.get("/invites?status=OPEN"))["items"]
    assert (listed["id"], listed["name"]) == (made["id"], "Bikram")
    assert made["code"] not in str(listed)
    assert (await shop.post(f"/invites/{made['id']}/revoke"))["status"] == "REVOKED"
    again = await shop.ask("POST", f"/invites/{made['id']}/revoke", {})
    assert (again.status, again.body["detail"]) == (409, "An invitation that is revoked cannot be revoked.")


async def test_files_have_a_link_for_an_hour_and_hang_on_an_incident(shop: Shop, vault: Vault) -> None:
    numbers = await fill(shop, vault)
    shown = await shop.get(f"/files/{numbers['file']}")
    assert (shown["filename"], shown["status"]) == ("bent wheel.jpg", "STORED")
    assert shown["link"].startswith(f"https://pay.example/files/{shop.tenant}.{numbers['file']}.")
    at = f"/incidents/{numbers['incident']}"
    with_it = await shop.post(f"{at}/media", {"media_id": str(numbers["file"])})
    assert with_it["media"] == [str(numbers["file"])]
    assert (await shop.ask("POST", f"{at}/media", {"media_id": "4711"})).status == 404
    placed = await shop.post(f"{at}/place", {"latitude": 27.8, "longitude": 86.7})
    assert placed["place"] == {"latitude": 27.8, "longitude": 86.7}


async def test_a_broadcasts_recipients_come_in_pages(shop: Shop, vault: Vault) -> None:
    await fill(shop, vault)
    await shop.rows(
        """INSERT INTO broadcast_recipients (tenant_id, broadcast_id, contact_id, language, name, status, reason)
           SELECT $1, b.broadcast_id, c.contact_id, 'en', c.name, 'SKIPPED', 'opted out'
           FROM contacts c CROSS JOIN whatsapp_broadcast_lists b RETURNING 1""",
        shop.tenant,
    )
    (broadcast,) = (await shop.get("/broadcasts"))["items"]
    seen, cursor = [], ""
    while cursor is not None:
        page = await shop.get(
            f"/broadcasts/{broadcast['id']}/recipients?limit=2&failed=true" + (f"&cursor={cursor}" if cursor else "")
        )
        seen += [one["id"] for one in page["items"]]
        cursor = page["next"]
    assert seen == sorted(shop.people.values())


async def test_lists_are_narrowed_by_date(shop: Shop, vault: Vault) -> None:
    await fill(shop, vault)
    for path in ("/leads", "/bookings", "/timeline", "/audit"):
        assert (await shop.get(f"{path}?since=2026-11-22T00:00:00Z"))["items"], path
        assert (await shop.get(f"{path}?until=2026-11-22T00:00:00%2B00:00"))["items"] == [], path
        naive = await shop.ask("GET", f"{path}?since=2026-11-22T00:00:00")
        assert naive.status == 422, "without an offset nobody knows which moment is meant"


async def test_terms_that_make_no_sense_are_refused_whoever_asks(shop: Shop) -> None:
    """Flows and the command line check nothing beforehand: the service does."""
    wrong = (
        {"workdays": []}, {"workdays": [0]}, {"workdays": "weekdays"}, {"workdays": [1, "x"]}, {"opens": "9 o'clock"},
        {"quote_limit": "much"}, {"quote_days": 0}, {"currency": "rupees"}, {"hold_hours": "a day"},
    )  # fmt: skip
    async with shop.database.tenant(shop.tenant) as db:
        acting = Acting(tenant_id=shop.tenant, db=db, at=EPOCH, role="manager", source="WEB")
        before = await SERVICES["terms.show"].function(acting)
        for terms in wrong:
            with pytest.raises(ActionError) as refused:
                await SERVICES["terms.change"].function(acting, **terms)
            assert refused.value.code == "bad_value", terms
        assert await SERVICES["terms.show"].function(acting) == before
