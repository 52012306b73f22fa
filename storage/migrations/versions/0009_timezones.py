"""Time zones of contacts."""

from storage.migrations.upgrading import run_script

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column."""
    run_script(__file__)
