"""The classifier: learns from a few examples, forgives slips, knows what it does not know."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.nlu import auroc, entry, measure, read, split, with_typos
from bot.core.nlu import Classifier, train, train_argmax, wide
from bot.core.nlu.classifier import names_of
from bot.core.nlu.features import Features, Index
from bot.core.nlu.speller import Speller
from bot.core.nlu.tokens import pieces_of, words_of
from bot.core.nlu.unheard import Heard

EXAMPLES = {
    "book": ["I want to book a trek", "book a trip for 2 people", "can I reserve a tour", "please make a booking",
             "reserve two places on the trek", "how do I book", "बुकिंग करनी है", "मुझे ट्रेक बुक करना है"],
    "cancel": ["cancel my booking", "I need to call off my trip", "please cancel the tour", "I cannot come any more",
               "we have to cancel", "मेरी बुकिंग रद्द करो", "रद्द करना है"],
    "pay": ["how do I pay", "can I pay by card", "send me the payment link", "I want to pay the deposit",
            "where do I transfer the money", "भुगतान कैसे करूँ", "पैसे कहाँ भेजूँ"],
    "weather": ["will it be cold up there", "what is the weather like", "how much snow is on the pass",
                "is it raining in Lukla", "temperature at base camp", "मौसम कैसा है"],
}  # fmt: skip
ROWS = [(text, intent) for intent, texts in EXAMPLES.items() for text in texts]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.of(ROWS)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("I'd like to reserve a trek for four", "book"),
        ("we want to call the tour off", "cancel"),
        ("do you take credit card payment", "pay"),
        ("pls cancl my bokking", "cancel"),
        ("hows the wether", "weather"),
        ("how cold will it get", "weather"),
        ("ट्रेक बुक करना है", "book"),
        ("मेरी बुकिंग रद्द करनी है", "cancel"),
    ],
)
def test_words_that_are_in_no_example_are_understood(classifier: Classifier, text: str, intent: str) -> None:
    assert classifier.guesses(text)[0].intent == intent


def test_what_means_nothing_here_is_not_sure(classifier: Classifier) -> None:
    strange = ["who won the football world cup", "my printer is jammed", "xkcd qwerty", "", "🎉🎉", "मुझे नींद आ रही है"]
    own = [classifier.guesses(text)[0].confidence for text, _ in ROWS]
    for text in strange:
        assert classifier.guesses(text)[0].confidence < np.median(own)
    predict = train(ROWS)
    assert predict("my printer is jammed")[0] is None
    assert predict("please cancel my booking")[0] == "cancel"
    assert train_argmax(ROWS)("my printer is jammed")[0] in EXAMPLES


def test_each_guess_names_the_example_that_speaks_for_it(classifier: Classifier) -> None:
    best = classifier.guesses("send the link for payment")[0]
    assert best.nearest is not None
    assert ROWS[best.nearest] == ("send me the payment link", "pay")


def test_training_twice_gives_the_same_figures(classifier: Classifier) -> None:
    again = Classifier.of(ROWS)
    for text in ("how do I reserve", "snow?", "रद्द"):
        assert again.guesses(text) == classifier.guesses(text)


def test_a_batch_says_what_single_messages_say() -> None:
    predict = train(ROWS)
    texts = ["book a trek", "cancel it", "tell me a joke"]
    assert predict.batch(texts) == [predict(text) for text in texts]


@pytest.mark.parametrize("rows", [[], [("hi", "greet")], [("hi", "greet"), ("bye", "leave")], [("", "none")]])
def test_tiny_sets_work(rows: list[tuple[str, str]]) -> None:
    predict = train(rows)
    for text in ("hi", "", "what is this"):
        intent, confidence = predict(text)
        assert 0.0 <= confidence <= 1.0
        assert intent is None or intent in {name for _, name in rows}


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400))
def test_any_text_has_an_answer(text: str) -> None:
    guesses = _SMALL.guesses(text)
    assert all(0.0 <= one.confidence <= 1.0 for one in guesses)
    assert [one.confidence for one in guesses] == sorted((one.confidence for one in guesses), reverse=True)


_SMALL = Classifier.of(ROWS[::3])


def test_of_many_examples_only_words_are_kept_that_a_single_one_has() -> None:
    texts = [words_of("where is my parcel"), words_of("where is our parcel"), words_of("open the vault")]
    few, many = Features.of(texts), Features.of(texts, apart=True)
    every = {word for words in texts for word in words}
    assert all(few.vector([word]).known == many.vector([word]).known == 1 for word in every)
    assert few.follows("where", "is") == many.follows("where", "is") == 2
    assert few.follows("the", "vault") == 1
    assert many.follows("the", "vault") == 0
    assert len(many) < len(few)


def test_many_examples_are_learnt_by_a_separator_for_each_intent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.core.nlu.classifier.MOST_COMPARED", 10)
    rng = random.Random(5)
    rows = [(with_typos(text, rng, every=25), intent) for text, intent in ROWS * 8]
    predict = train_argmax(rows)
    assert isinstance(predict.classifier._machine, wide.Wide)
    right = [predict(text)[0] == intent for text, intent in ROWS]
    assert sum(right) >= len(right) - 1
    assert train(rows)("tell me about your political views")[1] < train(rows)("please cancel my booking")[1]


def test_pairs_that_stand_apart_are_features_where_examples_are_many() -> None:
    features = Features.of([["book", "a", "trek"], ["pay", "by", "card"]] * 2, apart=True)
    again = Features.from_arrays(features.arrays)
    for one in (features, again):
        assert len(one.vector(["book", "the", "trek"]).ids) > len(one.vector(["trek", "the", "book"]).ids)
    assert again.vector(["book", "the", "trek"]).ids.tolist() == features.vector(["book", "the", "trek"]).ids.tolist()
    assert len(Features.of([["book", "a", "trek"]] * 2)) < len(Features.of([["book", "a", "trek"]] * 2, apart=True))


def test_marks_stay_with_their_letters() -> None:
    assert words_of("ट्रेक की क़ीमत?") == ["ट्रेक", "की", "क़ीमत"]
    assert all(not piece.startswith(("ी", "्", "े")) for piece in pieces_of("क़ीमत"))
    assert words_of("Café TRP123 à 2") == ["cafe", "trp0", "a", "<number>"]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("bokking", "booking"), ("booknig", "booking"), ("bookng", "booking"), ("booking", "booking"),
        ("canel", "cancel"), ("trxx", "trxx"), ("teh", "the"), ("tho", "tho"), ("hwo", "how"),
        ("myaccount", "my account"), ("बुकिग", "बुकिंग"), ("restaraunt", "restaurant"),
        ("bbookingg", "booking"), ("bbbookingg", "bbbookingg"), ("<number>", "<number>"),
    ],
)  # fmt: skip
def test_slips_are_forgiven(said: str, meant: str) -> None:
    words = ["booking", "cancel", "trek", "the", "how", "my", "account", "बुकिंग", "restaurant"]
    assert Speller(dict.fromkeys(words, 1)).correct([said]) == meant.split()


def test_a_message_is_wholly_like_itself() -> None:
    examples = [words_of(text) for text, _ in ROWS]
    features = Features.of(examples)
    vectors = [features.vector(words) for words in examples]
    index = Index.of(vectors, len(features))
    for place, vector in enumerate(vectors):
        alike = index.similarities(vector)
        assert alike[place] == pytest.approx(1.0, abs=1e-5)
        assert alike.max() <= 1.0 + 1e-5
        assert vector.known == pytest.approx(1.0)


# --- The benchmark ---------------------------------------------------------------------------------------------------


def test_the_benchmark_measures_any_entry_point(tmp_path: "pytest.TempPathFactory") -> None:
    path = tmp_path / "own.csv"  # type: ignore[operator]
    path.write_text("text,intent\n" + "".join(f'"{text}",{intent}\n' for text, intent in ROWS), encoding="utf-8")
    messages = read(path)
    assert messages.rows == ROWS
    learn, test = split(messages, 5, seed=1)
    assert len(learn) == 20
    assert not {text for text, _ in learn} & {text for text, _ in test}
    figures = measure(entry("bot.core.nlu:train"), messages, 5, 1)
    assert figures.intents == 4
    assert figures.accuracy > 0.25


def test_auroc_counts_ties_half() -> None:
    assert auroc([0.9, 0.8], [0.1, 0.2]) == 1.0
    assert auroc([0.5], [0.5]) == 0.5
    assert auroc([0.1, 0.9], [0.5]) == 0.5


SENTENCES = ["book the trip for me", "cancel the trip", "pay for the trip", "is the flight in time", "a flight for me"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("book te trip", "book the trip"),  # the neighbours tell what so short a word is
        ("pay fo the trip", "pay for the trip"),
        ("can cel the trip", "cancel the trip"),
        ("canc el the trip", "cancel the trip"),
        ("th eflight", "the flight"),
        ("theflight", "the flight"),
        ("thexflight", "the flight"),
        ("bokk thetrip", "book the trip"),
    ],
)
def test_words_are_corrected_by_what_stands_beside_them(written: str, meant: str) -> None:
    words = [words_of(sentence) for sentence in SENTENCES]
    often = Counter(word for one in words for word in one)
    assert " ".join(Speller(often, None, Features.of(words).follows).correct(written.split())) == meant


def test_the_name_of_an_intent_is_an_example_of_it() -> None:
    rows = [
        ("I cannot find it anywhere", "lost_luggage"), ("it never came out on the belt", "lost_luggage"),
        ("somebody took it from my seat", "lost_luggage"), ("can I bring more of it", "extra_weight"),
        ("what does a heavy one cost", "extra_weight"), ("mine is 30 kg", "extra_weight"),
    ]  # fmt: skip
    others = ("paint", "drive", "cook", "read", "sing", "swim")
    rows += [(f"{word} {what}", f"{word}_it") for word in others for what in ("one", "both")]
    guess = Classifier.of(rows).guesses("my luggage is lost")[0]
    assert guess.intent == "lost_luggage"
    assert guess.nearest in {0, 1, 2}, "what is shown is what somebody wrote"
    assert all(one.example < len(rows) for one in Classifier.of(rows).mistaken)


def test_names_that_say_nothing_are_not_learnt() -> None:
    assert names_of(["intent_1", "intent_2", "intent_3"]) == []
    assert names_of(["book_trip", "cancel_trip", "x"]) == [("book", "book_trip"), ("cancel", "cancel_trip")]
    assert names_of(["greet"]) == [("greet", "greet")]


@pytest.mark.parametrize(
    ("rows", "strange"),
    [
        (
            {"estado": ["dónde está mi pedido", "cuándo llega mi paquete", "estado del pedido", "no ha llegado"],
             "devolucion": ["quiero devolver esto", "cómo hago una devolución", "me llegó roto", "cambiar la talla"]},
            ["qué tiempo hace mañana", "cuéntame algo gracioso", "quién ganó ayer"],
        ),
        (
            {"kotha": ["मलाई कोठा चाहियो", "एउटा कोठा बुक गर्नु छ", "आज कोठा खाली छ", "दुई जनालाई कोठा"],
             "bill": ["बिल कति भयो", "बिल पठाउनुस्", "पैसा कसरी तिर्ने", "अनलाइन तिर्न मिल्छ"]},
            ["मेरो कुकुर बिरामी छ", "मौसम कस्तो छ", "तपाईंको नाम के हो"],
        ),
    ],
    ids=["es", "ne"],
)  # fmt: skip
def test_strangers_are_refused_in_other_languages_too(rows: dict[str, list[str]], strange: list[str]) -> None:
    predict = train([(text, intent) for intent, texts in rows.items() for text in texts])
    assert [predict(text)[0] for text in strange] == [None] * len(strange)


def test_what_shares_only_common_words_with_examples_is_not_acted_on() -> None:
    rows = {
        "pedido": ["quiero hacer un pedido", "me gustaría pedir algo", "quiero comprar una camiseta", "encargar dos"],
        "envio": ["dónde está mi paquete", "cuándo llega mi envío", "mi pedido no ha llegado", "cuánto tarda el envío"],
        "devolucion": ["quiero devolver un producto", "cómo hago una devolución", "me llegó roto", "cambiar la talla"],
        "horario": ["a qué hora abren", "cuál es el horario", "están abiertos el domingo", "hasta qué hora atienden"],
    }
    predict = train([(text, intent) for intent, texts in rows.items() for text in texts])
    strange = ["mi perro está enfermo", "mi hijo no duerme", "mi novia está enfadada", "cómo se llama tu hermano"]
    assert [predict(text)[0] for text in strange] == [None] * len(strange)
    assert predict("mi paquete no ha llegado")[0] == "envio"


@pytest.mark.parametrize(
    ("text", "elsewhere"),
    [
        ("mi perro está enfermo", True),  # only common words were heard
        ("puedo devolverlo", False),  # begins like a word of the examples
        ("puedo reservar", False),  # a common word that tells something, and is in an example
        ("my dog is ill", True),  # the word table knows it, and no word of the examples is near
        ("y tú", False),  # nothing that tells anything
    ],
)
def test_words_that_no_example_has_are_about_something_else(text: str, elsewhere: bool) -> None:
    heard = Heard(words_of("mi pedido está roto quiero devolver puedo reservar"))
    assert heard.is_elsewhere(words_of(text)) is elsewhere


TRIPS = ["cancel my booking", "please cancel the trip", "I want to book a trek", "pay for my booking", "pay the rest"]


@pytest.mark.parametrize(
    ("text", "elsewhere"),
    [
        ("cancel my gym membership", True),
        ("pay my electricity bill", True),
        ("cancela mi suscripción de netflix", True),
        ("cancel my reservation", False),  # says the same in another word
        ("cancel my booking because of the weather", False),  # one word more, beside two that tell
    ],
)
def test_a_verb_of_ours_with_things_of_others_is_about_something_else(text: str, elsewhere: bool) -> None:
    heard = Heard(word for example in TRIPS for word in words_of(example))
    assert heard.is_elsewhere(words_of(text)) is elsewhere


def test_right_words_are_not_corrected_however_rare() -> None:
    rows = [("how many tents are left", "stock"), ("which tent is free", "stock"), ("hello", "greet")]
    assert train(rows).classifier.corrected("the rent is due") == ["the", "rent", "is", "due"]


def test_short_words_of_scripts_with_marks_are_not_corrected_to_other_letters() -> None:
    """`भाई` and `भाषा` are one letter apart, of two."""
    speller = Speller({"भाषा": 3, "हिंदी": 3, "कितना": 1})
    assert speller.correct(["भाई", "शादी", "कीतना"]) == ["भाई", "शादी", "कितना"]
