"""A colleague answers somebody in their own words, and gives the conversation back, over HTTP and the clock."""

from typing import Any

from bot.core.ids import ContactId
from bot.operations import handoffs
from storage.postgres.database import Postgres
from tests.e2e.conftest import CUSTOMER, Running

HANDOFFS = "SELECT role, status, taken_by, overdue_at, due_at FROM handoffs"
HEARD = "SELECT count(*) FROM whatsapp_messages WHERE direction = 'INBOUND'"
OWNER = "SELECT conversation_id, contact_id, snapshot->>'owner' AS owner FROM whatsapp_conversations"


async def as_colleague(running: Running, service: Any, **arguments: Any) -> Any:
    system = running.system
    async with system.office.acting(
        system.channel.tenant_id, role="sales", source="WEB", contact_id=ContactId(4242)
    ) as acting:
        return await service(acting, **arguments)


async def conversation(running: Running) -> int:
    rows = await running.rows(
        "SELECT w.conversation_id FROM whatsapp_conversations w WHERE w.last_inbound_at IS NOT NULL"
    )
    return int(rows[0]["conversation_id"])


async def owner_is(running: Running, owner: str) -> None:
    number = await conversation(running)
    await running.until(f"{OWNER} WHERE conversation_id = {number}", lambda rows: rows[0]["owner"] == owner)


async def test_a_colleague_answers_and_gives_back(running: Running) -> None:
    phone = running.emulator
    await phone.say(CUSTOMER, "Everest base camp trek for 2 people")
    (asked,) = await phone.wait_for(CUSTOMER)
    assert "month" in asked.text
    number = await conversation(running)

    said = await as_colleague(running, handoffs.reply, conversation=number, text="Hi, Anita here. October is lovely!")
    await phone.wait_for(CUSTOMER, lambda bubble: bubble.text == "Hi, Anita here. October is lovely!")
    assert said["owner"] == "person:contact:4242"
    await owner_is(running, "person:contact:4242")
    (row,) = await running.rows(HANDOFFS)
    assert (row["status"], row["taken_by"]) == ("TAKEN", "contact:4242")

    await phone.say(CUSTOMER, "October then")
    await running.until(f"{HEARD} AND conversation_id = {number}", lambda rows: rows[0]["count"] == 2)
    await running.until("SELECT * FROM inbox", lambda rows: not rows)
    await as_colleague(running, handoffs.give_back, conversation=number)
    (again,) = await phone.wait_for(CUSTOMER)
    assert "month" in again.text
    await owner_is(running, "bot")
    assert (await running.rows(HANDOFFS))[0]["status"] == "RETURNED"


async def test_who_waits_in_vain_is_told_of_and_who_says_no_more_loses_it(running: Running) -> None:
    phone = running.emulator
    await phone.say(CUSTOMER, "Everest base camp trek for 2 people")
    await phone.wait_for(CUSTOMER)
    await phone.say(CUSTOMER, "agent")
    await phone.wait_for(CUSTOMER, lambda bubble: "colleague" in bubble.text)
    (row,) = await running.rows(HANDOFFS)
    assert (row["role"], row["status"]) == ("sales", "WAITING")
    assert row["due_at"] is not None, "the flow says 15 minutes"

    await _turn_the_clock(running, "UPDATE handoffs SET due_at = now() - interval '1 second'")
    await _look_after(running)  # unless the system's own clock was faster
    assert await _look_after(running) == 0, "once"
    told = await running.rows("SELECT event FROM inbox WHERE event->>'name' = 'handoff.overdue'")
    traces = await running.rows("SELECT trace FROM turn_traces WHERE trace::text LIKE '%handoff.overdue%'")
    assert told or traces

    number = await conversation(running)
    await as_colleague(running, handoffs.take, conversation=number)
    await owner_is(running, "person:contact:4242")
    await _turn_the_clock(running, "UPDATE handoffs SET keep_until = now() - interval '1 second'")
    await _look_after(running)
    await owner_is(running, "bot")


async def _look_after(running: Running) -> int:
    system = running.system
    async with system.office.acting(system.channel.tenant_id) as acting:
        return await handoffs.look_after(acting)


async def _turn_the_clock(running: Running, statement: str) -> None:
    database: Postgres = running.system.foundation.database
    async with database.tenant(running.system.channel.tenant_id) as db:
        await db.execute(statement)
