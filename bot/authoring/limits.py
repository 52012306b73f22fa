"""What WhatsApp, and the provider that carries the messages, can show: labels, rows, lengths of text."""

import re
from collections.abc import Iterator, Mapping

from bot.authoring.carriers import Carrier
from bot.core.flow import ChoiceOption, ChoiceSlot, FlowSpec, LocationSlot, PhoneSlot, StateSpec
from bot.core.messages import (
    MAX_BUTTON_TITLE,
    MAX_BUTTONS,
    MAX_CAPTION,
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
            if option.description and len(option.description) > MAX_ROW_DESCRIPTION:
                report((*path, key), f"The description has {len(option.description)} characters; a row shows "
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
    """The label of a choice in each language that has one of its own."""
    for language, file in sorted(texts.own.items()):
        block = file.blocks.get(f"choice_{key}")
        if block is not None and block.static:
            yield language, block.static


def too_long(file: TemplateFile, spec: FlowSpec, carrier: Carrier) -> Iterator[tuple[Block, str]]:
    """Blocks that do not fit into one message, whatever they are filled with."""
    asked = {state.ask: len(state.choices or ()) for state in spec.states.values() if state.ask}
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
