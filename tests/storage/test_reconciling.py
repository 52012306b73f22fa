"""Statuses that the provider told while nobody listened are asked for."""

from datetime import timedelta

from bot.runtime.bells import Bells
from bot.runtime.intake import GroupCommit
from bot.runtime.reconciling import EVERY, GIVEN_UP, PATIENCE, Reconciler
from providers.base import Delivery, Effect, Fault, Problem, StatusUpdate
from storage.base import Verdict
from storage.postgres.chores import Chores
from tests.conftest import EPOCH
from tests.runtime.test_sender import FakeProvider
from tests.storage.support import WAIT, World, person, result


class Knowing(FakeProvider):
    """Knows what became of messages."""

    def __init__(self, known: dict[str, Delivery]) -> None:
        super().__init__()
        self.known = known
        self.asked: list[str] = []

    async def look_up(self, provider_message_id: str) -> StatusUpdate | None:
        self.asked.append(provider_message_id)
        status = self.known.get(provider_message_id)
        if status is None:
            return None
        failed = status is Delivery.FAILED
        problem = Problem(fault=Fault.RECIPIENT, code=63024, effect=Effect.NONE) if failed else None
        return StatusUpdate(
            channel="+1", provider_message_id=provider_message_id, status=status, at=EPOCH, problem=problem
        )


async def accepted(world: World, number: int) -> str:
    conversation = await world.conversation(person(number))
    (message_id,) = await world.say(f"message {number}", to=conversation)
    (claim,) = await world.claim()
    await world.claim(result(claim, Verdict.DONE), room=0)
    return f"wamid.out.{message_id}"


async def test_what_became_of_silent_messages_is_asked_for_once_in_a_while(world: World) -> None:
    delivered, failed, unknown, waiting = [await accepted(world, number) for number in range(4)]
    provider = Knowing({delivered: Delivery.DELIVERED, failed: Delivery.FAILED, waiting: Delivery.ACCEPTED})
    reconciler = Reconciler(
        provider=provider,
        channel=world.channel,
        database=world.database,
        vault=world.vault,
        intake=GroupCommit(world.intake, Bells()),
        chores=Chores(world.database),
    )
    assert await reconciler.reconcile(EPOCH + PATIENCE - timedelta(seconds=1)) == 0
    assert provider.asked == []
    later = EPOCH + PATIENCE + EVERY
    assert await reconciler.reconcile(later) == 2
    assert set(provider.asked) == {delivered, failed, unknown, waiting}
    assert await reconciler.reconcile(later + timedelta(seconds=1)) == 0
    await world.outbox.settle(later, wait=WAIT)
    rows = await world.rows("SELECT status, error_code FROM whatsapp_messages ORDER BY message_id")
    assert [(row["status"], row["error_code"]) for row in rows] == [
        ("DELIVERED", None),
        ("FAILED", 63024),
        ("ACCEPTED", None),
        ("ACCEPTED", None),
    ]
    provider.asked.clear()
    await reconciler.reconcile(EPOCH + GIVEN_UP + timedelta(minutes=1))
    assert provider.asked == []
