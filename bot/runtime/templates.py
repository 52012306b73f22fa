"""Keeping message templates in step: our files, what the provider has, and what the database knows of both."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import structlog

from bot.core.errors import ConfigError, ProviderError, StorageError
from bot.core.ids import TenantId
from bot.core.whatsapp import WhatsAppTemplate, normal_status
from bot.runtime.loop import Clock
from bot.runtime.samples import SampleOf
from providers.base import RemoteTemplate, TemplateChanged, TemplateClient
from providers.templates import build_components, wording
from storage.base import StoredTemplate, TemplateMove, TemplateNews
from storage.postgres import Chores, TemplateBook

log = structlog.get_logger(__name__)

SELDOM, SOON = timedelta(hours=1), timedelta(minutes=5)

Templates = Mapping[tuple[str, str], WhatsAppTemplate]
"""Our own, by name and language."""

Deed = Literal["handed in", "changed", "as it was", "differs", "refused", "would hand in", "would change"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What became of one of our templates. `told` says why, when it is `differs` or `refused`."""

    name: str
    language: str
    deed: Deed
    status: str
    told: str = ""


def fingerprint(template: WhatsAppTemplate) -> str:
    """Of everything in a file that is handed in."""
    document = [template.category, template.ttl_seconds, build_components(template)]
    return hashlib.sha256(json.dumps(document, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


def news_of(state: RemoteTemplate) -> TemplateNews:
    """What a provider's list says of a template."""
    return TemplateNews(
        name=state.name,
        language=state.language,
        provider_template_id=state.provider_template_id,
        status=state.status,
        category=state.category,
        reason=state.reason,
        quality=state.quality,
        components=list(state.components) or None,
    )


def news_in(change: TemplateChanged) -> TemplateNews:
    """What a webhook says of a template."""
    status, reason = change.status, change.reason
    if status is not None:
        more = change.data.get("other_info") or change.data.get("rejection_info") or {}
        told = [more.get(key) for key in ("title", "reason", "description", "recommendation")]
        words = [word for word in (reason, *told) if isinstance(word, str) and word and word != "NONE"]
        reason = ": ".join(dict.fromkeys(words)) or None
        if normal_status(status) == "PAUSED" and any("UNPAUSE" in word.upper() for word in words):
            status = "APPROVED"  # the pause is over: told as one more word on pauses
    quality = change.data.get("new_quality_score") if change.change == "quality" else None
    return TemplateNews(
        name=change.name,
        language=change.language,
        provider_template_id=change.template_id,
        status=status,
        # The day before a category changes, the one that is told is still the present one.
        category=change.category if change.change in ("category", "status") else None,
        reason=reason,
        quality=quality if isinstance(quality, str) else None,
    )


async def sync(desk: TemplateClient, book: TemplateBook, ours: Templates, clock: Clock) -> list[TemplateMove]:
    """Ask the provider for all its templates and record what it says; ours that it does not have are DRAFT.

    Raises:
        ProviderError: It refused, or did not answer; nothing was recorded.
    """
    began = clock()
    states = await desk.list()
    drafts = [_draft(one, began) for one in ours.values()]
    return await book.sync([news_of(state) for state in states], drafts, began)


async def push(
    desk: TemplateClient, book: TemplateBook, ours: Iterable[WhatsAppTemplate], clock: Clock,
    samples: SampleOf = lambda template: None,
) -> list[Pushed]:  # fmt: skip
    """Hand our templates in: those that the provider does not have, and other words where it lets us change them.

    Args:
        desk: The provider.
        book: Where it is recorded.
        ours: What to hand in.
        clock: The time.
        samples: Of the files above bodies.

    Raises:
        ProviderError: The provider does not tell what it has; nothing was handed in.
    """
    states = {(one.name, one.language): one for one in await desk.list()}
    await book.record([news_of(one) for one in states.values()], clock())
    return [await _push(desk, book, one, states.get((one.name, one.language)), clock, samples) for one in ours]


async def would_push(desk: TemplateClient, ours: Iterable[WhatsAppTemplate]) -> list[Pushed]:
    """What `push` would do; hands nothing in and records nothing.

    Raises:
        ProviderError: The provider does not tell what it has.
    """
    states = {(one.name, one.language): one for one in await desk.list()}
    found = []
    for one in ours:
        theirs = states.get((one.name, one.language))
        deed: Deed = "would hand in"
        if theirs is not None and theirs.status != "DELETED":
            same = wording(theirs.components) == wording(build_components(one))
            deed = "as it was" if same else "would change" if theirs.status in desk.editable else "differs"
        status = theirs.status if theirs is not None else "DRAFT"
        found.append(Pushed(name=one.name, language=one.language, deed=deed, status=status))
    return found


async def _push(
    desk: TemplateClient, book: TemplateBook, template: WhatsAppTemplate, theirs: RemoteTemplate | None, clock: Clock,
    samples: SampleOf,
) -> Pushed:  # fmt: skip
    def outcome(deed: Deed, status: str, told: str = "") -> Pushed:
        return Pushed(name=template.name, language=template.language, deed=deed, status=status, told=told)

    deed: Deed = "handed in"
    try:
        if theirs is None or theirs.status == "DELETED":
            state = await desk.create(template, samples(template))
        elif wording(theirs.components) == wording(build_components(template)):
            state, deed = theirs, "as it was"
        elif theirs.status in desk.editable and theirs.provider_template_id is not None:
            state, deed = await desk.edit(theirs, template, samples(template)), "changed"
        else:
            return outcome("differs", theirs.status, _remedy(desk, theirs.status))
    except (ProviderError, StorageError) as error:
        return outcome("refused", theirs.status if theirs is not None else "DRAFT", str(error))
    at = clock()
    await book.handed_in(_stored(template, state, at), at)
    return outcome(deed, state.status)


def _remedy(desk: TemplateClient, status: str) -> str:
    if desk.editable:
        return f"The provider has other words, and changes none while it is {status}. Try again later."
    return "The provider has other words, and changes none. Give the template a new name."


def _draft(template: WhatsAppTemplate, at: datetime) -> StoredTemplate:
    return StoredTemplate(
        name=template.name,
        language=template.language,
        category=template.category,
        status="DRAFT",
        components=build_components(template),
        updated_at=at,
    )


def _stored(template: WhatsAppTemplate, state: RemoteTemplate, at: datetime) -> StoredTemplate:
    return StoredTemplate(
        name=template.name,
        language=template.language,
        category=state.category or template.category,
        status=state.status,
        components=list(state.components) or build_components(template),
        updated_at=at,
        provider_template_id=state.provider_template_id,
        reason=state.reason,
        quality=state.quality,
        fingerprint=fingerprint(template),
    )


def named(templates: Iterable[WhatsAppTemplate], wanted: Collection[str]) -> list[WhatsAppTemplate]:
    """Those with a wanted name; all when none is wanted.

    Raises:
        ConfigError: There is none of that name.
    """
    known = list(templates)
    unknown = sorted(set(wanted) - {one.name for one in known})
    if unknown:
        raise ConfigError([f"There is no template {name} in templates/whatsapp/." for name in unknown])
    return [one for one in known if not wanted or one.name in wanted]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateKeeper:
    """Asks the provider now and then what became of templates: not every provider tells, and webhooks get lost.

    Attributes:
        desk: The provider.
        book: Where it is recorded.
        chores: So that one process asks, not each.
    """

    desk: TemplateClient
    book: TemplateBook
    chores: Chores

    async def keep(self, tenant: TenantId, ours: Templates, clock: Clock) -> list[TemplateMove]:
        """Ask if it is time: every hour, and every five minutes while a template is under review."""
        now = clock()
        every = SOON if any(one.status == "PENDING" for one in await self.book.all()) else SELDOM
        chore = f"templates {self.desk.provider}"
        fence = await self.chores.take(chore, now, every=every, tenant=tenant)
        if fence is None:
            return []
        try:
            moves = await sync(self.desk, self.book, ours, clock)
        except ProviderError as error:
            log.warning("the provider does not tell of templates", action="ask_later", error=str(error))
            await self.chores.give_back(chore, fence, now + SELDOM, tenant=tenant)
            return []
        for move in moves:
            log.info("a template moved", action="note", template=move.name, language=move.language, status=move.after)
        await self.chores.done(chore, fence, now, tenant=tenant)
        return moves
