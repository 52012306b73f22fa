"""What goes on inside the turns of a simulated chat: noted as it is committed, and cut short when a crash is wanted.

The worker, the engine and the actions are the real ones. They are handed a storage, flows and functions that write down
what passes through them; a turn that is rolled back leaves nothing in the notebook either.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from bot.core.actions import Action, ActionCall, Actions
from bot.core.book import FlowBook
from bot.core.conversation import Conversation, Frame
from bot.core.effects import Effect
from bot.core.engine import Step
from bot.core.errors import ActionError
from bot.core.events import BusinessChanged, Event
from bot.core.gathering import MASK
from bot.core.ids import ChannelId, ConversationId, TenantId
from bot.runtime.foundation import Foundation
from bot.runtime.turn import Brain, TurnTaker
from bot.runtime.worker import Takers, Worker
from storage.base import Berth, Claim, Outcome
from storage.postgres import PostgresTurns
from storage.postgres.turns import PostgresTurnStore


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMade:
    """An action or lookup that ran, and what it answered: `result`, or the `code` and `message` of a refusal.

    `secrets` are the values of sensitive slots when it ran.
    """

    name: str
    kind: str
    arguments: dict[str, Any]
    result: Any = None
    code: str | None = None
    message: str = ""
    secrets: tuple[Any, ...] = ()

    @property
    def shown(self) -> Any:
        """The result without those, wherever they stand in it."""
        return _without(self.result, self.secrets)


@dataclass(frozen=True, slots=True)
class Page:
    """What one step led to. `effects` and `news` say in which conversation."""

    calls: tuple[CallMade, ...] = ()
    effects: tuple[tuple[ConversationId, Effect], ...] = ()
    news: tuple[tuple[ConversationId, BusinessChanged], ...] = ()


class ProcessDied(BaseException):
    """The process dies here. `outcome` is what its turn had written and not committed."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("The process died before it committed.")
        self.outcome = outcome


@dataclass(slots=True)
class Notebook:
    """Collects what turns do; what is rolled back is torn out. `book` gives the flows as they are now."""

    book: Callable[[], FlowBook]
    _secrets: tuple[Any, ...] = ()
    _calls: list[CallMade] = field(default_factory=list)
    _effects: list[tuple[ConversationId, Effect]] = field(default_factory=list)
    _news: list[tuple[ConversationId, BusinessChanged]] = field(default_factory=list)
    _kept: tuple[int, int, int] = (0, 0, 0)

    def watch(self, worker: Worker, base: Foundation, *, dies: bool = False) -> Worker:
        """A worker whose turns are noted here.

        Args:
            worker: As it would run in production.
            base: Where its turns are.
            dies: Whether its process dies once a turn has been written, before the commit.
        """
        return replace(worker, turns=_NotedTurns(base, self, dies=dies), takers=_NotedTakers(worker.takers, self))

    def turn_page(self) -> Page:
        """What was committed since the last time."""
        page = Page(tuple(self._calls), tuple(self._effects), tuple(self._news))
        self._calls, self._effects, self._news = [], [], []
        self._kept = (0, 0, 0)
        return page

    def commit(self) -> None:
        """Keep what was noted."""
        self._kept = (len(self._calls), len(self._effects), len(self._news))

    def roll_back(self) -> None:
        """Forget what was noted since the last commit."""
        calls, effects, news = self._kept
        del self._calls[calls:], self._effects[effects:], self._news[news:]

    def step(self, conversation: Conversation, event: Event, step: Step) -> None:
        """Note a step of the engine."""
        self._effects += [(conversation.conversation_id, effect) for effect in step.effects]
        self._secrets = tuple(secrets_of(self.book(), step.conversation.frames))
        if isinstance(event, BusinessChanged):
            self._news.append((conversation.conversation_id, event))

    def noted(self, taker: TurnTaker) -> TurnTaker:
        """A taker whose steps and calls are noted here."""
        return replace(taker, brain=_NotingBrain(taker.brain, self), actions=self._noted(taker.actions))

    def _noted(self, actions: Actions) -> Actions:
        return Actions({name: self._noting(action) for name, action in actions.by_name.items()})

    def _noting(self, action: Action) -> Action:
        async def call(call: ActionCall, **arguments: Any) -> Any:
            made = CallMade(name=action.name, kind=action.kind, arguments=arguments, secrets=self._secrets)
            try:
                result = await action.function(call, **arguments)
            except ActionError as refusal:
                self._calls.append(replace(made, code=refusal.code, message=str(refusal)))
                raise
            self._calls.append(replace(made, result=result))
            return result

        return replace(action, function=call)


@dataclass(frozen=True, slots=True)
class _NotedTakers:
    takers: Takers
    notebook: Notebook

    @property
    def served(self) -> Sequence[TenantId]:
        return self.takers.served

    def taker(self, tenant: TenantId, channel: ChannelId) -> TurnTaker:
        return self.notebook.noted(self.takers.taker(tenant, channel))


@dataclass(frozen=True, slots=True)
class _NotingBrain:
    brain: Brain
    notebook: Notebook

    def current(self) -> "_NotingBrain":
        return _NotingBrain(self.brain.current(), self.notebook)

    async def knowing(self, keys: Collection[tuple[str, int]]) -> "_NotingBrain":
        return _NotingBrain(await self.brain.knowing(keys), self.notebook)

    def advance(self, conversation: Conversation, event: Event) -> Step:
        step = self.brain.advance(conversation, event)
        self.notebook.step(conversation, event, step)
        return step


class _NotedTurns(PostgresTurns):
    def __init__(self, base: Foundation, notebook: Notebook, *, dies: bool) -> None:
        super().__init__(base.database, base.vault)
        self._notebook = notebook
        self._dies = dies

    @asynccontextmanager
    async def transaction(self, tenant_id: TenantId) -> AsyncIterator[PostgresTurnStore]:
        try:
            async with self._database.tenant(tenant_id) as db:
                store = _DyingStore if self._dies else PostgresTurnStore
                yield store(tenant_id, db, self._vault)
        except BaseException:
            self._notebook.roll_back()
            raise
        self._notebook.commit()


class _DyingStore(PostgresTurnStore):
    async def write(self, outcome: Outcome, at: datetime, berth: Berth | None = None) -> list[Claim]:
        await super().write(outcome, at, berth)
        raise ProcessDied(outcome)


def secrets_of(book: FlowBook, frames: Iterable[Frame]) -> Iterator[Any]:
    """The values that flows say are sensitive: of slots, and of what other flows gave back."""
    for frame in frames:
        flow = book.flow(frame.flow, frame.version)
        if flow is not None:
            yield from (value for value in flow.secrets(frame.slots, frame.data) if value != "")


def _without(value: Any, secrets: Sequence[Any]) -> Any:
    if value is None or not secrets:
        return value
    if value in secrets or (isinstance(value, str) and any(one in value for one in secrets if isinstance(one, str))):
        return MASK
    if isinstance(value, Mapping):
        return {key: _without(inner, secrets) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without(inner, secrets) for inner in value]
    return value
