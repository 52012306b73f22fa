"""Links lead somewhere, prose fits on a screen, decisions have their form."""

import re
from pathlib import Path

import pytest
from pages import ROOT, anchors, links, pages, without_fences

ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
WIDTH = 112


def identify(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", pages(), ids=identify)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{link} leads nowhere"
        assert file.is_relative_to(ROOT), f"{link} leads out of the repository"
        assert not anchor or anchor in anchors(file), f"{link}: there is no such heading"


@pytest.mark.parametrize("page", pages(), ids=identify)
def test_a_page_has_one_title_and_prose_that_fits(page: Path) -> None:
    text = without_fences(page.read_text(encoding="utf-8"))
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    for number, line in enumerate(text.split("\n"), 1):
        fits = len(line.rstrip()) <= WIDTH or line.startswith(("|", "![", "<!--")) or "<!--" in line
        assert fits, f"{identify(page)}:{number} has {len(line.rstrip())} characters"


def test_decisions_are_numbered_listed_and_have_their_four_parts() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    assert [int(path.name[:4]) for path in ADRS] == list(range(1, len(ADRS) + 1))
    for path in ADRS:
        text = path.read_text(encoding="utf-8")
        heads = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert heads == ["Status", "Context", "Decision", "Consequences"], path.name
        assert re.match(rf"# {int(path.name[:4])}\. \S", text), path.name
        assert len(text.split("\n")) <= 60, f"{path.name} is longer than a page"
        assert f"({path.name})" in index, f"{path.name} is not in the list"
