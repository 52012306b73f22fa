"""Nobody is asked the same for ever: every ladder comes to an end."""

from pathlib import Path

from talking import Talk, blocks, fake_actions, write_content

from bot.authoring.content import load_content
from bot.core.book import FlowBook
from bot.core.effects import EndRun, Handoff

ASKING = """
flow: test
role: customer
start: {universals: [help]}
states:
  size:
    ask: size
    choices: {s: Small, l: Large}
    {ladder}
    next: done
  done: {say: done, end: chosen}
"""
PERSON = """
flow: person
role: customer
start: {universals: [agent]}
states:
  agent: {say: agent, handoff: sales}
"""


def book(root: Path, ladder: str = "digress: true", **flows: str) -> FlowBook:
    files = {
        "flows/customer/test.yaml": ASKING.replace("{ladder}", ladder),
        "templates/en/customer/test.j2": blocks(size="Which size?", done="Noted."),
    }
    for name, flow in flows.items():
        files[f"flows/customer/{name}.yaml"] = flow
        files[f"templates/en/customer/{name}.j2"] = blocks(agent="Somebody will write ({{ reason }}).")
    return load_content(write_content(root, files), fake_actions()).book


def stuck(person: Talk, times: int) -> str:
    person.text("help")
    return [person.text("blue, perhaps") for _ in range(times)][-1]


def test_the_ladder_ends_at_the_flow_for_a_person(tmp_path: Path) -> None:
    person = Talk(book(tmp_path, person=PERSON))
    assert "Which size?" in stuck(person, 2)
    assert person.text("purple") == "Somebody will write (not_understood)."
    assert [one.reason for one in person.of(Handoff)] == ["not_understood"]
    assert person.conversation.owner == "role:sales"


def test_after_the_person_the_question_is_still_there_and_its_ladder_begins_afresh(tmp_path: Path) -> None:
    person = Talk(book(tmp_path, person=PERSON))
    stuck(person, 3)
    person.change("handoff.returned")
    assert "Which size?" in person.text("well, purple")
    assert person.text("Small") == "Noted."


def test_without_anybody_the_run_ends_and_says_so(tmp_path: Path) -> None:
    person = Talk(book(tmp_path))
    assert "leave it at that" in stuck(person, 3)
    assert [one.outcome for one in person.of(EndRun)] == ["not_understood"]
    assert person.conversation.frames == ()


def test_an_authors_ladder_without_a_way_on_ends_as_well(tmp_path: Path) -> None:
    person = Talk(book(tmp_path, "no_match: [reprompt]"))
    assert "Which size?" in stuck(person, 1)
    assert "leave it at that" in person.text("purple")


def test_a_called_flow_leads_to_the_person_of_its_caller(tmp_path: Path) -> None:
    caller = """
flow: caller
role: customer
start: {universals: [agent]}
states:
  first: {call: test, next: done}
  done: {end: done}
  agent: {say: agent, handoff: sales}
"""
    person = Talk(book(tmp_path, person=caller))
    person.text("agent")
    for _ in range(2):
        assert "Which size?" in person.text("purple")
    assert person.text("purple") == "Somebody will write (not_understood)."
    assert [frame.flow for frame in person.conversation.frames] == ["caller"]


def test_a_called_flow_that_gives_up_is_not_done_for_its_caller(tmp_path: Path) -> None:
    caller = """
flow: caller
role: customer
start: {universals: [agent]}
states:
  first: {call: test, next: done, error: failed}
  done: {end: done}
  failed: {say: agent, end: failed}
"""
    person = Talk(book(tmp_path, person=caller))
    person.text("agent")
    for _ in range(2):
        person.text("purple")
    assert person.text("purple").startswith("I am sorry")
    assert [one.outcome for one in person.of(EndRun)] == ["not_understood", "failed"]
