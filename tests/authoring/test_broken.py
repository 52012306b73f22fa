"""Every mistake an author can make has its place, its sentence and its remedy.

One file per mistake in `broken/`, with what `bot check` says about it in the `.txt` beside it. `--update` rewrites
those; read the diff.
"""

from pathlib import Path
from typing import Any

import pytest
from talking import blocks, fake_actions, write_content

from bot.authoring.content import load_content
from bot.authoring.linter import check
from bot.core.actions import Actions
from bot.core.errors import ContentErrors

BROKEN = Path(__file__).parent / "broken"
NAME = "flows/customer/broken.yaml"
TEMPLATE = """
name: new_lead
category: UTILITY
body: "A lead: {{1}} for {{2}}."
examples: [Asha, EBC]
"""
INTENTS = "role: customer\nintents: {go: {examples: [go]}}\n"


def actions() -> Actions:
    known = fake_actions()

    @known.action("trips.close", roles=("operations", "manager"))
    async def close(call: Any) -> None:
        return None

    return known


def content(root: Path, flow: str) -> Path:
    return write_content(
        root,
        {
            NAME: flow,
            "templates/en/customer/broken.j2": blocks(hello="Hello"),
            "templates/whatsapp/new_lead.yaml": TEMPLATE,
            "intents/customer.yaml": INTENTS,
        },
    )


@pytest.mark.parametrize("path", sorted(BROKEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_broken(path: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    root = content(tmp_path, path.read_text(encoding="utf-8"))
    findings = [finding for finding in check(root, actions()) if finding.file != "templates/en/customer/broken.j2"]
    said = "".join(f"{finding}\n" for finding in findings)
    expected = path.with_suffix(".txt")
    if request.config.getoption("--update", default=False):
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")
    assert any(finding.severity == "error" for finding in findings)
    with pytest.raises(ContentErrors):
        load_content(root, actions())
