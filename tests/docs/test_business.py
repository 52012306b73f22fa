"""docs/business.md says of permissions, statuses and news what the code does."""

import re

from pages import ROOT, code_in, rows, section

from bot.operations import LIFECYCLES
from bot.operations.permissions import CAPABILITIES, MATRIX, ROLES

PAGE = ROOT / "docs" / "business.md"


def test_the_diagrams_are_those_of_the_machines() -> None:
    drawn = re.findall(r"```mermaid\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert drawn == [lifecycle.mermaid() for lifecycle in LIFECYCLES.values()]


def test_the_matrix_is_that_of_the_code() -> None:
    table = [row for row in rows(section(PAGE, "Permissions").text) if len(row) == len(ROLES) + 1]
    written = {code_in(first)[0]: [bool(cell) for cell in cells] for first, *cells in table}
    assert written == {one: [one in MATRIX[role] for role in ROLES] for one in CAPABILITIES}


def test_every_event_the_services_tell_is_listed() -> None:
    listed = {name for first, _, _ in rows(section(PAGE, "News").text) for name in code_in(first)}
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "bot" / "operations").glob("*.py"))
    told = set(re.findall(r"tell_(?:people|role|object|crew)\((?:[^()]|\([^()]*\))*?\"([a-z]+\.[a-z_]+)\"", source))
    assert listed == told
