"""Commands: `ISSUE {trip} {text?}`, typed by people who have no time to chat.

Case and extra spaces do not matter. One typing mistake in the verb is forgiven only when the id that follows has the
right shape: "ISUE TRP123 …" is a command, "issues with my boots" is not `ISSUE`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from bot.core.slots import AnySlot, RefReader, TextReader
from bot.core.words import MAX_ANALYSED

_ARGUMENT = re.compile(r"\{([a-z][a-z0-9_]*)(\?)?\}")
_VERB = re.compile(r"[A-Z][A-Z0-9_-]*")
_EDGES = " \t\r\n:;,.#-–—"


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """A slot that a command fills."""

    slot: str
    optional: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A compiled command. `trigger` is its event in the flow's machine."""

    source: str
    verb: tuple[str, ...]
    arguments: tuple[Argument, ...]
    trigger: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRead:
    """A message that is a command, with what was written for each argument."""

    command: Command
    raw: dict[str, str]
    exact: bool


def parse_command(source: str) -> Command:
    """Compile what the author wrote.

    Raises:
        ValueError: It is not a command; the text is a sentence.
    """
    words = source.split()
    verb = [word for word in words if not word.startswith("{")]
    arguments: list[Argument] = []
    for word in words[len(verb) :]:
        match = _ARGUMENT.fullmatch(word)
        if not match:
            raise ValueError(f"`{word}` is not an argument; write `{{slot}}` or `{{slot?}}` after the verb")
        arguments.append(Argument(slot=match[1], optional=bool(match[2])))
    if not verb or not all(_VERB.fullmatch(word) for word in verb) or words[: len(verb)] != verb:
        raise ValueError(f"`{source}` does not begin with a verb in capitals; write it like `ISSUE {{trip}}`")
    return Command(
        source=source,
        verb=tuple(word.casefold() for word in verb),
        arguments=tuple(arguments),
        trigger="command:" + " ".join(verb),
    )


def lone(text: str) -> str | None:
    """The only word of a message, as verbs are compared; None when there are more, or none at all."""
    words = text[: MAX_ANALYSED * 8].split(None, 1)
    return words[0].strip(_EDGES).casefold() if len(words) == 1 else None


def read_command(command: Command, text: str, slots: Mapping[str, AnySlot]) -> CommandRead | None:
    """The command in a message, or None when the message is not this command."""
    count = len(command.verb)
    words = text[: MAX_ANALYSED * 8].split(None, count)
    if len(words) < count:
        return None
    said = tuple([word.strip(_EDGES).casefold() for word in words[:count]])
    rest = words[count] if len(words) > count else ""
    exact = said == command.verb
    if not exact and not (rest and _nearly(said, command.verb)):  # a slip is only forgiven when a code follows
        return None
    raw, coded = _arguments(command, rest, slots)
    if (not exact and not coded) or not _well_formed(command, raw, slots):
        return None
    return CommandRead(command=command, raw=raw, exact=exact)


def _well_formed(command: Command, raw: Mapping[str, str], slots: Mapping[str, AnySlot]) -> bool:
    """Whether words for which the author gave a pattern have it: "join us on Friday" is no `JOIN {code}`."""
    found = ((slots[argument.slot], raw.get(argument.slot)) for argument in command.arguments)
    return all(
        words is None
        or not isinstance(slot, TextReader)
        or slot.pattern is None
        or slot.pattern.fullmatch(words.strip())
        for slot, words in found
    )


def _nearly(said: tuple[str, ...], verb: tuple[str, ...]) -> bool:
    a, b = " ".join(said), " ".join(verb)
    return len(b) >= 4 and -1 <= len(a) - len(b) <= 1 and OSA.distance(a, b, score_cutoff=1) <= 1


def _arguments(command: Command, rest: str, slots: Mapping[str, AnySlot]) -> tuple[dict[str, str], bool]:
    """What was written for each argument, and whether a code of the right shape was among it."""
    raw: dict[str, str] = {}
    coded = False
    for position, argument in enumerate(command.arguments):
        rest = rest.strip(_EDGES)
        if not rest:
            break
        slot = slots[argument.slot]
        last = position == len(command.arguments) - 1
        if isinstance(slot, RefReader) and slot.pattern is not None:
            match = slot.pattern.search(rest[:MAX_ANALYSED])
            if match:
                raw[argument.slot] = match.found.upper()
                rest = f"{rest[: match.start].rstrip(_EDGES)} {rest[match.end :].lstrip(_EDGES)}"
                coded = True
        elif isinstance(slot, TextReader) or last:
            raw[argument.slot], rest = rest, ""
        else:
            raw[argument.slot], _, rest = rest.partition(" ")
    return raw, coded
