"""Secret keys have numbers, and one takes another's place while everything runs."""

from storage.migrations.upgrading import run_script

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the tables."""
    run_script(__file__)
