"""`bot new`: a project that runs, checks and tests green as it is, and never on top of anything."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from bot.cli.new import SCAFFOLD, called, env_example, make, project_files
from bot.config import Settings
from tests.cli.conftest import BOT, PHONE_PORT, REPOSITORY

PORT = str(PHONE_PORT + 10)
NAME = "Kiran's Bikes & Co"


@pytest.fixture
def here(environment: dict[str, str]) -> dict[str, str]:
    """The environment of somebody in their project: the content is what is in the folder."""
    return {name: value for name, value in environment.items() if name != "BOT_CONTENT_DIR"}


def run(folder: Path, environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*BOT, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A new project."""
    make(tmp_path / "shop", NAME)
    return tmp_path / "shop"


def test_it_says_what_to_do_next(tmp_path: Path, here: dict[str, str]) -> None:
    done = run(tmp_path, here, "new", "bike shop")
    assert done.returncode == 0
    assert "✓ Bike Shop is in bike shop: " in done.stdout
    for line in ("cd 'bike shop'", "bot demo", "bot simulate", "bot check", "bot test", "bot graph"):
        assert line in done.stdout


def test_it_checks_without_a_warning(shop: Path, here: dict[str, str]) -> None:
    done = run(shop, here, "check")
    assert (done.returncode, done.stdout.splitlines()[-1].split(", ", 2)[2]) == (0, "0 errors, 0 warnings")


def test_its_conversations_pass(shop: Path, here: dict[str, str]) -> None:
    done = run(shop, here, "test")
    assert done.returncode == 0, done.stdout
    assert "✓ a customer books a repair, and the mechanic hears of it" in done.stdout
    assert "4 passed" in done.stdout


def test_pytest_plays_its_conversations_and_tests_its_actions(shop: Path, here: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={shop.parent / 'own'}"]
    done = subprocess.run(command, cwd=shop, env=here, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout
    for path in (shop / "Makefile", shop / ".github" / "workflows" / "ci.yml"):
        assert "tests/test_actions.py" in path.read_text(encoding="utf-8")
    assert (shop / "requirements.txt").read_text(encoding="utf-8").startswith("sirdar[embedded,simulator,testing]")


def test_its_actions_do_what_they_say_on_a_real_database(shop: Path, here: dict[str, str]) -> None:
    done = run(shop, here, "simulate", "--script", "tests/two_customers.chat")
    assert done.returncode == 0, done.stdout
    assert f"{NAME} to customer: You are expected on *Wed " in done.stdout
    offered = done.stdout.partition("These times are free")[2]
    assert "10:30" in offered
    assert ", 09:00" not in offered.partition("mechanic: DAY")[0]  # it is taken


def test_its_demo_plays_its_own_people(shop: Path, here: dict[str, str]) -> None:
    done = run(shop, here, "demo", "--script", "--port", PORT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Phones    2 of them" in done.stdout
    assert f"{NAME} to mechanic: *New appointment*" in done.stdout
    assert "✓ All 8 expected answers came" in done.stdout


def test_it_has_what_a_project_needs(shop: Path) -> None:
    files = {path.relative_to(shop).as_posix() for path in shop.rglob("*") if path.is_file()}
    assert files >= {
        ".env.example", ".github/workflows/ci.yml", ".gitignore", "Makefile", "README.md", "actions.py", "demo.yaml",
        "pyproject.toml", "requirements.txt", "tests/test_actions.py", "templates/en/common.j2",
    }  # fmt: skip
    assert not [name for name in files if "dot-" in name or name.endswith(".pyc")]
    for path in shop.rglob("*"):
        assert not path.is_file() or "@@" not in path.read_text(encoding="utf-8"), path


def test_its_makefile_runs_the_bot_on_the_path(shop: Path, here: dict[str, str]) -> None:
    path = f"{Path(sys.executable).parent}:{here['PATH']}"
    done = subprocess.run(
        ["make", "check"], cwd=shop, env=here | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for target in ("setup", "demo", "test", "serve"):
        subprocess.run(["make", "--dry-run", target], cwd=shop, check=True, capture_output=True)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path, here: dict[str, str]) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "mine.txt").write_text("mine")
    done = run(tmp_path, here, "new", "shop")
    assert done.returncode == 2
    assert done.stderr.strip() == "shop is not empty. Choose another folder; nothing was written."
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["mine.txt"]


def test_an_empty_folder_will_do(tmp_path: Path, here: dict[str, str]) -> None:
    done = run(tmp_path, here, "new", ".")
    assert done.returncode == 0, done.stderr
    assert "cd ." not in done.stdout


@pytest.mark.parametrize("name", ['a "quoted" name', "{{ 7 * 7 }}", "x" * 61, "back\\slash"])
def test_a_name_that_would_break_files_is_refused(tmp_path: Path, here: dict[str, str], name: str) -> None:
    done = run(tmp_path, here, "new", "shop", "--name", name)
    assert done.returncode == 2
    assert "--name: at most 60 characters" in done.stderr
    assert not (tmp_path / "shop").exists()


def test_a_business_is_called_as_its_folder() -> None:
    assert called(Path("my_bike-shop")) == "My Bike Shop"


def test_every_setting_is_in_the_example_and_commented_out() -> None:
    lines = env_example().splitlines()
    assert all(not line or line.startswith("# ") for line in lines)
    for name in Settings.model_fields:
        assert sum(line.startswith(f"# {name.upper()}=") for line in lines) == 1


def test_a_mistake_in_demo_yaml_has_a_place(shop: Path, here: dict[str, str]) -> None:
    path = shop / "demo.yaml"
    path.write_text(path.read_text().replace('number: "+46701234568"', "number: none"))
    done = run(shop, here, "simulate", "--script", "tests/two_customers.chat")
    assert done.returncode == 2
    assert "demo.yaml:10:" in done.stderr


def test_a_demo_without_a_script_says_so(shop: Path, here: dict[str, str]) -> None:
    path = shop / "demo.yaml"
    path.write_text(path.read_text().partition("script:")[0])
    done = run(shop, here, "demo", "--script")
    assert done.returncode == 2
    assert "has no script. Give it `script:`" in done.stderr


def test_a_broken_action_is_a_finding_everywhere(shop: Path, here: dict[str, str]) -> None:
    path = shop / "actions.py"
    path.write_text(path.read_text().replace("*, text: str", "*, words: str"))
    checked = run(shop, here, "check")
    assert checked.returncode == 1
    assert "error Lookup `workshop.free` takes no `text`. [actions]" in checked.stdout
    for command in (("test",), ("graph",), ("simulate", "--script", "tests/two_customers.chat")):
        done = run(shop, here, *command)
        assert done.returncode == 2, command
        assert "Lookup `workshop.free` takes no `text`." in done.stderr
        assert "Traceback" not in done.stderr


def test_what_cannot_be_read_or_written_is_told_without_a_traceback(shop: Path, here: dict[str, str]) -> None:
    (shop / "tests" / "folder.yaml").mkdir()
    (shop / "file").write_text("", encoding="utf-8")
    tested = run(shop, here, "test")
    assert (tested.returncode, "The file cannot be read: Is a directory." in tested.stdout) == (1, True)
    drawn = run(shop, here, "graph", "--output", "file/within")
    assert (drawn.returncode, drawn.stderr.strip()) == (2, "file/within: Not a directory.")
    (shop / "outside.yaml").write_bytes(b"a: \xff")
    checked = run(shop, here, "check")
    assert checked.returncode == 1
    assert "outside.yaml:1:1" in checked.stdout
    for done in (tested, drawn, checked):
        assert "Traceback" not in done.stdout + done.stderr


def test_the_wheel_ships_the_scaffold(tmp_path: Path) -> None:
    """Packages are shipped whole; nothing that git or the build leaves out may hide in the scaffold."""
    build = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    assert "bot" in build["targets"]["wheel"]["packages"]
    files = [path for path in SCAFFOLD.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    ignored = subprocess.run(
        ["git", "check-ignore", *map(str, files)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert ignored.stdout == ""
    uv = [str(Path(sys.executable).with_name("uv")), "build", "--wheel", "--quiet", "--out-dir", str(tmp_path)]
    built = subprocess.run(uv, cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False)
    if re.search(r"fetch|download|sending request|timed out|registry", built.stderr):
        pytest.skip("the build backend cannot be downloaded here")
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"bot/scaffold/{path.relative_to(SCAFFOLD).as_posix()}" for path in files} <= names
    assert "bot/example/templates/en/common.j2" in names


def test_every_file_is_written_once() -> None:
    names = [name for name, _ in project_files("Shop")]
    assert len(names) == len(set(names))
