"""Sentences people might write to any business, made from a small grammar (`word_grammar.yaml`).

They are what `bench.word_table` learns from. They need to make little sense: what counts is which words stand together.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

_OPENERS = (
    "",
    "",
    "",
    "",
    "",
    "hi ",
    "hello ",
    "please ",
    "so ",
    "hey ",
    "ok ",
    "excuse me ",
    "sorry ",
    "um ",
    "help ",
)
_CLOSERS = ("", "", "", "", "", "", " please", " thanks", " asap", " now", " thank you", " today")
_SLOT = re.compile(r"\{([a-z]+)\}")


class Grammar:
    """Frames, and the words that go into them."""

    def __init__(self) -> None:
        """Read the file."""
        parts: dict[str, Any] = yaml.safe_load(
            Path(__file__).with_name("word_grammar.yaml").read_text(encoding="utf-8")
        )
        self.frames: list[str] = parts["frames"]
        self.nouns, self.verbs, self.adjectives = (parts[name].split() for name in ("nouns", "verbs", "adjectives"))
        self._when, self._places, self._people = parts["when"], parts["places"], parts["people"]
        self._doubled = frozenset(parts["doubled"].split())
        self._past: dict[str, str] = dict(pair.split(":") for pair in parts["past"].split())

    def past(self, verb: str) -> str:
        """`book` → `booked`."""
        if verb in self._past:
            return self._past[verb]
        if verb.endswith("e"):
            return verb + "d"
        if verb.endswith("y") and verb[-2] not in "aeiou":
            return verb[:-1] + "ied"
        return verb + (verb[-1] if verb in self._doubled else "") + "ed"

    def going(self, verb: str) -> str:
        """`book` → `booking`."""
        if verb.endswith("e") and not verb.endswith("ee"):
            return verb[:-1] + "ing"
        return verb + (verb[-1] if verb in self._doubled else "") + "ing"

    def sentence(self, rng: random.Random, strange: Sequence[str]) -> str:
        """One sentence; words of `strange`, if there are any, take the place of most of ours."""

        def pick(own: Sequence[str], share: float = 0.7) -> str:
            return rng.choice(strange) if strange and rng.random() < share else rng.choice(own)

        make: dict[str, Callable[[], str]] = {
            "n": lambda: pick(self.nouns),
            "v": lambda: pick(self.verbs, 0.3),
            "vd": lambda: self.past(rng.choice(self.verbs)),
            "vg": lambda: self.going(rng.choice(self.verbs)),
            "a": lambda: pick(self.adjectives),
            "w": lambda: rng.choice(self._when),
            "p": lambda: rng.choice(self._places),
            "who": lambda: rng.choice(self._people),
        }
        text = _SLOT.sub(lambda slot: make[slot[1]](), rng.choice(self.frames))
        return rng.choice(_OPENERS) + text + rng.choice(_CLOSERS)


def sentences(count: int, vocabulary: Sequence[str], seed: int = 7) -> Iterator[str]:
    """So many sentences; in each third one, words of the whole vocabulary take the place of some of ours."""
    rng = random.Random(seed)
    grammar = Grammar()
    for number in range(count):
        yield grammar.sentence(rng, vocabulary if number % 3 == 0 else ())
