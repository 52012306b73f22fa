"""Flow versions, kept so that conversations stay on the one they began with."""

from storage.migrations.upgrading import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the table."""
    run_script(__file__)
