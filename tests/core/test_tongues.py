"""In which language people write, and how it is offered to them."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talking import Talk, shipped_book, titles

from bot.authoring.reader import read
from bot.core.effects import SetLanguage
from bot.core.messages import ButtonsOut
from bot.core.tongues import SPEECH, guess, likeliest
from bot.core.words import normalise

TEXTS: dict[str, Any] = read((Path(__file__).parent / "tongues.yaml").read_text(encoding="utf-8"), "tongues.yaml").value
WRITTEN = [(part, language, text) for part in TEXTS for language, texts in TEXTS[part].items() for text in texts]


def named(text: str) -> str | None:
    found = guess(normalise(text))
    return found.language if found else None


@pytest.mark.parametrize("text", [text for _, language, text in WRITTEN if language == "none"])
def test_names_and_short_texts_are_no_language(text: str) -> None:
    assert guess(normalise(text)) is None


def test_a_text_is_never_taken_for_another_language() -> None:
    wrong = [(text, named(text)) for _, language, text in WRITTEN if language != "none" and named(text) != language]
    assert all(found is None for _, found in wrong), wrong


@pytest.mark.parametrize(("part", "share"), [("known", 0.9), ("held_out", 0.75)])
def test_most_texts_of_some_words_are_recognised(part: str, share: float) -> None:
    known = Counter(
        named(text) == language for where, language, text in WRITTEN if where == part and language != "none"
    )
    assert known[True] / known.total() >= share, known


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=700))
def test_any_text_has_a_language_or_none(text: str) -> None:
    found = guess(normalise(text))
    assert found is None or 0 < found.weight <= 1


# --- Offering ---------------------------------------------------------------------------------------------------------

SPANISH = "Hola, quiero hacer el trek al campo base del Everest"
MORE_SPANISH = "somos cuatro personas y queremos viajar con un guía"


@pytest.fixture
def talk() -> Talk:
    return Talk(shipped_book())


def offers(talk: Talk) -> list[list[str]]:
    return [
        titles(one) for one in talk.said if isinstance(one, ButtonsOut) and one.buttons[0].id.startswith("language!")
    ]


def test_one_message_is_not_enough_and_the_second_brings_the_offer(talk: Talk) -> None:
    talk.text(SPANISH)
    assert offers(talk) == []
    said = talk.text(MORE_SPANISH)
    assert "¿Seguimos en español?" in said
    assert offers(talk) == [["Español", "English"]]
    assert talk.conversation.contact.language == "en"
    assert talk.of(SetLanguage) == []


def test_a_tap_changes_the_language_for_good_and_puts_the_question_again(talk: Talk) -> None:
    talk.text(SPANISH)
    talk.text(MORE_SPANISH)
    said = talk.tap("Español")
    assert said.startswith("De acuerdo, desde ahora en español.")
    assert "Which month" in said  # the flow has no Spanish: its own words stay
    assert talk.of(SetLanguage) == [SetLanguage(language="es")]
    assert talk.text("ayuda").startswith("Puede responder a la pregunta de abajo")


def test_naming_the_language_is_an_answer_and_yes_is_one_to_the_open_question(talk: Talk) -> None:
    talk.text(SPANISH)
    talk.text(MORE_SPANISH)
    talk.text("sí")
    assert talk.conversation.contact.language == "en"
    talk.text("español")
    assert talk.conversation.contact.language == "es"


DEVANAGARI = ("मुझे अगले महीने की यात्रा के बारे में जानकारी चाहिए", "हम चार लोग हैं और गाइड भी चाहिए")


@pytest.mark.parametrize("name", ["हिंदी", "हिन्दी", "Hindi", "hindi please", "yes, in Hindi", "हिंदी में"])
def test_the_language_may_be_named_in_any_language(talk: Talk, name: str) -> None:
    for text in DEVANAGARI:
        talk.text(text)
    assert offers(talk)
    talk.text(name)
    assert talk.conversation.contact.language == "hi"


@pytest.mark.parametrize("name", ["English", "no, english", "inglés por favor", "in English please"])
def test_the_own_language_may_be_named_to_keep_it(talk: Talk, name: str) -> None:
    talk.text(SPANISH)
    talk.text(MORE_SPANISH)
    assert "English" in talk.text(name).split("\n")[0]
    assert talk.conversation.contact.language == "en"
    assert "offer" not in talk.conversation.scope[SPEECH]


@pytest.mark.parametrize(
    ("answer", "language"), [("sí", "es"), ("claro que sí", "es"), ("no", "en"), ("no gracias", "en")]
)
def test_where_no_question_is_open_yes_and_no_answer_the_offer(talk: Talk, answer: str, language: str) -> None:
    to_the_offer_without_a_question(talk)
    talk.text(answer)
    assert talk.conversation.contact.language == language
    assert "offer" not in talk.conversation.scope[SPEECH]
    for text in (SPANISH, MORE_SPANISH, MORE_SPANISH):
        talk.text(text)
        assert offers(talk) == []


def test_a_yes_that_comes_later_is_none_to_the_offer(talk: Talk) -> None:
    to_the_offer_without_a_question(talk)
    talk.text("EBC")
    talk.text("cancel")
    talk.text("sí")
    assert talk.conversation.contact.language == "en"


def to_the_offer_without_a_question(talk: Talk) -> None:
    """Two messages that nothing is made of."""
    for text in ("no sé qué hacer con mi perro este verano", "mi vecino tiene una casa muy grande en el pueblo"):
        talk.text(text)
    assert not talk.conversation.frames
    assert offers(talk)


def test_whoever_declines_or_does_not_answer_is_not_asked_again(talk: Talk) -> None:
    talk.text(SPANISH)
    talk.text(MORE_SPANISH)
    talk.tap("English")
    for text in (SPANISH, MORE_SPANISH, "cuánto cuesta por persona en diciembre"):
        talk.text(text)
        assert offers(talk) == []
    assert talk.conversation.contact.language == "en"


def test_whoever_has_chosen_a_language_is_not_asked(talk: Talk) -> None:
    talk.text("can we speak hindi")
    talk.tap("English")
    for text in (SPANISH, MORE_SPANISH, "cuánto cuesta por persona"):
        talk.text(text)
        assert offers(talk) == []


def test_english_in_between_fades_what_was_heard(talk: Talk) -> None:
    talk.text(SPANISH)
    talk.text("sorry, I would like to know what is included in the price of this trek")
    talk.text("and how many days does it take to get there and back again?")
    assert talk.conversation.scope[SPEECH]["heard"]["es"] < 0.3


def test_names_and_places_bring_no_offer(talk: Talk) -> None:
    for text in ("Juan de la Cruz", "María del Carmen", "EBC", "December", "Los Angeles", "La Paz", "si", "no", "dos"):
        talk.text(text)
        assert offers(talk) == []


def test_a_language_without_words_of_ours_is_not_offered(talk: Talk) -> None:
    for text in ("mujhe december mein EBC jaana hai", "hum char log hain aur march me aana chahte hain"):
        talk.text(text)
        assert offers(talk) == []
    assert "hi-Latn" in talk.conversation.scope[SPEECH]["heard"]


def test_while_a_person_has_the_conversation_nothing_is_offered(talk: Talk) -> None:
    talk.text("I want to talk to a person")
    assert talk.conversation.owner != "bot"
    for text in (SPANISH, MORE_SPANISH, MORE_SPANISH):
        talk.text(text)
        assert talk.said == []


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("my booking", "en"), ("meri booking kahan hai", "hi-Latn"), ("मेरी बुकिंग", "hi"), ("मेरो बुकिंग कहाँ छ", "ne"),
        ("mero booking kaha cha", "ne-Latn"), ("dónde está mi reserva", "es"), ("ok", "en"), ("", "en"), ("123", "en"),
    ],
)  # fmt: skip
def test_for_counting_each_text_has_the_language_it_is_most_like(text: str, language: str) -> None:
    assert likeliest(normalise(text)) == language
