"""The schemas take all that loads, refuse what authors get wrong, and know the project's names."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from bot.authoring.content import PROJECT
from bot.authoring.reader import read
from bot.authoring.schema import MODELS, SUFFIX, schemas, vscode_settings
from bot.authoring.schema.docstrings import lineage
from bot.authoring.schema.generating import schema_of
from bot.authoring.schema.hover import HOVER
from bot.cli import app
from bot.core.errors import FlowError
from bot.core.flow import FlowSpec
from bot.operations import standard_actions

ROOT = Path(__file__).parents[2]
BIG = Path(__file__).parent / "diagrams" / "big.yaml"
sys.path.insert(0, str(ROOT / "tests" / "docs"))

import pages  # noqa: E402  the reader of our own pages lives beside their tests


@pytest.fixture(scope="module")
def validators() -> dict[str, Draft202012Validator]:
    """The schemas of the shipped content, each of them a good schema itself."""
    found = {}
    for kind, schema in schemas(ROOT, standard_actions()).items():
        Draft202012Validator.check_schema(schema)
        found[kind] = Draft202012Validator(schema)
    return found


@pytest.fixture(scope="module")
def shapes() -> dict[str, Draft202012Validator]:
    """The schemas without any project's names, for content of other projects."""
    return {kind: Draft202012Validator(schema_of(model)) for kind, (model, _) in MODELS.items()}


def mistakes(validator: Draft202012Validator, text: str) -> list[str]:
    value = read(text, "test.yaml").value
    return [f"{'/'.join(map(str, one.absolute_path))}: {one.message[:200]}" for one in validator.iter_errors(value)]


def kind_of(path: str) -> str:
    if path.startswith("flows/"):
        return "flow"
    if path.startswith("templates/whatsapp/"):
        return "whatsapp"
    if path.startswith("tests/"):
        return "shared" if path.endswith("/shared.yaml") else "test"
    return "project" if path == PROJECT else "intents"


def shipped() -> Iterator[tuple[str, Path]]:
    for folder in ("flows", "intents", "templates/whatsapp", "tests/flows"):
        for path in sorted((ROOT / folder).rglob("*.yaml")):
            yield kind_of(path.relative_to(ROOT).as_posix()), path
    if (ROOT / PROJECT).exists():
        yield "project", ROOT / PROJECT


def documented() -> Iterator[tuple[str, pages.Fence]]:
    """The whole files on the page about the language; other pages show excerpts of what is shipped."""
    for fence in pages.fences(ROOT / "docs" / "flow-language.md"):
        if fence.language == "yaml" and fence.path:
            yield kind_of(fence.path), fence


@pytest.mark.parametrize(("kind", "path"), list(shipped()), ids=lambda one: one.stem if isinstance(one, Path) else one)
def test_shipped_content_is_valid(kind: str, path: Path, validators: dict[str, Draft202012Validator]) -> None:
    assert not mistakes(validators[kind], path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("kind", "fence"), list(documented()), ids=lambda one: getattr(one, "where", one))
def test_examples_of_the_pages_are_valid(
    kind: str, fence: pages.Fence, shapes: dict[str, Draft202012Validator]
) -> None:
    assert not mistakes(shapes[kind], fence.text)


@pytest.mark.parametrize("path", sorted(ROOT.glob("tests/*/**/flows/**/*.yaml")), ids=lambda path: path.stem)
def test_flows_of_other_tests_are_valid(path: Path, shapes: dict[str, Draft202012Validator]) -> None:
    assert not mistakes(shapes["flow"], path.read_text(encoding="utf-8"))


def test_a_large_nested_flow_is_valid(shapes: dict[str, Draft202012Validator]) -> None:
    assert not mistakes(shapes["flow"], BIG.read_text(encoding="utf-8"))


FLOW = (
    "flow: hours\nrole: customer\nstart: {intents: [greet]}\nslots: {trek: {type: ref, lookup: treks.find}}\nstates:\n"
)


@pytest.mark.parametrize("key", ["role: customer", "role: [customer, sales]", "roles: customer", "roles: [sales, any]"])
def test_roles_are_written_in_either_way(key: str, validators: dict[str, Draft202012Validator]) -> None:
    flow = f"flow: hours\n{key}\nstates: {{a: {{end: done}}}}\n"
    assert not mistakes(validators["flow"], flow)
    assert not mistakes(validators["intents"], f"{key}\nintents: {{a: {{examples: [a]}}}}\n")
    FlowSpec.model_validate(read(flow, "test.yaml").value)
    both = f"{flow}{'role' if key.startswith('roles') else 'roles'}: sales\n"
    assert mistakes(validators["flow"], both)
    assert mistakes(validators["flow"], "flow: hours\nstates: {a: {end: done}}\n"), "somebody walks it"
    assert mistakes(validators["flow"], flow.replace("sales", "slaes").replace("customer", "custmer"))


@pytest.mark.parametrize(
    "state",
    [
        "hello: {say: hello, end: done}",
        "hello: {say: [hello, bye], next: thanks}",
        "hello: {next: [{if: trek, to: a}, b]}",
        "hello: {next: {to: thanks}}",
        "hello: {ask: which, choices: {a: Yes, b: {label: B, synonyms: [c]}}, when: {a: x, b: [{if: true, to: y}, z]}}",
        "hello: {form: [trek], after: {2h: {say: nudge}, 1d12h: {to: gone}}, next: done}",
        "hello: {do: leads.create, with: {trek: 1, people: 2}, once: x, save: lead, error: failed, next: done}",
        "hello: {do: leads.create, with: [trek, people], once: x, next: done}",
        "hello: {do: leads.create, with: {trek: 1, people: 2, month: null}, next: done}",
        "hello: {handoff: sales, sla: 15m, back: done}",
        "hello: {universals: false, no_match: [reprompt, {to: agent, reason: stuck}], form: [trek], next: a}",
        "hello: {collect: {photo: {many: '5', to: a.b}}, events: {a.b: c}}",
        "hello: {enter: {say: hello}, next: done}",
        "hello: {enter: [{do: leads.create, with: {trek: 1, people: 1}}, {say: hello}], next: done}",
        "hello: {notify: {role: sales, template: new_lead, with: [1, a]}, next: done}",
        "hello: {states: {one: {form: [trek], next: two}, two: {end: done}}}",
        "hello: {end: done, say: a_block_that_is_new, forget: [slot_that_is_new]}",
    ],
)
def test_every_way_of_writing_a_state_is_valid(state: str, validators: dict[str, Draft202012Validator]) -> None:
    assert not mistakes(validators["flow"], f"{FLOW}  {state}")


@pytest.mark.parametrize(
    "text",
    [
        FLOW,
        f"{FLOW}  hello: {{sya: hello}}",
        f"{FLOW}  Hello: {{end: done}}",
        f"{FLOW}  hello: {{say: 5}}",
        f"{FLOW}  hello: {{next: Thanks}}",
        f"{FLOW}  hello: {{next: []}}",
        f"{FLOW}  hello: {{next: [{{if: a}}]}}",
        f"{FLOW}  hello: {{do: leads.creat, next: a}}",
        f"{FLOW}  hello: {{do: treks.find, next: a}}",
        f"{FLOW}  hello: {{do: leads.create, with: {{trek: 1}}, next: a}}",
        f"{FLOW}  hello: {{do: leads.create, with: {{trek: 1, people: 1, poeple: 1}}, next: a}}",
        f"{FLOW}  hello: {{do: leads.create, next: a}}",
        f"{FLOW}  hello: {{handoff: slaes}}",
        f"{FLOW}  hello: {{handoff: sales, sla: soon}}",
        f"{FLOW}  hello: {{notify: {{role: sales, template: new_laed}}}}",
        f"{FLOW}  hello: {{universals: [halp]}}",
        f"{FLOW}  hello: {{collect: {{picture: {{to: a}}}}}}",
        f"{FLOW}  hello: {{collect: {{photo: {{many: 500, to: a}}}}}}",
        f"{FLOW}  hello: {{call: common/corect, next: a}}",
        f"{FLOW}  hello: {{ask: a, choices: {{a: {{lable: A}}}}, next: b}}",
        FLOW.replace("greet", "gret") + "  hello: {end: done}",
        FLOW.replace("customer", "custmer") + "  hello: {end: done}",
        FLOW.replace("type: ref", "type: reff") + "  hello: {end: done}",
        FLOW.replace("treks.find", "trekks.find") + "  hello: {end: done}",
        FLOW.replace("flow: hours\n", "") + "  hello: {end: done}",
        FLOW.replace("states:", "state:") + "  hello: {end: done}",
        FLOW.replace("role: customer", "role: customer\nversion: 0") + "  hello: {end: done}",
        FLOW.replace("role: customer", "role: customer\nversion: newest") + "  hello: {end: done}",
    ],
)
def test_mistakes_of_authors_are_invalid(text: str, validators: dict[str, Draft202012Validator]) -> None:
    assert mistakes(validators["flow"], text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("intents", "role: customer\nintents: {greet: {exmples: [hi]}}"),
        ("intents", "intents: {greet: {examples: [hi]}}"),
        ("whatsapp", "name: New Lead\ncategory: UTILITY\nbody: Hello"),
        ("whatsapp", "name: new_lead\ncategory: URGENT\nbody: Hello"),
        ("whatsapp", "name: new_lead\ncategory: UTILITY\nbody: Hello\nbuttons: [{type: fax, text: Fax us}]"),
        ("test", "test: one\nsteps: []"),
        ("test", "test: one\nsteps: [{user: hi, expect: {sadi: hello}}]"),
        ("test", "test: one\nflow: enqiry\nsteps: [{user: hi}]"),
        ("test", "steps: [{user: hi}]"),
        ("test", "test: one\nsteps: [{wait: soon}]"),
    ],
)
def test_mistakes_in_other_files_are_invalid(kind: str, text: str, validators: dict[str, Draft202012Validator]) -> None:
    assert mistakes(validators[kind], text)


@pytest.mark.parametrize(
    "step",
    [
        "user: hi",
        "user: 5",
        "user: {tap: 1}",
        "guide: {photo: the axle}",
        "guide: {photo: }",
        "guide: {location: 27.98 86.92}",
        "user: hi\n    expect: {said: hello, slots: {people: 3}, actions: leads.create, notified: false, timers: 2h}",
        "user: hi\n    expect: {said: {guide: hello}, actions: [leads.create, {a.b: {c: 1}}], handed_off: sales}",
        "wait: 2h",
        "event: incident.updated",
    ],
)
def test_every_way_of_writing_a_step_is_valid(step: str, validators: dict[str, Draft202012Validator]) -> None:
    assert not mistakes(validators["test"], f"test: one\nat: 2026-11-22T09:00:00Z\nsteps:\n  - {step}")


def well_shaped() -> Iterator[Path]:
    for path in sorted((Path(__file__).parent / "broken").glob("*.yaml")):
        try:
            FlowSpec.model_validate(read(path.read_text(encoding="utf-8"), path.name).value)
        except (FlowError, ValidationError):
            continue
        yield path


@pytest.mark.parametrize("path", list(well_shaped()), ids=lambda path: path.stem)
def test_where_the_models_find_no_mistake_the_schema_finds_none(
    path: Path, shapes: dict[str, Draft202012Validator]
) -> None:
    assert not mistakes(shapes["flow"], path.read_text(encoding="utf-8"))


def test_names_of_the_project_are_offered_with_what_is_known_of_them(
    validators: dict[str, Draft202012Validator],
) -> None:
    known = validators["flow"].schema["$defs"]
    actions = {one["const"]: one["description"] for one in known["known_actions"]["anyOf"]}
    assert "Takes trek, people, month (optional)" in actions["leads.create"]
    assert {"customer", "sales", "field_staff", "operations"} <= set(known["known_roles"]["anyOf"][0]["enum"])
    assert {"type": "string"} in known["known_slots"]["anyOf"], "a new slot is no mistake"
    assert any(one.get("const") == "greet" for one in known["known_intents"]["anyOf"])


def test_every_key_of_a_state_says_what_it_is_for(validators: dict[str, Draft202012Validator]) -> None:
    state = validators["flow"].schema["$defs"]["StateSpec"]
    silent = [key for key, schema in state["properties"].items() if not schema.get("description")]
    assert len(silent) <= 4, f"add them to bot/authoring/schema/hover.py: {silent}"


def test_what_docstrings_say_of_a_key_is_shown(validators: dict[str, Draft202012Validator]) -> None:
    slot = validators["flow"].schema["$defs"]["TextSlot"]
    assert slot["properties"]["label"]["description"].startswith("How ")
    assert "Attributes" not in json.dumps(validators["flow"].schema)


def test_no_sentence_is_about_a_key_that_is_gone() -> None:
    known = {
        f"{one}.{key}"
        for model, _ in MODELS.values()
        for name, part in schema_of(model)["$defs"].items()
        for key in part.get("properties", {})
        for one in lineage(name)
    }
    assert set(HOVER) <= known


def test_the_command_writes_a_schema_for_each_kind_of_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["schema", "--output", str(tmp_path)])
    assert not ended.value.code
    assert {path.name for path in tmp_path.iterdir()} == {kind + SUFFIX for kind in MODELS}
    written = json.loads((tmp_path / f"flow{SUFFIX}").read_text(encoding="utf-8"))
    assert written["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert f"{len(MODELS)} schemas written" in capsys.readouterr().out


def test_settings_for_vs_code_name_every_schema() -> None:
    settings: dict[str, Any] = json.loads(vscode_settings("schemas"))
    assert set(settings["yaml.schemas"]) == {f"./schemas/{kind}{SUFFIX}" for kind in MODELS}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("flows/customer/pay.yaml", "flow"),
        ("intents/customer.yaml", "intents"),
        ("templates/whatsapp/new_lead.hi.yaml", "whatsapp"),
        ("project.yaml", "project"),
        ("tests/flows/pay.yaml", "test"),
        ("tests/flows/staff/pay.yaml", "test"),
        ("tests/books.yaml", "test"),
        ("tests/flows/shared.yaml", "shared"),
    ],
)
def test_each_file_has_one_schema(path: str, kind: str) -> None:
    """As the YAML language server matches: patterns count from any folder on, and `!` takes files out again."""

    def fits(pattern: str) -> bool:
        told = "".join({"**/": "(?:.*/)?", "*": "[^/]*"}.get(part, re.escape(part))
                       for part in re.split(r"(\*\*/|\*)", f"**/{pattern}"))  # fmt: skip
        return re.fullmatch(told, f"home/hotel/{path}") is not None

    found = [
        name for name, (_, patterns) in MODELS.items()
        if any(fits(one) for one in patterns if one[0] != "!") and not any(fits(one[1:]) for one in patterns
                                                                           if one[0] == "!")
    ]  # fmt: skip
    assert found == [kind]


def test_actions_of_another_project_are_in_its_schema() -> None:
    known = schemas(ROOT, standard_actions())["flow"]["$defs"]["known_actions"]["anyOf"]
    assert {name for one in known for name in [one.get("const"), *one.get("enum", ())] if name} >= {"incidents.resolve"}
