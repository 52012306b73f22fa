"""What people and continuous integration run is one and the same."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_continuous_integration_runs_the_command_of_the_readme() -> None:
    command = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    assert re.search(rf"^{command}( |$)", (ROOT / "README.md").read_text(), re.MULTILINE)


def test_every_command_of_the_makefile_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    told = dict(re.findall(r"^ +make (\w+) +(.+)$", shown, re.MULTILINE))
    assert sorted(told) == sorted(phony.split())
