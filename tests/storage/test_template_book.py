"""Message templates: their status moves by what a provider says, and holds messages back while it forbids sending."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.ids import MessageId
from bot.core.messages import TemplateOut
from storage.base import NewOutbound, Outcome, StoredTemplate, TemplateNews
from storage.postgres import TemplateBook
from storage.postgres.templates import choose
from tests.conftest import EPOCH
from tests.storage.support import World, build_world

LEAD = TemplateNews(name="new_lead", language="en", provider_template_id="81", status="APPROVED", category="UTILITY")
OUT = TemplateOut(name="new_lead", language="en", parameters=("Asha",))
DRAFT = StoredTemplate(
    name="new_lead", language="en", category="UTILITY", status="DRAFT", components=[], updated_at=EPOCH
)


@pytest.fixture
def book(world: World) -> TemplateBook:
    return TemplateBook(world.database, world.tenant, "meta")


async def say(world: World, content: TemplateOut = OUT, *, after: timedelta = timedelta(0)) -> MessageId:
    """Store one template message as a turn does; returns its number."""
    new = NewOutbound(conversation_id=await world.conversation(), channel_id=world.channel.channel_id, content=content)
    async with world.turns.transaction(world.tenant) as store:
        await store.write(Outcome(outbound=[new]), EPOCH + after)
    return MessageId(await world.value("SELECT max(message_id) FROM whatsapp_messages"))


async def status(book: TemplateBook) -> dict[tuple[str, str], str]:
    return {(one.name, one.language): one.status for one in await book.all()}


async def test_a_template_becomes_known_and_moves_by_what_the_provider_says(book: TemplateBook) -> None:
    (new,) = await book.record([replace(LEAD, status="pending", components=[{"type": "BODY"}])], EPOCH)
    assert (new.before, new.after) == (None, "PENDING")
    (rejected,) = await book.record([replace(LEAD, status="REJECTED", reason="INVALID_FORMAT")], EPOCH)
    assert (rejected.before, rejected.after, rejected.reason) == ("PENDING", "REJECTED", "INVALID_FORMAT")
    await book.record([replace(LEAD, status=None, quality="YELLOW")], EPOCH)
    (kept,) = await book.all()
    assert (kept.reason, kept.quality, kept.components) == ("INVALID_FORMAT", "YELLOW", [{"type": "BODY"}])
    await book.record([LEAD], EPOCH)
    (kept,) = await book.all()
    assert (kept.status, kept.reason) == ("APPROVED", None)
    assert await book.record([LEAD], EPOCH) == [], "the same news again is none"


async def test_without_a_language_the_id_tells_which_template_is_meant(book: TemplateBook) -> None:
    await book.record([LEAD, replace(LEAD, language="hi", provider_template_id="82")], EPOCH)
    await book.record([replace(LEAD, language="", provider_template_id="82", status="PAUSED")], EPOCH)
    await book.record([replace(LEAD, language="", provider_template_id="99", status="PAUSED")], EPOCH)
    assert await status(book) == {("new_lead", "en"): "APPROVED", ("new_lead", "hi"): "PAUSED"}


async def test_a_sync_finds_what_is_gone_and_what_was_never_handed_in(book: TemplateBook) -> None:
    await book.record([LEAD, replace(LEAD, language="hi", provider_template_id="82")], EPOCH)
    (gone,) = await book.sync([LEAD], [DRAFT, replace(DRAFT, name="trip_issue")], EPOCH)
    assert (gone.language, gone.after) == ("hi", "DELETED")
    assert await status(book) == {
        ("new_lead", "en"): "APPROVED", ("new_lead", "hi"): "DELETED", ("trip_issue", "en"): "DRAFT",
    }  # fmt: skip


@pytest.mark.parametrize("word", ["PENDING", "PAUSED", "REJECTED", "DISABLED", "IN_APPEAL", "A_WORD_OF_NEXT_YEAR"])
async def test_what_may_not_be_sent_is_held_with_the_reason(world: World, book: TemplateBook, word: str) -> None:
    await book.record([replace(LEAD, status=word, reason="LOW_QUALITY")], EPOCH)
    held = await world.message(await say(world))
    assert held["status"] == "HELD"
    assert held["error_detail"].startswith(f"Template new_lead (en) is {word}: LOW_QUALITY.")
    assert await world.claim() == []


async def test_what_may_be_sent_or_is_not_known_goes_out(world: World, book: TemplateBook) -> None:
    unknown = await say(world)
    await book.record([replace(LEAD, status="FLAGGED")], EPOCH)
    flagged = await say(world)
    assert [(await world.message(one))["status"] for one in (unknown, flagged)] == ["QUEUED", "QUEUED"]


async def test_approval_queues_what_has_waited_but_not_what_is_stale(world: World, book: TemplateBook) -> None:
    await book.record([replace(LEAD, status="PENDING")], EPOCH)
    stale, fresh = await say(world), await say(world, after=timedelta(hours=2))
    (move,) = await book.record([LEAD], EPOCH + timedelta(hours=25))
    assert move.released == 1
    assert (await world.message(stale))["status"] == "HELD"
    assert (await world.message(fresh))["status"] == "QUEUED"
    (claim,) = await world.claim(now=EPOCH + timedelta(hours=25))
    assert (claim.message_id, claim.content) == (fresh, OUT)
    assert await world.value("SELECT count(*) FROM template_waits") == 0


async def test_other_news_than_approval_queue_nothing(world: World, book: TemplateBook) -> None:
    await book.record([replace(LEAD, status="PENDING")], EPOCH)
    waiting = await say(world)
    (move,) = await book.record([replace(LEAD, status="REJECTED")], EPOCH + timedelta(hours=1))
    assert (move.after, move.released) == ("REJECTED", 0)
    assert (await world.message(waiting))["status"] == "HELD"
    assert await world.value("SELECT count(*) FROM template_waits") == 1


async def test_another_tenant_and_another_provider_do_not_count(world: World, book: TemplateBook) -> None:
    other = await build_world(world.database, world.vault, slug="other", address="2")
    await TemplateBook(world.database, other.tenant, "meta").record([replace(LEAD, status="PAUSED")], EPOCH)
    await TemplateBook(world.database, world.tenant, "twilio").record([replace(LEAD, status="PAUSED")], EPOCH)
    assert (await world.message(await say(world)))["status"] == "QUEUED"


@pytest.mark.parametrize(
    ("wanted", "known", "language", "held"),
    [
        ("hi", {"en": "APPROVED"}, "en", False),
        ("hi", {"en": "APPROVED", "hi": "APPROVED"}, "hi", False),
        ("hi", {"en": "APPROVED", "hi": "PENDING"}, "en", False),
        ("en", {"en_US": "APPROVED", "de": "APPROVED"}, "en_US", False),
        ("fr", {"de": "APPROVED"}, "de", False),
        ("hi", {"en": "PAUSED", "hi": "REJECTED"}, "hi", True),
        ("hi", {"en": "PAUSED", "de": "REJECTED"}, "en", True),
        ("hi", {}, "hi", False),
    ],
)
def test_the_language_in_which_it_may_be_sent(wanted: str, known: dict[str, str], language: str, held: bool) -> None:
    content, reason = choose(replace(OUT, language=wanted), {code: (word, None) for code, word in known.items()})
    assert (content.language, reason is not None) == (language, held)


async def test_one_approved_while_it_is_handed_in_queues_what_has_waited(world: World, book: TemplateBook) -> None:
    await book.sync([], [DRAFT], EPOCH)
    waits = await say(world)
    await book.handed_in(replace(DRAFT, status="PENDING"), EPOCH)
    assert (await world.message(waits))["status"] == "HELD"
    await book.handed_in(replace(DRAFT, status="APPROVED"), EPOCH)
    assert (await world.message(waits))["status"] == "QUEUED"
    (claim,) = await world.claim()
    assert claim.message_id == waits
