"""What each word of the flow language does, in flows of a few lines."""

from pathlib import Path
from typing import Any

import pytest
from talking import Talk, blocks, book_of, fake_actions, titles, write_content

from bot.authoring.content import load_content
from bot.core.effects import EndRun, Invoke
from bot.core.errors import ActionError, EngineError, StepLimitReached
from bot.core.messages import ButtonsOut, ListOut, TextOut
from bot.core.ops import Go

START = """
flow: test
role: customer
start: {universals: [help]}
"""


def talk(tmp_path: Path, flow: str, **texts: str) -> Talk:
    return Talk(book_of(tmp_path, START + flow, **texts))


def test_ordered_branches_take_the_first_that_holds(tmp_path: Path) -> None:
    person = talk(
        tmp_path,
        """
slots: {people: {type: integer}}
states:
  form: {form: people, next: [{if: people > 10, to: big, reason: crowd}, {if: people > 5, to: middle}, small]}
  big: {say: big, end: big}
  middle: {say: middle, end: middle}
  small: {say: small, end: small}
""".replace("form: people", "form: [people]"),
        big="{{ reason }}",
        middle="M",
        small="S",
    )
    for number, said in (("11", "crowd"), ("7", "M"), ("2", "S")):
        person.text("help")
        assert person.text(number) == said
    assert [note["value"] for note in person.notes("guard")] == [False, False]


def test_more_than_three_choices_are_a_list_and_more_than_ten_have_pages(tmp_path: Path) -> None:
    for count, kind in ((3, ButtonsOut), (4, ListOut), (10, ListOut), (11, ListOut)):
        choices = ", ".join(f"c{n}: Choice {n}" for n in range(1, count + 1))
        person = talk(
            tmp_path,
            f"states: {{a: {{ask: q, choices: {{{choices}}}, next: b}}, b: {{say: got, end: done}}}}",
            q="Which?",
            got="{{ answer }}",
        )
        person.text("help")
        assert isinstance(person.said[0], kind)
        assert person.text(str(count)) == f"c{count}"


def test_pages_are_turned_by_tap_or_word_and_all_numbers_count(tmp_path: Path) -> None:
    choices = ", ".join(f"c{n}: Choice {n}" for n in range(1, 21))
    person = talk(
        tmp_path,
        f"states: {{a: {{ask: q, choices: {{{choices}}}, next: b}}, b: {{say: got, end: done}}}}",
        q="Which?",
        got="{{ answer }}",
    )
    person.text("help")
    assert titles(person.said[0]) == [*(f"Choice {n}" for n in range(1, 10)), "More …"]
    person.tap("More …")
    assert titles(person.said[0]) == [*(f"Choice {n}" for n in range(10, 19)), "More …"]
    person.text("more")
    assert titles(person.said[0]) == ["Choice 19", "Choice 20", "More …"]
    person.tap("More …")
    assert titles(person.said[0])[0] == "Choice 1"
    assert person.text("20") == "c20"


def test_long_labels_become_rows_and_lookalikes_become_numbers(tmp_path: Path) -> None:
    flow = "slots: {trek: {type: ref, lookup: treks.long}}\nstates: {a: {form: [trek], next: b}, b: {end: x}}"
    actions = fake_actions()

    @actions.lookup("treks.long")
    async def find(call: Any, *, text: str) -> list[dict[str, Any]]:
        names = {"rows": ["Annapurna Base Camp Trek", "Mardi Himal"], "same": ["A" * 30 + "1", "A" * 30 + "2"]}
        return [{"id": place, "name": name} for place, name in enumerate(names.get(text, []))]

    person = Talk(book_of(tmp_path, START + flow, actions), actions=actions)
    person.text("help")
    person.text("rows")
    assert titles(person.said[0]) == ["Annapurna Base Camp Trek", "Mardi Himal"]
    person.text("same")
    assert isinstance(person.said[0], TextOut)
    assert "1. AAAA" in person.said[0].body


def test_collect_keeps_files_in_the_runs_data(tmp_path: Path) -> None:
    from bot.core.messages import LocationIn, MediaIn

    person = talk(
        tmp_path,
        """
states:
  a:
    ask: q
    choices: {done: Done}
    next: b
    collect: {photo: {many: 2, to: report.photos, say: saved}, location: {to: place}}
  b: {say: b, end: done}
""",
        q="Photos?",
        saved="{{ count }} of {{ many }}",
        b="{{ report.photos | length }} {{ place.latitude }}",
    )
    person.text("help")
    assert person.send(MediaIn(media="image", media_id="m1", mime_type="image/png")) == "1 of 2"
    assert person.send(MediaIn(media="image", media_id="m2", mime_type="image/png")) == "2 of 2"
    assert person.send(LocationIn(latitude=1.5, longitude=2.5)) == "Thank you, got it."
    assert person.text("done") == "2 1.5"


def test_an_action_without_error_branch_says_sorry_and_ends(tmp_path: Path) -> None:
    actions = fake_actions()

    @actions.action("fails")
    async def fails(call: Any) -> None:
        raise ActionError("nope", "No.")

    person = Talk(
        book_of(tmp_path, START + "states: {a: {do: fails, say: ok, end: done}}", actions, ok="ok"), actions=actions
    )
    assert person.text("help").startswith("Sorry, that did not work.")
    assert person.of(EndRun)[0].outcome == "failed"


def test_error_branches_may_look_at_the_code(tmp_path: Path) -> None:
    actions = fake_actions()

    @actions.action("fails")
    async def fails(call: Any) -> None:
        raise ActionError("nope", "Because.")

    flow = """
states:
  a: {do: fails, error: [{if: error.code == 'other', to: b}, c], end: done}
  b: {end: b}
  c: {say: why, end: c}
"""
    person = Talk(book_of(tmp_path, START + flow, actions, why="{{ error.message }}"), actions=actions)
    assert person.text("help") == "Because."


def test_enter_runs_its_list_in_order_and_goes_on_after_each_action(tmp_path: Path) -> None:
    actions = fake_actions()

    @actions.action("count")
    async def count(call: Any, *, start: int) -> int:
        return start + 1

    flow = """
states:
  a:
    enter:
      - {do: count, with: {start: 1}, save: n}
      - {say: said}
      - {do: count, with: {start: "{{ n }}"}, save: n}
    say: said
    end: done
"""
    person = Talk(book_of(tmp_path, START + flow, actions, said="{{ n }}"), actions=actions)
    assert person.text("help") == "2\n---\n3"
    assert person.of(Invoke)[1].arguments == {"start": 2}


def test_universals_can_be_switched_off(tmp_path: Path) -> None:
    flow = "states: {{a: {{ask: q, choices: {{x: X, y: Y}}, next: b, universals: {0}}}, b: {{end: done}}}}"
    person = talk(tmp_path, flow.format("false"), q="Q")
    person.text("help")
    assert person.text("cancel").startswith("Sorry, I didn't get that.")
    person = talk(tmp_path, flow.format("[cancel]"), q="Q")
    person.text("help")
    assert person.text("repeat").startswith("Sorry, I didn't get that.")
    assert "cancelled" in person.text("cancel")


def test_a_choice_wins_over_a_universal_of_the_same_words(tmp_path: Path) -> None:
    person = talk(
        tmp_path,
        "states: {a: {ask: q, choices: {cancel: Cancel, keep: Keep}, next: b}, b: {say: got, end: x}}",
        q="Q",
        got="{{ answer }}",
    )
    person.text("help")
    assert person.text("Cancel") == "cancel"


def test_the_persons_language_is_used_block_by_block(tmp_path: Path) -> None:
    flow = (
        START
        + "states: {a: {say: [one, two], next: b}, b: {ask: q, choices: {yes: Yes, no: No}, next: c}, c: {end: x}}"
    )
    files = {
        "flows/customer/test.yaml": flow,
        "templates/en/customer/test.j2": blocks(one="One", two="Two", q="Sure?"),
        "templates/hi/customer/test.j2": blocks(one="एक", q="पक्का?", choice_yes="हाँ जी"),
    }
    book = load_content(write_content(tmp_path, files), fake_actions()).book
    person = Talk(book, language="hi")
    assert person.text("help") == "एक\n---\nTwo\n---\nपक्का?"
    assert titles(person.said[2]) == ["हाँ जी", "No"]
    person.text("हाँ")
    assert person.of(EndRun)
    other = Talk(book, language="pt_BR")
    assert other.text("help").startswith("One")


def test_what_people_write_is_never_a_template(tmp_path: Path) -> None:
    person = talk(
        tmp_path,
        "slots: {note: {type: text}}\nstates: {a: {form: [note], next: b}, b: {say: echo, end: x}}",
        echo="{{ note }}",
    )
    person.text("help")
    assert person.text("{{ 7 * 7 }} {% raw %} <b>&amp;") == "{{ 7 * 7 }} {% raw %} <b>&amp;"


def test_long_texts_are_split(tmp_path: Path) -> None:
    person = talk(tmp_path, "states: {a: {say: long, end: x}}", long="A sentence that goes on. " * 400)
    person.text("help")
    assert len(person.said) > 1
    assert all(len(getattr(one, "body", "")) <= 4096 for one in person.said)


def test_a_block_that_fails_is_replaced_and_traced(tmp_path: Path) -> None:
    person = talk(
        tmp_path,
        "slots: {trek: {type: ref, lookup: treks.find}}\nstates: {a: {say: bad, end: x}}",
        bad="{{ trek.name }}",
    )
    assert person.text("help").startswith("Sorry, something went wrong")
    assert person.notes("error")[0]["block"] == "bad"


def test_a_guard_that_fails_is_an_error_of_the_flow(tmp_path: Path) -> None:
    flow = "slots: {people: {type: integer}}\nstates: {a: {next: [{if: people > 3, to: b}, b]}, b: {end: x}}"
    person = talk(tmp_path, flow)
    with pytest.raises(EngineError, match="`if:` in state 'a' of flow 'test' cannot be computed"):
        person.text("help")


def test_one_hundred_states_in_a_turn_are_too_many_actions_included(tmp_path: Path) -> None:
    """The linter refuses such flows; the engine does not depend on it."""
    actions = fake_actions()
    calls = []

    @actions.action("again")
    async def again(call: Any) -> None:
        calls.append(1)

    flow = (
        "states: {a: {do: again, once: 'again:{{ run.epoch }}', next: b}, b: {ask: q, choices: {x: X, y: Y}, next: a}}"
    )
    book = book_of(tmp_path, START + flow, actions, q="Q")
    state = book.latest["test"].states["b"]
    object.__setattr__(state, "plan", (Go(),))
    person = Talk(book, actions=actions)
    with pytest.raises(StepLimitReached, match="100 states"):
        person.text("help")
    assert len(calls) == 50
