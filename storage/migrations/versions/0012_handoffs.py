"""Handoffs: who has a conversation, since when, and by when somebody has to answer."""

from storage.migrations.upgrading import run_script

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the table, and the hours of business."""
    run_script(__file__)
