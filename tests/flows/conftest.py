"""The conversation tests of the shipped flows, as pytest runs them."""

from pathlib import Path

import pytest

from bot.pytest_plugin import ConversationFile, conversation_file

HERE = Path(__file__).parent


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> ConversationFile | None:
    if file_path.suffix != ".yaml":
        return None
    return conversation_file(parent, file_path, HERE.parents[1], HERE)
