"""What authors write in `intents/*.yaml`: how people say what they want.

An example may be marked: `trip to [EBC](trek) for [two](people)` is the example "trip to EBC for two", and says that
EBC is a trek. What has been marked as an entity with `values:` is recognised in other messages as well.
"""

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import BeforeValidator, Field

from bot.core.parts import ANY_LANGUAGE, WHOSE, Label, Name, Part, as_list, label_in

_MARK = re.compile(r"\[([^\[\]]{1,80})\]\(([a-z][a-z0-9_]*)\)")
Texts = Annotated[list[str], BeforeValidator(as_list)]
ByLanguage = list[str] | dict[str, Texts]
"""Texts of any language, or by language: `{en: [...], hi: [...]}`."""


def by_language(texts: ByLanguage) -> Iterator[tuple[str, int, str]]:
    """Each text with its language, `""` when none is given, and its place there."""
    lists = texts if isinstance(texts, dict) else {ANY_LANGUAGE: texts}
    for language, found in lists.items():
        for place, text in enumerate(found):
            yield language, place, text


def plain(example: str) -> str:
    """An example without its marks."""
    return _MARK.sub(r"\1", example)


def marks(example: str) -> list[tuple[str, str]]:
    """What is marked in an example: the words and the name of the entity."""
    return [(match[1], match[2]) for match in _MARK.finditer(example)]


class EntitySpec(Part):
    """Something that messages name: of a type, one of some values, or of a form."""

    type: Name | None = None
    lookup: str | None = None
    values: dict[str, Texts] = Field(default_factory=dict)
    patterns: Texts = Field(default_factory=list)


class IntentSpec(Part):
    """How people say what they want."""

    later = frozenset({"extends"})
    label: Label = ""
    examples: ByLanguage = Field(default_factory=list)
    keywords: ByLanguage = Field(default_factory=list)
    patterns: Texts = Field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """All examples, without marks."""
        return [plain(text) for _, _, text in by_language(self.examples)]

    @property
    def words(self) -> list[str]:
        """All keywords."""
        return [text for _, _, text in by_language(self.keywords)]

    def name(self, intent: str, language: str) -> str:
        """What the intent is called, for a button."""
        return label_in(self.label, language) or intent.replace("_", " ").capitalize()


class IntentFile(Part):
    """An intents file: the intents of a role, or of several, and the entities in them."""

    roles: Annotated[list[Name], BeforeValidator(as_list)] = Field(min_length=1, alias="role", validation_alias=WHOSE)
    entities: dict[Name, EntitySpec] = Field(default_factory=dict)
    intents: dict[Name, IntentSpec]
