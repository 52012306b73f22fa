"""Secret keys have numbers, and one takes another's place while everything runs."""

from storage.migrations.upgrading import run_script

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the tables."""
    run_script(__file__)
