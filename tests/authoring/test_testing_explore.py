"""Coverage of the shipped flows, and finding ways that no test takes."""

from pathlib import Path

import pytest

from bot.authoring.testing.coverage import measure, percent
from bot.authoring.testing.coverage_page import write_page
from bot.authoring.testing.explore import Explorer
from bot.authoring.testing.likeness import example
from bot.authoring.testing.reading import read_shared
from bot.authoring.testing.runner import Result, run_test
from bot.authoring.testing.suite import Suite, files_among, open_suite
from bot.core.patterns import compile_pattern
from bot.operations import standard_actions
from tests.talking import ROOT, blocks, write_content

TREK = """
flow: test
role: customer
slots:
  people: {type: integer, min: 1, max: 40}
  hut: {type: ref, lookup: treks.find}
states:
  ask:
    form: [people, hut]
    after: {2h: {to: late}}
    next:
      - {if: people > 10, to: many}
      - few
  many: {do: leads.create, with: {trek: 1, people: 2}, error: [{if: error.code == 'full', to: full}, late], end: many}
  few:
    ask: sure
    choices: {y: Go, n: Stop}
    when: {y: gone, n: late}
  gone: {end: gone}
  full: {end: full}
  late: {end: late}
"""


@pytest.fixture(scope="module")
def shipped() -> Suite:
    return open_suite(ROOT, standard_actions())


def small(root: Path) -> Suite:
    words = blocks(ask_people="How many?", ask_hut="Which hut?", invalid_hut="Which?", sure="Sure?")
    head = TREK.replace("role: customer\n", "role: customer\nstart: {intents: [go]}\n")
    intents = "role: customer\nintents:\n  go: {examples: [I want to go]}\n"
    files = {"flows/customer/test.yaml": head, "templates/en/customer/test.j2": words, "intents/customer.yaml": intents}
    return open_suite(write_content(root, files), standard_actions())


def test_the_conversation_tests_take_every_way_through_the_shipped_flows(shipped: Suite) -> None:
    """When this fails, `bot test --coverage` says what is missing; `bot test --explore FLOW --write DIR` writes it."""
    with shipped.running(files_among(shipped, []), jobs=1) as outcomes:
        taken = {hit for one in outcomes if isinstance(one, Result) for hit in one.hits}
    covers = measure(shipped.project.book, shipped.files, taken)
    missing = [f"{edge.at}: {edge.source} → {edge.to} on {edge.trigger}" for one in covers for edge in one.missing]
    assert not missing, "\n".join(missing)
    assert percent(covers) == 100


def test_several_processes_find_the_same(shipped: Suite) -> None:
    files = files_among(shipped, [])
    found = []
    for jobs in (1, 2):
        with shipped.running(files, jobs=jobs) as outcomes:
            found.append({(one.name, one.passed, one.hits) for one in outcomes if isinstance(one, Result)})
    assert found[0] == found[1]
    assert len(found[0]) == len(files)


def test_ways_that_no_test_takes_are_named_with_their_place(tmp_path: Path) -> None:
    suite = small(tmp_path)
    (cover,) = measure(
        suite.project.book, suite.files, [("test", "begin", "(new)", "ask"), ("test", "next", "ask", "few")]
    )
    assert cover.counts == (2, 6, 2, 8)
    places = {(edge.trigger, edge.to): str(edge.at).rsplit(":", 1)[0] for edge in cover.missing}
    assert places["next", "many"] == "flows/customer/test.yaml:13"
    assert places["timer:2h", "late"] == "flows/customer/test.yaml:11"
    assert places["error", "late"] == "flows/customer/test.yaml:15"
    assert places["choice:n", "late"] == "flows/customer/test.yaml:19"


def test_trying_finds_every_way_and_writes_tests_that_pass(tmp_path: Path) -> None:
    suite = small(tmp_path)
    explorer = Explorer(suite.project, suite.files[0], [], suite.folder)
    exploration = explorer.explore()
    assert not exploration.unreached
    assert not exploration.faults
    suite.folder.mkdir()
    for name, text in explorer.tests(exploration, ()):
        (suite.folder / name).write_text(text, encoding="utf-8")
    with suite.running(files_among(suite, [])) as outcomes:
        results = [one for one in outcomes if isinstance(one, Result)]
    assert all(one.passed for one in results)
    assert percent(measure(suite.project.book, suite.files, (hit for one in results for hit in one.hits))) == 100
    full = next(path for path in suite.folder.iterdir() if "full" in path.name)
    assert "stubs:" in full.read_text()
    assert "error: full" in full.read_text()


NESTED = """flow: test
role: customer
start: {intents: [go]}
slots: {people: {type: integer, min: 1, max: 40}}
states:
  details:
    after: {22h: {to: late}}
    states:
      who: {form: [people], next: sure}
      sure:
        ask: sure
        choices: {y: Go, n: Stop}
        when: {y: done, n: {call: other, to: late}}
  done: {end: gone}
  late: {end: late}
"""
CALLED = "flow: other\nrole: customer\nstates:\n  q: {ask: q, choices: {a: A, b: B}, next: e}\n  e: {end: ok}\n"


def test_nested_states_and_called_flows_are_tried_too(tmp_path: Path) -> None:
    files = {
        "flows/customer/test.yaml": NESTED,
        "flows/customer/other.yaml": CALLED,
        "templates/en/customer/other.j2": blocks(q="A or B?"),
        "templates/en/customer/test.j2": blocks(ask_people="How many?", sure="Sure?"),
        "intents/customer.yaml": "role: customer\nintents:\n  go: {examples: [I want to go]}\n",
    }
    suite = open_suite(write_content(tmp_path, files), standard_actions())
    for file in suite.files:
        explorer = Explorer(suite.project, file, [], suite.folder, suite.files)
        exploration = explorer.explore()
        assert (exploration.unreached, exploration.faults) == ((), ())
        assert list(explorer.tests(exploration, ()))
    covers = measure(suite.project.book, suite.files, [])
    late = {edge.at.line for cover in covers for edge in cover.written if edge.trigger == "timer:22h" and edge.at}
    assert late == {7}  # where the state around them says so


def test_what_is_covered_already_is_not_written_again(shipped: Suite) -> None:
    file = next(file for file in shipped.files if file.spec.flow == "issue")
    explorer = Explorer(shipped.project, file, read_shared(shipped.folder), shipped.folder)
    exploration = explorer.explore()
    assert not exploration.unreached
    assert list(explorer.tests(exploration, explorer.written())) == []
    some = dict(explorer.tests(exploration, explorer.written()[1:]))
    assert len(some) == 1


def test_a_flow_that_misbehaves_is_told(tmp_path: Path) -> None:
    words = blocks(ask_people="How many?", ask_hut="Which hut?", invalid_hut="Which?", sure="{{ nobody.knows }} Sure?")
    suite = small(tmp_path)
    (tmp_path / "templates/en/customer/test.j2").write_text(
        words.replace("nobody.knows", "hut.price"), encoding="utf-8"
    )
    suite = open_suite(tmp_path, standard_actions())
    exploration = Explorer(suite.project, suite.files[0], [], suite.folder).explore()
    assert any("Block `sure`" in told and "price" in told for _, told in exploration.faults)


def test_the_page_shows_what_was_taken(shipped: Suite, tmp_path: Path) -> None:
    test = shipped.read(shipped.folder / "enquiry_quote.yaml")
    result = run_test(test, shipped.project)  # type: ignore[arg-type]
    covers = measure(shipped.project.book, shipped.files, result.hits)
    text = write_page(tmp_path / "deep", covers, shipped.project.book, shipped.files).read_text(encoding="utf-8")
    assert "<svg" in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    assert "flows/customer/enquiry.yaml:19" in text
    enquiry = next(one for one in covers if one.flow == "enquiry")
    assert {"abandoned", "agent"} <= {one.name for one in enquiry.unvisited}
    for state in enquiry.unvisited:
        assert f"<td class=miss>{state.name}<td><code>{state.at.file}:{state.at.line}</code>" in text  # type: ignore[union-attr]


@pytest.mark.parametrize(("pattern", "text"), [(r"TRP\d+", "TRP123"), (r"B-\d{4}", "B-1234"), ("[A-Z]{2}7", "AA7")])
def test_examples_fit_simple_patterns(pattern: str, text: str) -> None:
    assert example(pattern) == text


@pytest.mark.parametrize(
    "pattern",
    [
        r"TRP\d+", "[A-Z0-9]{6,9}", r"(?:BK|RM)-?[0-9]{2}[a-c]?", r"[^,]+, [A-Z]{2}",
        r"(?P<n>\d+) for (?P<trip>TRP\d+)",
        r"^a\.b$", r"[\w.-]+@[\w-]+\.[a-z]{2,}", "A(b|c)d*", r"[\d]{4}", r"\p{L}+ \S", "-?\\d+ ?°c?",
    ],
)  # fmt: skip
def test_answers_are_made_up_that_a_pattern_matches(pattern: str) -> None:
    assert compile_pattern(pattern).fullmatch(example(pattern)) is not None
