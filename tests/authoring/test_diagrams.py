"""Pictures of flows show what the flows do, all of it, in words that are not code, and always the same."""

import re
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from drawing import drawn, flows, large, shipped
from hypothesis import HealthCheck, given, settings
from talking import ROOT, fake_actions, write_content
from test_broken import CASES, actions, content

from bot.authoring.content import Loader
from bot.authoring.diagrams import START, Diagram, diagram_of, diagrams_in, gallery, to_mermaid, to_svg
from bot.authoring.diagrams.metrics import cut, width_of, wrap
from bot.authoring.diagrams.words import gist, plain_delay, plain_guard, previews
from bot.cli import app
from bot.cli.graph import drawn as files_of
from bot.cli.graph import undrawn
from bot.core.errors import ContentErrors, SirdarError
from bot.operations import standard_actions

IMAGES = ROOT / "docs" / "images" / "flows"
SVG = "{http://www.w3.org/2000/svg}"
ANY = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def ours() -> dict[str, Diagram]:
    return shipped()


@pytest.fixture(scope="module")
def booking(tmp_path_factory: pytest.TempPathFactory) -> Diagram:
    return large(tmp_path_factory.mktemp("large"))


def edges_in(svg: str) -> set[str]:
    return {key for one in Xml.fromstring(svg).iter() for key in one.get("data-edges", "").split()}


def keys(diagram: Diagram) -> set[str]:
    return {"|".join(edge.key).replace(" ", "_") for edge in diagram.edges.values() if not edge.implied}


def label(diagram: Diagram, source: str, trigger: str, dest: str) -> str:
    return diagram.edges[source, trigger, dest].label


# --- What a diagram knows ---------------------------------------------------------------------------------------------


def test_transitions_are_found_by_source_trigger_and_destination(ours: dict[str, Diagram]) -> None:
    enquiry = ours["enquiry"]
    assert label(enquiry, "review", "choice:yes", "lead") == "“Send me a quote”"
    assert label(enquiry, "review", "timer:22h", "abandoned") == "after 22 hours"
    assert label(enquiry, "lead", "next", "agent") == "people at least 15"
    assert label(enquiry, "lead", "next", "thanks") == "otherwise"
    assert label(enquiry, "details", "ladder:2", "agent") == "misunderstood 3 times"
    assert label(ours["issue"], "log", "error", "refused") == "error “not assigned”"
    assert label(ours["issue"], "open", "event:incident.updated", "updated") == "incident updated"


def test_what_holds_in_every_flow_is_known_as_implied(ours: dict[str, Diagram]) -> None:
    edges = ours["enquiry"].edges
    assert edges["change", "agent", "agent"].implied
    assert edges["change", "back:details", "details"].implied
    assert not edges["details", "ladder:2", "agent"].implied, "the author wrote this one"


def test_a_command_that_never_gets_its_turn_is_not_there(ours: dict[str, Diagram]) -> None:
    issue = ours["issue"].edges
    assert ("open", "command:ISSUE", "more") in issue
    assert ("open", "command:ISSUE", "report") not in issue


def test_states_say_what_they_are_for_and_what_they_do(ours: dict[str, Diagram]) -> None:
    nodes = {**ours["enquiry"].nodes, **ours["issue"].nodes}
    assert nodes["review"].kind == "question"
    assert nodes["review"].text == "“Shall I ask our team for a quote?”"
    assert [fact.text for fact in nodes["open"].facts] == ["takes photo, up to 5", "takes location"]
    assert nodes["agent"].kind == "handoff"
    assert [fact.text for fact in nodes["agent"].facts] == ["to sales, within 15 minutes"]
    assert (nodes["open"].kind, nodes["more"].kind, nodes["thanks"].kind, nodes["lead"].kind) == (
        "wait",
        "say",
        "end",
        "action",
    )


def test_nested_states_are_in_their_groups(booking: Diagram) -> None:
    assert booking.nodes["plan/"].kind == "group"
    assert (booking.nodes["plan/what"].parent, booking.nodes["plan/what"].title) == ("plan/", "what")
    assert len(booking.states) >= 40


def test_a_key_the_picture_knows_nothing_about_is_shown_as_written() -> None:
    """New words of the language show up before somebody draws them."""
    from bot.authoring.diagrams.facts import facts_of
    from bot.core.compiled import CompiledState
    from bot.core.flow import StateSpec
    from bot.core.ops import Rest

    class Newer(StateSpec):
        sparkle: dict[str, int]

    told = facts_of(CompiledState(name="x", plan=(Rest(),)), Newer(sparkle={"red": 1, "blue": 2}), {})
    assert [fact.text for fact in told] == ["sparkle: red, blue"]


@pytest.mark.parametrize("case", CASES[::4], ids=lambda case: case.stem)
def test_of_any_mistaken_flow_there_is_a_picture_or_a_reason(case: Path, tmp_path: Path) -> None:
    loader = Loader(content(tmp_path, case.read_text(encoding="utf-8")), actions())
    diagrams = diagrams_in(loader)
    missing = undrawn(loader, diagrams)
    assert {one.file for one in diagrams} | set(missing) == {name for name, _ in loader.paths}
    assert all(finding.severity == "error" and finding.message for _, finding in missing.values())


def test_a_diagram_needs_no_words(tmp_path: Path, ours: dict[str, Diagram]) -> None:
    loader = Loader(ROOT, standard_actions())
    content = loader.load()
    assert content is not None
    file = next(one for one in loader.flow_files if one.spec.flow == "enquiry")
    flow = content.book.latest["enquiry"]
    bare = diagram_of(flow, file.spec)
    assert bare.nodes["review"].text == "“review”"
    assert set(bare.edges) == set(ours["enquiry"].edges)


# --- Words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("people >= 15", "people at least 15"),
        ("error.code == 'no_seats'", "error code is “no seats”"),
        ("trek and not (people < 3 or month != '2026-12')", "trek and not (people under 3 or month is not “2026-12”)"),
        ("month is not none", "month is given"),
        ("contact.name in ['Asha', 'Maya']", "contact name in [“Asha”, “Maya”]"),
    ],
)
def test_guards_in_plain_words(source: str, plain: str) -> None:
    assert plain_guard(source) == plain


def test_delays_in_plain_words() -> None:
    assert [plain_delay(text) for text in ("2h", "1d12h", "1m", "soon")] == [
        "2 hours",
        "1 day 12 hours",
        "1 minute",
        "soon",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Namaste! How many are you? Write a number.", "How many are you?"),
        ("*Thank you!* We write soon. Bye.", "Thank you! We write soon."),
        ("This says all there is. And more.", "This says all there is."),
        ("snake_case stays", "snake_case stays"),
        ("", ""),
    ],
)
def test_a_message_in_one_line(text: str, said: str) -> None:
    assert gist(text) == said


def test_values_stand_in_brackets_and_what_is_optional_is_left_out() -> None:
    source = "{% block a %}{% if x %}Hi {{ x.name }}, {% endif %}{{ month | date }} for {{ n or 2 }}?{% endblock %}"
    assert previews(source) == {"a": "‹month› for ‹n›?"}


def test_text_is_cut_to_its_room() -> None:
    assert cut("short", 100, 12) == "short"
    assert width_of(cut("“a very long sentence that does not fit”", 80, 12), 12) <= 80
    assert cut("“a very long sentence that does not fit”", 80, 12).endswith("…”")
    assert len(wrap("word " * 40, 100, 12, 2)) == 2
    assert wrap("", 100, 12, 2) == []
    assert width_of("漢字", 10) > width_of("ab", 10)


# --- SVG --------------------------------------------------------------------------------------------------------------


def test_every_state_and_every_written_transition_is_drawn(ours: dict[str, Diagram], booking: Diagram) -> None:
    for diagram in (*ours.values(), booking):
        svg = to_svg(diagram)
        states = {one.get("data-state") for one in Xml.fromstring(svg).iter() if one.get("data-state")}
        assert states == {START, *(node.name for node in diagram.states)}
        assert edges_in(svg) == keys(diagram)


@ANY
@given(flows())
def test_any_flow_is_drawn_whole_well_formed_and_always_alike(diagram: Diagram) -> None:
    svg = to_svg(diagram)
    assert edges_in(svg) == keys(diagram)
    assert svg == to_svg(diagram)
    assert not re.search(r' (?:x|y|cx|cy|d|width|height|transform)="[^"]*nan', svg)


def test_a_drawing_stands_alone_and_can_be_read_aloud(ours: dict[str, Diagram]) -> None:
    svg = to_svg(ours["enquiry"])
    root = Xml.fromstring(svg)
    assert re.findall(r"https?://[^\"' ]+", svg) == ["http://www.w3.org/2000/svg"]
    assert "<script" not in svg
    assert "prefers-color-scheme:dark" in svg
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "Flow enquiry, version 1"
    assert "State review (question) leads to “Send me a quote”: lead" in (root.findtext(f"{SVG}desc") or "")


def test_transitions_and_states_may_be_marked(ours: dict[str, Diagram]) -> None:
    key = ("review", "choice:yes", "lead")
    svg = to_svg(ours["enquiry"], marks={key: "hit", "review": "hit", ("lead", "error", "agent"): "miss"})
    assert re.search(r'<g class="edge choice hit" data-edges="review\|choice:yes\|lead">', svg)
    assert re.search(r'<g class="node question hit" data-state="review">', svg)
    assert re.search(r'<g class="edge error miss"', svg)
    assert re.search(r'<text class="hit"[^>]*>“Send me a quote”', svg)


def test_timers_are_dashed_errors_red_ends_ringed_and_people_have_an_icon(ours: dict[str, Diagram]) -> None:
    svg = to_svg(ours["issue"]) + to_svg(ours["enquiry"])
    assert 'class="edge timer"' in svg
    assert 'class="edge error"' in svg
    assert 'class="ring"' in svg
    assert re.search(r"\.fd \.timer path\.wire\{stroke-dasharray", svg)
    assert "action refused" in svg, "the legend says what red means"
    assert "typed command" not in to_svg(ours["enquiry"]), "and only what occurs"


def test_what_authors_write_cannot_break_out(tmp_path: Path) -> None:
    flow = (
        "flow: some\nrole: customer\nstart: {intents: [go]}\nstates:\n"
        "  a: {ask: q, choices: {x: '<b>\"&', y: '</svg><script>'}, next: z}\n  z: {end: \"<script>alert(1)\"}\n"
    )
    diagram = drawn(tmp_path, flow, q="<script>alert('hi')</script>?")
    svg = to_svg(diagram)
    Xml.fromstring(svg)
    assert "<script" not in svg
    assert "<script>alert" not in gallery([diagram]).split("<script>", 1)[0]
    assert "<script" not in to_mermaid(diagram)


def test_the_drawings_in_the_documentation_are_current() -> None:
    wanted = dict(files_of(diagrams_in(Loader(ROOT, standard_actions())), "svg"))
    known = {path.name: path.read_text(encoding="utf-8") for path in IMAGES.glob("*.svg")}
    assert known == wanted, "Draw them again: bot graph --output docs/images/flows"


# --- Mermaid, page and command ----------------------------------------------------------------------------------------


def test_mermaid_has_every_state_group_and_way(booking: Diagram) -> None:
    text = to_mermaid(booking)
    assert text.startswith("flowchart TD\n")
    assert text.count("subgraph") == text.count("\n  end\n") == 3
    assert all(f"<b>{node.title}</b>" in text or f" {node.title}</b>" in text for node in booking.states)
    assert '-.->|"⏱ after 20 hours"|' in text
    assert "linkStyle" in text
    assert not re.search(r"(classDef|:::)\s*end\b", text), "a word Mermaid keeps for itself"


def test_the_page_holds_all_flows_and_needs_nothing_else(ours: dict[str, Diagram], booking: Diagram) -> None:
    page = gallery([*ours.values(), booking])
    assert page.count("<svg xmlns") == len(ours) + 1
    assert set(re.findall(r"https?://[^\"' <]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(link|img|iframe)|src=|@import|url\(", page)
    for words in ("flows/customer/booking.yaml", "CANCEL {code?}", "book_trek", "{{ trip.code }}", "field staff"):
        assert words in page
    assert page == gallery([*ours.values(), booking])


def run(*words: str) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        app(list(words))
    return ended.value.code


def test_the_command_draws_into_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not run("graph", "enquiry", "issue", "--output", str(tmp_path / "new" / "folder"))
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == {"enquiry.svg", "issue.svg"}
    assert not run("graph", "--format", "html", "--output", str(tmp_path))
    assert (tmp_path / "flows.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "flows drawn" in capsys.readouterr().out


def test_the_command_draws_what_compiles_and_names_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = "flow: {}\nrole: customer\nstart: {{intents: [go]}}\nstates: {{a: {{{}}}}}\n"
    files = {
        "well": flow.format("well", "end: done"),
        "lost": flow.format("lost", "next: nowhere"),
        "torn": "flow: torn\n}",
    }
    intents = "role: customer\nintents: {go: {examples: [go]}}\n"
    write_content(tmp_path, {f"flows/customer/{name}.yaml": text for name, text in files.items()})
    write_content(tmp_path, {"intents/customer.yaml": intents})
    monkeypatch.setenv("BOT_CONTENT_DIR", str(tmp_path))

    assert run("graph", "--output", str(tmp_path / "all")) == 1
    told = capsys.readouterr()
    assert [path.name for path in (tmp_path / "all").iterdir()] == ["well.svg"]
    assert told.out.startswith("1 flow drawn")
    first, lost, torn = told.err.splitlines()
    assert first == "2 flows not drawn (try `bot check`):"
    assert "flows/customer/lost.yaml:4:" in lost
    assert "nowhere" in lost
    assert "flows/customer/torn.yaml:2:1" in torn

    assert not run("graph", "well", "--output", str(tmp_path / "one")), "nobody asked for the others"
    assert capsys.readouterr().err == ""
    with pytest.raises(ContentErrors, match=r"torn\.yaml:2:1"):
        app(["graph", "torn", "--output", str(tmp_path / "none")])
    with pytest.raises(SirdarError, match="Did you mean `well`"):
        app(["graph", "wel", "--output", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()


def test_the_command_prints_when_asked_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert not run("graph", "welcome", "--format", "mermaid", "--output", "-")
    assert capsys.readouterr().out.startswith("flowchart TD")


def test_older_versions_have_their_number_in_the_name(tmp_path: Path) -> None:
    flow = "flow: some\nrole: customer\nversion: {}\nstart: {{intents: [go]}}\nstates: {{a: {{end: done}}}}\n"
    drawn(tmp_path, flow.format(2))
    (tmp_path / "flows" / "customer" / "old.yaml").write_text(flow.format(1), encoding="utf-8")
    names = [name for name, _ in files_of(diagrams_in(Loader(tmp_path, fake_actions())), "svg")]
    assert sorted(names) == ["some-v1.svg", "some.svg"]


def test_silence_variants_and_calls_are_shown(tmp_path: Path) -> None:
    flow = """
flow: some
role: customer
start: {intents: [go]}
slots: {people: {type: integer}}
states:
  how_many:
    form: [people]
    no_input:
      - {after: 10m}
      - {after: 20m, say: nudge}
      - {after: 1d12h, to: gone}
    next: fix
  fix: {call: common/correct, with: [people], next: gone}
  gone: {end: gone}
"""
    diagram = drawn(tmp_path, flow, nudge="Still there?")
    facts = [fact.text for fact in diagram.nodes["how_many"].facts]
    assert facts == ["asks for people", "silent for 10 minutes: asks again", "silent for 20 minutes: “Still there?”"]
    edge = diagram.edges["how_many", "no_input:2", "gone"]
    assert (edge.kind, edge.label) == ("timer", "silent for 1 day 12 hours")
    assert diagram.nodes["fix"].kind == "question"
