"""Loading a content folder, and what the shipped one is like."""

from pathlib import Path

import pytest
from talking import ROOT, blocks, fake_actions, write_content

from bot.authoring.content import load_content
from bot.authoring.linter import check
from bot.core.errors import ContentErrors
from bot.operations import standard_actions

FLOW = "flow: test\nrole: customer\nversion: {0}\nstart: {{universals: [help]}}\nstates: {{a: {{say: hi, end: x}}}}\n"


def test_the_shipped_content_has_no_findings() -> None:
    assert check(ROOT, standard_actions()) == []


def test_the_shipped_templates_are_there_for_the_providers() -> None:
    templates = load_content(ROOT, standard_actions()).whatsapp_templates
    names = {name for name, _ in templates}
    assert names >= {"payment_reminder", "new_lead", "trip_issue", "trip_issue_resolved"}
    assert {(name, language) for name in names for language in ("en", "hi")} <= set(templates)
    reminder = templates["payment_reminder", "en"]
    assert (reminder.header, reminder.footer) == ("Payment Reminder", "Travel Management System")
    assert reminder.body.startswith("Hi {{1}}, your booking {{2}} has a pending payment of {{3}}. Pay now: {{4}}")
    assert reminder.category == "UTILITY"


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    write_content(
        tmp_path,
        {
            "flows/customer/a.yaml": "flow: a\nrole: customer\nstates: {x: {next: y}}\n",
            "flows/customer/b.yaml": "flow: b\nrole: customer\nstates: {x: {say: nope, end: z}}\n",
            "intents/customer.yaml": "role: customer\nintents: {go: {}}\n",
            "templates/en/customer/c.j2": "text",
            "templates/whatsapp/d.yaml": "name: D\n",
        },
    )
    with pytest.raises(ContentErrors) as caught:
        load_content(tmp_path, fake_actions())
    files = {error.at.file for error in caught.value.errors if error.at}
    assert files == {
        "flows/customer/a.yaml",
        "flows/customer/b.yaml",
        "intents/customer.yaml",
        "templates/en/customer/c.j2",
        "templates/whatsapp/d.yaml",
    }
    assert "There is no state `y`." in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "name: nudge\nlanguage: en\ncategory: UTILITY\nbody: Hello {{1}}\n",  # a variable at the edge
        "name: nudge\nname: nudge\n",
        "- nudge\n",
    ],
)
def test_a_template_that_cannot_be_read_is_told_once(tmp_path: Path, text: str) -> None:
    """Not a second time by each flow that sends it: there is such a template."""
    flow = FLOW.format(1).replace("say: hi", "notify: {role: sales, template: nudge}")
    write_content(tmp_path, {"flows/customer/test.yaml": flow, "templates/whatsapp/nudge.yaml": text})
    with pytest.raises(ContentErrors) as caught:
        load_content(tmp_path, fake_actions())
    assert {error.at.file for error in caught.value.errors if error.at} == {"templates/whatsapp/nudge.yaml"}
    write_content(tmp_path, {"flows/customer/test.yaml": flow.replace("nudge", "nugde")})
    with pytest.raises(ContentErrors) as caught:
        load_content(tmp_path, fake_actions())
    assert "There is no WhatsApp template `nugde`." in str(caught.value)


def test_versions_live_side_by_side_and_the_newest_starts(tmp_path: Path) -> None:
    files = {
        "flows/customer/test.yaml": FLOW.format(2),
        "flows/customer/test_v1.yaml": FLOW.format(1),
        "templates/en/customer/test.j2": blocks(hi="new"),
        "templates/en/customer/test_v1.j2": blocks(hi="old"),
    }
    book = load_content(write_content(tmp_path, files), fake_actions()).book
    assert book.latest["test"].version == 2
    assert {flow.version for flow in book.flows()} == {1, 2}
    assert book.flow("test", 3) is None


def test_the_same_version_twice_is_an_error(tmp_path: Path) -> None:
    files = {
        "flows/customer/a.yaml": FLOW.format(1),
        "flows/customer/b.yaml": FLOW.format(1),
        "templates/en/customer/a.j2": blocks(hi="x"),
        "templates/en/customer/b.j2": blocks(hi="x"),
    }
    with pytest.raises(ContentErrors, match=r"exists already, in flows/customer/a\.yaml"):
        load_content(write_content(tmp_path, files), fake_actions())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"templates/en/customer/test.j2": blocks(hi="{{ nope }}")}, "test.j2:1:1: error: Block `hi` uses `nope`"),
        ({"templates/en/customer/test.j2": blocks(hi="x", other="y")}, "warning: Nobody says block `other`."),
        ({"templates/hi/customer/test.j2": blocks(about="x")}, "warning: Block `hi` is not translated into `hi`."),
        (
            {"templates/en/customer/tset.j2": blocks(hi="x")},
            "There is no flow flows/customer/tset.yaml for this file. Did you mean `customer/test`?",
        ),
        ({"templates/en/common.j2": blocks(choose="x")}, "Blocks the engine says itself are missing: `action_failed`"),
        (
            {"templates/hi/common.j2": blocks(choose="x")},
            "templates/hi/common.j2:1:1: warning: Common blocks are not translated into `hi`: `action_failed`,",
        ),
        ({"flows/customer/bad.yaml": "\xff"}, "bad.yaml:1:1: error: The file should be a block"),
    ],
)
def test_findings_beyond_flow_files(tmp_path: Path, files: dict[str, str], message: str) -> None:
    base = {"flows/customer/test.yaml": FLOW.format(1), "templates/en/customer/test.j2": blocks(hi="x")}
    said = "\n".join(map(str, check(write_content(tmp_path, base | files), fake_actions())))
    assert message in said


def test_no_content_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContentErrors, match="There is no flow"):
        load_content(tmp_path, fake_actions())


def test_every_shipped_template_is_there_in_english_and_hindi() -> None:
    templates = load_content(ROOT, standard_actions()).whatsapp_templates
    names = {name for name, _ in templates}
    assert {(name, language) for name in names for language in ("en", "hi")} == set(templates)
    assert [caution for template in templates.values() for caution in template.cautions()] == []


def test_a_translation_takes_the_same_parameters(tmp_path: Path) -> None:
    template = "name: x\nlanguage: {0}\ncategory: UTILITY\nbody: {1}\nexamples: {2}\n"
    files = {
        "flows/customer/a.yaml": "flow: a\nrole: customer\nstart: {universals: [help]}\nstates: {a: {end: x}}\n",
        "templates/whatsapp/x.yaml": template.format("en", '"Hi {{1}}, well."', "[Ada]"),
        "templates/whatsapp/x.hi.yaml": template.format("hi", '"Hi there."', "[]"),
    }
    with pytest.raises(ContentErrors, match="takes other parameters than in"):
        load_content(write_content(tmp_path, files), fake_actions())
