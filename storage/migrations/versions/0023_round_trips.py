"""Storing webhooks and finding turns to take: a round trip each."""

from storage.migrations.upgrading import run_script

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Add the functions that do several things at once."""
    run_script(__file__)
