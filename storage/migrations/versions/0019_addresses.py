"""Processes hear when an address changes hands, and merges that a webhook makes can be undone."""

from storage.migrations.upgrading import run_script

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the table and the columns."""
    run_script(__file__)
