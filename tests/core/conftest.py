"""Conversations with the shipped flows."""

import pytest
from talking import Talk, shipped_book

from bot.core.book import FlowBook


@pytest.fixture(scope="session")
def book() -> FlowBook:
    return shipped_book()


@pytest.fixture
def customer(book: FlowBook) -> Talk:
    return Talk(book)


@pytest.fixture
def guide(book: FlowBook) -> Talk:
    return Talk(book, roles=("field_staff",), name="Pasang Sherpa")
