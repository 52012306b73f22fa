"""Flows that call flows: what goes in, what comes back, and what people may do meanwhile."""

from pathlib import Path
from typing import Any

import pytest
from talking import Talk, blocks, fake_actions, titles, write_content

from bot.authoring.content import load_content
from bot.authoring.linter import check
from bot.core.actions import Actions
from bot.core.effects import EndRun, Invoke, StartRun
from bot.core.engine import step
from bot.core.errors import ActionError, EngineError

CALLER = """
flow: booking
role: customer
start: {universals: [help]}
slots:
  people: {type: integer, min: 1, max: 40}
  month:  {type: date, granularity: month}
states:
  party: {form: [people], next: address}
  address:
    call: common/address
    with: {people: "{{ people }}"}
    save: place
    after: {2h: {to: late}}
    next:
      - {if: result.outcome == 'unknown', to: sorry}
      - done
  done:  {say: done, end: booked}
  sorry: {say: sorry, end: refused}
  late:  {say: late, end: late}
"""
CALLED = """
flow: common/address
role: any
inputs: [people?]
outputs: {town: "{{ town }}", street: "{{ street }}", size: "{{ people }}"}
slots:
  people: {type: integer}
  town:   {type: text}
  street: {type: text}
states:
  ask:
    form: [town, street]
    next: [{if: town == 'Atlantis', to: nowhere}, found]
  found:   {end: found}
  nowhere: {end: unknown}
"""
LOOP = """
flow: booking
role: customer
start: {universals: [help]}
states: {a: {call: common/address, save: place, next: b}, b: {end: x}}
"""
TEXTS = {
    "templates/en/customer/booking.j2": blocks(
        done="{{ place.size }} at {{ place.street }}, {{ place.town }}",
        sorry="Where is that?",
        late="Too late.",
        ask_people="How many?",
    ),
    "templates/en/common/address.j2": blocks(ask_town="Which town?", ask_street="Which street?"),
}


def talk(
    tmp_path: Path, caller: str = CALLER, called: str = CALLED, actions: Actions | None = None, **more: str
) -> Talk:
    files = {"flows/customer/booking.yaml": caller, "flows/common/address.yaml": called, **TEXTS, **more}
    return Talk(load_content(write_content(tmp_path, files), actions or fake_actions()).book, actions=actions)


def started(tmp_path: Path, **kwargs: Any) -> Talk:
    person = talk(tmp_path, **kwargs)
    person.text("help")
    assert person.text("3") == "Which town?"
    return person


def test_a_called_flow_gets_inputs_and_gives_outputs(tmp_path: Path) -> None:
    person = started(tmp_path)
    assert [frame.flow for frame in person.conversation.frames] == ["booking", "common/address"]
    assert person.top.slots == {"people": 3}
    assert person.top.role == "customer"
    assert person.of(StartRun)[0].flow == "common/address"
    assert person.text("Lukla") == "Which street?"
    assert person.text("Main road 1") == "3 at Main road 1, Lukla"
    assert [(end.flow, end.outcome) for end in person.of(EndRun)] == [
        ("common/address", "found"),
        ("booking", "booked"),
    ]
    assert person.conversation.frames == ()


def test_the_caller_branches_on_the_outcome(tmp_path: Path) -> None:
    person = started(tmp_path)
    person.text("Atlantis")
    assert person.text("Sea road") == "Where is that?"
    assert person.notes("guard")[-1]["condition"] == "result.outcome == 'unknown'"


def test_a_call_on_the_way_of_a_choice(tmp_path: Path) -> None:
    caller = """
flow: booking
role: customer
start: {universals: [help]}
states:
  which:
    ask: ask_people
    choices: {here: Here, there: There}
    when:
      here: {call: common/address, save: place, to: done}
      there: done
  done: {say: done, end: booked}
"""
    person = talk(tmp_path, caller)
    person.text("help")
    assert person.text("here") == "Which town?"
    assert person.conversation.frames[0].state == "which/here"
    person.text("Lukla")
    person.text("Main road 1")
    assert person.of(EndRun)[-1].outcome == "booked"


def test_cancelling_cancels_the_caller_unless_it_asks_about_the_outcome(tmp_path: Path) -> None:
    person = started(tmp_path)
    assert person.text("cancel").startswith("Okay, cancelled.")
    assert person.of(EndRun)[-1].outcome == "refused" or person.of(EndRun)[-1].outcome == "booked"
    careless = CALLER.replace("- {if: result.outcome == 'unknown', to: sorry}\n      - done", "- done").replace(
        "  sorry: {say: sorry, end: refused}\n", ""
    )
    person = started(tmp_path / "2", caller=careless)
    person.text("cancel")
    assert [end.outcome for end in person.of(EndRun)] == ["cancelled", "cancelled"]
    assert person.conversation.frames == ()


def test_back_leaves_the_called_flow_for_the_question_before_the_call(tmp_path: Path) -> None:
    person = started(tmp_path)
    person.text("Lukla")
    assert person.text("back") == "Which town?"
    assert person.text("back") == "How many?"
    assert [end.outcome for end in person.of(EndRun)] == ["left"]
    assert [frame.flow for frame in person.conversation.frames] == ["booking"]
    assert "no way back" in person.text("back")
    assert person.text("5") == "Which town?"
    assert person.top.slots == {"people": 5}


def test_back_after_the_call_calls_again(tmp_path: Path) -> None:
    caller = CALLER.replace("  done:  {say: done, end: booked}", "  done: {form: [month], next: end}\n  end: {end: x}")
    person = started(tmp_path, caller=caller)
    person.text("Lukla")
    assert person.text("Main road 1") == "Which month?"
    assert person.text("back") == "Which town?"


def test_restart_begins_with_the_outermost_caller(tmp_path: Path) -> None:
    person = started(tmp_path)
    assert person.text("restart") == "How many?"
    assert [end.outcome for end in person.of(EndRun)] == ["restarted", "restarted"]


def test_a_caller_that_moves_on_takes_its_called_run_along(tmp_path: Path) -> None:
    person = started(tmp_path)
    timer = next(one for one in person.timers() if one.name == "2h")
    person.at = timer.due_at
    assert person.fire(timer) == "Too late."
    assert sorted((end.flow, end.outcome) for end in person.of(EndRun)) == [
        ("booking", "late"),
        ("common/address", "left"),
    ]
    assert person.conversation.frames == ()


def test_a_failure_below_takes_the_error_branch(tmp_path: Path) -> None:
    actions = fake_actions()

    @actions.action("fails")
    async def fails(call: Any) -> None:
        raise ActionError("nope", "No.")

    called = "flow: common/address\nrole: any\nstates: {a: {do: fails, end: found}}\n"
    caller = """
flow: booking
role: customer
start: {universals: [help]}
states:
  a: {call: common/address, save: place, error: b, next: c}
  b: {say: sorry, end: refused}
  c: {end: booked}
"""
    person = talk(tmp_path, caller, called, actions)
    assert person.text("help").endswith("Where is that?")
    person = talk(
        tmp_path / "2",
        caller.replace("error: b, ", "").replace("  b: {say: sorry, end: refused}\n", ""),
        called,
        actions,
    )
    person.text("help")
    assert [end.outcome for end in person.of(EndRun)] == ["failed", "failed"]


def test_flows_call_each_other_only_so_deep(tmp_path: Path) -> None:
    called = """
flow: common/address
role: any
states:
  a: {ask: ask_town, choices: {on: "On"}, next: b}
  b: {call: common/address, next: c}
  c: {end: x}
"""
    person = talk(tmp_path, LOOP, called)
    person.text("help")
    for _ in range(10):
        person.text("on")
    assert "10 deep" in person.notes("error")[0]["error"]
    assert {end.outcome for end in person.of(EndRun)} == {"too_deep"}
    assert person.conversation.frames == ()


def test_a_called_flow_whose_version_is_gone_is_lost_to_its_caller(tmp_path: Path) -> None:
    person = started(tmp_path)
    person.book = load_content(
        write_content(tmp_path, {"flows/common/address.yaml": CALLED.replace("role: any", "role: any\nversion: 2")}),
        fake_actions(),
    ).book
    person.text("Lukla")
    assert ("common/address", "lost") in [(end.flow, end.outcome) for end in person.of(EndRun)]


def test_actions_run_inside_a_called_flow(tmp_path: Path) -> None:
    called = """
flow: common/address
role: any
slots: {trek: {type: ref, lookup: treks.find}}
outputs: [trek]
states:
  a: {form: [trek], next: b}
  b: {do: leads.create, with: {trek: "{{ trek.id }}", people: 2}, once: "lead:{{ run.id }}", end: done}
"""
    caller = CALLER.replace('    with: {people: "{{ people }}"}\n', "").replace("'unknown'", "'failed'")
    person = talk(tmp_path, caller, called)
    person.text("help")
    person.text("2")
    run = person.top.run
    person.text("everest")
    assert [one.receipt for one in person.of(Invoke)] == [None, f"lead:{run}"]
    assert person.of(EndRun)[-1].outcome == "booked"


@pytest.mark.parametrize("limits", ["min: 4", "max: 2", "one_of: [4, 5]"])
def test_a_number_beyond_the_limits_of_the_called_flow_is_asked_for(tmp_path: Path, limits: str) -> None:
    called = CALLED.replace("{type: integer}", f"{{type: integer, {limits}}}").replace(
        "form: [town", "form: [people, town"
    )
    person = talk(tmp_path, called=called)
    person.text("help")
    person.text("3")
    called_run = person.conversation.frames[-1]
    assert (called_run.flow, called_run.asking) == ("common/address", "people")
    assert "people" not in called_run.slots


def test_correcting_is_built_in(tmp_path: Path) -> None:
    caller = """
flow: booking
role: customer
start: {universals: [help]}
slots:
  people: {type: integer, label: number of people}
  month:  {type: date, granularity: month}
states:
  details: {form: [people, month], next: review}
  review:
    ask: review
    choices: {yes: Yes, edit: Change it}
    when: {yes: done, edit: {call: common/correct, with: [people, month], to: review}}
    after: {22h: {to: late}}
  done: {end: booked}
  late: {end: late}
"""
    person = talk(
        tmp_path, caller, **{"templates/en/customer/booking.j2": blocks(review="{{ people }} in {{ month }}?")}
    )
    person.text("help")
    person.text("2")
    assert person.text("december") == "2 in 2026-12?"
    assert person.text("change it") == "What would you like to change?"
    assert titles(person.said[0]) == ["Number of people", "Month"]
    assert person.timers()[0].name == "22h"
    assert person.text("number of people").startswith("Please tell me the number of people")
    assert person.text("4") == "4 in 2026-12?"
    assert len(person.conversation.frames) == 1


def test_step_alone_cannot_call(tmp_path: Path) -> None:
    from bot.core.conversation import Conversation
    from bot.core.events import MessageReceived
    from bot.core.messages import TextIn

    person = talk(tmp_path, LOOP)
    event = MessageReceived(event_id=1, at=person.at, message_id=1, content=TextIn(body="hi"))  # type: ignore[arg-type]
    empty = Conversation(conversation_id=1, contact=person.conversation.contact)  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="use `advance`"):
        step(person.book.latest["booking"], empty, event)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"call: common/address": "call: common/adress"},
            "10:5: error: There is no flow `common/adress`. Did you mean `common/address`?",
        ),
        (
            {"with: {people": "with: {persons"},
            "11:12: error: Flow `common/address` takes no `persons`. There is `people`.",
        ),
        (
            {'"{{ people }}"': '"{{ month }}"'},
            "11:12: error: `people` of flow `common/address` is of type integer, not date. Give it a value of that",
        ),
    ],
)
def test_wrong_calls_are_named(tmp_path: Path, change: dict[str, str], message: str) -> None:
    caller = CALLER.lstrip()
    for old, new in change.items():
        caller = caller.replace(old, new)
    assert any(message in finding for finding in findings(tmp_path, caller, CALLED)), findings(tmp_path, caller, CALLED)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs: [people?]": "inputs: [people, town]"}, "Flow `common/address` needs `town`. Add it to `with:`."),
        (
            {"role: any": "role: sales"},
            "Role `customer` may not walk flow `common/address`. Add it to `role:` there, or write `role: any`.",
        ),
        (
            {"inputs: [people?]": "instance: '{{ town }}'\ninputs: [people?]"},
            "Flow `common/address` belongs to a business object and cannot be called. Lead there",
        ),
        (
            {"inputs: [people?]": "inputs: [persons]"},
            "There is no slot `persons`. There is `people`, `street`, `town`.",
        ),
        (
            {'town: "{{ town }}"': 'town: "{{ twn }}"'},
            "There is no slot, result or variable `twn`. Did you mean `town`?",
        ),
    ],
)
def test_wrong_called_flows_are_named(tmp_path: Path, change: dict[str, str], message: str) -> None:
    called = CALLED.lstrip()
    for old, new in change.items():
        called = called.replace(old, new)
    assert any(message in finding for finding in findings(tmp_path, CALLER, called)), findings(tmp_path, CALLER, called)


def findings(root: Path, caller: str, called: str) -> list[str]:
    files = {"flows/customer/booking.yaml": caller, "flows/common/address.yaml": called, **TEXTS}
    return [str(one) for one in check(write_content(root, files), fake_actions())]


def test_what_comes_back_of_a_sensitive_slot_is_in_no_trace(tmp_path: Path) -> None:
    called = CALLED.replace("street: {type: text}", "street: {type: text, sensitive: true}")
    use = "done: {do: incidents.resolve, with: {incident: 5, note: 'At {{ place.street }}'}, once: x, next: said}"
    caller = CALLER.replace("done:  {say: done, end: booked}", f"{use}\n  said: {{say: done, end: booked}}")
    person = started(tmp_path, caller=caller, called=called)
    person.text("Lukla")
    assert person.text("Main road 1") == "3 at Main road 1, Lukla"
    assert person.of(Invoke)[0].arguments["note"] == "At Main road 1"
    assert "Main road 1" not in str(person.trace)
    book = load_content(tmp_path, fake_actions()).book
    assert book.latest["booking"].hidden == {"place": {"street"}, "result": {"street"}}
