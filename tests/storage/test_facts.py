"""What providers tell besides messages is written down where it is acted on, once however often it is told."""

import json
from datetime import timedelta
from typing import Any

from bot.core.messages import TextOut
from storage.base import (
    NewAddress,
    NewEcho,
    NewHealth,
    NewPreference,
    NewTemplateNews,
    Person,
    TemplateNews,
)
from storage.postgres import Postgres, grant_role
from tests.conftest import EPOCH
from tests.storage.support import ANNA, BIMAL, World, message, run_change, timer

NEW_PHONE, USER, NEW_USER = "+9779800000077", "NP.user-1", "NP.user-2"


def moved(world: World, old: Person, new: Person) -> NewAddress:
    return NewAddress(channel=world.channel, old=old, new=new, at=EPOCH)


def by_phone(phone: str) -> Person:
    return Person(phone=phone, user_id=None)


def by_user(user_id: str) -> Person:
    return Person(phone=None, user_id=user_id)


async def shown(world: World, contact: int) -> tuple[str | None, str | None]:
    row = (await world.rows("SELECT phone, user_id FROM contacts WHERE contact_id = $1", contact))[0]
    phone, user_id = (world.vault.decrypt(world.tenant, value) if value else None for value in row.values())
    return phone, user_id


async def test_a_new_number_leads_to_the_same_person_and_the_old_one_to_nobody(world: World) -> None:
    await world.intake.accept([message(world.channel)])
    before = await world.directory.place(world.channel, ANNA)
    taken = await world.intake.accept([moved(world, ANNA, by_phone(NEW_PHONE)), message(world.channel, sender=ANNA)])
    assert (taken.facts, taken.messages) == (1, 1)
    after = await world.directory.place(world.channel, by_phone(NEW_PHONE))
    assert after.contact_id == before.contact_id
    assert await shown(world, before.contact_id) == (NEW_PHONE, None)
    # Whoever has the old number now is somebody else, in the same request already.
    stranger = await world.directory.place(world.channel, ANNA)
    assert stranger.contact_id != before.contact_id


async def test_a_new_business_scoped_id_is_bound_and_told_twice_changes_nothing(world: World) -> None:
    both = Person(phone=ANNA.phone, user_id=USER)
    place = await world.directory.place(world.channel, both)
    for _ in range(2):
        await world.intake.accept([moved(world, by_user(USER), by_user(NEW_USER))])
    assert (await world.directory.place(world.channel, by_user(NEW_USER))).contact_id == place.contact_id
    assert await shown(world, place.contact_id) == (ANNA.phone, NEW_USER)
    kinds = await world.rows("SELECT kind, count(*) AS n FROM contact_identities GROUP BY kind ORDER BY kind")
    assert [(row["kind"], row["n"]) for row in kinds] == [("phone", 1), ("user_id", 1)]


async def test_nobody_we_know_moves_nowhere(world: World) -> None:
    await world.intake.accept([moved(world, by_phone("+111111111"), by_phone(NEW_PHONE))])
    assert await world.value("SELECT count(*) FROM contacts") == 0
    assert await world.value("SELECT kind FROM webhook_events") == "IdentityChanged of nobody we know"


async def test_somebody_who_wrote_from_the_new_number_first_is_the_same_person(world: World) -> None:
    """Their message waits under another contact when WhatsApp tells us; it is processed in the old conversation."""
    await world.intake.accept([message(world.channel, sender=ANNA)])
    old = await world.directory.place(world.channel, ANNA)
    await world.intake.accept([message(world.channel, "from my new phone", sender=by_phone(NEW_PHONE))])
    early = await world.directory.place(world.channel, by_phone(NEW_PHONE))
    await grant_role(world.database, world.vault, world.channel, by_phone(NEW_PHONE), "manager")
    async with world.turns.transaction(world.tenant) as store:
        outcome = await world_outcome(early.conversation_id)
        await store.write(outcome, EPOCH)
    await world.intake.accept([NewPreference(channel=world.channel, person=by_phone(NEW_PHONE), marketing=False,
                                             at=EPOCH, proof={})])  # fmt: skip

    await world.intake.accept([moved(world, ANNA, by_phone(NEW_PHONE))])

    assert (await world.directory.place(world.channel, by_phone(NEW_PHONE))).conversation_id == old.conversation_id
    events = await world.rows("SELECT conversation_id FROM inbox ORDER BY event_id")
    assert {row["conversation_id"] for row in events} == {old.conversation_id}
    assert await world.value("SELECT count(*) FROM timers") == 0
    assert await world.value("SELECT outcome FROM flow_runs") == "merged"
    assert await world.value("SELECT contact_id FROM whatsapp_opt_ins") == old.contact_id
    assert await world.value("SELECT merged_into FROM contacts WHERE contact_id = $1", early.contact_id) == (
        old.contact_id
    )
    # An address alone never gives a role.
    assert await world.value("SELECT count(*) FROM contact_roles WHERE contact_id = $1", old.contact_id) == 0
    actions = [row["action"] for row in await world.rows("SELECT action FROM whatsapp_audit_logs ORDER BY audit_id")]
    assert actions == ["contact.merged", "contact.address_changed"]


async def world_outcome(conversation: Any) -> Any:
    from storage.base import Outcome

    due = timer(conversation, EPOCH + timedelta(hours=1))
    return Outcome(
        runs={run_change("run-1", conversation).run: run_change("run-1", conversation)},
        timers={(due.run, due.name, due.epoch): due},
    )


async def test_another_process_forgets_after_a_while(world: World, dsn: str) -> None:
    other = await Postgres.connect(dsn, size=2)
    await world.directory.places([message(world.channel)])
    directory = type(world.directory)(other, world.vault)
    first = (await directory.places([message(world.channel)]))[0]
    await world.intake.accept([moved(world, ANNA, by_phone(NEW_PHONE))])
    directory._forget_at = 0
    assert (await directory.places([message(world.channel)]))[0].contact_id != first.contact_id
    await other.close()


async def test_a_preference_is_kept_once_with_its_proof(world: World) -> None:
    stop = NewPreference(channel=world.channel, person=BIMAL, marketing=False, at=EPOCH, proof={"value": "stop"})
    for _ in range(2):
        await world.intake.accept([stop])
    await world.intake.accept(
        [NewPreference(channel=world.channel, person=BIMAL, marketing=True, at=EPOCH + timedelta(1), proof={})]
    )
    rows = await world.rows("SELECT purpose, allowed, source, proof FROM whatsapp_opt_ins ORDER BY created_at")
    assert [(row["purpose"], row["allowed"], row["source"]) for row in rows] == [
        ("marketing", False, "WHATSAPP"),
        ("marketing", True, "WHATSAPP"),
    ]
    assert json.loads(rows[0]["proof"]) == {"value": "stop"}


async def test_news_of_a_template_move_its_status(world: World) -> None:
    for status in ("APPROVED", "PAUSED"):
        news = TemplateNews(name="nudge", language="en", provider_template_id="81", status=status)
        await world.intake.accept([NewTemplateNews(channel=world.channel, news=news, at=EPOCH)])
    assert await world.value("SELECT status FROM whatsapp_templates WHERE name = 'nudge'") == "PAUSED"


async def test_news_of_a_number_are_kept_by_topic_with_limit_and_alarm(world: World) -> None:
    def health(topic: str, **more: Any) -> NewHealth:
        return NewHealth(channel=world.channel, topic=topic, data={"event": topic}, at=EPOCH, **more)

    until = EPOCH + timedelta(hours=6)
    await world.intake.accept([health("a", reach_limit=250, alarm="look", initiated_after=until), health("b")])
    row = (await world.rows("SELECT * FROM whatsapp_configurations"))[0]
    assert (row["reach_limit"], row["alarm"], row["initiated_after"]) == (250, "look", until)
    assert set(json.loads(row["health"])) == {"a", "b"}
    await world.intake.accept([health("a", reach_limit=-1, throughput=1000), health("b")])
    assert await world.value("SELECT throughput FROM whatsapp_configurations") == 1000
    assert await world.value("SELECT reach_limit FROM whatsapp_configurations") is None


async def test_what_a_colleague_typed_is_in_the_history_and_news_for_the_flows(world: World) -> None:
    echo = NewEcho(
        channel=world.channel, person=ANNA, provider_message_id="wamid.E", content=TextOut(body="On my way"),
        sent_at=EPOCH, received_at=EPOCH,
    )  # fmt: skip
    for _ in range(2):
        await world.intake.accept([echo])
    rows = await world.rows("SELECT direction, status, kind, context FROM whatsapp_messages")
    assert [(row["direction"], row["status"], row["kind"]) for row in rows] == [("OUTBOUND", "SENT", "text")]
    events = await world.rows("SELECT kind, event FROM inbox")
    assert [row["kind"] for row in events] == ["business"]
    assert json.loads(events[0]["event"])["name"] == "phone.wrote"


async def test_what_brought_somebody_here_is_kept_and_told(world: World) -> None:
    context = {"referral": {"source_id": "120"}, "forwarded": True}
    one = message(world.channel)
    await world.intake.accept([type(one)(**{**{f: getattr(one, f) for f in one.__slots__}, "context": context})])
    assert json.loads(await world.value("SELECT context FROM whatsapp_messages")) == context
    conversation = await world.conversation()
    async with world.turns.transaction(world.tenant) as store:
        (work,) = await store.lock([conversation], 10, 10)
    assert work.events[0].event.referral == {"source_id": "120"}  # type: ignore[union-attr]
