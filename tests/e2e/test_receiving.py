"""What one request may bring: three megabytes, several tenants, news of people and of the account."""

import json
from typing import Any

from storage.base import Channel
from storage.postgres.tenants import StoredNumber, TenantStore
from tests.e2e.conftest import SECRET, Running

WABA, NUMBER_ID, OTHER_ID = "900100200300400", "700800900100200", "700800900100299"


def entry(*values: dict[str, Any], field: str = "messages") -> dict[str, Any]:
    return {"id": WABA, "changes": [{"field": field, "value": value} for value in values]}


def envelope(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"object": "whatsapp_business_account", "entry": list(entries)}).encode()


def said(body: str, sender: str = "15550142233", number: str = NUMBER_ID, wamid: str = "wamid.1") -> dict[str, Any]:
    message = {"from": sender, "id": wamid, "timestamp": "1795338000", "type": "text", "text": {"body": body}}
    return {"metadata": {"phone_number_id": number}, "messages": [message]}


async def test_a_request_of_three_megabytes_is_taken(running: Running) -> None:
    body = envelope(entry(said("hello")))
    assert await running.post(body + b" " * (3 * 1024 * 1024 - len(body))) == 200
    assert len(await running.rows("SELECT 1 FROM whatsapp_messages WHERE direction = 'INBOUND'")) == 1
    assert await running.post(body + b" " * (5 * 1024 * 1024)) == 413


async def another_number(running: Running) -> Channel:
    """A number of another tenant, behind the same app."""
    system = running.system
    channel = await system.upkeep.register_channel("other", "Other", "meta", OTHER_ID, "+15550100299")
    sealed = {
        "whatsapp_webhook_secret": SECRET,
        "whatsapp_verify_token": "fixture-verify-token",
        "whatsapp_access_token": "fixture-access-token",
        "whatsapp_api_base_url": running.emulator.base_url,
    }
    own = {"whatsapp_phone_number_id": OTHER_ID, "whatsapp_business_account_id": WABA}
    number = StoredNumber(channel=channel, phone_number="+15550100299", settings=own, sealed=sealed)
    store = TenantStore(system.foundation.database, system.foundation.vault)
    await store.keep(channel.tenant_id, name="Other", settings={}, language="en", timezone=None, number=number)
    return channel


async def test_numbers_of_several_tenants_in_one_request(running: Running) -> None:
    """The second number was registered while the server ran."""
    other = await another_number(running)
    ours, theirs = entry(said("to us")), entry(said("to them", number=OTHER_ID, wamid="wamid.2"))
    assert await running.post(envelope(ours, theirs)) == 200
    found = {}
    for tenant in (running.system.channel.tenant_id, other.tenant_id):
        async with running.system.foundation.database.tenant(tenant) as db:
            rows = await db.fetch("SELECT content FROM whatsapp_messages WHERE direction = 'INBOUND'")
        found[tenant] = [json.loads(row["content"])["body"] for row in rows]
    assert list(found.values()) == [["to us"], ["to them"]]


async def test_somebody_with_a_new_number_goes_on_where_they_were(running: Running) -> None:
    await running.post(envelope(entry(said("Hi", "15550142233"))))
    moved = {
        "metadata": {"phone_number_id": NUMBER_ID},
        "messages": [
            {
                "from": "15550142233",
                "id": "wamid.S",
                "timestamp": "1795338001",
                "type": "system",
                "system": {"type": "user_changed_number", "wa_id": "15550147788", "body": "changed"},
            }
        ],
    }
    again = said("It is me", "15550147788", wamid="wamid.3")
    assert await running.post(envelope(entry(moved, again))) == 200
    rows = await running.rows("SELECT DISTINCT conversation_id FROM whatsapp_messages WHERE direction = 'INBOUND'")
    assert len(rows) == 1


async def test_news_of_the_account_are_acted_on(running: Running) -> None:
    stop = {
        "metadata": {"phone_number_id": NUMBER_ID},
        "user_preferences": [
            {"wa_id": "15550142233", "category": "marketing_messages", "value": "stop", "timestamp": 1795338000}
        ],
    }
    template = {
        "event": "PAUSED", "message_template_id": 81, "message_template_name": "payment_reminder",
        "message_template_language": "en", "reason": None,
    }  # fmt: skip
    capability = {"max_daily_conversations_per_business": 2000}
    body = envelope(
        entry(stop, field="user_preferences"),
        entry(template, field="message_template_status_update"),
        entry(capability, field="business_capability_update"),
        entry({"invented": True}, field="a_field_of_tomorrow"),
    )
    # The first look at the provider's list, which has no such template, must not come after the news of it.
    await running.until(
        "SELECT done_at FROM chores WHERE name LIKE 'templates%'", lambda rows: any(row["done_at"] for row in rows)
    )
    for _ in range(2):
        assert await running.post(body) == 200
    (wish,) = await running.rows("SELECT purpose, allowed FROM whatsapp_opt_ins")
    assert (wish["purpose"], wish["allowed"]) == ("marketing", False)
    (paused,) = await running.rows(
        "SELECT status FROM whatsapp_templates WHERE name = 'payment_reminder' AND language = 'en'"
    )
    assert paused["status"] == "PAUSED"
    (number,) = await running.rows("SELECT reach_limit FROM whatsapp_configurations")
    assert number["reach_limit"] == 2000
    kept = await running.rows("SELECT kind FROM webhook_events")
    assert {row["kind"] for row in kept} == {"AccountChanged a_field_of_tomorrow"}
