"""What WhatsApp, and the provider that carries the messages, can show: labels, rows, lengths of text."""

import re
from collections.abc import Iterator, Mapping

from bot.authoring.carriers import Carrier
from bot.core.flow import ChoiceOption, ChoiceSlot, FlowSpec
from bot.core.messages import MAX_BUTTON_TITLE, MAX_BUTTONS, MAX_ROW_DESCRIPTION, MAX_ROW_TITLE, MAX_ROWS
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
            continue
        labels: dict[str, str] = {}
        for key, option in choices.items():
            if len(option.label) > limit:
                report((*path, key), f"`{option.label}` has {len(option.label)} characters; a {what} shows {limit}.",
                       code="limit", hint="Shorten it.")  # fmt: skip
            if option.description and len(option.description) > MAX_ROW_DESCRIPTION:
                report((*path, key), f"The description has {len(option.description)} characters; a row shows "
                       f"{MAX_ROW_DESCRIPTION}.", code="limit", hint="Shorten it.")  # fmt: skip
            first = labels.setdefault(option.label.casefold(), key)
            if first != key:
                report((*path, key), f"Choices `{first}` and `{key}` have the same label.", code="limit",
                       hint="WhatsApp refuses that, and nobody could tell them apart.")  # fmt: skip
            for language, said in _translated(texts, key):
                if len(said) > limit:
                    report((*path, key), f"`{said}` (in `{language}`) has {len(said)} characters; a {what} shows "
                           f"{limit}.", code="limit", hint=f"Shorten block `choice_{key}`.")  # fmt: skip


def options_of(spec: FlowSpec) -> Iterator[tuple[Path, Mapping[str, ChoiceOption]]]:
    """All choices of a flow, with their places."""
    for name, state in spec.states.items():
        if state.choices:
            yield ("states", name, "choices"), state.choices
    for name, slot in spec.slots.items():
        if isinstance(slot, ChoiceSlot):
            yield ("slots", name, "choices"), slot.choices


def _translated(texts: Texts, key: str) -> Iterator[tuple[str, str]]:
    """The label of a choice in each language that has one of its own."""
    for language, file in sorted(texts.own.items()):
        block = file.blocks.get(f"choice_{key}")
        if block is not None and block.static:
            yield language, block.static


def too_long(file: TemplateFile, spec: FlowSpec, carrier: Carrier) -> Iterator[tuple[Block, str]]:
    """Blocks that do not fit into one message, whatever they are filled with."""
    asked = {state.ask: len(state.choices or ()) for state in spec.states.values() if state.ask}
    for block in file.blocks.values():
        length = least_length(block)
        choices = asked.get(block.name)
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
