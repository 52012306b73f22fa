"""A signed webhook in, a stored and ordered reply out through the provider: the two shipped workflows."""

import pytest

from tests.e2e.conftest import CUSTOMER, GUIDE, MANAGER, Running

LEADS = """
SELECT COUNT(*) FROM timeline_entries
WHERE event_type = 'SYSTEM' AND content->>'action' = 'LEAD_CREATED' AND source = 'WHATSAPP'
"""
SENT_TODAY = "SELECT COUNT(*) FROM whatsapp_messages WHERE direction = 'OUTBOUND' AND DATE(sent_at) = CURRENT_DATE"


@pytest.mark.usefixtures("one_day")
async def test_an_enquiry_becomes_one_lead(running: Running) -> None:
    phone = running.emulator
    await phone.say(CUSTOMER, "Hi, interested in EBC Trek for 2 people in December")
    (review,) = await phone.wait_for(CUSTOMER)
    assert "Everest Base Camp" in review.text
    assert "2 people" in review.text
    assert "December" in review.text
    await phone.tap(CUSTOMER, review.id, review.buttons[0].id)
    (thanks,) = await phone.wait_for(CUSTOMER)
    assert "LEAD" in thanks.text
    (lead,) = await running.rows(
        "SELECT l.people, l.month, t.name, l.assignee_id FROM leads l JOIN treks t USING (trek_id)"
    )
    assert (lead["people"], lead["month"][:4], lead["month"][5:7], lead["name"]) == (
        2, lead["month"][:4], "12", "Everest Base Camp",
    )  # fmt: skip
    assert lead["assignee_id"] is not None, "the sales person got it"
    assert (await running.rows(LEADS))[0]["count"] == 1
    await phone.settled()
    await running.until(SENT_TODAY, lambda rows: rows[0]["count"] >= 2)


async def test_tapping_twice_makes_one_lead(running: Running) -> None:
    phone = running.emulator
    await phone.say(CUSTOMER, "Hi, interested in EBC Trek for 2 people in December")
    (review,) = await phone.wait_for(CUSTOMER)
    for _ in range(3):
        await phone.tap(CUSTOMER, review.id, review.buttons[0].id)
    await phone.wait_for(CUSTOMER, 1)
    await running.until("SELECT * FROM inbox", lambda rows: not rows)
    assert len(await running.rows("SELECT * FROM leads")) == 1


async def test_a_guide_reports_and_resolves_an_issue(running: Running) -> None:
    phone = running.emulator
    await phone.say(MANAGER, "hi")
    await phone.wait_for(MANAGER)
    await phone.say(GUIDE, "ISSUE TRP123 Vehicle breakdown at checkpoint")
    (logged,) = await phone.wait_for(GUIDE)
    assert "TRP123" in logged.text
    told = await running.until(
        "SELECT content FROM whatsapp_messages WHERE direction = 'OUTBOUND' AND content::text LIKE '%breakdown%'",
        lambda rows: len(rows) >= 1,
    )
    assert told, "operations was told"
    (incident,) = await running.rows("SELECT status, description FROM incidents")
    assert incident == {"status": "OPEN", "description": "Vehicle breakdown at checkpoint"}

    await phone.say(GUIDE, "resolved trp123")
    await phone.wait_for(GUIDE)
    (incident,) = await running.rows("SELECT status FROM incidents")
    assert incident == {"status": "RESOLVED"}
    actions = await running.rows("SELECT content->>'action' AS action FROM timeline_entries ORDER BY entry_id")
    assert [row["action"] for row in actions] == ["INCIDENT_CREATED", "INCIDENT_RESOLVED"]


async def test_a_customer_cannot_report_issues(running: Running) -> None:
    await running.emulator.say(CUSTOMER, "ISSUE TRP123 Vehicle breakdown at checkpoint")
    await running.emulator.wait_for(CUSTOMER)
    assert await running.rows("SELECT * FROM incidents") == []


async def test_statuses_reach_the_message_and_never_go_back(running: Running) -> None:
    phone = running.emulator
    await phone.say(CUSTOMER, "hello")
    await phone.wait_for(CUSTOMER)
    await phone.read(CUSTOMER)
    await running.until(
        "SELECT status FROM whatsapp_messages WHERE direction = 'OUTBOUND'",
        lambda rows: bool(rows) and all(row["status"] == "READ" for row in rows),
    )


async def test_replies_come_in_the_order_of_the_questions(running: Running) -> None:
    """Ten messages in a row are answered one by one, in order, whatever the sender does in parallel."""
    phone = running.emulator
    for number in range(10):
        await phone.say(CUSTOMER, f"hello {number}")
    await running.until(
        "SELECT count(*) FROM whatsapp_messages WHERE direction = 'OUTBOUND' AND status <> 'QUEUED'",
        lambda rows: rows[0]["count"] >= 10,
    )
    stored = await running.rows(
        "SELECT provider_message_id FROM whatsapp_messages WHERE direction = 'OUTBOUND' ORDER BY message_id"
    )
    vault, tenant = running.system.foundation.vault, running.system.channel.tenant_id
    assert [vault.open_id(tenant, row["provider_message_id"]) for row in stored] == [sent.id for sent in phone.sends]


async def test_every_turn_tells_why(running: Running) -> None:
    await running.emulator.say(CUSTOMER, "Hi, interested in EBC Trek for 2 people in December")
    await running.emulator.wait_for(CUSTOMER)
    (turn,) = await running.rows("SELECT trace FROM turn_traces")
    assert '"guard"' in turn["trace"] or '"transition"' in turn["trace"]
    assert '"slot"' in turn["trace"]


async def test_the_dashboards_of_the_guide_run_unchanged(running: Running) -> None:
    for query in (LEADS, SENT_TODAY):
        assert (await running.rows(query))[0]["count"] == 0


async def test_stop_and_start_are_kept_with_their_proof(running: Running) -> None:
    phone = running.emulator
    await phone.say(CUSTOMER, "STOP")
    await phone.wait_for(CUSTOMER)
    await phone.say(CUSTOMER, "START")
    await phone.wait_for(CUSTOMER)
    rows = await running.rows("SELECT allowed, source, proof FROM whatsapp_opt_ins ORDER BY opt_in_id")
    assert [(row["allowed"], row["source"]) for row in rows] == [(False, "WHATSAPP"), (True, "WHATSAPP")]
    assert "STOP" in rows[0]["proof"]
    audit = await running.rows("SELECT action FROM whatsapp_audit_logs ORDER BY audit_id")
    assert [row["action"] for row in audit] == ["contact.opted_out", "contact.opted_in"]
