"""Sets of labelled messages: read from a file, drawn from, and spelt wrongly on purpose."""

import csv
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FULL = 0
"""As a number of shots: seven of eight messages of each intent."""
_TEST_SHARE = 8
_MOST_TESTED = 40
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_TEXTS = ("text", "utterance", "message", "sentence", "query", "question", "example", "phrase", "input")
_INTENTS = ("intent", "label", "category", "class", "target", "tag")
"""Names that heads give to the columns."""

Row = tuple[str, str]


class SetError(ValueError):
    """A file holds no labelled messages, as far as we can see; the text says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """A set: labelled messages, and some that mean none of it. `test` is empty when it is to be split off."""

    name: str
    rows: list[Row]
    test: list[Row]
    strange: list[str]


def read(path: Path, *, text: str | None = None, intent: str | None = None) -> Messages:
    """Read a set. Rows that say the same as one before are left out, for they would be learnt and tested both.

    Args:
        path: A CSV with a head (or, ending in `.tsv`, with tabs), or a JSON of lists.
        text: The CSV's column of messages; else the one whose name says so, else the first.
        intent: That of intents; else the one whose name says so, else the second.

    Raises:
        SetError: There is nothing to learn from.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SetError(f"{path}: {getattr(error, 'strerror', None) or 'is not UTF-8'}") from error
    messages = (
        _of_lists(path, content) if path.suffix == ".json" else _of_table(path, content, text=text, intent=intent)
    )
    if not messages.rows:
        raise SetError(f"{path}: no labelled message in it")
    return messages


def _of_lists(path: Path, content: str) -> Messages:
    try:
        lists: dict[str, list[Row]] = {
            name: list(dict.fromkeys((str(text), str(intent)) for text, intent in rows))
            for name, rows in json.loads(content).items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise SetError(f"{path}: expected an object of lists of [text, intent]") from error
    known = {name: rows for name, rows in lists.items() if not name.startswith("oos")}
    strange = [text for name, rows in lists.items() if name.startswith("oos") for text, _ in rows]
    rows = known.pop("train", None) or (known.pop(next(iter(known))) if known else [])
    learnt = set(rows)
    test = [row for rest in known.values() for row in rest if row not in learnt]
    return Messages(name=path.stem, rows=rows, test=test, strange=strange)


def _of_table(path: Path, content: str, *, text: str | None, intent: str | None) -> Messages:
    reader = csv.reader(content.splitlines(keepends=True), delimiter="\t" if path.suffix == ".tsv" else ",")
    try:
        lines = [line for line in reader if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise SetError(f"{path}: line {reader.line_num}: {error}") from error
    if not lines:
        raise SetError(f"{path}: is empty")
    head = [cell.strip().lower() for cell in lines[0]]
    if len(head) < len(("text", "intent")):
        raise SetError(f"{path}: expected a column of messages and one of intents, not {', '.join(lines[0])!r} alone")
    one, other = _column(path, head, text, _TEXTS), _column(path, head, intent, _INTENTS)
    if one is None:
        one = 0 if other != 0 else 1
    if other is None:
        other = 1 if one != 1 else 0
    rows = [
        (line[one], line[other].strip()) for line in lines[1:] if len(line) > max(one, other) and line[other].strip()
    ]
    return Messages(name=path.stem, rows=list(dict.fromkeys(rows)), test=[], strange=[])


def _column(path: Path, head: Sequence[str], wanted: str | None, usual: Sequence[str]) -> int | None:
    """Where a column is, if its name tells."""
    if wanted is not None:
        if wanted.lower() not in head:
            raise SetError(f"{path}: has no column {wanted!r}, but {', '.join(head)}")
        return head.index(wanted.lower())
    return next((place for name in usual for place, one in enumerate(head) if one == name), None)


def split(messages: Messages, shots: int, seed: int) -> tuple[list[Row], list[Row]]:
    """Examples to learn from, and messages to be tested with: at most 40 of each intent."""
    rng = random.Random(seed)
    by_intent: dict[str, list[Row]] = defaultdict(list)
    for row in messages.rows:
        by_intent[row[1]].append(row)
    learn: list[Row] = []
    test: list[Row] = []
    for _, rows in sorted(by_intent.items()):
        mixed = rng.sample(rows, len(rows))
        count = shots or (len(mixed) if messages.test else max(1, len(mixed) - max(1, len(mixed) // _TEST_SHARE)))
        learn += mixed[:count]
        test += mixed[count : count + _MOST_TESTED]
    return learn, messages.test or test


def with_typos(text: str, rng: random.Random, every: int = 10) -> str:
    """Make a slip for each so many characters: a letter wrong, added, left out, or two swapped."""
    letters = list(text)
    for _ in range(max(1, len(text) // every) if text else 0):
        place, letter = rng.randrange(len(letters)), rng.choice(_LETTERS)
        match rng.randrange(4):
            case 0:
                letters[place] = letter
            case 1:
                letters.insert(place, letter)
            case 2 if len(letters) > 1:
                del letters[place]
            case _ if place + 1 < len(letters):
                letters[place], letters[place + 1] = letters[place + 1], letters[place]
            case _:
                pass
    return "".join(letters)
