"""The database of the first release."""

from storage.migrations.upgrading import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything in an empty database."""
    run_script(__file__)
