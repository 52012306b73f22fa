"""What the linter proves about a flow, beyond its shape and its names: each rule is one function."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bot.authoring.circles import circles, groups
from bot.authoring.guards import check_guards
from bot.authoring.limits import check_limits, sends_of
from bot.authoring.translations import check_translations
from bot.authoring.unheard import check_commands
from bot.core.actions import Action, Actions
from bot.core.book import ANY
from bot.core.compiled import CompiledFlow
from bot.core.compiler import BUILT_IN_NAMES
from bot.core.cursor import START
from bot.core.expressions import unknown_of_contact
from bot.core.flow import SLOT_TYPES, FlowSpec, NotifySpec, OpSpec, RefSlot, StateSpec
from bot.core.forms import Form
from bot.core.ops import End, Go, HandOver
from bot.core.planning import kept_names
from bot.core.report import Path, Report, did_you_mean, one_of
from bot.core.sandbox import CONTACT_FIELDS
from bot.core.templates import FALLBACK, Block, TemplateFile, Texts

ROLES = frozenset({"customer", "sales", "operations", "field_staff", "manager"})
"""Roles there always are; actions of a project may name others."""
COMMON_BLOCKS = frozenset(f"{mood}_{kind}" for mood in ("ask", "invalid") for kind in SLOT_TYPES) | {
    "action_failed", "ambiguous_value", "broken", "cancelled", "cannot_go_back", "cannot_use", "choose",
    "choose_candidate", "collected", "collected_enough", "command_not_now", "confirm_back", "confirm_value",
    "consent_given", "consent_unsure", "consent_withdrawn", "correct_which", "corrected", "explain", "given_up",
    "handoff", "help", "help_here", "label_back", "label_done", "label_no", "label_skip", "label_stay", "label_yes",
    "media_more", "more", "no_input", "not_understood", "not_understood_again", "reprompt", "resume", "run_exists",
    "stale_choice", "unsupported",
}  # fmt: skip
"""Blocks the engine itself says; `templates/en/common.j2` must have them all."""
_SAID_BY_ITSELF = frozenset(name for name in COMMON_BLOCKS if not name.startswith(("ask_", "invalid_")))
"""Those that are no part of asking for a slot."""
BLOCK_NAMES = frozenset(
    {"slot", "missing", "choices", "changed", "value", "capabilities", "many", "count", "instance", "stays"}
)
"""Variables that only blocks see."""
_PREFIXES = ("ask_", "invalid_", "ambiguous_", "confirm_", "explain_", "help_", "choice_", "command_", "done_")
_OWN_NAMES = frozenset({"about", "help"})
_BACK = "(back)"
"""No state: whoever says *back* goes from one question to an earlier one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A flow to be checked; `flow` is None when it could not be compiled."""

    spec: FlowSpec
    flow: CompiledFlow | None
    texts: Texts
    actions: Actions
    languages: tuple[str, ...] = ()
    said: tuple[tuple[Path, str], ...] = ()

    @classmethod
    def of(
        cls, spec: FlowSpec, flow: CompiledFlow | None, texts: Texts, actions: Actions, languages: tuple[str, ...]
    ) -> "Subject":
        """A flow with the blocks it names, and the place of each."""
        return cls(spec=spec, flow=flow, texts=texts, actions=actions, languages=languages, said=tuple(_said(spec)))


def check(subject: Subject, report: Report) -> None:
    """Run every rule."""
    spec, texts, flow = subject.spec, subject.texts, subject.flow
    for rule in (_blocks, _variants, _actions, _lookups, _receipts, _roles):
        rule(subject, report)
    check_limits(spec, texts, report)
    idle = {block.name for _, block in unused_blocks(texts, spec)}
    check_translations(spec, texts, subject.said, idle, subject.languages, report)
    check_guards(spec, report)
    check_commands(spec, report)
    if flow is not None:
        edges = _edges(flow)
        for proof in (_unreachable, _dead_ends, _loops, _ladders):
            proof(flow, edges, report)


# --- Names ------------------------------------------------------------------------------------------------------------


def _said(spec: FlowSpec) -> Iterator[tuple[Path, str]]:
    """Every block the author names, with the place."""
    for place, rule_of in enumerate(spec.rules):
        yield ("rules", place, "say"), rule_of.say
    for name, slot in spec.slots.items():
        if isinstance(slot.prompt, str):
            yield ("slots", name, "prompt"), slot.prompt
    for name, state in spec.states.items():
        for path, block in _said_in(state):
            for wording in (f"{block}__{variant}" for variant in state.variants) if state.variants else (block,):
                yield ("states", name, *path), wording
    for source, rules in spec.commands.items():
        for rule in rules:
            if rule.otherwise:
                yield ("commands", source, "else"), rule.otherwise


def _said_in(state: StateSpec) -> Iterator[tuple[Path, str]]:
    named: list[tuple[Path, str | None]] = [(("say",), block) for block in state.say]
    named += [(("enter", place, "say"), block) for place, op in enumerate(state.enter) for block in op.say]
    named += [((*path, *where), block) for path, one in sends_of(state) for where, block in one.blocks]
    named += [(("after", key, "say"), timer.say) for key, timer in state.after.items()]
    named += [(("no_input", place, "say"), rung.say) for place, rung in enumerate(state.no_input or ())]
    named += [(("collect", kind, "say"), collector.say) for kind, collector in state.collect.items()]
    named.append((("ask",), state.ask))
    named += [(("rules", place, "say"), rule.say) for place, rule in enumerate(state.rules)]
    for path, block in named:
        if block:
            yield path, block


def _blocks(subject: Subject, report: Report) -> None:
    """Every block exists, and none that a state says is said at other moments as well."""
    own = {name for file in subject.texts.own.values() for name in file.blocks}
    for path, block in subject.said:
        if block in _SAID_BY_ITSELF and block in own:
            report(path, f"Block `{block}` has the name of what the bot says by itself, and would be said there too.",
                   code="taken", hint=f"Call it for example `{block}_{path[1]}`.")  # fmt: skip
        if not subject.texts.has(block) and not subject.texts.has_wording(block, subject.spec.variants or ()):
            report(path, f"There is no block `{block}`.", code="unknown",
                   hint=did_you_mean(block, own) or f"Add it to templates/{FALLBACK}/….j2.")  # fmt: skip


def _variants(subject: Subject, report: Report) -> None:
    """Every variant of the flow has words of its own."""
    own = {name for file in subject.texts.own.values() for name in file.blocks}
    for variant in subject.spec.variants or ():
        if not any(name.endswith(f"__{variant}") for name in own):
            report(("variants", variant), f"No block has a variant `{variant}`.", code="unknown",
                   hint=f"Add for example block `hello__{variant}`.")  # fmt: skip


_ONE_BRACE = re.compile(r"(?<!\{)\{ *([a-z_][\w.]*) *\}(?!\})")


def template_mistakes(file: TemplateFile, spec: FlowSpec) -> Iterator[tuple[Block, str, str]]:
    """Variables in a flow's template file that the flow does not have."""
    known = set(spec.slots) | kept_names(spec) | BUILT_IN_NAMES | BLOCK_NAMES
    for block in file.blocks.values():
        for name in sorted(block.names - known):
            yield (
                block,
                f"Block `{block.name}` uses `{name}`, which is no slot, result or built-in name.",
                did_you_mean(name, known) or f"Keep it in the flow, `save: {name}`, or make it a slot.",
            )
        for single in _ONE_BRACE.findall(block.text or block.static or ""):
            if single.partition(".")[0] in known:
                told = f"Block `{block.name}` says `{{ {single} }}` as it stands there, braces and all."
                yield block, told, f"A value stands in two braces: `{{{{ {single} }}}}`."
        for name in unknown_of_contact(block.text):
            hint = did_you_mean(name, CONTACT_FIELDS) or one_of(sorted(CONTACT_FIELDS))
            yield block, f"Block `{block.name}` uses `contact.{name}`, which contacts do not have.", hint


def unused_blocks(texts: Texts, spec: FlowSpec) -> Iterator[tuple[TemplateFile, Block]]:
    """Blocks nobody says, in any language."""
    used = {block for _, block in _said(spec)} | _OWN_NAMES | COMMON_BLOCKS
    for file in texts.own.values():
        for name, block in file.blocks.items():
            if name not in used and not name.startswith(_PREFIXES) and name.rpartition("__")[0] not in used:
                yield file, block


def _calls(spec: FlowSpec) -> Iterator[tuple[Path, str, dict[str, Any], str | None]]:
    """Every action called: place, name, arguments, and the receipt it has."""
    for name, state in spec.states.items():
        path: Path = ("states", name)
        parts: list[tuple[Path, StateSpec | OpSpec | Any]] = [(path, state)]
        parts += [((*path, "enter", place), op) for place, op in enumerate(state.enter)]
        parts += [((*path, "collect", kind), collector) for kind, collector in state.collect.items()]
        for where, part in parts:
            if part.do:
                yield where, part.do, part.arguments or {}, part.once


def _actions(subject: Subject, report: Report) -> None:
    """Actions exist, take these arguments, and may be called by every role of the flow."""
    actions = subject.actions.names("action")
    for path, name, arguments, _ in _calls(subject.spec):
        action = actions.get(name)
        if action is None:
            known = subject.actions.by_name.get(name)
            if known is not None:
                report((*path, "do"), f"`{name}` is a lookup, not an action.", hint="Use it as `lookup:` of a slot.")
            else:
                report.unknown((*path, "do"), "action", name, actions)
            continue
        _arguments(action, arguments, path, report)
        _permission(action, subject.spec, (*path, "do"), report)


def _arguments(action: Action, arguments: dict[str, Any], path: Path, report: Report) -> None:
    parameters = action.parameters
    for name in arguments:
        if name not in parameters:
            report((*path, "with", name), f"`{action.name}` takes no `{name}`.", code="arguments",
                   hint=did_you_mean(name, parameters) or one_of(sorted(parameters)))  # fmt: skip
    missing = [name for name, required in parameters.items() if required and name not in arguments]
    if missing:
        report(
            (*path, "do"),
            f"`{action.name}` needs `{'`, `'.join(missing)}`.",
            hint="Add it to `with:`.",
            code="arguments",
        )


def _permission(action: Action, spec: FlowSpec, path: Path, report: Report) -> None:
    lacking = [role for role in spec.roles if action.roles and role not in action.roles]
    if lacking:
        report(path, f"{_all_of(lacking)} may not call `{action.name}`.", code="permission",
               hint="It is for " + ", ".join(f"`{role}`" for role in sorted(action.roles)) + ".")  # fmt: skip


def _all_of(roles: Sequence[str]) -> str:
    """Roles at the beginning of a sentence."""
    *others, last = (f"`{role}`" for role in roles)
    return f"Roles {', '.join(others)} and {last}" if others else f"Role {last}"


def _lookups(subject: Subject, report: Report) -> None:
    """Lookups exist."""
    lookups = subject.actions.names("lookup")
    for name, slot in subject.spec.slots.items():
        if not isinstance(slot, RefSlot):
            continue
        path: Path = ("slots", name, "lookup")
        if slot.lookup not in lookups:
            report.unknown(path, "lookup", slot.lookup, lookups)
        else:
            _permission(lookups[slot.lookup], subject.spec, path, report)


def _receipts(subject: Subject, report: Report) -> None:
    """Actions that change something say under which key they happen once.

    An action runs in the transaction of its turn, so no crash, retry or repeated webhook runs it twice. What does is a
    person: who goes back, edits, or taps again comes to the same state. So there an action needs a receipt, and
    everywhere when it reaches another system, where nothing can be undone.
    """
    again = _entered_again(subject.flow) if subject.flow is not None else frozenset()
    for path, name, _, once in _calls(subject.spec):
        action = subject.actions.by_name.get(name)
        receipt = name.split(".")[0] + ":{{ run.id }}"
        if once is not None and "{" not in once:
            report((*path, "once"), f"This receipt is always the same, so `{name}` would run once, for whoever comes "
                   "first, and never again.", severity="warning", code="receipt",
                   hint=f'Write for example `once: "{receipt}"`.')  # fmt: skip
        if once is not None or (action is not None and action.reads):
            continue
        add = f'Add `once: "{receipt}"`'
        if action is not None and action.outside:
            report((*path, "do"), f"`{name}` reaches another system and has no `once:`, so entering this state again "
                   "asks it again.", code="receipt", hint=f"{add}.")  # fmt: skip
        elif path[1] in again and "collect" not in path:
            report((*path, "do"), f"`{name}` has no `once:`, and whoever goes back or round runs it again here.",
                   code="receipt", hint=f'{add}, or with `:{{{{ run.epoch }}}}` if each time counts.')  # fmt: skip
        else:
            report((*path, "do"), f"`{name}` has no `once:`, so entering this state again runs it again.",
                   severity="warning", code="receipt", hint=f"{add}.")  # fmt: skip


def _entered_again(flow: CompiledFlow) -> frozenset[str]:
    """The states to which a person may come more than once in a run: by what they answer, or by going back."""
    onward: dict[str, set[str]] = {name: set() for name in flow.states}
    for way in flow.ways:
        if way.trigger.partition(":")[0] in {"next", "choice", "error", "ladder"}:
            for source in way.sources:
                onward[source].add(way.dest)
    asking = {name for name, state in flow.states.items() if state.question is not None}
    onward[_BACK] = asking
    for name in asking:
        if "back" in flow.states[name].universals:
            onward[name].add(_BACK)
    return frozenset(
        name for group in groups(onward) for name in group if len(group) > 1 or name in onward.get(name, ())
    )


def roles_of(actions: Actions) -> frozenset[str]:
    """The roles there are: those there always are, and those that actions name."""
    return ROLES | {role for action in actions.by_name.values() for role in action.roles}


def _roles(subject: Subject, report: Report) -> None:
    """Whom a flow is for, hands over to and tells."""
    known = roles_of(subject.actions)
    named: list[tuple[Path, str]] = []
    for name, state in subject.spec.states.items():
        if state.handoff:
            named.append((("states", name, "handoff"), state.handoff))
        notes: list[tuple[Path, NotifySpec | None]] = [(("notify",), state.notify)]
        notes += [(("enter", place, "notify"), op.notify) for place, op in enumerate(state.enter)]
        named += [(("states", name, *path, "role"), note.role) for path, note in notes if note is not None]
    for path, role in [*((("role",), role) for role in subject.spec.roles if role != ANY), *named]:
        if role not in known:
            report.unknown(path, "role", role, known)


# --- Proofs over the machine ------------------------------------------------------------------------------------------


Edges = dict[str, dict[str, set[str]]]
"""Source → trigger → destinations, without the ways back to a question."""


def _edges(flow: CompiledFlow) -> Edges:
    edges: Edges = {}
    for way in flow.ways:
        if not way.trigger.startswith("back:"):
            for source in way.sources:
                edges.setdefault(source, {}).setdefault(way.trigger, set()).add(way.dest)
    return edges


def _unreachable(flow: CompiledFlow, edges: Edges, report: Report) -> None:
    """Every state can be reached from a start."""
    seen = {START}
    todo = [START]
    while todo:
        for targets in edges.get(todo.pop(), {}).values():
            todo += targets - seen
            seen |= targets
    for name in flow.states:
        if name not in seen:
            report(("states", name), f"State '{name}' cannot be reached.", code="unreachable",
                   hint="Lead to it from another state, or remove it.")  # fmt: skip


def _dead_ends(flow: CompiledFlow, edges: Edges, report: Report) -> None:
    """Every state leads on; from every state the run can come to an end."""
    ends = {name for name, state in flow.states.items() if isinstance(state.plan[-1], End | HandOver)}
    dead = set()
    for name in flow.states:
        ways = {trigger for trigger in edges.get(name, {}) if trigger != "agent" and not trigger.startswith("error")}
        if name not in ends and not ways:
            report(
                ("states", name), f"State '{name}' has no way out.", code="dead_end", hint="Give it `next:` or `end:`."
            )
            dead.add(name)
    before: dict[str, set[str]] = {}
    for source, triggers in edges.items():
        for trigger, targets in triggers.items():
            if trigger != "agent" and not trigger.startswith("ladder:"):
                for target in targets:
                    before.setdefault(target, set()).add(source)
    finishing, todo = ends | dead, [*ends, *dead]  # what leads to a dead end only waits for that to be mended
    while todo:
        for source in before.get(todo.pop(), set()) - finishing:
            finishing.add(source)
            todo.append(source)
    for name in flow.states:
        if name not in finishing:
            report(("states", name), f"From state '{name}' the flow never comes to an end.", severity="warning",
                   code="endless", hint="Lead somewhere that has `end:`.")  # fmt: skip


def _loops(flow: CompiledFlow, edges: Edges, report: Report) -> None:
    """No circle of states in which nobody is waited for."""
    onward: dict[str, set[str]] = {}
    for name, state in flow.states.items():
        triggers = {"error"}
        last = state.plan[-1]
        forgets = any(type(op).__name__ == "Forget" for op in state.plan)
        if isinstance(last, Go) or (isinstance(last, Form) and not forgets):
            triggers.add("next")  # a form that has everything does not wait
        onward[name] = {target for trigger in triggers for target in edges.get(name, {}).get(trigger, ())}
    for circle in circles(onward):
        report(("states", circle[0]), f"These states go round without waiting for anybody: {' → '.join(circle)}.",
               code="loop", hint="Ask or wait in one of them; a form waits when it has `forget:`.")  # fmt: skip


def _ladders(flow: CompiledFlow, edges: Edges, report: Report) -> None:
    """Whoever is never understood comes to an end of it: no circle of rungs that lead to each other."""
    onward: dict[str, set[str]] = {}
    for name, state in flow.states.items():
        ways = edges.get(name, {})
        at_once = {"next", "error"} if isinstance(state.plan[-1], Go) else set()
        onward[name] = {
            target for trigger, targets in ways.items() if trigger in at_once or trigger.startswith("ladder:")
            for target in targets
        }  # fmt: skip
    for circle in circles(onward):
        asking = next((name for name in circle if flow.states[name].question is not None), None)
        if asking is not None:
            report(("states", asking, "no_match"),
                   f"Whoever is not understood goes round here for ever: {' → '.join(circle)}.", code="loop",
                   hint="Let the last rung lead to a person, or to an end.")  # fmt: skip
