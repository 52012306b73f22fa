"""Queues whose plans do not depend on what the planner knows: it may have looked when they were empty."""

from storage.migrations.upgrading import run_script

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Write the functions anew."""
    run_script(__file__)
