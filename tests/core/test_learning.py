"""Models are trained before anybody waits for them."""

from bot.core.book import FlowBook
from bot.core.models import MODELS


def test_the_first_message_of_no_role_waits_for_a_training(book: FlowBook) -> None:
    book.learn()
    before = MODELS.learnt
    for role in ("customer", "sales", "operations", "field_staff", "manager"):
        assert book.understanding(role).understand("something quite unlike every example there is")
    assert before == MODELS.learnt
