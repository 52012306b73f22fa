"""Conversation tests as pytest items, and fixtures for testing actions.

In a project's `pyproject.toml`:

    [tool.pytest.ini_options]
    sirdar_content = "."                    # the folder with flows/, intents/ and templates/
    sirdar_tests = "tests/flows"            # where the conversation tests are; this is the default
    sirdar_actions = "hotel.actions"        # the module with your actions; unset: as BOT_ACTIONS says, else `actions`

Without `sirdar_content` nothing is collected and nothing of ours is imported. With it, tests in Python may import the
project's modules, as `bot` does, and `-k` finds a conversation by its title, flow and tags, as `bot test -k` does.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.authoring.testing.doubles import CallFactory, FakeDatabase
    from bot.authoring.testing.runner import Result
    from bot.authoring.testing.suite import Suite
    from bot.core.actions import Actions

_SUITE = pytest.StashKey["dict[tuple[Path, Path, str], Suite]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Our settings."""
    parser.addini(
        "sirdar_content", "folder with flows/, intents/ and templates/; unset: no conversation tests", default=""
    )
    parser.addini("sirdar_tests", "folder with conversation tests, as seen from the rootdir", default="tests/flows")
    parser.addini("sirdar_actions", "module with your actions; unset: as BOT_ACTIONS says", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Let `import actions` find the project's module, whatever folder the tests are in."""
    content = str(config.getini("sirdar_content"))
    folder = str((config.rootpath / content).resolve())
    if content and folder not in sys.path:
        sys.path.insert(0, folder)


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> ConversationFile | None:
    """Collect the files below the configured folder."""
    config = parent.config
    content = str(config.getini("sirdar_content"))
    if not content or file_path.suffix != ".yaml":
        return None
    folder = config.rootpath / str(config.getini("sirdar_tests"))
    return conversation_file(parent, file_path, config.rootpath / content, folder, str(config.getini("sirdar_actions")))


def conversation_file(
    parent: pytest.Collector, path: Path, content: Path, folder: Path, actions: str = ""
) -> ConversationFile | None:
    """A file of conversation tests, for a `conftest.py` of one's own; None when it is none.

    Args:
        parent: Where it is collected.
        path: The file.
        content: The folder with `flows/`, `intents/` and `templates/`.
        folder: Where the project's tests are.
        actions: The module with the project's actions; empty: as BOT_ACTIONS says.
    """
    if path.name == "shared.yaml" or not path.is_relative_to(folder):
        return None
    found: ConversationFile = ConversationFile.from_parent(parent, path=path)
    found.content, found.folder, found.actions = content, folder, actions
    return found


class ConversationFile(pytest.File):
    """A YAML file with a conversation test."""

    content: Path
    folder: Path
    actions: str

    def collect(self) -> Iterator[pytest.Item]:
        """Its one test."""
        from bot.authoring.testing.reading import called

        item = ConversationItem.from_parent(self, name=self.path.stem)
        item.extra_keyword_matches.update(called(self.path))
        yield item

    def suite(self) -> Suite:
        """The compiled project, once for all files."""
        from bot.authoring.testing.suite import open_suite

        stash = self.config.stash.setdefault(_SUITE, {})
        key = (self.content, self.folder, self.actions)
        if key not in stash:
            stash[key] = open_suite(self.content, _actions(self.content, self.actions), self.folder)
        return stash[key]


class ConversationItem(pytest.Item):
    """A conversation test."""

    def runtest(self) -> None:
        """Play it.

        Raises:
            ConversationFailed: Something is not as expected.
        """
        from bot.authoring.testing.suite import Broken

        file = self.parent
        assert isinstance(file, ConversationFile)  # noqa: S101  who else collects us
        outcome = file.suite().play(self.path)
        if isinstance(outcome, Broken):
            raise ConversationFailed("\n".join(map(str, outcome.findings)))
        if not outcome.passed:
            raise ConversationFailed(outcome)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """The talk and what is wrong with it, instead of a traceback."""
        if isinstance(excinfo.value, ConversationFailed):
            return excinfo.value.told()
        from bot.core.errors import SirdarError

        if isinstance(excinfo.value, SirdarError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The file, and what the test is called."""
        return self.path, 0, self.name


class ConversationFailed(Exception):  # noqa: N818  the test has failed, not we
    """A conversation test failed, or its file cannot be read."""

    def __init__(self, what: Result | str) -> None:
        super().__init__(what if isinstance(what, str) else what.name)
        self._what = what

    def told(self) -> str:
        """What happened, in full."""
        if isinstance(self._what, str):
            return self._what
        from bot.cli.reports import plain_failure

        failure = self._what.failure
        return plain_failure(self._what, failure) if failure is not None else self._what.name


def _actions(content: Path, module: str) -> Actions:
    """What the project's flows may call, as `bot` finds it."""
    from bot.config import load_database_settings
    from bot.runtime.project import project_actions

    return project_actions(load_database_settings(**({"bot_actions": module} if module else {})), content)


@pytest.fixture
def fake_database() -> FakeDatabase:
    """A database for actions, which answers what it is told to."""
    from bot.authoring.testing.doubles import FakeDatabase

    return FakeDatabase()


@pytest.fixture
def action_call(fake_database: FakeDatabase) -> CallFactory:
    """Makes the call that an action gets: `await book_hut(action_call(role="sales"), hut=1, nights=2)`."""
    from bot.authoring.testing.doubles import CallFactory

    return CallFactory(fake_database)
