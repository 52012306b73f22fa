"""The audit log as a keyed hash chain; tokens for the JSON API."""

from storage.migrations.upgrading import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the tables."""
    run_script(__file__)
