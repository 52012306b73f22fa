"""What was learnt from examples is kept on disk, and used again only when it is what would be learnt."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bot.authoring import modelfolder
from bot.authoring.modelfolder import ModelFolder
from bot.core.models import Models
from bot.core.nlu import classifier
from bot.core.nlu.masks import Named

EXAMPLES = (
    ("book a trek", "book"), ("I want to reserve a place", "book"), ("trip to ebc please", "book"),
    ("cancel my trip", "cancel"), ("call it off", "cancel"), ("we cannot come", "cancel"),
    ("बुकिंग करनी है", "book"), ("मेरी यात्रा रद्द करो", "cancel"),
)  # fmt: skip
PHRASES = Named((("ebc", "trek"), ("annapurna circuit", "trek")), (("code", "", (r"TRP\d+",)),))
TEXTS = ["how do I bok a trek", "cancl it", "trip to annapurna circuit", "रद्द", "", "who are you", "teh trip"]


def said(models: Models) -> list[object]:
    model = models.of(EXAMPLES, PHRASES)
    return [[model.guesses(text), model.decide(text)] for text in TEXTS] + [model.mistaken, model.intents]


@pytest.mark.parametrize("most_compared", [classifier.MOST_COMPARED, 3], ids=["few", "many"])
def test_a_second_start_trains_nothing_and_says_the_same(
    tmp_path: Path, most_compared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "MOST_COMPARED", most_compared)
    first, second = Models(ModelFolder(tmp_path / "models")), Models(ModelFolder(tmp_path / "models"))
    assert said(first) == said(second)
    assert (first.learnt, second.learnt) == (1, 0)


def test_other_examples_phrases_or_code_are_learnt_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = Models(ModelFolder(tmp_path))
    models.of(EXAMPLES, PHRASES)
    models.of(EXAMPLES[1:], PHRASES)
    models.of(EXAMPLES, Named(PHRASES.phrases[1:], PHRASES.kinds))
    models.of(EXAMPLES, Named(PHRASES.phrases))
    assert models.learnt == 4
    monkeypatch.setattr(modelfolder, "version_of_code", lambda: "another")
    models.forget()
    models.of(EXAMPLES, PHRASES)
    assert models.learnt == 5


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def of_something_else(path: Path) -> None:
    np.savez(path, intents=np.zeros(3))


def pickled(path: Path) -> None:
    np.savez(path, intents=np.array([os.getcwd], object), allow_pickle=True)


def with_a_part_missing(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if "near.weights" not in name}
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)


@pytest.mark.parametrize(
    "spoil", [truncated, of_something_else, pickled, with_a_part_missing, lambda path: path.write_bytes(b"")]
)
def test_a_spoilt_file_is_learnt_anew_and_replaced(tmp_path: Path, spoil: object) -> None:
    right = said(Models(ModelFolder(tmp_path)))
    (path,) = tmp_path.iterdir()
    spoil(path)  # type: ignore[operator]
    models = Models(ModelFolder(tmp_path))
    assert said(models) == right
    assert models.learnt == 1
    again = Models(ModelFolder(tmp_path))
    assert said(again) == right
    assert again.learnt == 0


def test_where_nothing_can_be_written_everything_works(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    models = Models(ModelFolder(tmp_path / "file" / "models"))
    assert said(models) == said(Models())


def test_the_folder_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modelfolder, "MOST", 3)
    folder = ModelFolder(tmp_path)
    for number in range(6):
        folder.keep(str(number), {"intents": np.zeros(1)})
        os.utime(folder._path(str(number)), (1000 + number, 1000 + number))
        if number == 2:
            assert folder.find("0") is not None  # which makes it the one used last
    assert len(list(tmp_path.iterdir())) == 3
    assert folder.find("0") is not None
    assert folder.find("1") is None
    assert not list(tmp_path.glob("*.part"))
