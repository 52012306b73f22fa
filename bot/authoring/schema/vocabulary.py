"""The project's own names in the schemas: what there is to call, to start, to say, and for whom."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.authoring.content import Loader
from bot.authoring.schema.docstrings import lineage
from bot.core.actions import Action, Actions
from bot.core.book import ANY
from bot.core.errors import ContentErrors
from bot.core.expanding import CORRECT
from bot.core.flow import NOTHING
from bot.core.templates import FALLBACK

KNOWN = "known_"
"""Prefix of the definitions made here."""
_OPEN = frozenset({"slots", "blocks", "states", "languages"})
"""What an author adds in the file at hand, or beside it: the names there are are offered, others are no mistake."""
_PLACES: Mapping[tuple[str, str], str] = {
    ("FlowSpec", "role"): "roles", ("IntentFile", "role"): "roles", ("NotifySpec", "role"): "roles",
    ("FlowSpec", "roles"): "roles", ("IntentFile", "roles"): "roles", ("PhoneSpec", "roles"): "roles",
    ("StateSpec", "handoff"): "roles", ("PhoneSpec", "role"): "roles", ("HandoffSpec", "role"): "roles",
    ("StartSpec", "intents"): "intents",
    ("StateSpec", "do"): "actions", ("OpSpec", "do"): "actions", ("CollectSpec", "do"): "actions",
    ("RefSlot", "lookup"): "lookups",
    ("NotifySpec", "template"): "templates", ("TemplateUse", "name"): "templates",
    ("NoticeSpec", "template"): "templates",
    ("StateSpec", "call"): "flows", ("Branch", "call"): "flows", ("ConversationSpec", "flow"): "flows",
    ("ExpectSpec", "flow"): "flows",
    ("StateSpec", "form"): "slots", ("StateSpec", "forget"): "slots",
    ("StateSpec", "say"): "blocks", ("StateSpec", "ask"): "blocks", ("OpSpec", "say"): "blocks",
    ("TimerSpec", "say"): "blocks", ("SilenceSpec", "say"): "blocks", ("CollectSpec", "say"): "blocks",
    ("FileSpec", "caption"): "blocks", ("LinkSpec", "say"): "blocks", ("LinkSpec", "button"): "blocks",
    ("FormSpec", "say"): "blocks", ("FormSpec", "button"): "blocks",
    ("SendSpec", "ask_location"): "blocks", ("SendSpec", "ask_number"): "blocks",
    ("CommandRule", "else"): "blocks", ("SlotBase", "prompt"): "blocks", ("SlotRule", "say"): "blocks",
    ("SlotRule", "forget"): "slots",
    ("ExpectSpec", "state"): "states",
    ("FlowSpec", "language"): "languages", ("ProjectSpec", "language"): "languages",
    ("WhatsAppTemplate", "language"): "languages", ("PhoneSpec", "language"): "languages",
    ("ExpectSpec", "language"): "languages",
}  # fmt: skip
"""Which key of which model takes which names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The names of a project, each with what to say about it. `actions` are those flows can call."""

    names: Mapping[str, Mapping[str, str]]
    actions: Mapping[str, Action]


def vocabulary_of(root: Path, actions: Actions) -> Vocabulary:
    """Gather the names in a content folder.

    Raises:
        ContentErrors: Something in the folder is wrong; see `bot check`.
    """
    loader = Loader(root, actions)
    if loader.load() is None:
        raise ContentErrors([finding.error() for finding in loader.findings if finding.severity == "error"])
    flows = [file.spec for file in loader.flow_files]
    own = {name: action for name, action in actions.by_name.items() if action.kind == "action"}
    names: dict[str, dict[str, str]] = {
        "actions": {name: _about(action) for name, action in own.items()},
        "lookups": {name: _about(action) for name, action in actions.names("lookup").items()},
        "roles": dict.fromkeys(_roles(loader, actions), ""),
        "intents": {name: _example(spec.texts) for named in loader.intents.values() for name, spec in named.items()},
        "templates": {NOTHING: "Nothing stands for the words: they may wait until the person writes."}
        | {name: template.body for (name, _), template in loader.whatsapp.items()},
        "flows": {CORRECT: "Built in: asks which slot to change."}
        | {flow.flow: _states(len(flow.states)) for flow in flows},
        "slots": {name: slot.type for flow in flows for name, slot in flow.slots.items()},
        "states": {name: f"In flow {flow.flow}." for flow in flows for name in flow.states},
        "blocks": {
            block: "" for files in loader.templates.values() for file in files.values() for block in file.blocks
        },
        "languages": dict.fromkeys([FALLBACK, *(code for files in loader.templates.values() for code in files)], ""),
    }
    return Vocabulary(names={kind: dict(sorted(found.items())) for kind, found in names.items()}, actions=own)


def _about(action: Action) -> str:
    """An action's docstring, and who may call it."""
    told = (inspect.getdoc(action.function) or "").split("\n\n")[0].replace("\n", " ")
    takes = ", ".join(name if needed else f"{name} (optional)" for name, needed in action.parameters.items())
    parts = [told, f"Takes {takes}." if takes and action.kind == "action" else ""]
    parts.append(f"For {', '.join(sorted(action.roles))}." if action.roles else "")
    return " ".join(filter(None, parts))


def _roles(loader: Loader, actions: Actions) -> Iterator[str]:
    """Whoever a flow, an intent, a notification, a handoff or an action is for."""
    yield ANY
    yield from loader.intents
    for action in actions.by_name.values():
        yield from action.roles
    for file in loader.flow_files:
        yield from file.spec.roles
        for state in file.spec.states.values():
            told = [state.notify, *(op.notify for op in state.enter)]
            yield from filter(None, [state.handoff, *(notify.role for notify in told if notify is not None)])


def _example(examples: list[str]) -> str:
    return f"For example “{examples[0]}”." if examples else ""


def _states(count: int) -> str:
    return f"{count} state{'' if count == 1 else 's'}."


# --- Into a schema ----------------------------------------------------------------------------------------------------


def add_names(schema: dict[str, Any], words: Vocabulary) -> None:
    """Put the project's names where they belong, and each action's arguments beside it."""
    definitions: dict[str, Any] = schema["$defs"]
    used: set[str] = set()
    for model, definition in definitions.items():
        properties = definition.get("properties", {})
        for key, found in properties.items():
            kind = next((_PLACES[one, key] for one in lineage(model) if (one, key) in _PLACES), "")
            if kind and words.names[kind]:
                properties[key] = _pointed(found, kind)
                used.add(kind)
    for model in ("StateSpec", "OpSpec", "CollectSpec"):
        if model in definitions:
            definitions[model]["allOf"] = list(_arguments(words.actions.values()))
    for kind in sorted(used):
        definitions[KNOWN + kind] = _known(kind, words.names[kind])


def _pointed(schema: Any, kind: str) -> Any:
    """A schema with its texts replaced by the known names."""
    if isinstance(schema, list):
        return [_pointed(one, kind) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "string" and "const" not in schema:
        kept = {key: value for key, value in schema.items() if key in {"description", "default"}}
        return {**kept, "$ref": f"#/$defs/{KNOWN}{kind}"}
    return {key: _pointed(value, kind) if key in {"anyOf", "items"} else value for key, value in schema.items()}


def _known(kind: str, names: Mapping[str, str]) -> dict[str, Any]:
    """One alternative for each name, so that an editor shows what is said about it."""
    plain = [name for name, about in names.items() if not about]
    found: list[dict[str, Any]] = [{"const": name, "description": about} for name, about in names.items() if about]
    if plain:
        found.append({"enum": plain})
    if kind in _OPEN:
        found.append({"type": "string"})
    return {"anyOf": found}


def _arguments(actions: Iterable[Action]) -> Iterator[dict[str, Any]]:
    """For each action, what `with` takes."""
    for action in actions:
        needed = [name for name, required in action.parameters.items() if required]
        block = {
            "type": "object",
            "properties": {name: {} for name in action.parameters},
            "required": needed,
            "additionalProperties": False,
        }
        given = {
            "anyOf": [block, {"type": "array", "items": {"enum": list(action.parameters)}, "minItems": len(needed)}]
        }
        nothing = [] if needed else [{"type": "null"}]
        then: dict[str, Any] = {"properties": {"with": {"anyOf": [*given["anyOf"], *nothing]}}}
        if needed:
            then["required"] = ["with"]
        yield {"if": {"properties": {"do": {"const": action.name}}, "required": ["do"]}, "then": then}
