"""Conversation tests: YAML files in which people talk to the flows, and what they should hear.

Pure but for reading files: the real engine, with phones, clock, business and receipts in memory. `reading` reads the
files, `runner` plays them on a `stage`, `checks` compares, `coverage` counts, `explore` finds paths nobody has tried
and `update` writes expectations.
"""

from bot.authoring.testing.reading import ConversationTest, find_files, read_shared, read_test
from bot.authoring.testing.runner import Failure, Result, run_test

__all__ = ["ConversationTest", "Failure", "Result", "find_files", "read_shared", "read_test", "run_test"]
