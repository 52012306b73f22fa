"""Webhooks out, and calls of other systems."""

from storage.migrations.upgrading import run_script

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the tables."""
    run_script(__file__)
