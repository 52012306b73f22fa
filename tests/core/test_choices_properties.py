"""Choices, taps, pages: whatever the labels, what is typed means one of them or nothing, and each is in reach."""

from dataclasses import fields

from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from bot.core.choices import (
    PAGE_TAP,
    Option,
    match_exactly,
    match_option,
    present,
    read_tap,
    tap_id,
)
from bot.core.messages import (
    MAX_BUTTON_BODY,
    MAX_BUTTON_TITLE,
    MAX_BUTTONS,
    MAX_CHOICE_ID,
    MAX_LIST_LABEL,
    MAX_ROW_DESCRIPTION,
    MAX_ROW_TITLE,
    MAX_ROWS,
    MAX_TEXT,
    ButtonsOut,
    ListOut,
    Outgoing,
    TextOut,
)
from bot.core.words import normalise, place_in
from providers.base import Capabilities
from providers.dialog360.provider import CAPABILITIES as DIALOG360
from providers.meta.provider import CAPABILITIES as META
from providers.planning import plan
from providers.twilio.provider import CAPABILITIES as TWILIO

MANY = settings(max_examples=120)
LABELS = (
    "Masala chai", "Ginger tea", "Everest Base Camp", "Annapurna Circuit", "Send quote", "Talk to a person",
    "हाँ, भेजें", "विवरण बदलें", "Llámame mañana",
    "Twin room", "Kathmandu", "Pay by card", "Something broken", "१२ लोग", "Q&A – 24h",
)  # fmt: skip
KEYS = (
    "masala", "ginger", "ebc", "circuit", "quote", "human", "haan", "badlo", "call", "twin", "town", "card", "broken",
    "dozen", "answers",
)  # fmt: skip
OPTIONS = st.lists(st.sampled_from(range(len(LABELS))), min_size=1, max_size=len(LABELS), unique=True).map(
    lambda places: [Option.named(KEYS[place], LABELS[place]) for place in places]
)
PLACES = ("first", "second", "third", "fourth", "fifth")


# --- Typed answers ----------------------------------------------------------------------------------------------------


@MANY
@given(
    OPTIONS, st.integers(0, 40), st.sampled_from(["{}", " {} ", "{}.", "({})", "option {}", "Option {}!", "number {}"])
)
def test_a_number_means_the_choice_at_that_place_or_none(options: list[Option], number: int, form: str) -> None:
    chosen = match_option(form.format(number), options, "en")
    assert chosen == (options[number - 1].key if 1 <= number <= len(options) else None)


@MANY
@given(OPTIONS, st.integers(0, 4), st.sampled_from(["{}", "the {} one", "{} option", "the {}"]))
def test_a_place_in_words_means_the_choice_there_or_none(options: list[Option], place: int, form: str) -> None:
    chosen = match_option(form.format(PLACES[place]), options, "en")
    assert chosen == (options[place].key if place < len(options) else None)


@MANY
@given(OPTIONS, st.data())
def test_label_and_key_mean_their_choice_however_they_are_written(options: list[Option], data: st.DataObject) -> None:
    option = data.draw(st.sampled_from(options))
    said = data.draw(st.sampled_from([option.label, option.key]))
    change = data.draw(st.sampled_from([str.upper, str.lower, str.title, lambda text: f"  {text}!! "]))
    assert match_exactly(normalise(change(said)), options, "en") == option.key


@MANY
@given(OPTIONS, st.data())
def test_one_slip_in_a_label_means_it_or_nothing_and_never_another(options: list[Option], data: st.DataObject) -> None:
    option = data.draw(st.sampled_from(options))
    letters = list(option.label)
    place = data.draw(st.integers(0, len(letters) - 1))
    match data.draw(st.sampled_from(["drop", "double", "swap", "replace"])):
        case "drop":
            del letters[place]
        case "double":
            letters.insert(place, letters[place])
        case "swap" if place + 1 < len(letters):
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
        case _:
            letters[place] = data.draw(st.sampled_from("aeioux"))
    said = "".join(letters)
    chosen = match_option(said, options, "en")
    assert chosen in {option.key, None}
    if (
        len(normalise(said)) >= 10
        and normalise(said).isascii()
        and fuzz.ratio(normalise(said), option.phrases[0]) >= 90
    ):
        assert chosen == option.key, "a slip in a long label is forgiven"


@MANY
@given(
    OPTIONS, st.one_of(st.text(max_size=60), st.lists(st.sampled_from(LABELS), max_size=3).map(" or ".join)), st.data()
)
def test_any_text_means_a_choice_or_none_whatever_their_order(
    options: list[Option], text: str, data: st.DataObject
) -> None:
    chosen = match_option(text, options, "en")
    assert chosen is None or chosen in {one.key for one in options}
    by_place = any(letter.isdigit() for letter in normalise(text)) or place_in(normalise(text)) is not None
    if not by_place:
        assert match_option(text, data.draw(st.permutations(options)), "en") == chosen


@MANY
@given(OPTIONS, st.data())
def test_who_names_two_choices_has_made_none(options: list[Option], data: st.DataObject) -> None:
    longer = [one for one in options if len(normalise(one.label)) >= 4]
    if len(longer) >= 2:
        first, second = data.draw(st.permutations(longer))[:2]
        assert match_option(f"{first.label} or {second.label}", options, "en") is None


# --- Taps -------------------------------------------------------------------------------------------------------------

RUNS = st.builds(
    lambda one, more: f"r{one}" + (f"-{more}" if more is not None else ""),
    st.integers(0, 10**20 - 1), st.none() | st.integers(0, 999_999),
)  # fmt: skip


@MANY
@given(RUNS, st.integers(0, 10**9 - 1), st.text(min_size=1, max_size=160))
def test_a_tap_says_which_run_question_and_choice_it_was_for(run: str, epoch: int, choice: str) -> None:
    tap = read_tap(tap_id(run, epoch, choice))
    assert tap is not None
    assert (tap.run, tap.epoch, tap.choice) == (run, epoch, choice)


@MANY
@given(st.one_of(st.text(max_size=80), st.from_regex(r"r?[0-9-]{0,24}\.[-0-9]{0,11}\.?.{0,5}", fullmatch=True)))
def test_an_id_that_is_not_ours_is_none_and_one_of_ours_can_be_made_again(text: str) -> None:
    tap = read_tap(text)
    if tap is not None:
        assert int(tap.epoch) >= 0
        assert text.startswith(f"{tap.run}.")
        assert text.endswith(f".{tap.choice}")
        again = read_tap(tap_id(tap.run, tap.epoch, tap.choice))
        assert again == tap or len(text) > MAX_CHOICE_ID


# --- On the screen ----------------------------------------------------------------------------------------------------

TITLES = st.lists(
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40) | st.sampled_from(LABELS),
    min_size=1, max_size=35, unique_by=normalise,
)  # fmt: skip


def shown(labels: list[str], body: str, style: str, page: int) -> list[Outgoing]:
    options = [Option(key=f"k{place}", label=label, description=label * 2) for place, label in enumerate(labels)]
    return present(body, options, "r1", 1, "Choose one of all these things", style=style, page=page, more="More")


def choices_of(messages: list[Outgoing]) -> list[str]:
    """The ids that can be tapped, in order."""
    return [
        one.id
        for message in messages
        for one in (message.buttons if isinstance(message, ButtonsOut) else getattr(message, "rows", ()))
    ]


@MANY
@given(TITLES, st.text(min_size=1, max_size=3000), st.sampled_from(["buttons", "numbers", "both"]))
def test_every_choice_is_in_reach_within_all_limits(labels: list[str], body: str, style: str) -> None:
    found: list[str] = []
    page = 0
    for _ in range(len(labels)):
        messages = shown(labels, body, style, page)
        ids = choices_of(messages)
        assert len(set(ids)) == len(ids)
        taps = [tap for one in ids if (tap := read_tap(one)) is not None]
        assert len(taps) == len(ids)
        found += [tap.choice for tap in taps if not tap.choice.startswith(PAGE_TAP)]
        more = [tap.choice.removeprefix(PAGE_TAP) for tap in taps if tap.choice.startswith(PAGE_TAP)]
        assert len(more) <= 1
        page = int(more[0]) if more else 0
        for message in messages:
            assert_fits(message, META)
        if not ids:  # as numbered text, which has all of them
            said = "".join("\n".join(getattr(message, "body", "") for message in messages).split())
            assert all("".join(f"{number}. {one}".split()) in said for number, one in enumerate(labels, 1))
            return
        if not more or f"k{len(labels) - 1}" in found:
            break
    assert found == [f"k{place}" for place in range(len(labels))], "each once, in the author's order"


@MANY
@given(TITLES, st.text(min_size=1, max_size=3000), st.integers(0, 5), st.sampled_from([META, TWILIO, DIALOG360]))
def test_every_provider_gets_what_it_takes(labels: list[str], body: str, page: int, able: Capabilities) -> None:
    messages = shown(labels, body, "buttons", page)
    planned = [one for message in messages for one in plan(message, able)]
    assert choices_of(planned) == choices_of(messages)
    for one in planned:
        assert_fits(one, able)


NOTHING = Capabilities(**{field.name: False if field.type in (bool, "bool") else 300 for field in fields(Capabilities)})


@MANY
@given(TITLES, st.text(min_size=1, max_size=400))
def test_where_nothing_can_be_tapped_the_numbers_are_those_that_are_understood(labels: list[str], body: str) -> None:
    planned = [one for message in shown(labels[:10], body, "buttons", 0) for one in plan(message, NOTHING)]
    assert all(isinstance(one, TextOut) for one in planned)
    said = "".join("".join(one.body for one in planned if isinstance(one, TextOut)).split())
    options = [Option.named(f"k{place}", label) for place, label in enumerate(labels[:10])]
    for number, option in enumerate(options, 1):
        assert (
            f"{number}.{''.join(option.label.split())[:MAX_BUTTON_TITLE]}" in said
            or len(option.label) > MAX_BUTTON_TITLE
        )
        assert match_option(str(number), options, "en") in {
            option.key,
            *(one.key for one in options if str(number) in one.phrases),
        }


def assert_fits(message: Outgoing, able: Capabilities) -> None:
    """A message is within WhatsApp's limits, and those of who carries it."""
    match message:
        case TextOut(body=body):
            assert len(body) <= min(MAX_TEXT, able.max_text)
        case ButtonsOut(body=body, buttons=buttons):
            assert 1 <= len(buttons) <= MAX_BUTTONS
            assert len(body) <= min(MAX_BUTTON_BODY, able.max_button_body)
            assert all(0 < len(one.title) <= MAX_BUTTON_TITLE and len(one.id) <= MAX_CHOICE_ID for one in buttons)
            assert len({one.title for one in buttons}) == len(buttons)
        case ListOut(body=body, label=label, rows=rows):
            assert 1 <= len(rows) <= MAX_ROWS
            assert len(body) <= able.max_list_body
            assert 0 < len(label) <= MAX_LIST_LABEL
            assert all(0 < len(one.title) <= MAX_ROW_TITLE and len(one.id) <= MAX_CHOICE_ID for one in rows)
            assert all(len(one.description or "") <= MAX_ROW_DESCRIPTION for one in rows)
            assert len({one.title for one in rows}) == len(rows)
        case _:
            raise AssertionError(f"a {message.kind} was not meant")
