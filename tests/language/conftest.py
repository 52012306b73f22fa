"""The project beside this file: each capability of the flow language, in a small flow and a conversation.

`cd tests/language && bot test` plays the same.
"""

from pathlib import Path

import pytest

from bot.pytest_plugin import ConversationFile, conversation_file

HERE = Path(__file__).parent
TESTS = HERE / "tests"


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> ConversationFile | None:
    if file_path.suffix != ".yaml":
        return None
    return conversation_file(parent, file_path, HERE, TESTS)
