"""What WhatsApp, and the provider that carries the messages, can show: labels, rows, lengths of text."""

import re
from collections.abc import Iterator, Mapping

from bot.authoring.carriers import Carrier
from bot.core.flow import ChoiceOption, ChoiceSlot, FlowSpec, LocationSlot, PhoneSlot, StateSpec
from bot.core.messages import (
    MAX_BUTTON_TITLE,
    MAX_BUTTONS,
    MAX_CAPTION,
    MAX_LIST_LABEL,
    MAX_ROW_DESCRIPTION,
    MAX_ROW_TITLE,
    MAX_ROWS,
)
from bot.core.outspecs import MEDIA, SendSpec
from bot.core.report import Path, Report
from bot.core.templates import Block, TemplateFile, Texts

_PARTS = re.compile(r"\{%[-+]?\s*(\w+).*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)


def check_limits(spec: FlowSpec, texts: Texts, report: Report) -> None:
    """Buttons and rows fit on the screen, in every language."""
    for path, choices in options_of(spec):
        what, limit = ("button", MAX_BUTTON_TITLE) if len(choices) <= MAX_BUTTONS else ("list row", MAX_ROW_TITLE)
        if len(choices) > MAX_ROWS:
            report(path, f"{len(choices)} choices are more than a list's {MAX_ROWS}; they are shown in pages.",
                   severity="warning", code="limit", hint="Ask in two steps.")  # fmt: skip
        labels: dict[tuple[str, str], str] = {}
        for key, option in choices.items():
            if len(option.label) > limit:
                report((*path, key), f"`{option.label}` has {len(option.label)} characters; a {what} shows {limit}.",
                       code="limit", hint="Shorten it.")  # fmt: skip
            described = option.description if isinstance(option.description, dict) else {"": option.description or ""}
            for language, text in described.items():
                if len(text) > MAX_ROW_DESCRIPTION:
                    where = f" in `{language}`" if language else ""
                    report((*path, key), f"The description{where} has {len(text)} characters; a row shows "
                           f"{MAX_ROW_DESCRIPTION}.", code="limit", hint="Shorten it.")  # fmt: skip
            for language, said in [("", option.label), *_translated(texts, key)]:
                first = labels.setdefault((language, said.casefold()), key)
                if first != key:
                    where = f" in `{language}`" if language else ""
                    report((*path, key), f"Choices `{first}` and `{key}` have the same label{where}.", code="limit",
                           hint="WhatsApp refuses that, and nobody could tell them apart.")  # fmt: skip
                if language and len(said) > limit:
                    report((*path, key), f"`{said}` (in `{language}`) has {len(said)} characters; a {what} shows "
                           f"{limit}.", code="limit", hint=f"Shorten block `choice_{key}`.")  # fmt: skip


def sends_of(state: StateSpec) -> Iterator[tuple[Path, SendSpec]]:
    """The messages of a state that are more than words, with their places."""
    for place, one in enumerate(state.send):
        yield ("send", place), one
    for number, op in enumerate(state.enter):
        for place, one in enumerate(op.send):
            yield ("enter", number, "send", place), one


def options_of(spec: FlowSpec) -> Iterator[tuple[Path, Mapping[str, ChoiceOption]]]:
    """All choices of a flow, with their places."""
    for name, state in spec.states.items():
        if state.choices:
            yield ("states", name, "choices"), state.choices
    for name, slot in spec.slots.items():
        if isinstance(slot, ChoiceSlot):
            yield ("slots", name, "choices"), slot.choices


def _translated(texts: Texts, key: str) -> Iterator[tuple[str, str]]:
    """The label of a choice in each language that has one of its own, be it in words that all flows share."""
    for language in sorted({*texts.own, *texts.common}):
        files = [files[language] for files in (texts.own, texts.common) if language in files]
        block = next((file.blocks[f"choice_{key}"] for file in files if f"choice_{key}" in file.blocks), None)
        if block is not None and block.static:
            yield language, block.static


def too_long(file: TemplateFile, spec: FlowSpec, carrier: Carrier) -> Iterator[tuple[Block, str]]:
    """Blocks that do not fit into one message, whatever they are filled with."""
    asked = dict(_above_choices(spec))
    beside = dict(_beside(spec, carrier))
    for block in file.blocks.values():
        length = least_length(block)
        choices = asked.get(block.name)
        where, limit, instead = beside.get(block.name, ("", length, ""))
        if length > limit:
            yield block, f"Block `{block.name}` has {length} characters or more; {where} shows {limit}, so {instead}."
            continue
        if choices is not None and length > (limit := _above(choices, carrier)):
            yield (
                block,
                (
                    f"Block `{block.name}` has {length} characters or more; {carrier.name} shows {limit} above "
                    f"{'buttons' if choices <= MAX_BUTTONS else 'a list'}, so the rest is sent before."
                ),
            )
        elif choices is None and length > carrier.text:
            yield (
                block,
                (
                    f"Block `{block.name}` has {length} characters or more; {carrier.name} takes {carrier.text} in one "
                    "message, so it is sent in parts."
                ),
            )


def _above_choices(spec: FlowSpec) -> Iterator[tuple[str, int]]:
    """The blocks that choices stand below, with how many: of states, of slots, and of doubts about a slot."""
    for name, slot in spec.slots.items():
        doubts = 2 + (not slot.required)
        yield f"confirm_{name}", doubts
        yield f"ambiguous_{name}", doubts
        if isinstance(slot, ChoiceSlot):
            choices = len(slot.choices) + (not slot.required)
            asks = slot.prompt if isinstance(slot.prompt, str) else f"ask_{name}"
            yield from ((block, choices) for block in (asks, f"invalid_{name}", f"explain_{name}"))
    for name, state in spec.states.items():
        if state.ask:
            choices = len(state.choices or ())
            for block in (state.ask, *(f"{state.ask}__{variant}" for variant in state.variants or spec.variants or ())):
                yield block, choices
            yield f"explain_{name}", choices


SHOWN_ON = {
    "label_back": ("a button", MAX_BUTTON_TITLE), "label_done": ("a button", MAX_BUTTON_TITLE),
    "label_no": ("a button", MAX_BUTTON_TITLE), "label_skip": ("a button", MAX_BUTTON_TITLE),
    "label_stay": ("a button", MAX_BUTTON_TITLE), "label_yes": ("a button", MAX_BUTTON_TITLE),
    "choose": ("the button of a list", MAX_LIST_LABEL), "more": ("a list row", MAX_ROW_TITLE),
}  # fmt: skip
"""Common blocks that are no message but a label, and how much of it is shown."""
_ABOVE_BUTTONS = frozenset({"confirm_back", "confirm_value", "did_you_mean", "media_more", "offer_language"})
_ABOVE_LISTS = frozenset({"ambiguous_value", "ask_choice", "choose_candidate", "correct_which", "invalid_choice"})


def too_long_for_all(file: TemplateFile, carrier: Carrier) -> Iterator[tuple[Block, str]]:
    """The same of `common.j2`, which stands in for what flows do not say themselves."""
    for block in file.blocks.values():
        length = least_length(block)
        if block.name in SHOWN_ON:
            where, limit = SHOWN_ON[block.name]
            told = f"{where} shows {limit}, so the rest is cut off"
        elif block.name in _ABOVE_BUTTONS:
            limit, told = (
                carrier.button_body,
                f"{carrier.name} shows {carrier.button_body} above buttons, so the rest is sent before",
            )
        elif block.name in _ABOVE_LISTS:
            limit, told = (
                carrier.list_body,
                f"{carrier.name} shows {carrier.list_body} above a list, so the rest is sent before",
            )
        else:
            limit, told = carrier.text, f"{carrier.name} takes {carrier.text} in one message, so it is sent in parts"
        if length > limit:
            yield block, f"Block `{block.name}` has {length} characters or more; {told}."


def _beside(spec: FlowSpec, carrier: Carrier) -> Iterator[tuple[str, tuple[str, int, str]]]:
    """The blocks that stand beside something that is sent: where, how long they may be, and what happens to others."""
    for state in spec.states.values():
        for _, one in sends_of(state):
            for path, block in one.blocks:
                match path:
                    case (_, "button"):
                        yield block, ("a button", MAX_BUTTON_TITLE, "the rest is cut off")
                    case (_, "caption"):
                        yield block, ("a caption", MAX_CAPTION, "it is sent as a message of its own")
                    case _:
                        yield block, (f"{carrier.name} above a button", carrier.button_body, "the rest is sent before")


def check_carrier(spec: FlowSpec, carrier: Carrier, report: Report) -> None:
    """Warn of what the provider that carries the messages has no shape for."""
    for name, state in spec.states.items():
        lacking = [((*path, word), word) for path, one in sends_of(state) for word in _used(one)]
        lacking += [(("reply",), "reply")] if state.reply else []
        lacking += [(("enter", place, "reply"), "reply") for place, op in enumerate(state.enter) if op.reply]
        for path, word in lacking:
            _lacking(("states", name, *path), word, carrier, report)
    for name, slot in spec.slots.items():
        if isinstance(slot, LocationSlot | PhoneSlot) and slot.button:
            word = "ask_location" if isinstance(slot, LocationSlot) else "ask_number"
            _lacking(("slots", name, "button"), word, carrier, report)


def _used(one: SendSpec) -> list[str]:
    files = [file for word in MEDIA if (file := getattr(one, word)) is not None]
    return [*one.words, *("id" for file in files if file.id is not None)]


def _lacking(path: Path, word: str, carrier: Carrier, report: Report) -> None:
    if word in carrier.lacks:
        report(path, f"{carrier.name} has no `{word}:`: {carrier.lacks[word]}.", severity="warning", code="provider",
               hint="Give `link:` or `file:`." if word == "id" else "Nothing to do, if that will do.")  # fmt: skip


def _above(choices: int, carrier: Carrier) -> int:
    return carrier.button_body if choices <= MAX_BUTTONS else carrier.list_body


def least_length(block: Block) -> int:
    """Characters that a block has in any case: its text outside of values, conditions and loops."""
    if block.static is not None:
        return len(block.static)
    length = depth = end = 0
    for part in _PARTS.finditer(block.text):
        if depth == 0:
            length += len(block.text[end : part.start()])
        end = part.end()
        depth += {"if": 1, "for": 1, "endif": -1, "endfor": -1}.get(part[1] or "", 0)
    return length + len(block.text[end:]) if depth == 0 else length
