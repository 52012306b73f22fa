"""What somebody wants, when no question is open: a message → an intent, with a score and a reason.

Small and deterministic: messages are compared with each intent's examples word by word, rare words counting more,
typing mistakes forgiven, numbers and months treated as alike. A trained classifier may take this place: it needs to
keep to `Understanding`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from rapidfuzz.distance import OSA

from bot.core.entities import MONTHS, NUMBER_WORDS
from bot.core.flow import IntentSpec
from bot.core.patterns import compile_pattern
from bot.core.words import normalise

THRESHOLD = 0.45
"""Score from which an intent counts."""
MARGIN = 0.04
"""How much better than the next intent it has to be."""
_KEYWORD = 0.6
_LIGHT_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "i",
        "im",
        "we",
        "you",
        "me",
        "my",
        "our",
        "your",
        "is",
        "are",
        "am",
        "be",
        "to",
        "of",
        "for",
        "in",
        "on",
        "at",
        "and",
        "or",
        "with",
        "it",
        "this",
        "that",
        "do",
        "does",
        "can",
        "could",
        "would",
        "will",
        "please",
        "there",
        "any",
        "some",
        "so",
        "just",
        "have",
        "has",
        "had",
    ]
)
_MONTH_WORDS = frozenset(MONTHS) | {month[:3] for month in MONTHS if month != "may"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """An intent that a message may have; `because` is the example, keyword or pattern that speaks for it."""

    intent: str
    score: float
    because: str


class Understanding(Protocol):
    """Whatever tells intents apart."""

    def understand(self, text: str) -> Sequence[Scored]:
        """Intents the message may have, best first; empty when it is beyond us. Must take any text."""


@lru_cache(maxsize=4096)
def _token(word: str) -> str:
    return _stem(_kind(word))


def _kind(word: str) -> str:
    """Words that stand for a whole class are alike: numbers, months."""
    if word.isdigit() or word in NUMBER_WORDS:
        return "<number>"
    return "<month>" if word in _MONTH_WORDS else word


def _stem(word: str) -> str:
    """Cut the commonest English endings; crude, and the same on both sides."""
    for ending in ("ings", "ing", "ies", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def tokens(text: str) -> list[str]:
    """The words that are compared, at most 60."""
    return [_token(word) for word in normalise(text).split()[:60]]


class ExampleUnderstanding:
    """Compares with examples. Built once per role; reading a message takes well under a millisecond."""

    def __init__(self, intents: Mapping[str, IntentSpec]) -> None:
        examples = [(name, text, frozenset(tokens(text))) for name, spec in intents.items() for text in spec.examples]
        self._examples = [one for one in examples if one[2]]
        frequency: dict[str, int] = {}
        for _, _, words in self._examples:
            for word in words:
                frequency[word] = frequency.get(word, 0) + 1
        total = max(len(self._examples), 1)
        self._weights = {
            word: (0.25 if word in _LIGHT_WORDS else 1.0) * (1 + math.log(1 + total / count))
            for word, count in frequency.items()
        }
        self._rare = 1 + math.log(1 + total)
        # Word → the examples it is in: a message meets few of them, and only those are scored.
        self._totals = [sum(self._weight(word) for word in words) for _, _, words in self._examples]
        self._found_in: dict[str, list[int]] = {}
        for place, (_, _, words) in enumerate(self._examples):
            for word in words:
                self._found_in.setdefault(word, []).append(place)
        self._keywords = [
            (name, frozenset(tokens(word)), word) for name, spec in intents.items() for word in spec.keywords
        ]
        self._patterns = [(name, compile_pattern(source)) for name, spec in intents.items() for source in spec.patterns]
        self._vocabulary = [word for word in self._weights if len(word) >= 4]

    def understand(self, text: str) -> Sequence[Scored]:
        """Score every intent by its best example, keyword or pattern."""
        said = {self._known(word) for word in tokens(text)}
        if not said:
            return ()
        best = self._by_examples(said)
        for name, words, word in self._keywords:
            if words and words <= said:
                raised = best[name].score if name in best else 0.0
                _keep(best, name, min(1.0, max(_KEYWORD, raised + 0.15)), word)
        normal = normalise(text) if self._patterns else ""
        for name, pattern in self._patterns:
            if pattern.search(normal):
                _keep(best, name, 0.9, pattern.pattern)
        return sorted(best.values(), key=lambda scored: (-scored.score, scored.intent))

    def _by_examples(self, said: Iterable[str]) -> dict[str, Scored]:
        """Each intent's best example.

        The score is how much of the example was said, and, counting half, how much of what was said is in it.
        """
        weight = 0.0
        shared: dict[int, float] = {}
        for word in said:
            own = self._weight(word)
            weight += own
            for place in self._found_in.get(word, ()):
                shared[place] = shared.get(place, 0.0) + own
        best: dict[str, tuple[float, int]] = {}
        for place, common in shared.items():
            score = common / self._totals[place] * (0.5 + 0.5 * common / weight)
            name = self._examples[place][0]
            if name not in best or best[name] < (score, -place):
                best[name] = (score, -place)
        return {
            name: Scored(intent=name, score=round(score, 3), because=self._examples[-place][1])
            for name, (score, place) in best.items()
        }

    def _weight(self, word: str) -> float:
        known = self._weights.get(word)
        if known is not None:
            return known
        return self._rare * (0.25 if word in _LIGHT_WORDS or word.startswith("<") else 0.6)

    def _known(self, word: str) -> str:
        """The word of our vocabulary it is, give or take a typing mistake."""
        if word in self._weights or len(word) < 5:
            return word
        for known in self._vocabulary:
            if (
                abs(len(known) - len(word)) <= 1
                and known[0] == word[0]
                and OSA.distance(known, word, score_cutoff=1) <= 1
            ):
                return known
        return word


def _keep(best: dict[str, Scored], name: str, score: float, because: str) -> None:
    if name not in best or best[name].score < score:
        best[name] = Scored(intent=name, score=round(score, 3), because=because)


def decide(scored: Sequence[Scored], threshold: float = THRESHOLD) -> Scored | None:
    """The intent to act on: good enough, and clearly better than the next."""
    if not scored or scored[0].score < threshold:
        return None
    if len(scored) > 1 and scored[0].score - scored[1].score < MARGIN:
        return None
    return scored[0]
