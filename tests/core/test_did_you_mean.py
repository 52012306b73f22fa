"""What happens when the classifier is not sure: we ask, and taking an offer is like making any choice."""

import pytest
from talking import Talk

from bot.core.book import FlowBook
from bot.core.intents import EntitySpec, IntentSpec
from bot.core.messages import ButtonsOut, ChoiceIn
from bot.core.models import MODELS
from bot.core.understanding import IntentUnderstanding, Scored, decide, to_offer

UNSURE = (
    Scored(intent="enquire_trip", score=0.45, because="plan a trek"),
    Scored(intent="talk_to_person", score=0.3, because="please call me"),
    Scored(intent="greet", score=0.02, because="hi"),
)


class Unsure:
    """An understanding that is never sure."""

    def understand(self, text: str, normal: str | None = None) -> tuple[Scored, ...]:
        return UNSURE if "nonsense" not in text else ()


@pytest.fixture
def unsure(book: FlowBook) -> Talk:
    mine = FlowBook(book.flows(), book.intents, book.texts)
    mine._understanding["customer"] = Unsure()
    return Talk(mine)


def ask(talk: Talk) -> ButtonsOut:
    talk.text("something about Everest base camp")
    (message,) = talk.said
    assert isinstance(message, ButtonsOut)
    return message


def test_likely_intents_are_offered_as_buttons(unsure: Talk) -> None:
    asked = ask(unsure)
    assert "Did you mean" in asked.body
    assert [button.title for button in asked.buttons] == ["Plan a trek", "Talk to a person"]
    assert unsure.notes("route")[-1] == {"rule": "did_you_mean", "intents": ["enquire_trip", "talk_to_person"]}
    assert unsure.conversation.frames == ()


def test_in_hindi(unsure: Talk) -> None:
    talk = Talk(unsure.book, language="hi")
    assert "क्या आपका मतलब" in ask(talk).body


def test_a_tapped_offer_starts_its_flow_with_what_was_said(unsure: Talk) -> None:
    button = ask(unsure).buttons[0]
    unsure.send(ChoiceIn(id=button.id, title=button.title))
    assert unsure.top.flow == "enquiry"
    assert unsure.top.slots["trek"]["name"] == "Everest Base Camp Trek"
    assert {"rule": "offer", "intent": "enquire_trip"} in unsure.notes("route")
    assert "offered" not in unsure.conversation.scope


@pytest.mark.parametrize("text", ["1", "Plan a trek", "PLAN A TREK!"])
def test_an_offer_may_be_typed(unsure: Talk, text: str) -> None:
    ask(unsure)
    unsure.text(text)
    assert unsure.top.flow == "enquiry"


def test_an_offer_tapped_long_after_still_starts_its_flow(unsure: Talk) -> None:
    button = ask(unsure).buttons[0]
    unsure.text("nonsense")
    assert "offered" not in unsure.conversation.scope
    unsure.send(ChoiceIn(id=button.id, title=button.title))
    assert unsure.top.flow == "enquiry"
    assert "trek" not in unsure.top.slots


def test_tapping_an_offer_twice_begins_one_run(unsure: Talk) -> None:
    button = ask(unsure).buttons[0]
    unsure.send(ChoiceIn(id=button.id, title=button.title))
    unsure.send(ChoiceIn(id=button.id, title=button.title))
    assert [frame.flow for frame in unsure.conversation.frames] == ["enquiry"]


def test_nothing_is_offered_over_an_open_question(unsure: Talk) -> None:
    button = ask(unsure).buttons[0]
    unsure.send(ChoiceIn(id=button.id, title=button.title))
    unsure.text("well well well")
    assert all(note["rule"] != "did_you_mean" for note in unsure.notes("route"))


# --- Understanding ---------------------------------------------------------------------------------------------------


INTENTS = {
    "pay": IntentSpec(
        examples={"en": ["I want to pay", "how can I pay the deposit for [EBC](trek)"], "hi": ["पैसे कैसे भेजूँ"]},
        patterns=[r"pay (?P<amount>\d+) for (?P<trip>TRP\d+)"],
        label={"en": "Pay", "hi": "भुगतान"},
    ),
    "ask": IntentSpec(
        examples=["how long is the trek", "is the trek hard", "tell me about the route"], keywords=["altitude"]
    ),
}  # fmt: skip
ENTITIES = {"trek": EntitySpec(values={"Annapurna Circuit": ["annapurna", "AC"]})}


@pytest.fixture(scope="module")
def reading() -> IntentUnderstanding:
    return IntentUnderstanding(INTENTS, ENTITIES)


def test_exactly_an_example_is_sure_and_marks_do_not_count(reading: IntentUnderstanding) -> None:
    (only,) = reading.understand("How can I pay the deposit for EBC?")
    assert (only.intent, only.score, only.how) == ("pay", 1.0, "example")


def test_a_pattern_takes_the_whole_message_and_names_its_parts(reading: IntentUnderstanding) -> None:
    best = reading.understand("Pay 500 for trp123")[0]
    assert (best.intent, best.how, dict(best.values)) == ("pay", "pattern", {"amount": "500", "trip": "trp123"})
    assert reading.understand("when do I pay 500 for TRP123 then")[0].how != "pattern"


def test_a_keyword_is_a_hint(reading: IntentUnderstanding) -> None:
    best = reading.understand("altitude")[0]
    assert (best.intent, best.how) == ("ask", "keyword")
    assert decide([best]) is best


def test_entities_are_alike(reading: IntentUnderstanding) -> None:
    """What was marked and what is listed are masked, so examples hold for every trek."""
    assert reading.classifier.corrected("deposit for the Annapurna Circuit")[-1] == "<trek>"
    assert reading.classifier.corrected("deposit for ebc")[-1] == "<trek>"
    assert reading.understand("how can I pay the deposit for AC")[0].intent == "pay"


CODES = {
    "parcel": EntitySpec(patterns=[r"[A-Z]{2}-\d+/[a-z]", r"खेप-\d+"]),
    "day": EntitySpec(type="date"),
    "sum": EntitySpec(type="money"),
    "people": EntitySpec(type="integer"),
}
NAMING = {
    "track": IntentSpec(examples=["where is [AB-1/c](parcel)", "[KT-204/x](parcel)", "has [ZZ-9/q](parcel) left"]),
    "book": IntentSpec(examples=["a place [tomorrow](day)", "on [15 December](day)", "from [3 to 9 May](day) for us"]),
    "give": IntentSpec(
        examples=["a place for [$20](sum)", "for us [Rs 500](sum)", "[20 dollars](sum) for [two](people)"]
    ),
}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("where is qp-77/z, please?", "where is <parcel> please"),
        ("AB-1/c and KT-2/d", "<parcel> and <parcel>"),
        ("खेप-१२ कहाँ छ", "<parcel> कहाँ छ"),
        ("xAB-1/c", "xab <number> c"),
        ("a place on 3 March", "a place on <number> march <day>"),
        ("₹ 900 for us", "₹ <number> for us <sum>"),
        ("for two", "for two"),
    ],
)
def test_codes_are_alike_and_what_has_a_type_is_known_by_it(text: str, words: str) -> None:
    """Codes of the form that an author gave; days and sums in whatever words, numbers without."""
    mask = IntentUnderstanding(NAMING, CODES).mask
    assert mask is not None
    assert " ".join(mask(text)) == words


def test_a_code_or_a_day_tells_what_is_wanted() -> None:
    """Nothing else of these messages is in any example, nor would they be told apart without the entities."""
    with_entities, without = IntentUnderstanding(NAMING, CODES), IntentUnderstanding(NAMING)
    for text, intent in (("QQ-55/y", "track"), ("next Friday evening", "book"), ("42 euros", "give")):
        assert with_entities.understand(text)[0].intent == intent, text
        assert with_entities.understand(text)[0].score > without.understand(text)[0].score, text


def test_the_same_examples_are_trained_once(reading: IntentUnderstanding) -> None:
    before = MODELS.learnt
    assert IntentUnderstanding(INTENTS, ENTITIES).classifier is reading.classifier
    assert before + 1 >= MODELS.learnt


def test_three_bands() -> None:
    assert decide(UNSURE) is None
    assert [one.intent for one in to_offer(UNSURE)] == ["enquire_trip", "talk_to_person"]
    assert to_offer(UNSURE[2:]) == []
    sure = Scored(intent="pay", score=0.9, because="")
    assert decide([sure, *UNSURE]) is sure
    assert to_offer([sure, *UNSURE]) == []


def test_labels_by_language() -> None:
    assert INTENTS["pay"].name("pay", "hi_IN") == "भुगतान"
    assert INTENTS["pay"].name("pay", "fr") == "Pay"
    assert INTENTS["ask"].name("ask_route", "en") == "Ask route"
