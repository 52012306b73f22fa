"""`python -m bench.nlu [PACKAGE.MODULE:FUNCTION] FILE…`: how well messages are understood, on any labelled messages.

A file is a CSV with a head (columns named `text` and `intent`, or the like, or by `--text` and `--intent`; else the
first two), or a JSON of lists of [text, intent], in which lists whose name begins with `oos` hold messages that mean
nothing the others mean. For each file: few examples of each intent are drawn (`--shots`, with several seeds), the rest
is the test, unless the JSON has one list for learning and others.

Any classifier can be measured: `my_module:train`, where `train(list[(text, intent)])` returns
`predict(text) -> (intent | None, confidence)` with `predict.batch(list[str])`. Beside it, `predict.argmax(text)` may
name the likeliest intent however unsure; without it, None counts as wrong. Ours are `bot.core.nlu:train` (measured when
none is named), `bot.core.nlu:train_argmax`, which always names an intent, and `bot.semantic:train`.
"""

import importlib
import json
import os
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import cyclopts
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.labelled import FULL, Messages, Row, SetError, read, split, with_typos

ENTRY = "bot.core.nlu:train"
ENTRY_FORM = "`train(list[(text, intent)])` is to return `predict(text) -> (intent | None, confidence)` with `batch`"
_ENTRY_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
Train = Callable[[list[Row]], Any]

app = cyclopts.App(help=__doc__, help_format="plaintext")


class EntryError(ValueError):
    """What is to be measured is no classifier; the text says what is expected."""


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


def auroc(known: Sequence[float], strange: Sequence[float]) -> float:
    """How often a message that means something is surer than one that does not; ties count half."""
    ordered = np.sort(np.asarray(strange))
    below = np.searchsorted(ordered, known, "left")
    upto = np.searchsorted(ordered, known, "right")
    return float((below + upto).mean() / 2 / max(len(ordered), 1))


def _rss() -> float:
    with Path("/proc/self/statm").open(encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def _batch(predict: Any, texts: list[str]) -> list[tuple[str | None, float]]:
    """What a classifier says of some messages.

    Raises:
        EntryError: It does not say what we expect.
    """
    if not callable(predict) or not callable(getattr(predict, "batch", None)):
        raise EntryError(f"{ENTRY_FORM}; what it returned ({predict!r}) has no `batch`, or cannot be called")
    answers = list(predict.batch(texts))
    if len(answers) != len(texts):
        raise EntryError(f"`predict.batch` gave {len(answers)} answers to {len(texts)} messages")
    for answer in answers:
        match answer:
            case (str() | None, int() | float()):
                pass
            case _:
                raise EntryError(f"{ENTRY_FORM}; it answered {answer!r}")
    return answers


def _hits(predict: Any, texts: list[str], wanted: list[str]) -> float:
    likeliest = getattr(predict, "argmax", None)
    said = [likeliest(text)[0] for text in texts] if likeliest else [intent for intent, _ in _batch(predict, texts)]
    return fmean(one == other for one, other in zip(said, wanted, strict=True))


def measure(train: Train, messages: Messages, shots: int, seeds: int) -> Figures:
    """Train and test; few-shot figures are means over the seeds."""
    rounds: list[dict[str, float]] = []
    intents = 0
    for seed in range(seeds if shots else 1):
        learn, test = split(messages, shots, seed)
        if not test:
            raise SetError(f"{messages.name}: nothing is left to test with when {shots or 'all'} of each are learnt")
        intents = len({intent for _, intent in learn})
        texts, wanted = [text for text, _ in test], [intent for _, intent in test]
        before, began = _rss(), time.perf_counter()
        predict = train(learn)
        trained = time.perf_counter() - began
        _batch(predict, texts[:1])
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
        answers = _batch(predict, texts)
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
            strange = _batch(predict, messages.strange)
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
    """Load `package.module:function`; modules are also looked for where we were started.

    Raises:
        EntryError: There is none.
    """
    module, _, function = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), function or "train")
    except ModuleNotFoundError as error:
        raise EntryError(f"{name}: there is no module {error.name}") from error
    except AttributeError as error:
        raise EntryError(f"{name}: {error}") from error
    if not callable(found):
        raise EntryError(f"{name}: cannot be called")
    return found  # type: ignore[no-any-return]


def _is_entry(name: str) -> bool:
    """Whether a name is that of a classifier, not of a file."""
    return _ENTRY_NAME.fullmatch(name) is not None and not Path(name).exists()


@app.default
def main(
    *names: str,
    shots: Annotated[list[int] | None, cyclopts.Parameter(negative="")] = None,
    seeds: Annotated[int, cyclopts.Parameter(validator=cyclopts.validators.Number(gte=1))] = 5,
    entry_point: Annotated[str, cyclopts.Parameter(name="--entry")] = ENTRY,
    text: str | None = None,
    intent: str | None = None,
    output: Annotated[Path | None, cyclopts.Parameter(name="--json")] = None,
) -> None:
    """Measure a classifier on sets of messages.

    Args:
        names: The sets; and what to measure, if it is not given as an option.
        shots: Examples of each intent to learn from; 0 takes all there are. Else 5, 10 and all.
        seeds: How many draws the few-shot figures are means of.
        entry_point: What to measure.
        text: The column of messages in CSV files.
        intent: The column of intents in CSV files.
        output: Where to keep the figures.
    """
    console = Console()
    entries, files = [one for one in names if _is_entry(one)], [Path(one) for one in names if not _is_entry(one)]
    if not files or len(entries) > 1:
        console.print("Name at least one file of labelled messages, and at most one classifier.")
        sys.exit(2)
    figures: list[Figures] = []
    try:
        train = entry(entries[0] if entries else entry_point)
        for path in files:
            messages = read(path, text=text, intent=intent)
            for number in shots or (5, 10, FULL):
                with console.status(f"{messages.name}, {number or 'all'} examples of each intent"):
                    figures.append(measure(train, messages, number, seeds))
    except (SetError, EntryError) as error:
        console.print(str(error), markup=False)
        sys.exit(2)
    show(figures, console if console.is_terminal else Console(width=130))
    if output is not None:
        output.write_text(json.dumps([asdict(one) for one in figures], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()
