"""`python -m bench.nlu FILE…`: how well messages are understood, on any set of labelled messages.

A file is a CSV with a head (text, then intent: `text,category`) or a JSON of lists of [text, intent], in which lists
whose name begins with `oos` hold messages that mean nothing the others mean. For each file: few examples of each intent
are drawn (`--shots`, with several seeds), the rest is the test. Any classifier can be measured:
`--entry package.module:train`, where `train(list[(text, intent)])` returns `predict(text) -> (intent | None,
confidence)` with `predict.batch(list[str])`. Beside it, `predict.argmax(text)` may name the likeliest intent however
unsure; without it, None counts as wrong.
"""

import csv
import importlib
import json
import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import cyclopts
import numpy as np
from rich.console import Console
from rich.table import Table

ENTRY = "bot.core.nlu:train"
FULL = 0
"""As a number of shots: seven of eight messages of each intent."""
_TEST_SHARE = 8
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

Row = tuple[str, str]
Train = Callable[[list[Row]], Any]

app = cyclopts.App(help=__doc__, help_format="plaintext")


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """A set: labelled messages, and some that mean none of it. `test` is empty when it is to be split off."""

    name: str
    rows: list[Row]
    test: list[Row]
    strange: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured. Shares are 0 to 1, times in milliseconds of CPU on one thread, memory in MiB.

    `taken` is the share of messages that were acted on, `taken_right` how many of these rightly. `mean` is the time of
    all messages; `asked` the share of them for which one that knows more was asked, `asked_p50` the median of these.
    """

    set: str
    shots: int
    seeds: int
    intents: int
    accuracy: float
    accuracy_with_typos: float
    taken: float
    taken_right: float
    auroc: float | None
    strange_refused: float | None
    train_seconds: float
    p50: float
    p95: float
    mean: float
    asked: float | None
    asked_p50: float | None
    memory: float


def read(path: Path) -> Messages:
    """Read a set."""
    if path.suffix == ".json":
        lists: dict[str, list[Row]] = {
            name: [(str(text), str(intent)) for text, intent in rows]
            for name, rows in json.loads(path.read_text(encoding="utf-8")).items()
        }
        known = {name: rows for name, rows in lists.items() if not name.startswith("oos")}
        strange = [text for name, rows in lists.items() if name.startswith("oos") for text, _ in rows]
        rows = known.pop("train", None) or known.pop(next(iter(known)))
        return Messages(
            name=path.stem, rows=rows, test=[row for rest in known.values() for row in rest], strange=strange
        )
    with path.open(encoding="utf-8", newline="") as file:
        lines = [(line[0], line[1]) for line in csv.reader(file) if len(line) > 1][1:]
    return Messages(name=path.stem, rows=lines, test=[], strange=[])


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
        count = shots or (len(mixed) if messages.test else len(mixed) - max(1, len(mixed) // _TEST_SHARE))
        learn += mixed[:count]
        test += mixed[count : count + 40]
    return learn, messages.test or test


def with_typos(text: str, rng: random.Random, every: int = 10) -> str:
    """Make a slip for each so many characters: a letter wrong, added, left out, or two swapped."""
    letters = list(text)
    for _ in range(max(1, len(text) // every)):
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


def auroc(known: Sequence[float], strange: Sequence[float]) -> float:
    """How often a message that means something is surer than one that does not; ties count half."""
    ordered = np.sort(np.asarray(strange))
    below = np.searchsorted(ordered, known, "left")
    upto = np.searchsorted(ordered, known, "right")
    return float((below + upto).mean() / 2 / max(len(ordered), 1))


def _rss() -> float:
    with Path("/proc/self/statm").open(encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def _hits(predict: Any, texts: list[str], wanted: list[str]) -> float:
    likeliest = getattr(predict, "argmax", None)
    said = [likeliest(text)[0] for text in texts] if likeliest else [intent for intent, _ in predict.batch(texts)]
    return fmean(one == other for one, other in zip(said, wanted, strict=True))


def measure(train: Train, messages: Messages, shots: int, seeds: int) -> Figures:
    """Train and test; few-shot figures are means over the seeds."""
    rounds: list[dict[str, float]] = []
    intents = 0
    for seed in range(seeds if shots else 1):
        learn, test = split(messages, shots, seed)
        intents = len({intent for _, intent in learn})
        texts, wanted = [text for text, _ in test], [intent for _, intent in test]
        before, began = _rss(), time.perf_counter()
        predict = train(learn)
        trained = time.perf_counter() - began
        lap = time.thread_time_ns
        took: list[float] = []
        asked: list[float] = []
        for text in texts[:1000]:
            before_it, start = _asked(predict), lap()
            predict(text)
            took.append((lap() - start) / 1e6)
            if _asked(predict) > before_it:
                asked.append(took[-1])
        grown = _rss() - before
        answers = predict.batch(texts)
        rng = random.Random(seed)
        slips = [with_typos(text, rng) for text in texts]
        taken = [intent == right for (intent, _), right in zip(answers, wanted, strict=True) if intent is not None]
        one = {
            "accuracy": _hits(predict, texts, wanted),
            "accuracy_with_typos": _hits(predict, slips, wanted),
            "taken": len(taken) / len(texts),
            "taken_right": fmean(taken) if taken else 0.0,
            "train_seconds": trained,
            "p50": float(np.percentile(took, 50)),
            "p95": float(np.percentile(took, 95)),
            "mean": fmean(took),
            "memory": max(grown, 0.0),
        }
        if asked:
            one |= {"asked": len(asked) / len(took), "asked_p50": float(np.median(asked))}
        if messages.strange:
            strange = predict.batch(messages.strange)
            one["auroc"] = auroc([sure for _, sure in answers], [sure for _, sure in strange])
            one["strange_refused"] = fmean(intent is None for intent, _ in strange)
        rounds.append(one)
    mean = {name: fmean(one[name] for one in rounds) for name in rounds[0] if all(name in one for one in rounds)}
    mean["memory"] = max(one["memory"] for one in rounds)
    return Figures(
        set=messages.name, shots=shots, seeds=len(rounds), intents=intents,
        **({"auroc": None, "strange_refused": None, "asked": None, "asked_p50": None} | mean),  # type: ignore[arg-type]
    )  # fmt: skip


def _asked(predict: Any) -> int:
    """How often one that knows more was asked, if there is one."""
    return getattr(getattr(predict, "classifier", None), "asked", 0)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.1f}"


def show(figures: Sequence[Figures], console: Console) -> None:
    """Print a table."""
    table = Table(title="Understanding", caption="Accuracies, shares and AUROC in percent; times in CPU milliseconds.")
    heads = (
        "set",
        "shots",
        "accuracy",
        "typos",
        "acted on",
        "rightly",
        "AUROC",
        "refused",
        "train s",
        "p50",
        "p95",
        "mean",
        "asked",
        "p50 then",
        "MiB",
    )
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left")
    for one in figures:
        table.add_row(
            one.set, str(one.shots or "full"), _percent(one.accuracy), _percent(one.accuracy_with_typos),
            _percent(one.taken), _percent(one.taken_right), _percent(one.auroc), _percent(one.strange_refused),
            f"{one.train_seconds:.2f}", f"{one.p50:.2f}", f"{one.p95:.2f}",
            f"{one.mean:.2f}", _percent(one.asked), "" if one.asked_p50 is None else f"{one.asked_p50:.1f}",
            f"{one.memory:.0f}",
        )  # fmt: skip
    console.print(table)


def entry(name: str) -> Train:
    """Load `package.module:function`."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function or "train")  # type: ignore[no-any-return]


@app.default
def main(
    *files: Path,
    shots: Annotated[list[int] | None, cyclopts.Parameter(negative="")] = None,
    seeds: int = 5,
    entry_point: Annotated[str, cyclopts.Parameter(name="--entry")] = ENTRY,
    output: Annotated[Path | None, cyclopts.Parameter(name="--json")] = None,
) -> None:
    """Measure a classifier on sets of messages.

    Args:
        files: The sets.
        shots: Examples of each intent to learn from; 0 takes all there are. Else 5, 10 and all.
        seeds: How many draws the few-shot figures are means of.
        entry_point: What to measure.
        output: Where to keep the figures.
    """
    console = Console()
    if not files:
        console.print("Name at least one file of labelled messages.")
        sys.exit(2)
    train = entry(entry_point)
    figures: list[Figures] = []
    for path in files:
        messages = read(path)
        for number in shots or (5, 10, FULL):
            with console.status(f"{messages.name}, {number or 'all'} examples of each intent"):
                figures.append(measure(train, messages, number, seeds))
    show(figures, console if console.is_terminal else Console(width=130))
    if output is not None:
        output.write_text(json.dumps([asdict(one) for one in figures], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()
