"""What somebody wants, when no question is open: a message → an intent, with a score and a reason.

Three things are tried: whether the message is exactly one of the examples, whether it is of the form of a pattern, and
what the classifier thinks, to which keywords give a hint. There is one model for each role, and for each tenant whose
business has names of its own; it is trained when it is first needed, and again only when what it learns from changes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import Protocol

from bot.core.actions import Things
from bot.core.clauses import has_sentences, parts_of
from bot.core.frozen import dataclass
from bot.core.intents import EntitySpec, IntentSpec, by_language, marks
from bot.core.models import MODELS
from bot.core.nlu import ACT, ASK_BELOW, OFFER, Classifier, Guess, Meaning
from bot.core.nlu.masks import TYPED, Masks, Named, Phrases
from bot.core.nlu.reader import masked
from bot.core.nlu.unheard import Heard
from bot.core.patterns import compile_pattern
from bot.core.words import normalise, without_addresses

OFFERS = 3
"""Intents that are offered for choice; WhatsApp shows as many buttons."""
_WORTH_OFFERING = OFFER / 3
"""Confidence from which the second and third are offered."""
_CERTAIN = ACT + 0.2
"""Confidence from which the words of other intents' examples are as good as those of its own."""
_ASKED = ACT - 0.01
"""Confidence of what is asked about rather than acted on."""
_BRIEF = 2
"""Spaces in an example from which it is more than a courtesy beside something else: `good morning` has one."""
_HINT = 0.15
"""What a keyword adds, where no example of another intent has it; else so much less."""
_KEYWORD = ACT + 0.05
"""What a keyword alone is worth, when nothing else is likely, and no example of another intent has it."""


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
        self._heard: dict[str, Heard] = {}
        self.examples = tuple((text, name) for name, spec in intents.items() for text in spec.texts)
        kinds = tuple((name, one.type or "", tuple(one.patterns)) for name, one in sorted(self._entities.items()))
        self._named = Named(
            _phrases(intents, self._entities, things or {}), tuple(one for one in kinds if one[1] in TYPED or one[2])
        )
        self._exact = {normalise(text): (text, name) for text, name in reversed(self.examples)}
        self._keywords = _keywords(intents, self.examples)
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

    @cached_property
    def mask(self) -> Masks | None:
        """What puts the names of entities in the place of the words that name them."""
        return self._named.mask

    @property
    def classifier(self) -> Classifier:
        """The trained model."""
        if self._model is None:
            self._model = MODELS.of(self.examples, self._named)
        return self._model

    @property
    def deep(self) -> Classifier | None:
        """The trained model that knows more than the usual one, where there is one."""
        if MODELS.meaning is None:
            return None
        if self._deep is None or self._deep[0] is not MODELS.meaning:
            self._deep = MODELS.meaning, MODELS.of(self.examples, self._named, MODELS.meaning)
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
            if max(one.score for one in found.values()) < ACT:
                self._by_parts(text, found)
            else:
                self._doubt_strange(text, found)
                if has_sentences(text):
                    self._by_parts(text, found)
        self._take_hints(normal, found)
        return sorted(found.values(), key=lambda scored: (-scored.score, scored.intent))

    def _by_likeness(self, text: str) -> dict[str, Scored]:
        """What a message is most like, in the eyes of the usual model; when that is unsure, of one that knows more."""
        guesses, how = self.classifier.guesses(text, OFFERS), "classifier"
        deep = self.deep
        if deep is not None and guesses[0].confidence < ASK_BELOW:
            guesses, how = deep.guesses(text, OFFERS), "encoder"
        return {one.intent: self._guessed(one, how) for one in guesses}

    def _doubt_strange(self, text: str, found: dict[str, Scored]) -> None:
        """Ask about an intent that is only just sure, when most that a message tells is far from its examples.

        A single word is not enough for anything else than it is an example of: "yes" cancels nothing.
        """
        best = max(found.values(), key=lambda one: one.score)
        words = self.classifier.corrected(text) if best.score < _CERTAIN or " " not in text.strip() else ()
        if len(words) == 1:
            if words[0] not in self._words_alone:
                _ask_about(best, found)
        elif best.how == "classifier" and best.score < _CERTAIN and self._told_by(best.intent).is_beside(words):
            _ask_about(best, found)

    @cached_property
    def _words_alone(self) -> frozenset[str]:
        """Examples of one word, as they are compared."""
        read = (masked(text, self.mask) for text, _ in self.examples)
        return frozenset(words[0] for words in read if len(words) == 1)

    def _told_by(self, intent: str) -> Heard:
        """The words of an intent's examples."""
        if intent not in self._heard:
            own = (text for text, name in self.examples if name == intent)
            self._heard[intent] = Heard(word for text in own for word in masked(text, self.mask))
        return self._heard[intent]

    def _by_parts(self, text: str, found: dict[str, Scored]) -> None:
        """Look at the parts of a message that is unsure as a whole, or has several sentences.

        A part that is sure decides when it is most of what is said, and nothing else wants anything; else we ask.
        """
        parts = parts_of(text)
        if not parts or (len(parts) == 1 and parts[0] == normalise(text)):
            return
        said = [(part, self._exact.get(part)) for part in parts]
        if any(exact is None or part.count(" ") >= _BRIEF for part, exact in said):  # leave "good morning" aside
            said = [(part, exact) for part, exact in said if exact is None or part.count(" ") >= _BRIEF]
        best = max(found.values(), key=lambda one: one.score)
        unsure = best.score < ACT
        sure: dict[str, Scored] = {}
        told = 0
        for part, exact in said:
            one = self._of_part(part, exact)
            if one is not None and one.score >= (ACT if unsure or one.intent == best.intent else _CERTAIN):
                told += part.count(" ") + 1
                if one.intent not in sure or one.score > sure[one.intent].score:
                    sure[one.intent] = one
        if not sure:
            return
        if len(sure) > 1 or not (unsure or best.intent in sure):
            found |= {
                one.intent: max(one, found.get(one.intent, one), key=lambda each: each.score) for one in sure.values()
            }
            _ask_about(best, found)
            return
        (one,) = sure.values()
        most = 2 * told >= sum(part.count(" ") + 1 for part, _ in said)
        if unsure:
            clear = most and (best.intent == one.intent or best.score < OFFER)
            found[one.intent] = one if clear else replace(one, score=_ASKED)

    def _of_part(self, part: str, exact: tuple[str, str] | None) -> Scored | None:
        """What a part means; one word is not enough to be sure of what is not an example."""
        if exact is not None:
            return Scored(intent=exact[1], score=1.0, because=exact[0])
        return self._guessed(self.classifier.guesses(part, 1)[0], "classifier") if " " in part else None

    def _guessed(self, one: Guess, how: str) -> Scored:
        because = self.examples[one.nearest][0] if one.nearest is not None else ""
        return Scored(intent=one.intent, score=one.confidence, because=because, how=how)

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
        begun = self._keywords.keys() & normal.split()
        said = [one for first in sorted(begun) for one in self._keywords[first] if one.padded in padded]
        sure = max((one.score for one in found.values()), default=0.0)
        best = next((name for name, one in found.items() if one.score == sure), None)
        for one in said:
            own = found.get(one.intent)
            alone = one.telling == 1.0 and not (sure >= _ASKED and best != one.intent)
            lift = _HINT * one.telling
            score = round(min(1.0, max(_KEYWORD if alone else 0.0, (own.score if own else 0.0) + lift)), 4)
            if own is None:
                found[one.intent] = Scored(intent=one.intent, score=score, because=one.word, how="keyword")
            elif own.how != "keyword" or score > own.score:
                found[one.intent] = replace(own, score=max(score, own.score), because=one.word, how="keyword")
        _doubt(found, said)


@dataclass(frozen=True, slots=True)
class _Keyword:
    """A keyword, with spaces around it. `telling`: the share of the examples that have it which are its intent's."""

    intent: str
    padded: str
    word: str
    telling: float


def _keywords(intents: Mapping[str, IntentSpec], examples: Iterable[tuple[str, str]]) -> dict[str, list[_Keyword]]:
    """All keywords, by their first word."""
    said = [(f" {normalise(text)} ", name) for text, name in examples]
    found: dict[str, list[_Keyword]] = {}
    for name, spec in intents.items():
        for word in spec.words:
            if normal := normalise(word):
                having = [intent for text, intent in said if f" {normal} " in text]
                telling = having.count(name) / len(having) if having else 1.0
                found.setdefault(normal.split()[0], []).append(_Keyword(name, f" {normal} ", word, telling))
    return found


def _doubt(found: dict[str, Scored], said: Iterable[_Keyword]) -> None:
    """Ask when another intent is sure as well, or a keyword of another one is in a message that is only just sure."""
    best = max(found.values(), key=lambda one: one.score, default=None)
    if best is None or best.score < ACT:
        return
    against = max((_HINT * one.telling for one in said if one.intent != best.intent), default=0.0)
    another = any(one.score >= ACT for one in found.values() if one is not best)
    if best.score - against < ACT or another:
        _ask_about(best, found)


def _ask_about(best: Scored, found: dict[str, Scored]) -> None:
    """Let an intent stay the likeliest, and act on none."""
    for name, one in found.items():
        if name == best.intent or one.score >= _ASKED:
            found[name] = replace(one, score=_ASKED if name == best.intent else round(_ASKED - 0.01, 4))


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
