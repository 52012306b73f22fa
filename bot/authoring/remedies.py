"""What to write instead, by the word that a mistake stands at: where a value is of another kind than it should be.

Authors who know other tools guess at how something is written. What they meant is often plain from where it stands, so
the remedy shows their own words in the right form.
"""

import re
from collections.abc import Mapping
from typing import Any

from bot.core.flow import FlowSpec, StateSpec
from bot.core.report import Path
from bot.core.slotspecs import SLOT_TYPES

_KINDS = {
    "dict_type",
    "model_type",
    "model_attributes_type",
    "list_type",
    "string_type",
    "literal_error",
    "int_parsing",
}
_REMEDIES: Mapping[str, str] = {
    "handoff": "Name the role that takes over: `handoff: sales`; `sla:` and `back:` stand beside it.",
    "after": "Say when and what: `after: {2h: {to: done}}`, or `{2h: {say: nudge}}`.",
    "no_input": "Say when and what: `no_input: [{after: 2h, say: nudge}]`.",
    "no_match": "Write the rungs in order: `no_match: [reprompt, explain, {to: agent, reason: stuck}]`.",
    "when": "Say for each choice where it leads: `when: {yes: review}`.",
    "end": "Name the outcome: `end: booked`.",
    "form": "Name slots, `form: [people]`; what they are stands in the flow's own `slots:`.",
    "start": "Write what starts it: `start: {intents: [book]}`.",
    "events": "Say for each event where it leads: `events: {trip.changed: updated}`.",
    "collect": "Say what is collected: `collect: {photo: {many: 5, to: trip.media}}`.",
    "do": "Name one action, `do: leads.create`, with `with:` and `once:` beside it; several stand in `enter:`.",
    "call": "Name the flow alone, `call: common/correct`, with `with:` and `save:` beside it.",
    "with": 'Give each value by name: `with: {trek: "{{ trek }}"}`.',
    "once": 'Write what it happens once for: `once: "lead:{{ run.id }}"`.',
    "quiet": "Write from when to when: `quiet: {from: 21:00, to: 07:00}`.",
    "notify": "Say whom and with which words: `notify: {role: sales, template: new_lead}`.",
    "variants": "Give each its share: `variants: {warm: 50, short: 50}`.",
    "migrations": "Say from which version: `migrations: [{from: 1, states: {old: new}}]`.",
    "rules": "Write what may not be: `rules: [{if: people > 3, say: too_many, forget: [people]}]`.",
    "commands": "Write each without a dash: `BOOK {trek}: {to: details}`.",
    "states": "Write each state without a dash: its name, a colon, and below it, indented, what it does.",
    "slots": "Write each slot without a dash: its name, a colon and its type, `people: {type: integer}`.",
    "intents": "Write each by its name: `book: {examples: [I want to book, book a trek]}`.",
    "entities": "Write each by its name: `place: {values: {ktm: [Kathmandu]}}`.",
    "inputs": "Name slots of this flow: `inputs: [people, month?]`; their types stand in `slots:`.",
    "say": "Name a block of the template file; its languages stand in templates/en, templates/hi and so on.",
    "ask": "Name a block of the template file; its languages stand in templates/en, templates/hi and so on.",
    "buttons": "Write for example `buttons: [{type: quick_reply, text: Yes}]`.",
}  # fmt: skip
"""How a word is written, by word."""
_BELOW: Mapping[str, str] = {
    "states": "Write what it does: `{key}: {{say: {word}, next: done}}`.",
    "commands": "Write where it leads: `{{to: {given}}}`.",
    "collect": "Write where it is kept: `{key}: {{to: {given}}}`.",
    "slots": "Write `{key}: {{type: {kind}}}`.",
    "buttons": "Write `{{type: quick_reply, text: {given}}}`.",
    "rules": "Write `{{if: {given}, say: …, forget: […]}}`.",
}
"""How one word becomes a block, by the word above it."""
_SLOT_TYPES = {
    "number": "`integer`, or `decimal`", "int": "`integer`", "float": "`decimal`", "string": "`text`", "str": "`text`",
    "bool": "`choice`, with `choices: {yes: Yes, no: No}`", "boolean": "`choice`, with `choices: {yes: Yes, no: No}`",
    "enum": "`choice`", "select": "`choice`", "datetime": "`date` and `time`, in two slots", "tel": "`phone`",
    "list": "`choice`", "image": "`media`", "photo": "`media`", "file": "`media`", "currency": "`money`",
}  # fmt: skip
"""Types of other languages."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FLOW_WORDS, _STATE_WORDS = (
    frozenset(field.alias or name for name, field in model.model_fields.items()) for model in (FlowSpec, StateSpec)
)


def remedy_for(kind: str, path: Path, given: Any) -> str:
    """What to write where a value is of the wrong kind; empty when where it stands says nothing about it.

    Args:
        kind: Pydantic's name for what is wrong.
        path: Where it stands.
        given: What stands there.
    """
    if kind not in _KINDS or not path or given is None:
        return ""
    key, above = str(path[-1]), str(path[-2]) if len(path) > 1 else ""
    if isinstance(given, str) and (one := _of_entry(key, above, given)):
        return one
    if key == "choices" and isinstance(given, list | str):
        labels = [one for one in (given if isinstance(given, list) else [given]) if isinstance(one, str)]
        named = ", ".join(f"{'_'.join(re.findall('[a-z0-9]+', one.lower())) or 'x'}: {one}" for one in labels[:3])
        return f"Give each a name of its own: `choices: {{{named}}}`." if named else ""
    if above == "intents" and isinstance(given, list):
        return f"Its sentences are `examples`: `{key}: {{examples: [{', '.join(map(str, given[:2]))}, …]}}`."
    if above == "entities" and isinstance(given, list):
        return f"Give each value a name: `{key}: {{values: {{{', '.join(f'{one}: {one}' for one in given[:2])}}}}}`."
    if key == "form" and isinstance(given, dict) and all(isinstance(one, str) for one in given):
        return f"Name slots alone, `form: [{', '.join(given)}]`; what they are stands in the flow's own `slots:`."
    if key == "universals":
        return "Write `universals: false` for none of them, name those that hold, or leave it out for all."
    if kind == "list_type" and isinstance(given, str) and key not in {"no_match", "rules"}:
        return ""
    return _REMEDIES.get(key, "")


def _of_entry(key: str, above: str, given: str) -> str:
    """For a word that stands where a block should, below a word that says what it is about."""
    name = _NAME.fullmatch(given) is not None
    if above == "after":
        return f"Write `{key}: {{to: {given}}}` to lead there, or `{key}: {{say: {given}}}` to say it." if name else ""
    if above == "no_match":
        return f"To lead elsewhere, write `{{to: {given}, reason: stuck}}`; else it is `reprompt` or `explain`."
    if above == "slots" and given in _SLOT_TYPES:
        return f"Write `{key}: {{type: …}}`, and for the dots {_SLOT_TYPES[given]}."
    if above == "variants":
        return f"Write the share alone: `{key}: {given.rstrip('%')}`." if given.rstrip("%").isdecimal() else ""
    if "enter" in {key, above}:
        return f"Write `{{say: {given}}}`." if name else ""
    if (key, name) == ("start", True):
        return f"Write `start: {{intents: [{given}]}}`."
    if above in {"commands", "collect"} and (given == key or (above == "commands" and not name)):
        return ""
    kind, word = (given, given) if given in SLOT_TYPES else ("text", given if name else "hello")
    return _BELOW.get(above, "").format(key=key, given=given, kind=kind, word=word)


def slot_type(given: str) -> str:
    """What a slot type of another language is called here."""
    return f"Write {_SLOT_TYPES[given]}." if given in _SLOT_TYPES else ""


def misplaced(key: str, known: set[str], given: Any) -> str:
    """Where a key belongs that there is, but not here.

    Args:
        key: What was written.
        known: The keys there are at that place.
        given: What stands behind it.
    """
    if known == _STATE_WORDS and key in _FLOW_WORDS:
        return f"`{key}:` belongs to the flow: write it at the left margin, beside `states:`."
    if known == _FLOW_WORDS and key in _STATE_WORDS:
        return f"`{key}:` belongs to a state: indent it below the name of one."
    if known == _FLOW_WORDS and isinstance(given, dict) and _STATE_WORDS & set(given):
        return f"If `{key}` is a state, indent it below `states:`."
    if "label" in known and "synonyms" in known and key in {"to", "next", "goto", "when"}:
        return "Where a choice leads stands in the state's `when:`, by the name of the choice."
    if {"if", "to"} <= known and "from" not in known and key == "else":
        return f"What holds otherwise is the last branch, without `if:`: `- {given}`."
    if {"if", "to"} <= known and re.search(r"[<>=]| in | is ", key):
        return f"Write each branch as `- {{if: {key}, to: {given}}}`."
    if {"role", "template", "with"} == known and key in {"to", "whom", "who"}:
        return "Did you mean `role`?"
    if {"to", "reason"} == known and key == "say":
        return "A rung says its words with `reprompt` or `explain`; what it leads to may `say:` others."
    return ""
