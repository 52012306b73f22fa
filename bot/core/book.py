"""All flows of a project, as one lookup: by name and version, and by what starts them for each role."""

import copy
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from bot.core.actions import Things
from bot.core.compiled import CommandUse, CompiledFlow
from bot.core.intents import EntitySpec, IntentSpec
from bot.core.templates import Texts
from bot.core.understanding import IntentUnderstanding, Understanding

_T = TypeVar("_T")


ANY = "any"
"""The role of flows that everybody may walk. Without `start:` they are only called by other flows."""


class FlowBook:
    """Compiled flows, intents and common texts. Immutable once built; shared by all workers of a process.

    Args:
        flows: Every version there is. The highest version of a name is the one that starts; runs stay on theirs.
        intents: By role, by name.
        texts: Common blocks, for what is said outside any flow.
        entities: What messages name, by role, by name.
    """

    def __init__(
        self,
        flows: Iterable[CompiledFlow],
        intents: Mapping[str, Mapping[str, IntentSpec]],
        texts: Texts,
        entities: Mapping[str, Mapping[str, EntitySpec]] | None = None,
    ) -> None:
        self._flows = _discreet({(flow.name, flow.version): flow for flow in flows})
        self.intents = intents
        self.texts = texts
        self._entities = entities or {}
        self.latest: dict[str, CompiledFlow] = {}
        for _, flow in sorted(self._flows.items()):
            self.latest[flow.name] = flow
        roles = {ANY, *intents, *(role for flow in self.latest.values() for role in flow.roles)}
        self._by_role: dict[str, tuple[CompiledFlow, ...]] = {
            role: tuple(flow for flow in self.latest.values() if role in flow.roles or ANY in flow.roles)
            for role in sorted(roles)
        }
        self._on_offer = {role: self._by_intent(role, flows) for role, flows in self._by_role.items()}
        self._starts = {
            role: {intent: flow for flow in reversed(flows) for intent in flow.intents}
            for role, flows in self._by_role.items()
        }
        self._commands = {
            role: tuple((flow, use) for flow in flows for use in flow.commands) for role, flows in self._by_role.items()
        }
        self._lone_verbs = {
            role: frozenset(use.command.verb[0] for _, use in uses if len(use.command.verb) == 1)
            for role, uses in self._commands.items()
        }
        self._universals = {
            role: {word: flow for flow in reversed(flows) for word in flow.universals}
            for role, flows in self._by_role.items()
        }
        self._told = {
            role: {event: flow for flow in reversed(flows) for event in flow.events}
            for role, flows in self._by_role.items()
        }
        self._understanding: dict[str, Understanding] = {
            role: IntentUnderstanding(
                {name: spec for name, spec in self.intents_of(role).items() if name in self._starts[role]},
                {**self._entities.get(ANY, {}), **self._entities.get(role, {})},
            )
            for role in self._by_role
        }

    def intents_of(self, role: str) -> dict[str, IntentSpec]:
        """The intents of a role, those of everybody included."""
        return {**self.intents.get(ANY, {}), **self.intents.get(role, {})}

    def flow(self, name: str, version: int) -> CompiledFlow | None:
        """A flow version, or None when the project no longer has it."""
        return self._flows.get((name, version))

    def beside(self, older: Iterable[CompiledFlow]) -> "FlowBook":
        """A book in which runs of other versions can go on as well; nothing starts them, and none replaces one of ours.

        Args:
            older: Versions that the project has no longer, but somebody is still in.
        """
        book = copy.copy(self)
        both = {(one.name, one.version): one for one in older} | self._flows
        book._flows = _discreet(both)  # noqa: SLF001  a copy of our own
        return book

    def before(self, versions: Mapping[str, int]) -> "FlowBook":
        """The book as it was when these were the newest versions of their flows.

        Args:
            versions: By flow; flows that are not named stay as they are.
        """
        flows = [one for one in self._flows.values() if one.version <= versions.get(one.name, one.version)]
        return FlowBook(flows, self.intents, self.texts, self._entities)

    @property
    def lookups(self) -> frozenset[str]:
        """The lookups whose things intents name as entities."""
        return frozenset(
            name for one in self._understanding.values() if isinstance(one, IntentUnderstanding) for name in one.lookups
        )

    def knowing(self, things: Mapping[str, Things]) -> "FlowBook":
        """A book for one business, which calls its things so; nothing is trained yet.

        Args:
            things: By lookup.
        """
        book = copy.copy(self)
        book._understanding = {  # noqa: SLF001  a copy of our own
            role: one.knowing(things) if isinstance(one, IntentUnderstanding) else one
            for role, one in self._understanding.items()
        }
        return book

    def flows(self) -> tuple[CompiledFlow, ...]:
        """Every version, by name and number."""
        return tuple(self._flows[key] for key in sorted(self._flows))

    def on_offer(self, role: str) -> tuple[CompiledFlow, ...]:
        """The flows a role may walk, newest versions only, in the order of the role's intents: its author's."""
        return self._of(self._on_offer, role)

    def _by_intent(self, role: str, flows: tuple[CompiledFlow, ...]) -> tuple[CompiledFlow, ...]:
        places = {name: place for place, name in enumerate({**self.intents.get(role, {}), **self.intents.get(ANY, {})})}
        last = len(places)
        return tuple(sorted(flows, key=lambda flow: min((places.get(one, last) for one in flow.intents), default=last)))

    def started_by(self, role: str, intent: str) -> CompiledFlow | None:
        """The flow an intent starts for a role."""
        return self._of(self._starts, role).get(intent)

    def universal(self, role: str, word: str) -> CompiledFlow | None:
        """The flow a universal word starts for a role, when nothing else answers it."""
        return self._of(self._universals, role).get(word)

    def told(self, role: str, event: str) -> CompiledFlow | None:
        """The flow that something in the business starts for a role."""
        return self._of(self._told, role).get(event)

    def commands(self, role: str) -> tuple[tuple[CompiledFlow, CommandUse], ...]:
        """The commands a role may type."""
        return self._of(self._commands, role)

    def lone_verbs(self, role: str) -> frozenset[str]:
        """The verbs of these commands that are one word."""
        return self._lone_verbs.get(role) or self._lone_verbs.get(ANY) or frozenset()

    def learn(self) -> None:
        """Train what tells intents apart, for all roles; else the first message of each waits for it.

        What was learnt from the same examples before is not learnt again.
        """
        for understanding in self._understanding.values():
            understanding.learn()

    def understanding(self, role: str) -> Understanding:
        """What tells this role's intents apart."""
        return self._of(self._understanding, role)

    @staticmethod
    def _of(table: Mapping[str, _T], role: str) -> _T:
        """What a role has; one that no flow knows has what everybody has."""
        return table[role] if role in table else table[ANY]


_Key = tuple[str, int]


def _discreet(flows: dict[_Key, CompiledFlow]) -> dict[_Key, CompiledFlow]:
    """The flows, with what they are given back and should not show: outputs made of sensitive slots, however deep."""
    if not any(flow.sensitive for flow in flows.values()):
        return flows
    secrets: dict[str, set[str]] = {}
    for flow in flows.values():
        secrets.setdefault(flow.name, set()).update(flow.sensitive)
    hidden: dict[_Key, dict[str, frozenset[str]]] = {}
    while (found := {key: _hidden(flow, flows.values(), secrets) for key, flow in flows.items()}) != hidden:
        hidden = found
        for (name, _), results in hidden.items():
            secrets[name] |= set(results)
    return {key: replace(flow, hidden=hidden[key]) if hidden[key] else flow for key, flow in flows.items()}


def _hidden(
    flow: CompiledFlow, flows: Collection[CompiledFlow], secrets: Mapping[str, Collection[str]]
) -> dict[str, frozenset[str]]:
    """The outputs that a flow is given and should not show, by the name of the result."""
    found: dict[str, frozenset[str]] = {}
    for call in (state.call for state in flow.states.values() if state.call is not None):
        outputs = frozenset(
            name for called in flows if called.name == call.flow
            for name, value in called.outputs.items() if value.names & set(secrets[called.name])
        )  # fmt: skip
        if outputs:
            for key in {call.save, "result"} - {None}:
                found[str(key)] = found.get(str(key), frozenset()) | outputs
    return found
