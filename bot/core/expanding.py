"""From the states an author wrote to a flat list of plain ones: nested states, calls inside branches, `common/correct`.

Everything after this, the compiler and the linter included, knows plain states only. A state `when` inside a state
`details` becomes `details/when`; a call on the way of the choice `edit` of the state `review` becomes a state
`review/edit`. `Report.places` remembers where each of them stands in the file, so that mistakes are named where the
author can mend them.

What a composed state says about waiting is handed down (see `_Scope`); what it says about being entered becomes a state
of its own, which goes on to its first child. Why not a hierarchical machine: docs/adr/0012-nested-states.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.core.flow import Branch, ChoiceOption, CommandRule, FlowSpec, RungSpec, StateSpec
from bot.core.parts import label_in
from bot.core.report import Path, Report

CORRECT = "common/correct"
"""Built in, as it works on the caller's own slots, replies and timers: asks which slot to change, and for its value."""
_ENTRY = (
    "forget",
    "variants",
    "language",
    "enter",
    "do",
    "arguments",
    "once",
    "save",
    "error",
    "say",
    "send",
    "reply",
    "notify",
)
"""Keys of a composed state that are carried out when it is entered."""
_NOT_COMPOSED = ("ask", "choices", "when", "form", "call", "end", "handoff", "sla", "back")
_WORDS = {"arguments": "with"}


def expand(spec: FlowSpec, report: Report) -> FlowSpec:
    """The flow with plain states only.

    Args:
        spec: What the author wrote, well-formed.
        report: Takes mistakes, and learns where each state stands.
    """
    nested = any(state.states for state in spec.states.values())
    if not nested and not any(_calls(state) for state in spec.states.values()):
        return spec
    expander = _Expander(spec, report)
    expander.walk(spec.states, _Scope(name="", path=()))
    commands = {
        source: [expander.command(rule) for rule in rules] for source, rules in spec.commands.items()
    }  # fmt: skip
    return spec.model_copy(update={"states": expander.flat, "commands": commands})


def branches_of(state: StateSpec) -> Iterator[tuple[tuple[str, ...], list[Branch]]]:
    """Every list of branches of a state, with its place in it."""
    for word in ("next", "error", "back"):
        if (branches := getattr(state, word)) is not None:
            yield (word,), branches
    for key, branches in (state.when or {}).items():
        yield ("when", key), branches
    for key, branches in state.events.items():
        yield ("events", key), branches


def _calls(state: StateSpec) -> bool:
    return state.call == CORRECT or any(branch.call for _, branches in branches_of(state) for branch in branches)


def entry_of(name: str, state: StateSpec) -> str:
    """The plain state that entering a state means: itself, or the first of its children, and theirs."""
    while state.states and not any(getattr(state, word) for word in _ENTRY):
        child, state = next(iter(state.states.items()))
        name = f"{name}/{child}"
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """Where states stand: inside which composed state, and what holds for all of them there."""

    name: str
    path: Path
    handed_down: Mapping[str, Any] = field(default_factory=dict)


class _Expander:
    """Collects plain states in `flat`."""

    def __init__(self, spec: FlowSpec, report: Report) -> None:
        self.spec = spec
        self.report = report
        self.flat: dict[str, StateSpec] = {}
        self.written: dict[str, StateSpec] = dict(_named(spec.states, ""))

    def walk(self, states: Mapping[str, StateSpec], scope: _Scope) -> None:
        """Add the states of one level, in the author's order."""
        for name, state in states.items():
            full = f"{scope.name}/{name}" if scope.name else name
            path = (*scope.path, "states", name)
            self.report.places[full] = path
            if state.states:
                self._composed(full, path, state, scope)
            else:
                self._plain(full, path, _inheriting(state, scope.handed_down))

    def _composed(self, full: str, path: Path, state: StateSpec, scope: _Scope) -> None:
        for word in _NOT_COMPOSED:
            if getattr(state, word):
                self.report((*path, word), f"`{word}:` does nothing beside `states:`.",
                            hint="Give it to one of the states inside.")  # fmt: skip
        children = state.states or {}
        resolved = _mapped(state, lambda name: self._resolve(name, full))
        if any(getattr(state, word) for word in _ENTRY):
            first, child = next(iter(children.items()))
            update = {word: getattr(resolved, word) for word in _ENTRY if getattr(resolved, word)}
            update["next"] = [Branch(to=entry_of(f"{full}/{first}", child))]
            self._plain(full, path, _state(**update), already=True)
        handed = {word: getattr(resolved, word) for word in _HANDED_DOWN if getattr(resolved, word) is not None}
        self.walk(children, _Scope(name=full, path=path, handed_down=_merged(scope.handed_down, handed)))

    def _plain(self, full: str, path: Path, state: StateSpec, *, already: bool = False) -> None:
        scope = full.rpartition("/")[0]
        state = state if already else _mapped(state, lambda name: self._resolve(name, scope))
        self.flat[full] = state
        lifted = {
            place: [self._lift(full, path, place, index, branch) for index, branch in enumerate(branches)]
            for place, branches in branches_of(state)
            if any(branch.call for branch in branches)
        }
        self.flat[full] = _with_branches(state, lifted)
        if state.call == CORRECT:
            self._correct(full, path, state)

    def _lift(self, full: str, path: Path, place: tuple[str, ...], index: int, branch: Branch) -> Branch:
        """Make a state of a call on the way."""
        if branch.call is None:
            return branch
        base = f"{full}/{place[-1] if len(place) > 1 else branch.call.rpartition('/')[2]}".replace(".", "_")
        name, number = base, 2
        while name in self.flat or name in self.written:
            name, number = f"{base}_{number}", number + 1
        source = self.flat[full]
        where = (*path, *place)
        self.report.places[name] = where if len(dict(branches_of(source))[place]) == 1 else (*where, index)
        calling = _state(
            call=branch.call, arguments=branch.arguments, save=branch.save, next=[Branch(to=branch.to)],
            after=source.after if branch.call == CORRECT else {k: t for k, t in source.after.items() if t.to},
        )  # fmt: skip
        self.flat[name] = calling
        if branch.call == CORRECT:
            self._correct(name, self.report.places[name], calling)
        return branch.model_copy(update={"to": name, "call": None, "arguments": None, "save": None})

    def _correct(self, name: str, path: Path, state: StateSpec) -> None:
        """`common/correct`: which of these slots, and its new value."""
        slots = list(state.arguments or self.spec.slots)
        for slot in slots:
            if slot not in self.spec.slots:
                self.report.unknown((*path, "with"), "slot", slot, self.spec.slots)
        slots = [slot for slot in slots if slot in self.spec.slots]
        if state.save is not None:
            self.report((*path, "save"), f"`{CORRECT}` changes slots and has no result.", hint="Remove `save:`.")
        if not slots or state.next is None:
            problem = "The flow has no slots to correct." if not slots else f"State '{name}' has no way out."
            self.report((*path, "call"), problem, hint="Declare `slots:`." if not slots else "Give it `next:`.")
            self.flat[name] = _state(end="nothing")
            return
        choices = {slot: ChoiceOption(label=_label(self.spec, slot)) for slot in slots}
        ways = {slot: [Branch(to=f"{name}/{slot}")] for slot in slots}
        keep = {word: getattr(state, word) for word in ("after", "no_match", "no_input", "universals")}
        asking = {"ask": "correct_which", "choices": choices, "when": ways}
        self.flat[name] = _state(**keep, **asking)
        for slot in slots:
            self.report.places[f"{name}/{slot}"] = path
            form = {"forget": [slot], "form": [slot], "next": state.next}
            self.flat[f"{name}/{slot}"] = _state(**keep, **form)

    def command(self, rule: CommandRule) -> CommandRule:
        """A command's rule: a composed state in `from:` stands for all in it."""
        update: dict[str, Any] = {"to": self._resolve(rule.to, "")}
        if rule.origins is not None:
            origins: list[str] = []
            for name in rule.origins:
                inside = [one for one in self.flat if one == name or one.startswith(f"{name}/")]
                origins += inside or [name]
            update["origins"] = origins
        return rule.model_copy(update=update)

    def _resolve(self, name: str, scope: str) -> str:
        """The plain state a name means, seen from inside `scope`: a neighbour's, else one further out."""
        while True:
            full = f"{scope}/{name}" if scope else name
            if full in self.written:
                return entry_of(full, self.written[full])
            if not scope:
                return name
            scope = scope.rpartition("/")[0]


# --- Small things -----------------------------------------------------------------------------------------------------

_OF_QUESTIONS = ("no_match", "no_input", "universals", "digress", "resume", "choices_style")
_HANDED_DOWN = ("next", "after", "events", "collect", *_OF_QUESTIONS)


_BLANK = StateSpec()


def _state(**fields: Any) -> StateSpec:
    """A state we make up; it skips validation, which refuses names with `/`."""
    return _BLANK.model_copy(update=fields)


def _named(states: Mapping[str, StateSpec], prefix: str) -> Iterator[tuple[str, StateSpec]]:
    for name, state in states.items():
        full = f"{prefix}/{name}" if prefix else name
        yield full, state
        yield from _named(state.states or {}, full)


def _merged(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """What holds inside: the nearer word wins, key by key where there are keys."""
    merged = dict(outer)
    for word, value in inner.items():
        old = merged.get(word)
        merged[word] = {**old, **value} if isinstance(value, Mapping) and isinstance(old, Mapping) else value
    return merged


def _inheriting(state: StateSpec, handed_down: Mapping[str, Any]) -> StateSpec:
    """A state with what its parents say, as far as it can use it."""
    if not handed_down:
        return state
    asks = bool(state.ask or state.form or state.call)
    rests = bool(state.events or state.collect)
    leads_on = state.next is not None or state.end is not None or state.handoff is not None
    has_own_next = state.next is not None or (state.when is not None and set(state.when) >= set(state.choices or ()))
    update: dict[str, Any] = {}
    if "next" in handed_down and not state.end and not state.handoff and not has_own_next and (asks or not rests):
        update["next"] = handed_down["next"]
        leads_on = True
    if asks or not leads_on:
        for word in ("after", "events", "collect"):
            if handed_down.get(word):
                update[word] = {**handed_down[word], **getattr(state, word)}
    if asks:
        for word in _OF_QUESTIONS:
            if word in handed_down and getattr(state, word) is None and not state.call:
                update[word] = handed_down[word]
    return state.model_copy(update=update)


def _mapped(state: StateSpec, resolve: Any) -> StateSpec:
    """A state whose ways lead to plain states."""

    def moved(part: Any) -> Any:
        to = resolve(part.to) if part.to else part.to
        return part if to == part.to else part.model_copy(update={"to": to})

    update: dict[str, Any] = {}
    if state.no_match:
        update["no_match"] = [moved(rung) if isinstance(rung, RungSpec) else rung for rung in state.no_match]
    if state.no_input:
        update["no_input"] = [moved(one) for one in state.no_input]
    if state.after:
        update["after"] = {key: moved(timer) for key, timer in state.after.items()}
    return _with_branches(state, {place: [moved(one) for one in ways] for place, ways in branches_of(state)}, update)


def _with_branches(
    state: StateSpec, changed: Mapping[tuple[str, ...], Sequence[Branch]], more: Mapping[str, Any] | None = None
) -> StateSpec:
    """A state with other branches at these places, and what `more` says."""
    update: dict[str, Any] = dict(more or {})
    for (word, *key), branches in changed.items():
        if key:
            update[word] = {**update.get(word, getattr(state, str(word)) or {}), key[0]: list(branches)}
        else:
            update[word] = list(branches)
    return state.model_copy(update=update) if update else state


def _label(spec: FlowSpec, slot: str) -> str:
    label = label_in(spec.slots[slot].label or "", spec.language) or slot.replace("_", " ")
    return label[:1].upper() + label[1:]
