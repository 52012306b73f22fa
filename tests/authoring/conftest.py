"""The option that rewrites what is expected."""

import contextlib

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    with contextlib.suppress(ValueError):  # other test folders have the same option
        parser.addoption("--update", action="store_true", help="rewrite expected files; read the diff afterwards")
