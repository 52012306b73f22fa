"""What somebody wants, when no question is open: a message → an intent, with a score and a reason.

Three things are tried: whether the message is exactly one of the examples, whether it is of the form of a pattern, and
what the classifier thinks, to which keywords give a hint. There is one model for each role, and for each tenant whose
business has names of its own; it is trained when it is first needed, and again only when what it learns from changes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from bot.core.actions import Things
from bot.core.intents import EntitySpec, IntentSpec, by_language, marks
from bot.core.models import MODELS
from bot.core.nlu import ACT, ASK_BELOW, OFFER, Classifier, Meaning
from bot.core.nlu.masks import Masks, Phrases
from bot.core.patterns import compile_pattern
from bot.core.words import normalise, without_addresses

OFFERS = 3
"""Intents that are offered for choice; WhatsApp shows as many buttons."""
_WORTH_OFFERING = OFFER / 3
"""Confidence from which the second and third are offered."""
_HINT = 0.15
_KEYWORD = ACT + 0.05
"""What a keyword alone is worth, when nothing else is likely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """An intent that a message may have.

    `because` is what speaks for it; `how` says what that is: `example` (the message is exactly this one), `pattern`,
    `keyword`, `classifier` or `encoder` (this example is near). `values` are the named groups of a pattern.
    """

    intent: str
    score: float
    because: str
    how: str = "classifier"
    values: Mapping[str, str] = field(default_factory=dict)


class Understanding(Protocol):
    """Whatever tells intents apart."""

    def learn(self) -> None:
        """Get ready, so that the first message need not wait."""

    def understand(self, text: str, normal: str | None = None) -> Sequence[Scored]:
        """Intents the message may have, best first; empty when it is beyond us. Must take any text.

        `normal` is the text normalised, from who has it already.
        """


class IntentUnderstanding:
    """The intents of a role."""

    def __init__(
        self, intents: Mapping[str, IntentSpec], entities: Mapping[str, EntitySpec] | None = None,
        things: Mapping[str, Things] | None = None,
    ) -> None:  # fmt: skip
        """Prepare; nothing is trained yet.

        Args:
            intents: By name.
            entities: What the examples name, by name.
            things: What the business calls its things, by lookup.
        """
        self._intents, self._entities = intents, entities or {}
        self._model: Classifier | None = None
        self._deep: tuple[Meaning, Classifier] | None = None
        self.examples = tuple((text, name) for name, spec in intents.items() for text in spec.texts)
        self._phrases = _phrases(intents, self._entities, things or {})
        self._exact = {normalise(text): (text, name) for text, name in reversed(self.examples)}
        self._keywords: dict[str, list[tuple[str, str, str]]] = {}
        for name, spec in intents.items():
            for word in spec.words:
                if normal := normalise(word):
                    self._keywords.setdefault(normal.split()[0], []).append((name, f" {normal} ", word))
        self._patterns = [(name, compile_pattern(source)) for name, spec in intents.items() for source in spec.patterns]

    @property
    def lookups(self) -> frozenset[str]:
        """The lookups whose things its entities are."""
        return frozenset(entity.lookup for entity in self._entities.values() if entity.lookup)

    def knowing(self, things: Mapping[str, Things]) -> "IntentUnderstanding":
        """The same, for a business that calls its things so; itself, when none of them matters here."""
        if self.lookups.isdisjoint(things):
            return self
        return IntentUnderstanding(self._intents, self._entities, things)

    @property
    def mask(self) -> Masks | None:
        """What puts the names of entities in the place of the words that name them."""
        return Masks(self._phrases) if self._phrases else None

    @property
    def classifier(self) -> Classifier:
        """The trained model."""
        if self._model is None:
            self._model = MODELS.of(self.examples, self._phrases)
        return self._model

    @property
    def deep(self) -> Classifier | None:
        """The trained model that knows more than the usual one, where there is one."""
        if MODELS.meaning is None:
            return None
        if self._deep is None or self._deep[0] is not MODELS.meaning:
            self._deep = MODELS.meaning, MODELS.of(self.examples, self._phrases, MODELS.meaning)
        return self._deep[1]

    def learn(self) -> None:
        """Train now, where there is something to learn from."""
        if self.examples:
            for model in (self.classifier, self.deep):
                if model is not None:
                    model.get_ready()

    def understand(self, text: str, normal: str | None = None) -> Sequence[Scored]:
        """Every way a message can mean an intent, best first."""
        normal = normal if normal is not None else normalise(text)
        if not normal:
            return ()
        exact = self._exact.get(normal)
        if exact is not None:
            return (Scored(intent=exact[1], score=1.0, because=exact[0], how="example"),)
        found = self._by_pattern(text) or {}
        normal = normalise(without_addresses(text))
        if not found and not normal:
            return ()  # a link says nothing of what is wanted
        if not found and self.examples:
            found = self._by_likeness(text)
        self._take_hints(normal, found)
        return sorted(found.values(), key=lambda scored: (-scored.score, scored.intent))

    def _by_likeness(self, text: str) -> dict[str, Scored]:
        """What a message is most like, in the eyes of the usual model; when that is unsure, of one that knows more."""
        guesses, how = self.classifier.guesses(text, OFFERS), "classifier"
        deep = self.deep
        if deep is not None and guesses[0].confidence < ASK_BELOW:
            guesses, how = deep.guesses(text, OFFERS), "encoder"
        return {
            one.intent: Scored(
                intent=one.intent,
                score=one.confidence,
                because=self.examples[one.nearest][0] if one.nearest is not None else "",
                how=how,
            )
            for one in guesses
        }

    def _by_pattern(self, text: str) -> dict[str, Scored]:
        """Intents of which the whole message has the form."""
        found: dict[str, Scored] = {}
        for name, pattern in self._patterns:
            match = pattern.fullmatch(text.strip()) if name not in found else None
            if match is not None:
                found[name] = Scored(intent=name, score=1.0, because=pattern.source, how="pattern", values=match.named)
        return found

    def _take_hints(self, normal: str, found: dict[str, Scored]) -> None:
        """Give intents whose keywords are in the message a lift; alone, a keyword does when no other intent is sure."""
        if any(one.how == "pattern" for one in found.values()):
            return
        padded = f" {normal} "
        sure = max((one.score for one in found.values()), default=0.0)
        best = next((name for name, one in found.items() if one.score == sure), None)
        begun = self._keywords.keys() & normal.split()
        for name, word, source in [one for first in sorted(begun) for one in self._keywords[first]]:
            if word not in padded:
                continue
            own = found.get(name)
            floor = 0.0 if sure >= ACT and best != name else _KEYWORD
            score = round(min(1.0, max(floor, (own.score if own else 0.0) + _HINT)), 4)
            if own is None:
                found[name] = Scored(intent=name, score=score, because=source, how="keyword")
            elif own.how != "keyword" or score > own.score:
                found[name] = replace(own, score=max(score, own.score), because=source, how="keyword")


def _phrases(
    intents: Mapping[str, IntentSpec], entities: Mapping[str, EntitySpec], things: Mapping[str, Things]
) -> Phrases:
    """The words that name entities: their values with synonyms, what examples mark, what the business calls them."""
    found: dict[str, str] = {}
    for name, entity in entities.items():
        for value, synonyms in entity.values.items():
            found |= {normalise(text): name for text in (value, *synonyms)}
    for spec in intents.values():
        for _, _, example in by_language(spec.examples):
            for words, name in marks(example):
                if name in entities and entities[name].type is None and not re.search(r"\d", words):
                    found.setdefault(normalise(words), name)
    for name, entity in entities.items():
        for names in things.get(entity.lookup or "", ()):
            for text in names:
                found.setdefault(normalise(text), name)
    return tuple(sorted((phrase, name) for phrase, name in found.items() if phrase))


def decide(scored: Sequence[Scored]) -> Scored | None:
    """The intent to act on: sure enough."""
    return scored[0] if scored and scored[0].score >= ACT else None


def to_offer(scored: Iterable[Scored]) -> list[Scored]:
    """The intents to ask about, when none is sure enough: the likeliest, if it is likely at all, and those near it."""
    best = sorted(scored, key=lambda one: -one.score)
    if not best or not OFFER <= best[0].score < ACT:
        return []
    return [one for one in best if one.score >= _WORTH_OFFERING][:OFFERS]
