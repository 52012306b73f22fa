"""Whatever is tapped, corrected, migrated or comes late: nothing happens that nobody meant, and nothing is lost."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from talking import Talk, book_of, choices_in

from bot.core.book import FlowBook
from bot.core.choices import tap_id
from bot.core.effects import EndRun, Invoke, Send
from bot.core.messages import ChoiceIn

SOME = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

SHOP = """
flow: test
role: customer
start: {universals: [help]}
slots:
  people: {type: integer, min: 1, max: 40}
  nights: {type: integer, min: 1, max: 90}
  town:   {type: text}
states:
  details: {form: [people, nights, town], next: review}
  review:
    ask: review
    choices: {yes: "Yes", no: "No", later: Later}
    when: {yes: book, no: details, later: review}
  book:
    do: leads.create
    with: {trek: 1, people: "{{ people }}"}
    once: "lead:{{ run.id }}"
    error: review
    next: after
  after:
    ask: anything
    choices: {again: Another, stop: Enough}
    when: {again: review, stop: done}
  done: {say: done, end: booked}
"""
TEXTS = {
    "ask_people": "How many?", "ask_nights": "How long?", "ask_town": "Where?", "done": "Done.", "anything": "More?",
    "review": "{{ people }}, {{ nights }}, {{ town }}?",
}  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> FlowBook:
    return book_of(tmp_path_factory.mktemp("shop"), SHOP, **TEXTS)


def at_review(book: FlowBook) -> Talk:
    person = Talk(book)
    for text in ("help", "3", "5", "Pokhara"):
        person.text(text)
    assert person.top.state == "review"
    return person


# --- Taps -------------------------------------------------------------------------------------------------------------


@SOME
@given(
    st.lists(st.sampled_from(["yes", "no", "later", "again", "4", "Namche"]), max_size=4),
    st.integers(0, 30), st.sampled_from(["old", "run", "epoch", "choice", "nonsense"]),
)  # fmt: skip
def test_only_a_button_of_the_open_question_does_anything(
    shop: FlowBook, before: list[str], which: int, forged: str
) -> None:
    person = at_review(shop)
    shown = list(choices_in(person.said[-1]))
    for text in before:
        person.text(text)
        shown += [choice for message in person.said for choice in choices_in(message)]
        if not person.conversation.frames:
            break  # they were not understood too often
    if not person.conversation.frames:
        assert person.send(ChoiceIn(id=shown[which % len(shown)].id, title="Something of before"))
        assert person.of(Invoke) == []
        return
    frame = person.top
    open_ids = {tap_id(frame.run, frame.epoch, key) for key in ("yes", "no", "later", "again", "stop")}
    old = [choice.id for choice in shown if choice.id not in open_ids]
    tapped = {
        "old": old[which % len(old)] if old else "r9.1.yes",
        "run": tap_id(f"{frame.run}9", frame.epoch, "yes"),
        "epoch": tap_id(frame.run, frame.epoch + 1 + which, "yes"),
        "choice": tap_id(frame.run, frame.epoch, "skip!"),
        "nonsense": "r1..yes",
    }[forged]
    receipts = dict(person.business.receipts)
    person.send(ChoiceIn(id=tapped, title="Something of before"))
    if forged == "nonsense" and not person.conversation.frames:
        return  # an id that is none of ours counts as its words, which were not understood once too often
    now = person.top
    assert (now.run, now.state, now.slots, now.data, now.asking) == (
        frame.run, frame.state, frame.slots, frame.data, frame.asking,
    )  # fmt: skip
    assert person.business.receipts == receipts
    assert person.of(Invoke) == []
    assert person.of(EndRun) == []
    assert person.of(Send), "whoever taps is answered"


@SOME
@given(st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_a_button_tapped_again_and_again_does_what_it_says_once(shop: FlowBook, taps: list[int]) -> None:
    person = at_review(shop)
    yes = next(one for one in choices_in(person.said[-1]) if one.title == "Yes")
    invoked = 0
    for _ in taps:
        person.send(ChoiceIn(id=yes.id, title=yes.title))
        invoked += len(person.of(Invoke))
    assert invoked == 1
    assert len(person.business.receipts) == 1
    assert person.top.state == "after"


# --- Corrections ------------------------------------------------------------------------------------------------------

FORMS = ["no, {} people", "sorry, {} people", "actually {} people", "make it {} people", "no {} people please",
         "change number of people to {}", "I meant {} people", "nahi, {} log"]  # fmt: skip


@SOME
@given(st.integers(0, 60), st.sampled_from(FORMS), st.sampled_from(["nights", "review"]))
def test_a_correction_changes_what_it_names_or_nothing(shop: FlowBook, number: int, form: str, where: str) -> None:
    person = Talk(shop)
    for text in ["help", *{"nights": ["3"], "review": ["3", "5", "Pokhara"]}[where]]:
        person.text(text)
    slots, state, asking = dict(person.top.slots), person.top.state, person.top.asking
    person.text(form.format(number))
    now = person.top
    assert now.slots["people"] == (number if 1 <= number <= 40 else 3)
    assert {name: value for name, value in now.slots.items() if name != "people"} == {
        name: value for name, value in slots.items() if name != "people"
    }
    assert (now.state, now.asking) == (state, asking)
    assert person.of(Invoke) == []


@pytest.mark.parametrize("said", ["no, 41 people", "nahi, 60 log", "change number of people to 41", "no 0 people"])
def test_a_number_of_people_that_will_not_do_becomes_no_other_number(shop: FlowBook, said: str) -> None:
    person = at_review(shop)
    answer = person.text(said)
    assert answer == "Please send me one number from 1 to 40.\n\n3, 5, Pokhara?"
    assert person.top.slots == {"people": 3, "nights": 5, "town": "Pokhara"}
    person = Talk(shop)
    person.text("help")
    person.text("3")
    assert person.text(said) == "Please send me one number from 1 to 40.\n\nHow long?"
    assert (person.top.slots, person.top.asking) == ({"people": 3}, "nights")


def test_a_number_said_once_more_is_no_answer_to_another_question(shop: FlowBook) -> None:
    person = Talk(shop)
    person.text("help")
    person.text("3")
    assert person.text("3 people") == "Please send me one number from 1 to 90."
    person.text("no, 4 people")
    assert (person.top.slots, person.top.asking) == ({"people": 4}, "nights")
    person.text("4")
    assert person.top.slots == {"people": 4, "nights": 4}


# --- Migrations -------------------------------------------------------------------------------------------------------

NAMES = ["party", "town", "note"]


def migrated(keeps: dict[str, str], dropped: set[str], states: dict[str, str], orphans: str | None) -> str:
    """Version 2: slots and states under their new names, with the migration that says so."""
    names = [keeps.get(name, name) for name in NAMES]
    types = {"party": "integer", "town": "text", "note": "text"}
    slots = "\n".join(f"  {new}: {{type: {types[old]}}}" for old, new in zip(NAMES, names, strict=True))
    moved = ", ".join(f"{old}: {new}" for old, new in states.items() if old != new)
    computed = ", ".join(f'{new}: "{{{{ {old} }}}}"' for old, new in keeps.items() if old != new)
    review = states.get("review", "other")
    return f"""
flow: test
role: customer
version: 2
start: {{universals: [help]}}
slots:
{slots}
states:
  {states["details"]}: {{form: [{", ".join(names)}], next: {review}}}
  {review}: {{ask: hello, choices: {{yes: "Yes", no: "No"}}, when: {{yes: done, no: {states["details"]}}}}}
  done: {{say: hello, end: booked}}
migrations:
  - from: 1
    states: {{{moved}}}
    slots: {{{computed}}}
    drop: [{", ".join(sorted(dropped))}]
""" + (f"    orphans: {orphans}\n" if orphans else "")


FIRST = """
flow: test
role: customer
start: {universals: [help]}
slots: {party: {type: integer}, town: {type: text}, note: {type: text}}
states:
  details: {form: [party, town, note], next: review}
  review: {ask: hello, choices: {yes: "Yes", no: "No"}, when: {yes: done, no: details}}
  done: {say: hello, end: booked}
"""
ANSWERS = {"party": "3", "town": "Pokhara", "note": "window"}


@settings(SOME, max_examples=25)
@example(answered=3, renamed={"town"}, dropped={"note"}, details="details", review=None, orphans=None)
@example(answered=3, renamed={"town"}, dropped={"note"}, details="details", review=None, orphans="end")
@example(answered=3, renamed={"town"}, dropped={"note"}, details="collect", review=None, orphans="details")
@example(answered=3, renamed={"town"}, dropped={"note"}, details="details", review="check", orphans=None)
@given(
    answered=st.integers(0, 3), renamed=st.sets(st.sampled_from(NAMES)), dropped=st.sets(st.sampled_from(NAMES)),
    details=st.sampled_from(["details", "collect"]), review=st.sampled_from(["review", "check", None]),
    orphans=st.sampled_from(["end", "details", None]),
)  # fmt: skip
def test_no_kept_value_is_lost_and_nobody_is_left_in_a_state_that_is_none(
    tmp_path_factory: pytest.TempPathFactory,
    answered: int, renamed: set[str], dropped: set[str], details: str, review: str | None, orphans: str | None,
) -> None:  # fmt: skip
    states = {"details": details} | ({"review": review} if review else {})
    target = {"end": "end", "details": details, None: None}[orphans]
    keeps = {name: f"{name}_new" if name in renamed - dropped else name for name in NAMES}
    root = tmp_path_factory.mktemp("moved")
    before = book_of(root / "a", FIRST, hello="Well?")
    new = migrated(keeps, dropped, states, target)
    after = book_of(root / "b", new, hello="Well?").beside(before.flows())
    person = Talk(before)
    for text in ["help", *list(ANSWERS.values())[:answered]]:
        person.text(text)
    known = {name: value for name, value in person.top.slots.items() if name not in dropped}
    was = person.top.state
    person.book = after
    person.text("what do you mean by that")
    orphan = was == "review" and review is None
    ended = [one.outcome for one in person.of(EndRun)]
    if orphan and target == "end":
        assert ended[0] == "migrated"
        return
    assert ended == []
    now = person.top
    flow = after.flow(now.flow, now.version)
    assert flow is not None
    assert now.state in flow.states, "a state that is none"
    if orphan and target is None:
        assert now.version == 1, "nobody said where they go: they stay"
        return
    assert now.version == 2
    for name, value in known.items():
        assert now.slots.get(keeps[name]) == value, f"{name} was lost"
    if was == "review":
        assert not dropped & set(now.slots), "what was dropped is forgotten"


# --- Timers that come late --------------------------------------------------------------------------------------------

HOURS = st.lists(st.integers(1, 11), min_size=1, max_size=5, unique=True).map(sorted)


@settings(SOME, max_examples=25)
@given(hours=HOURS, late=st.integers(0, 11), order=st.randoms(use_true_random=False))
def test_of_timers_that_are_overdue_together_the_last_acts_and_only_once(
    tmp_path_factory: pytest.TempPathFactory, hours: list[int], late: int, order: object
) -> None:
    after = ", ".join(f"{hour}h: {{say: nudge{hour}}}" for hour in hours)
    flow = f"""
flow: test
role: customer
start: {{universals: [help]}}
slots: {{people: {{type: integer}}, nights: {{type: integer}}}}
states:
  ask: {{form: [people, nights], after: {{{after}}}, next: done}}
  done: {{end: done}}
"""
    words = {f"nudge{hour}": f"Nudge {hour}" for hour in hours}
    person = Talk(book_of(tmp_path_factory.mktemp("late"), flow, **words))
    person.text("help")
    asked, timers = person.at, person.timers()
    assert [one.due_at - asked for one in timers] == [timedelta(hours=hour) for hour in hours]
    person.at = asked + timedelta(hours=late, minutes=1)
    overdue = [one for one in timers if one.due_at <= person.at]
    order.shuffle(overdue)  # type: ignore[attr-defined]
    said = [person.fire(timer) for timer in overdue]
    expected = [f"Nudge {max(hour for hour in hours if hour <= late)}"] if overdue else []
    assert [text for text in said if text] == expected
    assert person.top.state == "ask"
    person.text("4")
    anew = person.timers()
    person.at += timedelta(hours=11)
    assert [person.fire(timer) for timer in timers] == [""] * len(timers), "what comes after the answer is stale"
    assert person.fire(anew[-1]) == f"Nudge {hours[-1]}"
