"""The plans of states: what they do when entered, and what becomes of what they collect.

Nothing here decides which state follows which; that is all in `bot.core.compiler`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.core.compiled import Collector, Op
from bot.core.expressions import Expressions
from bot.core.flow import LANGUAGE, NOTHING, CollectKind, FlowSpec, NotifySpec, OpSpec, SlotRule, StateSpec, TemplateUse
from bot.core.forms import Form, SlotBlocks, form_options
from bot.core.ops import Do, Filled, Forget, NotifyRole, Say, Speak, Split
from bot.core.parts import ANY_LANGUAGE
from bot.core.report import Path, Report
from bot.core.ruling import Rule
from bot.core.sandbox import Value
from bot.core.sending import Quote, compile_sends
from bot.core.slots import AnySlot, compile_slot
from bot.core.templates import Texts
from bot.core.whatsapp import WhatsAppTemplate

WHATSAPP_TEMPLATE = "WhatsApp template"
"""What a report calls one that is missing."""


def compile_slots(spec: FlowSpec, report: Report) -> dict[str, AnySlot]:
    """The flow's slots, ready to read messages."""
    return {name: compile_slot(name, slot, report) for name, slot in spec.slots.items()}


def compile_rules(
    specs: Sequence[SlotRule],
    slots: Mapping[str, AnySlot],
    texts: Texts,
    expressions: Expressions,
    path: Path,
    form: Sequence[str] | None = None,
) -> tuple[Rule, ...]:
    """The rules across slots of a flow, or of a form, whose slots they forget."""
    report, rules = expressions.report, []
    askable = slots if form is None else form
    for place, spec in enumerate(specs):
        here = (*path, place)
        value = expressions.condition(spec.condition, (*here, "if"))
        for name in spec.forget:
            if name not in slots:
                report.unknown((*here, "forget"), "slot", name, slots)
            elif name not in askable:
                report((*here, "forget"), f"`{name}` is not in this form, so it would not be asked for again.",
                       hint="Forget a slot of the form.")  # fmt: skip
        names = value.names & frozenset(slots)
        if value.source is not None and value.names <= expressions.names and not names:
            report((*here, "if"), "This rule looks at no slot.", hint="It is tried when the slots it names are filled.")
        rules.append(
            Rule(condition=value, source=spec.condition, names=names, say=spec.say, forget=tuple(spec.forget))
        )  # fmt: skip
    return tuple(rules)


def kept_names(spec: FlowSpec) -> set[str]:
    """The names under which a flow keeps things besides its slots: results, and what events carried."""
    return {name for state in spec.states.values() for name in saved_names(state)} | {
        name for name in spec.start.events.values() if name is not None
    }


def saved_names(state: StateSpec) -> list[str]:
    """The names a state gives to results and files."""
    names = [state.save, *(op.save for op in state.enter)]
    names += [collect.to.split(".")[0] for collect in state.collect.values() if collect.to]
    return [name for name in names if name]


def _asks_late(spec: StateSpec | OpSpec) -> bool:
    """Whether the template of a state stands for its question: it says nothing else."""
    asks = isinstance(spec, StateSpec) and (spec.ask is not None or spec.form is not None)
    return asks and spec.template is not None and not spec.say and not spec.send


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Plans one state. Mistakes go to `report`, by their path in the file."""

    name: str
    spec: StateSpec
    slots: Mapping[str, AnySlot]
    texts: Texts
    templates: Mapping[str, WhatsAppTemplate]
    variants: Collection[str] = ()
    expressions: Expressions
    rules: tuple[Rule, ...] = ()

    @property
    def report(self) -> Report:
        """Where mistakes go."""
        return self.expressions.report

    @property
    def path(self) -> Path:
        """The state's place in the file."""
        return ("states", self.name)

    def ops(self) -> list[Op]:
        """What the state does when entered, before it waits or goes on."""
        spec = self.spec
        ops: list[Op] = [Forget(slots=tuple(spec.forget))] if spec.forget else []
        if spec.variants:
            ops.append(Split(weights=spec.variants))
        if spec.language is not None:
            ops.append(Speak(language=self._language(spec.language)))
        for place, entry in enumerate(spec.enter):
            path = (*self.path, "enter", place) if len(spec.enter) > 1 else (*self.path, "enter")
            kinds = [key for key in ("do", "say", "send", "notify") if getattr(entry, key)]
            if len(kinds) != 1:
                self.report(path, "Each entry of `enter:` is one of `do`, `say`, `send` and `notify`.",
                            hint="Split it in two.")  # fmt: skip
            ops += self._steps(entry, path)
        for name in spec.forget:
            if name not in self.slots:
                self.report.unknown((*self.path, "forget"), "slot", name, self.slots)
        return ops + self._steps(spec, self.path)

    def _language(self, source: str) -> Value:
        if "{{" not in source and not LANGUAGE.fullmatch(source):
            self.report((*self.path, "language"), f"`{source}` is no language.", hint="Write for example hi or pt_BR.")
        return self.expressions.value(source, (*self.path, "language"))

    def _steps(self, spec: StateSpec | OpSpec, path: Path) -> list[Op]:
        """`do`, `say`, `send` and `notify` of a state or an entry, in this order."""
        ops: list[Op] = [Quote()] if spec.reply else []
        calls = isinstance(spec, StateSpec) and spec.call is not None
        if spec.do:
            once = self.expressions.value(spec.once, (*path, "once")) if spec.once else None
            arguments = self.expressions.values(spec.arguments, (*path, "with"))
            ops.append(Do(action=spec.do, arguments=arguments, once=once, save=spec.save))
        if spec.save is not None and spec.save in self.slots:
            self.report((*path, "save"), f"`{spec.save}` is a slot, and a result needs a name of its own.",
                        hint=f"Write for example `save: {spec.save}_result`.")  # fmt: skip
        for word in ("arguments", "once", "save"):
            if not spec.do and getattr(spec, word) is not None and not (calls and word != "once"):
                word = "with" if word == "arguments" else word
                self.report((*path, word), f"`{word}:` belongs to `do:`, and there is none.", hint="Add `do:`.")
        instead = self.instead(spec.template, (*path, "template")) if not _asks_late(spec) else None
        if spec.template is not None and len(spec.say) + len(spec.send) != 1 and not _asks_late(spec):
            self.report((*path, "template"), "`template:` stands for one `say:`, `send:` or question.",
                        hint="Say one block here, and the others in a state of their own.")  # fmt: skip
        ops += [Say(block=block, instead=instead) for block in spec.say]
        ops += compile_sends(spec.send, self.expressions, path, instead)
        if spec.notify:
            ops += self._notify(spec.notify, (*path, "notify"))
        return ops

    def _notify(self, spec: NotifySpec, path: Path) -> list[Op]:
        notice = self._filled(spec.template, (*path, "template"), spec.parameters, path)
        return [NotifyRole(role=spec.role, notice=notice)] if notice is not None else []

    def instead(self, spec: TemplateUse | None, path: Path) -> Filled | None:
        """What is said outside of the person's 24-hour window."""
        if spec is None or spec.name == NOTHING:
            return None
        return self._filled(spec.name, path, spec.parameters, path)

    def of_question(self) -> Filled | None:
        """What is sent instead of the state's question, outside of that window."""
        return self.instead(self.spec.template, (*self.path, "template")) if _asks_late(self.spec) else None

    def _filled(self, name: str, place: Path, parameters: Sequence[Any], path: Path) -> Filled | None:
        template = self.templates.get(name)
        if template is None:
            self.report.unknown(place, WHATSAPP_TEMPLATE, name, self.templates)
            return None
        if len(parameters) != template.value_count:
            more = template.value_count - template.parameter_count
            self.report(
                (*path, "with") if parameters else path,
                f"WhatsApp template `{name}` takes {template.value_count} parameters, "
                f"but `with:` has {len(parameters)}.",
                hint=f"Its body is: {template.body}"
                + (f" The last {more} fill its header and buttons." if more else ""),
            )
        values = tuple(
            self.expressions.values(value, (*path, "with", place)) if isinstance(value, dict)
            else {ANY_LANGUAGE: self.expressions.value(value, (*path, "with", place))}
            for place, value in enumerate(parameters)
        )  # fmt: skip
        return Filled(template=template, parameters=values)

    def form(self, names: Sequence[str]) -> Form:
        """The question that fills these slots."""
        known: list[str] = []
        for place, name in enumerate(names):
            if name in self.slots:
                known.append(name)
            else:
                self.report.unknown((*self.path, "form", place), "slot", name, self.slots)
        blocks = {name: self._slot_blocks(name) for name in known}
        own = compile_rules(self.spec.rules, self.slots, self.texts, self.expressions, (*self.path, "rules"), known)
        rules = tuple(rule for rule in self.rules if not set(rule.forget).isdisjoint(known))
        options = form_options([self.slots[name] for name in known])
        anew = frozenset(self.spec.forget).intersection(known)
        return Form(
            slots=tuple(known), blocks=blocks, options=options, rules=(*rules, *own), anew=anew,
            instead=self.of_question(),
        )  # fmt: skip

    def _slot_blocks(self, name: str) -> SlotBlocks:
        slot, variants = self.slots[name], self.spec.variants or self.variants

        def own(block: str) -> bool:
            return self.texts.has_wording(block, variants)

        doubt = "choose_candidate" if slot.type == "ref" else "ambiguous_value"
        asked = f"ask_{name}" if own(f"ask_{name}") else f"ask_{slot.type}"
        return SlotBlocks(
            ask=slot.prompt if isinstance(slot.prompt, str) else asked,
            invalid=f"invalid_{name}" if own(f"invalid_{name}") else f"invalid_{slot.type}",
            explain=f"explain_{name}" if own(f"explain_{name}") else "explain",
            ambiguous=f"ambiguous_{name}" if own(f"ambiguous_{name}") else doubt,
            confirm=f"confirm_{name}" if own(f"confirm_{name}") else "confirm_value",
        )

    def collector(self, kind: CollectKind) -> Collector:
        """What becomes of a file or place."""
        spec, path = self.spec.collect[kind], (*self.path, "collect", kind)
        if spec.to is None and spec.do is None:
            self.report(path, "Nothing becomes of what is collected.", hint="Give it `to:` or `do:`.")
        return Collector(
            kind=kind,
            many=spec.many,
            path=tuple(spec.to.split(".")) if spec.to else (),
            action=spec.do,
            arguments=self.expressions.values(spec.arguments, (*path, "with")),
            once=self.expressions.value(spec.once, (*path, "once")) if spec.once else None,
            say=spec.say,
        )
