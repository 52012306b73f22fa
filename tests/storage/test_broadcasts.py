"""A broadcast reaches each person once, at its pace, in its hours, and only while they may be written to."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from bot.core.errors import ActionError
from bot.core.ids import ContactId
from bot.core.messages import MediaOut, TemplateOut
from bot.operations import approvals, broadcasts
from bot.operations.acting import Acting
from bot.operations.segments import Segment
from storage.base import Fed, Person, TemplateNews, Verdict
from storage.postgres import PostgresBroadcasts, TemplateBook
from storage.postgres.outbox import OPTED_OUT
from tests.conftest import EPOCH
from tests.storage.support import World, build_world, message, person, result

MINUTE = timedelta(minutes=1)
_OPT = """
INSERT INTO whatsapp_opt_ins (tenant_id, contact_id, purpose, allowed, source, created_at)
SELECT $1, c, $3, $4, 'WEB', $5 FROM unnest($2::bigint[]) AS c
"""


class Stage:
    """A world with people who agreed to be written to, and the feeder."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.feeder = PostgresBroadcasts(world.database)
        self.people: list[ContactId] = []

    async def populate(self, number: int) -> None:
        people = [person(n) for n in range(number)]
        places = await self.world.directory.places([message(self.world.channel, sender=one) for one in people])
        self.people = [place.contact_id for place in places]
        await self.opt(self.people, allowed=True)

    async def opt(self, people: list[ContactId], *, allowed: bool, purpose: str = "all", minutes: int = -60) -> None:
        async with self.world.database.tenant(self.world.tenant) as db:
            await db.execute(_OPT, self.world.tenant, people, purpose, allowed, EPOCH + minutes * MINUTE)

    async def do(self, service: Any, /, role: str = "manager", who: ContactId | None = None, **arguments: Any) -> Any:
        async with self.world.database.tenant(self.world.tenant) as db:
            acting = Acting(tenant_id=self.world.tenant, db=db, at=EPOCH, role=role, contact_id=who)
            return await service(acting, **arguments)

    async def running(self, **changes: Any) -> str:
        made = await self.do(broadcasts.draft, name="News", template="news", per_minute=60_000, **changes)
        await self.do(broadcasts.start, broadcast=made["code"])
        return str(made["code"])

    async def feed(self, minutes: float = 0) -> Fed:
        return await self.feeder.feed(self.world.tenant, EPOCH + minutes * MINUTE)

    async def progress(self, code: str) -> dict[str, int]:
        seen = await self.do(broadcasts.status, broadcast=code)
        return {what: count for what, count in seen["progress"].items() if count}


@pytest.fixture
async def stage(world: World) -> Stage:
    made = Stage(world)
    await made.populate(5)
    return made


async def test_everybody_gets_it_once_with_their_name_in_it(stage: Stage) -> None:
    code = await stage.running(parameters=["{first_name:friend}", "20 %"])
    assert await stage.feed() == Fed(begun=1)
    assert await stage.feed(0.1) == Fed(handed=5, finished=1)
    claims = await stage.world.claim(now=EPOCH + MINUTE)
    assert len({claim.phone for claim in claims}) == 5
    assert {claim.content for claim in claims} == {
        TemplateOut(name="news", language="en", parameters=(name, "20 %"))
        for name in {row["name"].split(" ")[0] for row in await stage.world.rows("SELECT name FROM contacts")}
    }
    assert await stage.progress(code) == {"queued": 5}
    assert await stage.feed(1) == Fed()


async def test_the_pace_is_kept_by_any_number_of_feeders(stage: Stage) -> None:
    await stage.populate(40)
    made = await stage.do(broadcasts.draft, name="Slow", template="news", per_minute=600)  # ten a second
    await stage.do(broadcasts.start, broadcast=made["code"])
    await stage.feed()
    handed = 0
    for tenth in range(1, 21):  # two seconds
        rounds = await asyncio.gather(*(stage.feed(tenth / 600) for _ in range(3)))
        handed += sum(fed.handed for fed in rounds)
    assert handed == 20
    assert await stage.world.value("SELECT count(*) FROM outbox") == 20
    assert await stage.world.value("SELECT count(DISTINCT conversation_id) FROM outbox") == 20


async def test_a_portion_that_is_not_committed_has_not_happened(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    code = await stage.running()
    await stage.feed()
    monkeypatch.setattr("storage.postgres.broadcasts._FED", "SELECT 1 / 0, $1::bigint, $2::bigint, $3::timestamptz")
    with pytest.raises(Exception, match="division by zero"):
        await stage.feed(0.1)
    monkeypatch.undo()
    assert await stage.world.value("SELECT count(*) FROM outbox") == 0
    assert await stage.feed(0.1) == Fed(handed=5, finished=1)
    assert await stage.progress(code) == {"queued": 5}


async def test_who_says_stop_after_it_began_is_skipped(stage: Stage) -> None:
    code = await stage.running()
    await stage.feed()
    await stage.opt(stage.people[:1], allowed=False, minutes=0)
    await stage.opt(stage.people[1:2], allowed=False, purpose="marketing", minutes=0)
    assert await stage.feed(0.1) == Fed(handed=3, skipped=2, finished=1)
    assert await stage.progress(code) == {"queued": 3, "skipped": 2}
    listed = (await stage.do(broadcasts.people, broadcast=code, failed=True))["items"]
    assert [one["reason"] for one in listed] == ["They have asked for no messages.", "They have asked for no offers."]


async def test_who_says_stop_while_it_waits_in_the_outbox_is_not_sent_it(stage: Stage) -> None:
    code = await stage.running()
    await stage.feed()
    await stage.feed(0.1)
    await stage.opt(stage.people[:2], allowed=False, minutes=1)
    assert len(await stage.world.claim(now=EPOCH + MINUTE)) == 3
    assert (await stage.progress(code))["failed"] == 2
    listed = (await stage.do(broadcasts.people, broadcast=code, failed=True))["items"]
    assert {one["reason"] for one in listed} == {OPTED_OUT}


async def test_only_who_agreed_gets_offers_and_all_who_did_not_forbid_it_the_rest(stage: Stage) -> None:
    await stage.world.directory.place(stage.world.channel, Person(phone="+15550009999", user_id=None, name="New"))
    await stage.opt(stage.people[:1], allowed=False, minutes=-10)
    await stage.opt(stage.people[1:2], allowed=False, purpose="marketing", minutes=-10)
    offers = await stage.do(broadcasts.draft, name="Offer", template="news")
    news = await stage.do(broadcasts.draft, name="News", template="news", marketing=False)
    assert (offers["people"], news["people"]) == (3, 5)


async def test_nothing_goes_out_at_night_where_it_is_sent_to(stage: Stage) -> None:
    """EPOCH is 09:00 UTC, 14:45 in Kathmandu."""
    await stage.running(timezone="Asia/Kathmandu", not_before="15:00", not_after="20:00")
    await stage.feed()
    assert await stage.feed(14) == Fed()
    assert (await stage.feed(15)).handed == 5


async def test_a_full_outbox_gets_nothing_more(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.postgres.broadcasts.AHEAD", 2)
    await stage.world.say("one", "two", to=await stage.world.conversation())
    await stage.running()
    await stage.feed()
    assert await stage.feed(0.1) == Fed()


async def test_it_pauses_and_goes_on_where_it_was(stage: Stage) -> None:
    made = await stage.do(broadcasts.draft, name="Slow", template="news", per_minute=60)
    code = made["code"]
    await stage.do(broadcasts.start, broadcast=code)
    await stage.feed()
    assert (await stage.feed(2 / 60)).handed == 2
    await stage.do(broadcasts.pause, broadcast=code)
    assert await stage.feed(1) == Fed()
    await stage.do(broadcasts.resume, broadcast=code)
    assert await stage.feed(2) == Fed(begun=1, handed=2)
    await stage.do(broadcasts.cancel, broadcast=code)
    assert await stage.feed(3) == Fed()
    assert await stage.progress(code) == {"queued": 4, "pending": 1}


async def test_only_what_failed_for_certain_is_tried_again(stage: Stage) -> None:
    code = await stage.running()
    await stage.feed()
    await stage.feed(0.1)
    later = EPOCH + MINUTE
    claims = await stage.world.claim(now=later)
    verdicts = [Verdict.FAILED, Verdict.FAILED, Verdict.UNKNOWN, Verdict.DONE, Verdict.DONE]
    await stage.world.claim(
        *(
            result(claim, verdict, at=later, retry_at=later)
            if verdict is not Verdict.DONE
            else result(claim, verdict, at=later, provider_message_id=f"wamid.{claim.message_id}")
            for claim, verdict in zip(claims, verdicts, strict=True)
        ),
        now=later,
    )
    assert await stage.progress(code) == {"failed": 2, "unknown": 1, "sent": 2}
    assert (await stage.do(broadcasts.retry, broadcast=code))["people"] == 2
    assert await stage.feed(2) == Fed(begun=1, handed=2, finished=1)
    again = await stage.world.claim(now=EPOCH + 3 * MINUTE)
    assert {claim.phone for claim in again} == {claim.phone for claim in claims[:2]}


async def test_it_pauses_by_itself_when_its_template_may_not_be_sent(stage: Stage) -> None:
    book = TemplateBook(stage.world.database, stage.world.tenant, "meta")
    await book.record([TemplateNews(name="news", language="en", status="PAUSED", reason="LOW QUALITY")], EPOCH)
    code = await stage.running()
    await stage.feed()
    assert await stage.feed(0.1) == Fed(paused=1)
    seen = await stage.do(broadcasts.status, broadcast=code)
    assert (seen["status"], seen["progress"]["pending"]) == ("PAUSED", 5)
    assert "PAUSED" in seen["reason"]


async def test_texts_fill_header_and_buttons_of_a_template_whose_parts_are_known(stage: Stage) -> None:
    parts = [
        {"type": "HEADER", "format": "IMAGE"},
        {"type": "BODY", "text": "Dear {{1}}, have a look."},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Look", "url": "https://x.example/{{1}}"}]},
    ]
    book = TemplateBook(stage.world.database, stage.world.tenant, "meta")
    news = TemplateNews(name="news", language="en", status="APPROVED", category="MARKETING", components=parts)
    await book.record([news], EPOCH)
    await stage.running(parameters=["you", "https://x.example/pass.jpg", "7"], segment={"contacts": stage.people[:1]})
    await stage.feed()
    await stage.feed(0.1)
    (claim,) = await stage.world.claim(now=EPOCH + MINUTE)
    picture = MediaOut(media="image", link="https://x.example/pass.jpg")
    assert claim.content == TemplateOut(
        name="news", language="en", parameters=("you",), header_media=picture, button_parameters=("7",)
    )
    code = await stage.running(parameters=["you"])
    await stage.feed(1)
    assert await stage.feed(1.1) == Fed(paused=1)
    assert "takes 3 values" in (await stage.do(broadcasts.status, broadcast=code))["reason"]


async def test_who_has_no_name_is_skipped_when_the_text_needs_one(stage: Stage) -> None:
    async with stage.world.database.tenant(stage.world.tenant) as db:
        await db.execute("UPDATE contacts SET name = ' ' WHERE contact_id = $1", stage.people[0])
    await stage.running(parameters=["{name}"])
    await stage.feed()
    assert await stage.feed(0.1) == Fed(handed=4, skipped=1, finished=1)


async def test_a_name_is_data_whatever_it_says(stage: Stage) -> None:
    async with stage.world.database.tenant(stage.world.tenant) as db:
        await db.execute("UPDATE contacts SET name = '{name} {{ 7 * 7 }} $1' WHERE contact_id = $1", stage.people[0])
    await stage.running(parameters=["Dear {name}"], segment={"contacts": stage.people[:1]})
    await stage.feed()
    await stage.feed(0.1)
    (claim,) = await stage.world.claim(now=EPOCH + MINUTE)
    assert isinstance(claim.content, TemplateOut)
    assert claim.content.parameters == ("Dear {name} {{ 7 * 7 }} $1",)


# --- Starting -------------------------------------------------------------------------------------------------------


async def test_many_people_need_a_managers_yes(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.operations.broadcasts.APPROVAL_ABOVE", 4)
    made = await stage.do(broadcasts.draft, role="operations", name="News", template="news")
    asked = await stage.do(broadcasts.start, role="operations", broadcast=made["code"])
    assert (asked["status"], asked["people"]) == ("WAITING", 5)
    assert await stage.feed(1) == Fed()
    approval = await stage.world.value("SELECT approval_id FROM approvals")
    await stage.do(approvals.decide, who=stage.people[0], approval=approval, approve=True)
    assert await stage.feed(1) == Fed(begun=1)


async def test_a_refused_broadcast_is_a_draft_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.operations.broadcasts.APPROVAL_ABOVE", 4)
    made = await stage.do(broadcasts.draft, role="operations", name="News", template="news")
    await stage.do(broadcasts.start, role="operations", broadcast=made["code"])
    approval = await stage.world.value("SELECT approval_id FROM approvals")
    await stage.do(approvals.decide, who=stage.people[0], approval=approval, approve=False)
    assert (await stage.do(broadcasts.status, broadcast=made["code"]))["status"] == "DRAFT"


async def test_it_waits_for_its_time(stage: Stage) -> None:
    made = await stage.do(broadcasts.draft, name="Later", template="news")
    await stage.do(broadcasts.start, broadcast=made["code"], at=(EPOCH + 5 * MINUTE).isoformat())
    assert await stage.feed(4) == Fed()
    assert (await stage.feed(5)).begun == 1


@pytest.mark.parametrize(
    ("segment", "people"),
    [
        ({}, 5),
        ({"languages": ["hi"]}, 1),
        ({"languages": ["hi", "en"]}, 5),
        ({"roles": ["customer"]}, 4),
        ({"roles": ["field_staff"]}, 1),
        ({"leads": ["new"]}, 1),
        ({"active_days": 1}, 1),
        ({"languages": ["hi"], "roles": ["field_staff"]}, 0),
        ('{"languages": ["hi"]}', 1),
    ],
)
async def test_a_segment_is_all_of_its_properties(stage: Stage, segment: Any, people: int) -> None:
    one, two, three, *_ = stage.people
    tenant = stage.world.tenant
    async with stage.world.database.tenant(tenant) as db:
        await db.execute("UPDATE contacts SET language = 'hi' WHERE contact_id = $1", one)
        await db.execute("INSERT INTO contact_roles VALUES ($1, $2, 'field_staff')", tenant, two)
        await db.execute(
            "INSERT INTO leads (tenant_id, contact_id, created_at) VALUES ($1, $2, $3)", tenant, three, EPOCH
        )
        await db.execute(
            "UPDATE whatsapp_conversations SET last_inbound_at = $2 WHERE contact_id = $1", one, EPOCH - MINUTE
        )
    assert (await stage.do(broadcasts.draft, name="N", template="t", segment=segment))["people"] == people


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"segment": {"phone": ["1"]}}, "bad_segment"),
        ({"segment": "everybody"}, "bad_segment"),
        ({"segment": {"languages": []}}, "bad_segment"),
        ({"segment": {"active_days": "7"}}, "bad_segment"),
        ({"segment": {"contacts": ["1; DROP TABLE contacts"]}}, "not_found"),
        ({"timezone": "Nowhere/At_all"}, "bad_value"),
        ({"timezone": "../../etc/passwd"}, "bad_value"),
        ({"not_before": "nine"}, "bad_value"),
        ({"per_minute": 0}, "bad_value"),
        ({"parameters": {"1": "x"}}, "bad_value"),
        ({"name": ""}, "bad_value"),
    ],
)
async def test_a_broadcast_that_makes_no_sense_is_refused(stage: Stage, change: dict[str, Any], code: str) -> None:
    with pytest.raises(ActionError) as refused:
        await stage.do(broadcasts.draft, **{"name": "N", "template": "t", **change})
    assert refused.value.code == code


async def test_nobody_is_no_broadcast(stage: Stage) -> None:
    made = await stage.do(broadcasts.draft, name="N", template="t", segment={"languages": ["fr"]})
    with pytest.raises(ActionError) as refused:
        await stage.do(broadcasts.start, broadcast=made["code"])
    assert refused.value.code == "nobody"


async def test_what_is_over_cannot_be_started(stage: Stage) -> None:
    code = await stage.running()
    await stage.do(broadcasts.cancel, broadcast=code)
    with pytest.raises(ActionError, match="cancelled cannot be started"):
        await stage.do(broadcasts.start, broadcast=code)


async def test_customers_and_guides_may_not_broadcast(stage: Stage) -> None:
    for role in ("customer", "sales", "field_staff"):
        with pytest.raises(ActionError) as refused:
            await stage.do(broadcasts.draft, role=role, name="N", template="t")
        assert refused.value.code == "forbidden"


async def test_another_tenants_broadcast_is_not_there(stage: Stage, world: World) -> None:
    code = await stage.running()
    other = Stage(await build_world(world.database, world.vault, slug="beta", address="200"))
    assert await other.feed() == Fed()
    with pytest.raises(ActionError) as refused:
        await other.do(broadcasts.status, broadcast=code)
    assert refused.value.code == "not_found"


def test_the_card_of_a_segment_is_what_was_given() -> None:
    assert json.loads(Segment.of({"languages": ["en"], "active_days": 3}).json()) == {
        "languages": ["en"],
        "active_days": 3,
    }
