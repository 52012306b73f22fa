"""Senders share a number's rate, and follow it when the provider raises it."""

from storage.migrations.upgrading import run_script

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the table, the column and the function."""
    run_script(__file__)
