"""Small matchers: choices, universals, corrections, commands, patterns, intents, WhatsApp templates."""

import pytest
from talking import shipped_book

from bot.core.choices import Option, match_option, read_tap, shorten, tap_id
from bot.core.commands import parse_command
from bot.core.patterns import compile_pattern
from bot.core.splitting import split_text
from bot.core.understanding import decide
from bot.core.words import normalise, universal_in, without_correction, yes_no_in

OPTIONS = (
    Option.named("yes", "Send quote"),
    Option.named("edit", "Change details"),
    Option.named("human", "Talk to a person", synonyms=["call me"]),
)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("1", "yes"),
        ("2.", "edit"),
        ("option 3", "human"),
        ("Send quote", "yes"),
        ("SEND QUOTE!!", "yes"),
        ("send qoute", "yes"),
        ("chnage details", "edit"),
        ("details", "edit"),
        ("please change details now", "edit"),
        ("call me", "human"),
        ("yes", "yes"),
        ("haan", "yes"),
        ("ok", "yes"),
        ("edit", "edit"),
        ("the second one", "edit"),
        ("2nd option please", "edit"),
        ("pehla wala", "yes"),
        ("दूसरा", "edit"),
        ("el último", "human"),
        ("तेस्रो चाहिँ", "human"),
        ("fourth", None),
        ("the second of may", None),
        ("0", None),
        ("4", None),
        ("no", None),
        ("", None),
        ("x", None),
        ("something else", None),
        ("99999999999999999999", None),
    ],
)
def test_typed_choices(text: str, key: str | None) -> None:
    assert match_option(text, OPTIONS, "hi") == key


def test_ambiguous_typing_chooses_nothing() -> None:
    options = (Option.named("a", "Annapurna Circuit"), Option.named("b", "Annapurna Base Camp"))
    assert match_option("annapurna", options, "en") is None


def test_taps_are_taken_apart() -> None:
    tap = read_tap(tap_id("r12-2", 7, "a.b"))
    assert tap is not None
    assert (tap.run, tap.epoch, tap.choice) == ("r12-2", 7, "a.b")
    assert len(tap_id("r1", 1, "x" * 300)) == 200
    for foreign in ("", "yes", "run.1.x", "r1.x.y", "r1.1.", "x1.1.a", "r١.1.a"):
        assert read_tap(foreign) is None


def test_texts_are_cut_where_it_hurts_least() -> None:
    assert shorten("Everest Base Camp Trek", 20) == "Everest Base Camp…"
    assert shorten("  a\nb ", 20) == "a b"
    # What a reader sees as one letter stays whole: conjuncts and their vowels, families, flags, accents.
    assert shorten("क्षत्रियक्षत्रियक्षत्रिय", 19) == "क्षत्रियक्षत्रिय…"
    assert shorten("ab" + "👩‍👩‍👧‍👦" * 4, 20) == "ab👩‍👩‍👧‍👦👩‍👩‍👧‍👦…"
    assert shorten("🇳🇵" * 12, 20) == "🇳🇵" * 9 + "…"
    assert shorten("e\u0301" * 12, 20) == "e\u0301" * 9 + "…"
    assert split_text("One. Two three four. Five", 20) == ["One. Two three four.", "Five"]
    assert split_text("first paragraph\n\nsecond one", 20) == ["first paragraph", "second one"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("HELP", "help"),
        ("help!", "help"),
        ("cancle", "cancel"),
        ("Go back", "back"),
        ("start over", "restart"),
        ("hepl", None),
        ("can you help me with a quote", None),
        ("madad", "help"),
        ("रद्द करो", "cancel"),
        ("agents", "agent"),
        ("", None),
    ],
)
def test_universals_are_whole_messages(text: str, word: str | None) -> None:
    assert universal_in(normalise(text), "en") == word


def test_corrections_begin_or_end_with_their_word() -> None:
    assert without_correction("no 3 people", "en") == "3 people"
    assert without_correction("make it may", "en") == "may"
    assert without_correction("3 people sorry", "en") == "3 people"
    assert without_correction("no", "en") is None
    assert without_correction("notable", "en") is None


def test_commands_begin_with_a_verb_in_capitals() -> None:
    command = parse_command("CHECK IN {trip} {note?}")
    assert command.verb == ("check", "in")
    assert [(one.slot, one.optional) for one in command.arguments] == [("trip", False), ("note", True)]
    for wrong in ("", "issue {trip}", "{trip}", "ISSUE {trip", "ISSUE {trip} NOW", "ISSUE {Trip}"):
        with pytest.raises(ValueError, match=r"."):
            parse_command(wrong)


@pytest.mark.parametrize("source", [r"TRP\d+", "[A-Z]{2,3}-?[0-9]{3,6}", "(?:TRP|BKG)[0-9]+", "quote|price"])
def test_plain_patterns_are_fine(source: str) -> None:
    compile_pattern(source)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Hi, interested in EBC Trek for 2 people in December", "enquire_trip"),
        ("hi", "greet"),
        ("Hello!!", "greet"),
        ("Namaste ji", "greet"),
        ("how much does the annapurna circuit cost?", "enquire_trip"),
        ("3 people to Everest base camp", "enquire_trip"),
        ("do you do treks in october", "enquire_trip"),
        ("want to hike to base camp with my family", "enquire_trip"),
        ("intrested in a trekk", "enquire_trip"),
        ("can I speak with somebody please", "talk_to_person"),
        ("what is the weather on mars", None),
        ("asdf", None),
        ("colourless green ideas sleep furiously", None),
        ("???", None),
    ],
)
def test_what_customers_want(text: str, intent: str | None) -> None:
    understanding = shipped_book().understanding("customer")
    assert understanding is not None
    chosen = decide(understanding.understand(text))
    assert (chosen.intent if chosen else None) == intent


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("yesss", "yes"),
        ("haan bhai", "yes"),
        ("ok perfecto 👍", "yes"),
        ("hunchha hajur", "yes"),
        ("nooo", "no"),
        ("nahi bhai nahi", "no"),
        ("no, gracias", "no"),
        ("हुँदैन", "no"),
        ("hmm not sure", "maybe"),
        ("tal vez sí", "maybe"),
        ("yes no", None),
        ("please", None),
        ("no problem at all with the date", None),
        ("yes I would like to change the date", None),
        ("", None),
    ],
)
def test_yes_and_no_among_other_words(text: str, meaning: str | None) -> None:
    assert yes_no_in(normalise(text), "en") == meaning


@pytest.mark.parametrize(
    ("text", "universal"),
    [
        ("ayuda", "help"), ("volver", "back"), ("atrás", "back"), ("cancelar", "cancel"),
        ("empezar de nuevo", "restart"),
        ("hablar con una persona", "agent"), ("मद्दत", "help"), ("madat", "help"), ("फर्क", "back"),
        ("रद्द गर्नुस्", "cancel"),
        ("मान्छेसँग कुरा गर्ने", "agent"), ("feri suru", "restart"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("language", ["en", "es", "ne"])
def test_universals_are_known_in_spanish_and_nepali_whatever_the_language(
    text: str, universal: str, language: str
) -> None:
    assert universal_in(normalise(text), language) == universal


@pytest.mark.parametrize(
    ("drawn", "plain"),
    [
        ("Hiiii!!", "hi"),
        ("HELLOOO", "hello"),
        ("yesssss pleaseee", "yes please"),
        ("stoppp", "stop"),
        ("good", "good"),
        ("Camp III, viii", "camp iii viii"),
        ("1000000", "1000000"),
    ],
)
def test_drawn_out_letters_are_read_as_one(drawn: str, plain: str) -> None:
    assert normalise(drawn) == plain
