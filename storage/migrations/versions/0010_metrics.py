"""Metrics: days summed up, and views with their definitions."""

from storage.migrations.upgrading import run_script

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the tables."""
    run_script(__file__)
