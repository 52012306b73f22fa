"""Files, provider and database are kept in step, whoever changed something first."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bot.core.errors import ConfigError, ProviderError
from bot.core.whatsapp import WhatsAppTemplate
from bot.runtime.templates import TemplateKeeper, named, news_in, push, sync, would_push
from providers.base import RemoteTemplate, TemplateChanged
from providers.templates import build_components
from storage.postgres import Chores, TemplateBook
from tests.conftest import FakeClock
from tests.storage.support import World, build_world

LEAD = WhatsAppTemplate.model_validate(
    {"name": "new_lead", "category": "UTILITY", "body": "Customer {{1}} wants a quote.", "examples": ["Asha"]}
)
HINDI = LEAD.model_copy(update={"language": "hi"})
OURS = {("new_lead", "en"): LEAD, ("new_lead", "hi"): HINDI}


@dataclass
class Desk:
    """A provider in memory. `trouble` is raised by the next call."""

    states: dict[tuple[str, str], RemoteTemplate] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    trouble: ProviderError | None = None
    provider: str = "meta"
    editable: tuple[str, ...] = ("APPROVED", "REJECTED")

    def _call(self, what: str) -> None:
        self.calls.append(what)
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble

    async def list(self) -> Any:
        self._call("list")
        return list(self.states.values())

    async def create(self, template: WhatsAppTemplate, sample: Any = None) -> RemoteTemplate:
        self._call(f"create {template.language}")
        return self._put(template, str(len(self.calls)))

    async def edit(self, template: RemoteTemplate, ours: WhatsAppTemplate, sample: Any = None) -> RemoteTemplate:
        self._call(f"edit {template.provider_template_id}")
        return self._put(ours, str(template.provider_template_id))

    async def status(self, name: str, language: str) -> RemoteTemplate | None:
        return self.states.get((name, language))

    async def delete(self, state: RemoteTemplate) -> None:
        self._call("delete")

    async def close(self) -> None:
        pass

    def _put(self, template: WhatsAppTemplate, template_id: str) -> RemoteTemplate:
        state = RemoteTemplate(
            name=template.name, language=template.language, status="PENDING", category=template.category,
            provider_template_id=template_id, components=build_components(template),
        )  # fmt: skip
        self.states[template.name, template.language] = state
        return state

    def review(self, status: str, reason: str | None = None) -> None:
        """What the provider's reviewers say of all of them."""
        self.states = {key: replace(one, status=status, reason=reason) for key, one in self.states.items()}


@pytest.fixture
async def world(database: Any, vault: Any) -> World:
    return await build_world(database, vault)


@pytest.fixture
def book(world: World) -> TemplateBook:
    return TemplateBook(world.database, world.tenant, "meta")


async def statuses(book: TemplateBook) -> dict[str, str]:
    return {one.language: one.status for one in await book.all()}


async def test_what_is_missing_is_handed_in_once(book: TemplateBook, clock: FakeClock) -> None:
    desk = Desk()
    assert [one.deed for one in await would_push(desk, OURS.values())] == ["would hand in"] * 2
    assert [(one.deed, one.status) for one in await push(desk, book, OURS.values(), clock)] == [
        ("handed in", "PENDING"), ("handed in", "PENDING"),
    ]  # fmt: skip
    assert [one.deed for one in await push(desk, book, OURS.values(), clock)] == ["as it was"] * 2
    assert await statuses(book) == {"en": "PENDING", "hi": "PENDING"}
    assert desk.calls == ["list", "list", "create en", "create hi", "list"]


async def test_other_words_are_handed_in_where_the_provider_takes_them(book: TemplateBook, clock: FakeClock) -> None:
    desk = Desk()
    await push(desk, book, [LEAD], clock)
    other = LEAD.model_copy(update={"body": "Customer {{1}} asks for a quote."})
    (pending,) = await push(desk, book, [other], clock)
    assert pending.deed == "differs"
    assert "while it is PENDING" in pending.told
    desk.review("APPROVED")
    assert [one.deed for one in await would_push(desk, [other])] == ["would change"]
    (changed,) = await push(desk, book, [other], clock)
    assert (changed.deed, changed.status) == ("changed", "PENDING")
    desk.editable = ()
    desk.review("APPROVED")
    (kept,) = await push(desk, book, [LEAD], clock)
    assert (kept.deed, kept.status) == ("differs", "APPROVED")
    assert "new name" in kept.told


async def test_a_refusal_of_one_does_not_keep_the_others_from_going_in(book: TemplateBook, clock: FakeClock) -> None:
    desk = Desk()

    async def create(template: WhatsAppTemplate, sample: Any = None) -> RemoteTemplate:
        if template.language == "en":
            raise ProviderError("The body is wrong.", code=100)
        return await Desk.create(desk, template)

    desk.create = create  # type: ignore[method-assign]
    refused, taken = await push(desk, book, OURS.values(), clock)
    assert (refused.deed, refused.told, taken.deed) == ("refused", "The body is wrong.", "handed in")


async def test_a_sync_records_reviews_and_what_was_never_handed_in(book: TemplateBook, clock: FakeClock) -> None:
    desk = Desk()
    await push(desk, book, [LEAD], clock)
    desk.review("REJECTED", "INVALID_FORMAT")
    clock.advance(minutes=1)
    (move,) = await sync(desk, book, OURS, clock)
    assert (move.before, move.after, move.reason) == ("PENDING", "REJECTED", "INVALID_FORMAT")
    assert await statuses(book) == {"en": "REJECTED", "hi": "DRAFT"}
    desk.states.clear()
    clock.advance(minutes=1)
    await sync(desk, book, OURS, clock)
    assert await statuses(book) == {"en": "DELETED", "hi": "DRAFT"}
    assert [one.deed for one in await push(desk, book, OURS.values(), clock)] == ["handed in"] * 2


async def test_what_is_handed_in_while_the_list_is_read_is_not_taken_for_gone(
    book: TemplateBook, clock: FakeClock
) -> None:
    desk = Desk()

    async def slow() -> Any:
        clock.advance(seconds=1)
        await push(Desk(), book, [LEAD], clock)
        return []

    desk.list = slow  # type: ignore[method-assign]
    assert await sync(desk, book, OURS, clock) == []
    assert (await statuses(book))["en"] == "PENDING"


async def test_the_server_asks_every_hour_and_sooner_while_one_is_under_review(
    world: World, book: TemplateBook, clock: FakeClock
) -> None:
    desk = Desk()
    keeper = TemplateKeeper(desk=desk, book=book, chores=Chores(world.database))

    async def asked() -> bool:
        before = len(desk.calls)
        await keeper.keep(world.tenant, OURS, clock)
        return len(desk.calls) > before

    assert await asked()
    assert not await asked()
    clock.advance(minutes=6)
    assert not await asked(), "nothing is under review"
    clock.advance(minutes=55)
    assert await asked()
    await push(desk, book, OURS.values(), clock)
    desk.review("APPROVED")
    clock.advance(minutes=6)
    assert await asked()
    assert await statuses(book) == {"en": "APPROVED", "hi": "APPROVED"}
    clock.advance(minutes=6)
    assert not await asked()


async def test_a_provider_that_does_not_answer_is_asked_again_in_an_hour(
    world: World, book: TemplateBook, clock: FakeClock
) -> None:
    desk = Desk(trouble=ProviderError("HTTP 503", retryable=True))
    keeper = TemplateKeeper(desk=desk, book=book, chores=Chores(world.database))
    assert await keeper.keep(world.tenant, OURS, clock) == []
    clock.advance(minutes=59)
    await keeper.keep(world.tenant, OURS, clock)
    assert desk.calls == ["list"]
    clock.advance(minutes=2)
    await keeper.keep(world.tenant, OURS, clock)
    assert desk.calls == ["list", "list"]
    assert await statuses(book) == {"en": "DRAFT", "hi": "DRAFT"}


def changed(change: str, **more: Any) -> TemplateChanged:
    return TemplateChanged(account="9", template_id="1", name="new_lead", language="en", change=change, **more)


async def test_webhooks_move_a_template(book: TemplateBook, clock: FakeClock) -> None:
    paused = changed("status", status="PAUSED", reason=None,
                     data={"other_info": {"title": "FIRST_PAUSE", "description": "Paused for 3 hours"}})  # fmt: skip
    (move,) = await book.record([news_in(paused)], clock())
    assert (move.after, move.reason) == ("PAUSED", "FIRST_PAUSE: Paused for 3 hours")
    (kept,) = await book.all()
    assert kept.provider_template_id == "1"
    over = changed("status", status="PAUSED", data={"other_info": {"title": "UNPAUSE"}})
    (move,) = await book.record([news_in(over)], clock())
    assert (move.before, move.after) == ("PAUSED", "APPROVED")
    await book.record([news_in(changed("quality", data={"new_quality_score": "RED"}))], clock())
    await book.record([news_in(changed("category", category="MARKETING"))], clock())
    (kept,) = await book.all()
    assert (kept.status, kept.quality, kept.category) == ("APPROVED", "RED", "MARKETING")


def test_the_day_before_a_category_changes_nothing_changes() -> None:
    assert news_in(changed("category_announced", category="UTILITY")).category is None


def test_only_templates_that_there_are_can_be_named() -> None:
    assert named(OURS.values(), []) == [LEAD, HINDI]
    assert named([LEAD], ["new_lead"]) == [LEAD]
    with pytest.raises(ConfigError, match="no template new_leed"):
        named(OURS.values(), ["new_leed"])
