"""Conversation tests: what a step does, what may be expected of it, and what is said when it is not so."""

from collections.abc import Callable
from functools import cache
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bot.authoring.testing.runner import Result
from bot.authoring.testing.suite import Broken, Suite, compile_expression, open_suite
from bot.authoring.testing.update import update_test
from bot.cli.reports import plain_failure
from bot.core.errors import ContentErrors, FlowError
from bot.operations import standard_actions
from tests.talking import ROOT, blocks, write_content

HEAD = """
test: something
flow: enquiry
phones:
  maya: {name: Maya Lindqvist}
  pasang: {role: field_staff, name: Pasang}
  anita: {role: sales, name: Anita, wrote: 1h}
fixtures:
  treks:
    - {id: 1, name: Everest Base Camp, aliases: [EBC]}
    - {id: 2, name: Annapurna Circuit}
    - {id: 3, name: Annapurna Base Camp}
  trips: [{id: 7, code: TRP123}]
stubs:
  treks.find: {find: treks}
  trips.assigned_to_me: {find: trips}
  leads.create: {id: 17, code: LEAD17, assignee: Anita}
  incidents.create: {id: 5, code: INC5}
steps:
""".lstrip()
Play = Callable[..., Result | Broken]


@cache
def suite() -> Suite:
    return open_suite(ROOT, standard_actions())


def in_file(folder: Path, steps: str, head: str = HEAD) -> Path:
    path = folder / "one.yaml"
    path.write_text(head + steps, encoding="utf-8")
    return path


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Plays the steps of a test."""
    return lambda steps, head=HEAD: suite().play(in_file(tmp_path, steps, head))


def with_leads(stub: str) -> str:
    return HEAD.replace("{id: 17, code: LEAD17, assignee: Anita}", stub)


def problems(outcome: Result | Broken) -> list[tuple[str, str, str]]:
    assert isinstance(outcome, Result)
    assert outcome.failure is not None
    found = [one.problem for one in outcome.failure.complaints]
    return [(".".join(map(str, one.key)), one.expected, one.got or one.sentence) for one in found]


def passes(outcome: Result | Broken) -> bool:
    assert isinstance(outcome, Result), outcome
    assert outcome.failure is None, problems(outcome)
    return True


ENQUIRY = """
  - user: EBC trek for 2 people in December
    expect: {state: review}
"""


@pytest.mark.parametrize(
    "expected",
    [
        "{state: review, flow: enquiry}",
        "{slots: {people: 2, trek: Everest Base Camp, month: 2026-12}}",
        "{slots: {trek: {id: 1}}}",
        "{slots: {trek: {id: 1, name: /^everest/}}}",
        "{said: Shall I ask our team}",
        "{said: [Everest Base Camp, 2 PEOPLE, '/[0-9] people/']}",
        "{said: {maya: Shall I ask}}",
        "{not_said: [Which month, How many]}",
        "{buttons: [Send me a quote, Change details, Talk to a person]}",
        "{actions: [], receipts: [], notified: false, ended: false, handed_off: false}",
        "{actions: [treks.find]}",
        "{timers: [2h, 22h]}",
        "{language: en}",
        "{nothing: false}",
    ],
)
def test_what_holds_may_be_expected(play: Play, expected: str) -> None:
    assert passes(play(f"  - user: EBC trek for 2 people in December\n    expect: {expected}\n"))


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        ("{state: details}", ("state", "details", "review")),
        ("{flow: welcome}", ("flow", "welcome", "enquiry")),
        ("{slots: {people: 3}}", ("slots.people", "people = 3", "2")),
        ("{slots: {people: null}}", ("slots.people", "people = null", "2")),
        ("{slots: {trek: {id: 2}}}", ("slots.trek", "trek.id = 2", "1")),
        ("{not_said: [Namaste, 2 people]}", ("not_said.1", "not 2 people", None)),
        ("{said: Good bye}", ("said.0", "Good bye", None)),
        ("{said: [2 people, Good bye]}", ("said.1", "Good bye", None)),
        ("{said: {anita: Hello}}", ("said.anita.0", "Hello", "nothing was said")),
        ("{buttons: [Sure]}", ("buttons", "[Sure]", "[Send me a quote, Change details, Talk to a person]")),
        ("{actions: [leads.create]}", ("actions", "[leads.create]", "none were called")),
        ("{receipts: ['lead:*']}", ("receipts", '["lead:*"]', "none were kept")),
        ("{notified: {sales: LEAD17}}", ("notified.sales", "LEAD17", "nothing was sent to this role")),
        ("{ended: converted}", ("ended", "converted", "no run ended")),
        ("{handed_off: sales}", ("handed_off", "{role: sales}", "not handed over")),
        ("{timers: []}", ("timers", "[]", "[2h, 22h]")),
        ("{language: hi}", ("language", "hi", "en")),
        ("{held: [x]}", ("held.0", "x", "nothing was held back")),
        ("{nothing: true}", ("nothing", "nothing happens", None)),
    ],
)
def test_what_does_not_hold_is_told(play: Play, expected: str, problem: tuple[str, str, str | None]) -> None:
    (found,) = problems(play(f"  - user: EBC trek for 2 people in December\n    expect: {expected}\n"))
    assert found[:2] == problem[:2]
    assert problem[2] is None or found[2] == problem[2]


def test_the_business_is_asked_and_answers_as_the_test_says(play: Play) -> None:
    steps = """
  - user: {tap: Send me a quote}
    expect:
      ended: converted
      actions: [{leads.create: {trek: 1, people: 2}}]
      receipts: ["lead:*"]
      notified: {sales: {template: new_lead, text: [LEAD17, party of 2]}}
      said: {anita: LEAD17, maya: LEAD17}
"""
    assert passes(play(ENQUIRY + steps))
    wrong = play(ENQUIRY + "  - user: {tap: yes}\n    expect: {actions: [{leads.create: {people: 3}}]}\n")
    assert problems(wrong) == [("actions.0", "leads.create(people=3)", "people=2")]


def test_a_person_outside_their_window_hears_by_template(play: Play) -> None:
    head = HEAD.replace(", wrote: 1h", "")
    steps = ENQUIRY + "  - user: 'yes'\n    expect: {said: {anita: LEAD17}}\n  - user: x\n    expect: {state: review}\n"
    outcome = play(steps, head)
    assert isinstance(outcome, Result)
    assert any(line.note.startswith("template new_lead") for line in outcome.lines)


def test_what_cannot_be_sent_is_held_back_and_not_said(play: Play) -> None:
    steps = ENQUIRY + "  - user: {tap: Talk to a person}\n  - wait: 2d\n"
    event = "  - event: handoff.returned\n    expect: "
    assert passes(play(f"{steps}{event}{{held: I am back, not_said: I am back}}\n"))
    outcome = play(f"{steps}{event}{{said: I am back}}\n")
    assert isinstance(outcome, Result)
    assert outcome.failure is not None
    assert "held back" in outcome.failure.complaints[0].problem.hint


def test_timers_fire_in_the_order_they_are_due(play: Play) -> None:
    steps = "  - wait: 22h\n    expect: {said: Your trek plan is ready, ended: dropped, state: abandoned}\n"
    assert passes(play(ENQUIRY + steps))
    assert passes(play(ENQUIRY + "  - wait: 1h59m\n    expect: {nothing: true}\n"))


def test_a_number_tells_whose_night_it_is(tmp_path: Path) -> None:
    """At 9:00 UTC it is 14:45 in Nepal, and four in the morning in Peru."""
    flow = """
flow: rest
role: customer
start: {universals: [help]}
quiet: {from: "20:00", to: "07:00", timezone: contact, otherwise: UTC}
states:
  day: {ask: day, choices: {yes: "Yes", no: "No"}, after: {1h: {say: nudge}}, next: done}
  done: {end: done}
"""
    files = {"flows/customer/rest.yaml": flow, "templates/en/customer/rest.j2": blocks(day="When?", nudge="Well?")}
    content = open_suite(write_content(tmp_path, files), standard_actions())
    head = 'test: night\nphones: {maya: {number: "+9779812345678"}, ana: {number: "+51912345678"}}\nsteps:\n'
    steps = "  - maya: help\n  - ana: help\n  - wait: 1h\n    expect: {said: {maya: Well}, not_said: {ana: Well}}\n"
    assert passes(content.play(in_file(tmp_path, steps, head)))


def test_choices_are_tapped_by_label_key_or_number_and_old_ones_by_how_long_ago(play: Play) -> None:
    for wanted in ("Change details", "edit", "2"):
        assert passes(play(ENQUIRY + f"  - user: {{tap: {wanted}}}\n    expect: {{state: change}}\n"))
    late = "  - user: {tap: edit}\n  - user: {tap: Send me a quote, earlier: 1}\n    expect: {said: earlier question}\n"
    assert passes(play(ENQUIRY + late))
    outcome = play(ENQUIRY + "  - user: {tap: edit}\n  - user: {tap: Send me a quote}\n")
    assert problems(outcome) == [("", "", "The last message with choices has no “Send me a quote”.")]
    assert outcome.failure.complaints[0].problem.hint == "A message has it: write `earlier: 1`."  # type: ignore[union-attr]


def test_a_delivery_that_happens_twice_is_taken_once(play: Play) -> None:
    assert passes(play(ENQUIRY + "  - duplicate: last\n    expect: {nothing: true}\n"))
    assert problems(play("  - duplicate: last\n")) == [
        ("", "", "Nothing has happened yet that could be delivered again.")
    ]


def test_a_crash_leads_to_the_same_turn_and_actions_keep_their_receipts(play: Play) -> None:
    head = HEAD.replace(
        "{id: 17, code: LEAD17, assignee: Anita}", "[{code: LEAD17, assignee: A}, {code: LEAD18, assignee: B}]"
    )
    steps = "  - user: 'yes'\n    expect: {said: LEAD17}\n  - crash: true\nexpect: {actions: [leads.create]}\n"
    assert passes(play(ENQUIRY + steps, head))


def test_stubs_answer_in_turn_by_case_and_with_refusals(play: Play) -> None:
    head = HEAD.replace(
        "{id: 17, code: LEAD17, assignee: Anita}",
        "{cases: [{with: {people: 2}, error: bad}, {code: L, assignee: A}]}",
    )
    assert passes(
        play(ENQUIRY + "  - user: 'yes'\n    expect: {handed_off: {reason: lead_failed}, receipts: []}\n", head)
    )
    other = ENQUIRY.replace("2 people", "3 people") + "  - user: 'yes'\n    expect: {ended: converted}\n"
    assert passes(play(other, head))
    head = HEAD.replace(
        "{id: 17, code: LEAD17, assignee: Anita}", "{in_turn: [{error: busy}, {code: LATER, assignee: A}]}"
    )
    again = "  - user: 'yes'\n  - event: handoff.returned\n" + ENQUIRY + "  - user: 'yes'\n    expect: {said: LATER}\n"
    assert passes(play(ENQUIRY + again, head))


def test_an_action_without_a_stub_is_a_failure_with_a_remedy(play: Play) -> None:
    head = HEAD.replace("  leads.create: {id: 17, code: LEAD17, assignee: Anita}\n", "")
    outcome = play(ENQUIRY + "  - user: 'yes'\n", head)
    ((_, _, sentence),) = problems(outcome)
    assert sentence.startswith("The flow called leads.create(trek=1, people=2, month='2026-12')")
    assert "`leads.create: {id: 1}`" in outcome.failure.complaints[0].problem.hint  # type: ignore[union-attr]


def test_a_reply_that_cannot_be_put_into_words_fails_whatever_is_expected(play: Play) -> None:
    outcome = play(ENQUIRY + "  - user: 'yes'\n", HEAD.replace(", assignee: Anita", ""))
    ((_, _, sentence),) = problems(outcome)
    assert sentence.startswith("Block `thanks` (line ")
    assert outcome.failure.complaints[0].problem.hint == "Does a stub leave out `assignee`?"  # type: ignore[union-attr]


def test_guides_of_one_trip_share_its_run(play: Play) -> None:
    head = HEAD.replace("phones:\n", "phones:\n  mingma: {role: field_staff}\n").replace("enquiry", "issue")
    steps = """
  - pasang: ISSUE TRP123 Vehicle breakdown
    expect: {state: open, actions: [incidents.create]}
  - mingma: ISSUE TRP123 Still stuck
    expect: {state: open, said: already has the open incident, actions: []}
  - event: {name: incident.resolved, about: TRP123}
    expect: {ended: resolved}
"""
    assert passes(play(steps, head))
    nothing = play(steps + "  - event: {name: incident.resolved, about: TRP124}\n", head)
    assert problems(nothing) == [("", "", "Nothing is open for TRP124.")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("steps: []", "1:1: `test:` is missing. Write what it is about: `test: a customer books`."),
        ("test: x\nsteps:\n  - usr: hi", "3:5: There is no phone `usr`, and no such step. Did you mean `user`?"),
        ("test: x\nsteps:\n  - user: hi\n    wait: 2h", ("3:5: One thing happens in a step, not `user:` and `wait:`. "
         "Make several steps of it.")),
        ("test: x\nsteps:\n  - wait: 2 hours",
         "3:11: `2 hours` is not a duration. Write for example 15m, 2h or 1d12h."),
        ("test: x\nsteps:\n  - user: {tap: a, photo: b}",
         "3:11: Somebody does one thing in a step, not photo and tap at once. Make several steps of it."),
        ("test: x\nsteps:\n  - user: {location: here}", "3:22: `here` is not a place. Write `27.98 86.92`."),
        ("test: x\nflow: enquirie\nsteps:\n  - user: hi", "2:7: There is no flow `enquirie`. Did you mean `enquiry`?"),
        ("test: x\nstubs: {treks.fnd: []}\nsteps:\n  - user: hi",
         "2:9: There is no action or lookup `treks.fnd`. Did you mean `treks.find`?"),
        ("test: x\nstubs: {treks.find: {find: treks}}\nsteps:\n  - user: hi", ("2:28: There is no fixture `treks`. "
         "There is none at all yet: write it, or leave this out.")),
        ("test: x\nflow: enquiry\nsteps:\n  - user: hi\n    expect: {state: detials}",
         "5:21: There is no state `detials`. Did you mean `details`?"),
        ("test: x\nsteps:\n  - user: hi\n    expect: {slots: {poeple: 3}}",
         "4:22: There is no slot `poeple`. Did you mean `people`?"),
        ("test: x\nsteps:\n  - user: hi\n    expect: {siad: hi}",
         "4:14: There is no key `siad:` here. Did you mean `said`?"),
        ("test: x\nsteps:\n  - user: hi\n    expect: {said: '/(?=a)b/'}",
         ("4:20: `(?=a)b` looks around, which could take long. "
         "Write what is wanted itself, without `(?=` and `(?!`.")),
        ("test: x\nsteps:\n  - user: hi\n    expect: {said: {mya: hi}}",
         "4:21: There is no phone `mya`. There is `customer`."),
        ("test: x\nat: yesterday\nsteps:\n  - user: hi",
         "2:5: `yesterday` is not a time. Write for example 2026-11-22T09:00:00Z."),
    ],
)  # fmt: skip
def test_mistakes_in_a_file_are_told_with_place_and_remedy(tmp_path: Path, text: str, complaint: str) -> None:
    outcome = suite().play(in_file(tmp_path, text, ""))
    assert isinstance(outcome, Broken), outcome
    found = [str(one).removeprefix(f"{tmp_path / 'one.yaml'}:").replace("error: ", "", 1) for one in outcome.findings]
    assert found == [complaint]


def test_a_failure_shows_the_talk_the_step_and_the_difference(tmp_path: Path) -> None:
    path = in_file(tmp_path, ENQUIRY.replace("{state: review}", "{state: review, said: Shall I call you}"))
    outcome = suite().play(path)
    assert isinstance(outcome, Result)
    assert outcome.failure is not None
    told = plain_failure(outcome, outcome.failure)
    assert "maya: EBC trek for 2 people in December" in told
    assert "Shall I ask our team for a quote?" in told
    assert f"{path}:20  step 1 of 1" in told
    line, caret = (one for one in told.split("\n") if "│" in one and ("said:" in one or "^" in one))
    assert line[caret.index("^") :].startswith("Shall I call you")
    assert "said  expected Shall I call you" in told


def test_update_rewrites_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    steps = """
  - user: EBC trek for 2 people in December   # all at once
    expect:
      # where we are
      state: details  # not so
      slots: {people: 3, trek: Everest Base Camp}
      said:
        - 2 people
        - Good bye
      buttons: [A]
  - {user: {tap: Change details}}
  - wait: 22h
    expect: {nothing: true}
expect: {actions: [leads.create], ended: converted}
"""
    path = in_file(tmp_path, steps)
    test = suite().read(path)
    assert not isinstance(test, Broken)
    update = update_test(test, suite().project, [])
    assert update.result.passed
    assert (
        update.text
        == HEAD
        + """
  - user: EBC trek for 2 people in December   # all at once
    expect:
      # where we are
      state: review  # not so
      slots: {people: 2, trek: Everest Base Camp}
      said: 2 people
      buttons: [Send me a quote, Change details, Talk to a person]
  - {user: {tap: Change details}, expect: {state: change, said: "What would you like to change?"}}
  - wait: 22h
    expect: {state: abandoned, ended: dropped}
expect: {actions: [], ended: dropped}
"""
    )
    path.write_text(update.text, encoding="utf-8")
    again = suite().read(path)
    assert not isinstance(again, Broken)
    assert update_test(again, suite().project, []).text == update.text


def test_update_keeps_what_must_not_be_said(tmp_path: Path) -> None:
    test = suite().read(in_file(tmp_path, ENQUIRY.replace("{state: review}", "{not_said: 2 people}")))
    assert not isinstance(test, Broken)
    update = update_test(test, suite().project, [])
    assert update.text == test.text
    assert not update.result.passed


def test_shared_files_are_what_tests_begin_with(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "shared.yaml").write_text("at: 2026-01-10T09:00:00Z\nphones: {maya: {}, anita: {role: sales}}\n")
    (tmp_path / "deeper" / "shared.yaml").write_text("stubs:\n  treks.find: []\n  leads.create: {id: 1, code: L1}\n")
    path = tmp_path / "deeper" / "one.yaml"
    path.write_text("test: x\nflow: enquiry\nsteps:\n  - user: plan a trek\n    expect: {state: details}\n")
    mine = Suite(project=suite().project, files=suite().files, folder=tmp_path)
    assert passes(mine.play(path))
    test = mine.read(path)
    assert not isinstance(test, Broken)
    assert (test.user, test.spec.at.month, list(test.spec.phones)) == ("maya", 1, ["maya", "anita"])


@pytest.mark.parametrize(
    ("text", "fits"),
    [("enquiry", True), ("enquiry and not slow", False), ("not (issue or welcome)", True), ("ISSUE or slow", True)],
)
def test_expressions_choose_tests(text: str, fits: bool) -> None:
    assert compile_expression(text)("enquiry of a slow customer") is fits


@pytest.mark.parametrize("text", ["(enquiry", "and", "enquiry )", "not"])
def test_expressions_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(FlowError):
        compile_expression(text)


def test_all_mistakes_of_a_test_are_told_at_once(tmp_path: Path) -> None:
    text = """test: x
at: yesterday
steps:
  - usr: hi
  - user: hi
    expct: {said: hello}
  - wait: soon
  - user: hi
    expect: {sad: x, sent: [picture], quotes: maybe}
"""
    path = tmp_path / "one.yaml"
    path.write_text(text, encoding="utf-8")
    outcome = suite().play(path)
    assert isinstance(outcome, Broken)
    assert [one.line for one in outcome.findings] == [2, 4, 6, 7, 9, 9, 9], outcome.findings


def test_wrong_flows_are_not_tested(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    with pytest.raises(ContentErrors):
        open_suite(tmp_path, standard_actions())


def test_a_transcript_on_a_terminal_has_bubbles(tmp_path: Path) -> None:
    from bot.cli.verdicts import show_failure

    outcome = suite().play(in_file(tmp_path, ENQUIRY.replace("review", "details")))
    assert isinstance(outcome, Result)
    assert outcome.failure is not None
    console = Console(force_terminal=True, width=100, record=True, file=StringIO())
    show_failure(console, outcome, outcome.failure)
    told = console.export_text()
    assert "╭─ Maya Lindqvist (maya)" in told
    assert "expected details" in told
    assert "Sirdar" not in told, "the example's name is not everybody's"
