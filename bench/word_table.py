"""`python -m bench.word_table`: make `bot/core/nlu/words.npz`, the word vectors that ship with the code.

The teacher is the encoder of `sirdar[semantic]` (all-MiniLM-L6-v2, Apache-2.0). Each English word of its own vocabulary
gets the teacher's vector for the word alone, shorter for frequent words. Then the vectors are corrected, by ridge
regression, so that the sum of a sentence's words points where the teacher's vector for the sentence does; the sentences
are made by our own grammar (`bench.word_sentences`). The main directions are kept, in 8 bits. No data set is involved,
and the same versions make the same file, up to the arithmetic of the processor: made again later, it had the same words
and 97 % of the same numbers, and nine of 21,721 words were further than two steps of 8 bits from what they were.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
from rich.console import Console

from bench.word_sentences import sentences
from bot.core.nlu.features import Floats
from bot.core.nlu.tokens import words_of
from bot.semantic import SentenceEncoder
from bot.semantic.wordpiece import vocabulary

OUTPUT = Path(__file__).parent.parent / "bot" / "core" / "nlu" / "words.npz"
WIDTH = 128
"""Directions that are kept: on BANKING77 and CLINC150 twice as many tell no more, and take twice the time."""
_MEASURED = 256
"""Directions whose longest parts the scales of the vectors are for."""
_PENALTY = 1.0
_STEPS = 40

app = cyclopts.App(help=__doc__, help_format="plaintext")


def words() -> list[str]:
    """English words of two letters and more, from frequent to rare; and the single letters that are words."""
    return [
        word for word in vocabulary() if word.isascii() and word.isalpha() and (len(word) > 1 or word in {"a", "i"})
    ]


def _weights(count: int) -> Floats:
    """How much words count, by rank: 1 for rare ones, little for the most frequent."""
    share = 1.0 / (np.arange(count) + 10.0)
    share /= share.sum()
    return (1e-3 / (1e-3 + share)).astype(np.float32)


class Bags:
    """Sentences as bags of words, each with 1/√n for n words, as a sparse matrix."""

    def __init__(self, texts: Sequence[str], places: dict[str, int]) -> None:
        """Look the words up."""
        bags = [[places[word] for word in words_of(text) if word in places] or [0] for text in texts]
        self._columns = np.concatenate([np.array(bag) for bag in bags])
        self._lengths = np.array([len(bag) for bag in bags])
        self._starts = np.concatenate(([0], np.cumsum(self._lengths)[:-1]))
        self._values = np.repeat(1 / np.sqrt(self._lengths), self._lengths).astype(np.float32)[:, None]
        self._order = np.argsort(self._columns, kind="stable")
        self._rows = np.repeat(np.arange(len(bags)), self._lengths)
        self._words, self._first = np.unique(self._columns[self._order], return_index=True)
        self._count = len(places)

    def times(self, table: Floats) -> Floats:
        """From a row for each word to a row for each sentence."""
        rows: Floats = np.add.reduceat(table[self._columns] * self._values, self._starts, axis=0)
        return rows

    def turned(self, rows: Floats) -> Floats:
        """From a row for each sentence to a row for each word."""
        table = np.zeros((self._count, rows.shape[1]), np.float32)
        spread = (rows[self._rows] * self._values)[self._order]
        table[self._words] = np.add.reduceat(spread, self._first, axis=0)
        return table


def corrected(table: Floats, bags: Bags, wanted: Floats) -> Floats:
    """The table nearest to the given one that gives the sentences what is wanted, by conjugate gradients."""
    made = bags.times(table)
    table = table * np.float32((made * wanted).sum() / (made * made).sum())
    residue = bags.turned(wanted - bags.times(table))
    change, way = np.zeros_like(table), residue.copy()
    left = (residue * residue).sum(axis=0)
    for _ in range(_STEPS):
        pushed = bags.turned(bags.times(way)) + np.float32(_PENALTY) * way
        length = left / np.maximum((way * pushed).sum(axis=0), 1e-12)
        change += length * way
        residue -= length * pushed
        before, left = left, (residue * residue).sum(axis=0)
        way = residue + left / np.maximum(before, 1e-12) * way
    return table + change


def main_directions(table: Floats, wanted: Floats) -> Floats:
    """The table in the directions in which sentences differ most."""
    _, _, turn = np.linalg.svd(wanted.T @ wanted)
    turned: Floats = table @ turn[:_MEASURED].T
    return turned


@app.default
def main(
    count: int = 50_000,
    output: Annotated[Path, cyclopts.Parameter()] = OUTPUT,
    threads: int = 2,
    cache: Path | None = None,
) -> None:
    """Make the table.

    Args:
        count: Sentences to learn from; the teacher takes about 3 ms for each.
        output: Where to write it.
        threads: For the teacher.
        cache: Where to keep what the teacher said, for trying things out.
    """
    console = Console()
    own = words()
    texts = list(sentences(count, own[:12_000]))
    if cache is not None and cache.exists():
        with np.load(cache) as kept:
            alone, wanted = kept["alone"], kept["wanted"]
    else:
        teacher = SentenceEncoder(threads, exact=True, plain=True)
        with console.status(f"The teacher reads {len(own)} words and {len(texts)} sentences"):
            alone, wanted = teacher.encode(own), teacher.encode(texts)
        if cache is not None:
            np.savez(cache, alone=alone, wanted=wanted)
    places = {word: place for place, word in enumerate(own)}
    wanted -= wanted.mean(axis=0)
    table = (alone - alone.mean(axis=0)) * _weights(len(own))[:, None]
    table = main_directions(corrected(table, Bags(texts, places), wanted), wanted)
    scales = (np.abs(table).max(axis=1) / 127).astype(np.float16)
    rows = np.round(table / np.maximum(scales, 1e-6).astype(np.float32)[:, None]).clip(-127, 127).astype(np.int8)
    rows = rows[:, :WIDTH]
    np.savez_compressed(output, words=np.frombuffer("\n".join(own).encode("ascii"), np.uint8), rows=rows, scales=scales)
    console.print(f"{output}: {len(own)} words, {output.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    app()
