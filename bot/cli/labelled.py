"""Files of messages and the intents they have, for `bot nlu eval`: CSV as people and spreadsheets write it."""

import csv
from collections.abc import Collection
from pathlib import Path

from bot.core.errors import ConfigError

_TEXT = frozenset({"text", "message", "utterance", "example", "query"})
_INTENT = frozenset({"intent", "label", "category", "class"})


def labelled(file: Path, intents: Collection[str]) -> list[tuple[str, str]]:
    """Texts and intents. Columns are found by their names, else by which holds intents; `,`, `;` and tabs divide.

    Args:
        file: A CSV in UTF-8, with a line of names or without.
        intents: Those there are.

    Raises:
        ConfigError: It cannot be read, or has nothing of the kind; the text says what is wanted.
    """
    try:
        source = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError([f"{file} is not UTF-8. Save it as CSV in UTF-8."]) from None
    first = source.split("\n", 1)[0]
    divider = max(",;\t", key=first.count)
    try:
        rows = [row for row in csv.reader(source.splitlines(), delimiter=divider) if len(row) > 1]
    except csv.Error as mistake:
        raise ConfigError([f"{file} is no CSV: {mistake}."]) from None
    names = [name.strip().casefold() for name in rows[0]] if rows else []
    text = next((place for place, name in enumerate(names) if name in _TEXT), None)
    intent = next((place for place, name in enumerate(names) if name in _INTENT), None)
    if text is not None and intent is not None:
        rows = rows[1:]
    else:
        known = [sum(len(row) > place and row[place].strip() in intents for row in rows) for place in (0, 1)]
        text, intent = (1, 0) if known[0] > known[1] else (0, 1)
        rows = rows[1:] if rows and rows[0][intent].strip() not in intents and max(known) else rows
    found = [(row[text].strip(), row[intent].strip()) for row in rows if len(row) > max(text, intent)]
    found = [(said, meant) for said, meant in found if said and meant]
    if not found:
        raise ConfigError(
            [f"{file} has no rows of a text and its intent, such as `where is my booking,booking_status`."]
        )
    if not any(meant in intents for _, meant in found):
        raise ConfigError([f"No intent in {file} is one of this role: {', '.join(sorted(intents)[:12])}."])
    return found
