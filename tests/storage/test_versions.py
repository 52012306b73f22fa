"""Flow versions: kept as they were deployed, and counted by who is in them."""

import asyncio
from dataclasses import replace

import pytest

from bot.core.conversation import FRAME, Frame, Snapshot
from bot.core.ids import RunId
from storage.base import LiveState, Outcome, StoredVersion
from storage.postgres import ConversationRecord, ConversationRepository, Deployment, FlowVersions
from tests.conftest import EPOCH
from tests.storage.support import ANNA, BIMAL, World, build_world, frame, run_change

ENQUIRY = StoredVersion(flow="enquiry", version=1, fingerprint="a1", files={"flows/customer/enquiry.yaml": "flow: …"})


@pytest.fixture
def versions(world: World) -> FlowVersions:
    return FlowVersions(world.database, world.tenant)


async def talking(world: World, *frames: Frame, status: str = "ACTIVE", who: object = ANNA) -> None:
    """Put a conversation where it is."""
    place = await world.directory.place(world.channel, who)  # type: ignore[arg-type]
    record = ConversationRecord(
        channel_id=world.channel.channel_id,
        contact_id=place.contact_id,
        snapshot=Snapshot(frames=frames),
        updated_at=EPOCH,
        status=status,
    )
    await ConversationRepository(world.database, world.vault, world.tenant).save(record)


async def test_what_is_kept_is_read_back_and_replaced_by_a_later_deployment(versions: FlowVersions) -> None:
    newer = replace(ENQUIRY, version=2, fingerprint="b1", files={"a.yaml": "नमस्ते", "b.j2": '{"x": 1}'})
    async with versions.deploying() as deployment:
        await deployment.keep([ENQUIRY, newer], EPOCH)
    async with versions.deploying() as deployment:
        assert await deployment.fingerprints() == {("enquiry", 1): "a1", ("enquiry", 2): "b1"}
        assert await deployment.read([("enquiry", 2), ("enquiry", 3)]) == [newer]
        await deployment.keep([replace(newer, fingerprint="b2")], EPOCH)
    async with versions.look() as deployment:
        assert (await deployment.fingerprints())["enquiry", 2] == "b2"
        assert await deployment.read([]) == []


async def test_another_tenant_sees_none_of_them(world: World, versions: FlowVersions) -> None:
    other = await build_world(world.database, world.vault, slug="other", address="2")
    async with versions.deploying() as deployment:
        await deployment.keep([ENQUIRY], EPOCH)
    async with FlowVersions(world.database, other.tenant).look() as deployment:
        assert await deployment.fingerprints() == {}


async def test_deployments_take_turns(versions: FlowVersions) -> None:
    """The second sees what the first has kept, however close together they begin."""
    seen: list[int] = []

    async def deploy(number: int) -> None:
        async with versions.deploying() as deployment:
            seen.append(len(await deployment.fingerprints()))
            await asyncio.sleep(0)
            await deployment.keep([replace(ENQUIRY, version=number)], EPOCH)

    await asyncio.gather(*(deploy(number) for number in (1, 2, 3)))
    assert seen == [0, 1, 2]


async def test_a_failed_deployment_keeps_nothing(versions: FlowVersions) -> None:
    with pytest.raises(RuntimeError):
        await _interrupted(versions)
    async with versions.look() as deployment:
        assert await deployment.fingerprints() == {}


async def _interrupted(versions: FlowVersions) -> None:
    async with versions.deploying() as deployment:
        await deployment.keep([ENQUIRY], EPOCH)
        raise RuntimeError("the content was refused")


async def live(versions: FlowVersions) -> list[LiveState]:
    async with versions.look() as deployment:
        return await deployment.live()


async def test_live_runs_are_counted_by_state_on_every_level_of_the_stack(world: World, versions: FlowVersions) -> None:
    beneath = replace(frame("r2", state="review"), version=2)
    await talking(world, frame("r1", state="details"))
    await talking(world, beneath, frame("r3", state="details"), who=BIMAL)
    assert await live(versions) == [
        LiveState(flow="enquiry", version=1, state="details", conversations=2),
        LiveState(flow="enquiry", version=2, state="review", conversations=1),
    ]


async def test_expired_conversations_are_not_live(world: World, versions: FlowVersions) -> None:
    await talking(world, frame("r1"), status="EXPIRED")
    assert await live(versions) == []


async def test_a_business_object_counts_once_wherever_its_run_lies(world: World, versions: FlowVersions) -> None:
    """A copy of the frame is on the stack of a conversation that is asked something; the stored one is the truth."""
    stored = frame("r9", state="open", instance="TRP1")
    await talking(world, replace(stored, state="stale"))
    change = run_change("r9", await world.conversation(), instance="TRP1", frame=FRAME.dump_json(stored).decode())
    async with world.turns.transaction(world.tenant) as store:
        await store.write(Outcome(runs={RunId("r9"): change}), EPOCH)
    assert await live(versions) == [LiveState(flow="enquiry", version=1, state="open", conversations=0, instances=1)]


async def test_statuses_of_templates_are_read(world: World, versions: FlowVersions) -> None:
    async with world.database.tenant(world.tenant) as db:
        await db.execute(
            "INSERT INTO whatsapp_templates (tenant_id, provider, name, language, category, status, components) "
            "VALUES ($1, 'meta', 'new_lead', 'en', 'UTILITY', 'REJECTED', '[]')",
            world.tenant,
        )
        assert await Deployment(db, world.tenant).template_statuses() == {("new_lead", "en"): "REJECTED"}
