"""What was sent on a day, asked by date(), is found in an index."""

from storage.migrations.upgrading import run_script

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Give the time a type whose day is always that of UTC, and index it."""
    run_script(__file__)
