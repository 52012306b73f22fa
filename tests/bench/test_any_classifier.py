"""`bench.nlu` measures any classifier on any set of labelled messages, and says what is missing where it cannot."""

import json
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from bench import nlu
from bench.labelled import SetError, read, split, with_typos
from bench.nlu import EntryError, entry, measure

OWN = """
from collections import Counter

class Predict:
    def __init__(self, rows):
        self.known, self.usual = dict(rows), Counter(intent for _, intent in rows).most_common(1)[0][0]

    def __call__(self, text):
        return (self.known.get(text), 1.0 if text in self.known else 0.0)

    def batch(self, texts):
        return [self(text) for text in texts]

class Likeliest(Predict):
    def argmax(self, text):
        return self.known.get(text, self.usual), 0.5

train, train_likeliest = Predict, Likeliest

def without_batch(rows):
    return lambda text: (None, 0.0)

class Odd(Predict):
    def __call__(self, text):
        return self.known.get(text)

class Short(Predict):
    def batch(self, texts):
        return [("a", 1.0)]
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A classifier of somebody else's, in the directory we are started in."""
    (tmp_path / "somebodys.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "somebodys", raising=False)
    return tmp_path


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_classifier_beside_us_is_measured(own: Path) -> None:
    rows = "".join(f"message {number},{'ab'[number % 2]}\n" for number in range(16))
    messages = read(table(own / "set.csv", "text,category\n" + rows))
    plain = measure(entry("somebodys:train"), messages, 5, 2)
    assert (plain.intents, plain.seeds, plain.accuracy, plain.taken) == (2, 2, 0.0, 0.0)
    assert measure(entry("somebodys:train_likeliest"), messages, 5, 1).accuracy == 0.5  # one of two intents, always
    assert measure(entry("bot.core.nlu"), messages, 0, 1).shots == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere:train", "no module nowhere"), ("somebodys:nothing", "nothing"), ("somebodys:OWN", "OWN"),
    ],
)  # fmt: skip
def test_what_is_no_classifier_is_named(own: Path, name: str, said: str) -> None:
    with pytest.raises(EntryError, match=said):
        entry(name)


@pytest.mark.parametrize(
    ("name", "said"), [("without_batch", "no `batch`"), ("Odd", "answered 'a'"), ("Short", "1 an")]
)
def test_what_does_not_answer_as_expected_is_told(own: Path, name: str, said: str) -> None:
    messages = read(table(own / "set.csv", "text,intent\nx,a\ny,a\nz,a\nw,a\n"))
    train = entry(f"somebodys:{name}")
    learnt_all = nlu.Messages(name="set", rows=messages.rows, test=messages.rows, strange=[])
    with pytest.raises(EntryError, match=said):
        measure(train, learnt_all, 0, 1)


@pytest.mark.parametrize(
    "content",
    [
        "text,intent\nhello,greet\nbye,leave\n",
        "Intent,Text\ngreet,hello\nleave,bye\n",
        "id,utterance,lang,label\n1,hello,en,greet\n2,bye,en,leave\n",
        "satz,absicht\nhello,greet\nbye,leave\n",
        "\ufefftext,intent\nhello,greet\n\n,\nhello,greet\nbye,leave\nno intent,\nhalf a line\n",
        "label,whatever\ngreet,hello\nleave,bye\n",
    ],
)
def test_columns_are_found_by_their_names(tmp_path: Path, content: str) -> None:
    assert read(table(tmp_path / "set.csv", content)).rows == [("hello", "greet"), ("bye", "leave")]


def test_columns_may_be_named(tmp_path: Path) -> None:
    path = table(tmp_path / "set.tsv", "text\torder\tКласс\nno\tпривет, мир\tgreet\n")
    assert read(path, text="order", intent="Класс").rows == [("привет, мир", "greet")]
    with pytest.raises(SetError, match="no column 'klass', but text, order"):
        read(path, intent="klass")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "", "is empty"), ("a.csv", "text\nhello\n", "one of intents"), ("a.csv", "text,intent\n", "no label"),
        ("a.json", "[1]", "lists of"), ("a.json", '{"train": [["alone"]]}', "lists of"), ("a.json", "{}", "no label"),
    ],
)  # fmt: skip
def test_what_is_no_set_is_told(tmp_path: Path, name: str, content: str, said: str) -> None:
    with pytest.raises(SetError, match=said):
        read(table(tmp_path / name, content))
    with pytest.raises(SetError, match="No such file"):
        read(tmp_path / "nowhere.csv")


def test_what_is_learnt_is_not_tested(tmp_path: Path) -> None:
    lists = {"train": [["a", "x"], ["b", "y"]], "val": [["a", "x"], ["c", "y"]], "oos_val": [["d", "oos"]]}
    messages = read(table(tmp_path / "set.json", json.dumps(lists)))
    assert (messages.test, messages.strange) == ([("c", "y")], ["d"])
    rows = "".join(f"message {number % 12},{'ab'[number % 2]}\n" for number in range(48))
    learn, test = split(read(table(tmp_path / "set.csv", "text,intent\n" + rows)), 4, 1)
    assert Counter(intent for _, intent in learn) == {"a": 4, "b": 4}
    assert len(test) == 4
    assert not set(learn) & set(test)


@pytest.mark.parametrize("text", ["", " ", "x", "नमस्ते", "👍🏽", "an ordinary message of some length"])
def test_any_text_can_be_spelt_wrongly(text: str) -> None:
    assert all(isinstance(with_typos(text, random.Random(seed)), str) for seed in range(20))


@pytest.mark.parametrize(
    "rows",
    [
        [f"hello {number},greet" for number in range(9)],
        [f",{'ab'[number % 2]}" for number in range(3)] + [f"{number},a" for number in range(8)],
        [f"नमस्ते {number} 👍,अभिवादन" for number in range(9)] + [f"¿cuándo {number}?,preguntar" for number in range(9)],
    ],
)
def test_odd_sets_are_measured(own: Path, capsys: pytest.CaptureFixture[str], rows: list[str]) -> None:
    path = table(own / "odd.csv", "\n".join(["text,intent", *rows]))
    nlu.main("bot.core.nlu:train_argmax", str(path), shots=[2, 0], seeds=1, output=own / "figures.json")
    figures = json.loads((own / "figures.json").read_text())
    assert [one["shots"] for one in figures] == [2, 0]
    assert all(0 <= one["accuracy_with_typos"] <= 1 and one["taken"] == 1 for one in figures)
    assert "odd" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "at least one file"), (["bot.core.nlu:train"], "at least one file"), (["absent.csv"], "No such file"),
        (["nowhere:train", "one.csv"], "no module nowhere"), (["one.csv"], "nothing is left to test with"),
    ],
)  # fmt: skip
def test_mistakes_end_with_one_line(own: Path, capsys: pytest.CaptureFixture[str], names: list[str], said: str) -> None:
    table(own / "one.csv", "text,intent\nhello,greet\nbye,leave\n")
    with pytest.raises(SystemExit) as ended:
        nlu.main(*names, shots=[5], seeds=1)
    assert ended.value.code == 2
    assert said in capsys.readouterr().out
