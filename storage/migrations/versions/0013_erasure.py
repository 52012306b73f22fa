"""Erasure: whose address was erased, and a timeline that may lose its words but nothing else."""

from storage.migrations.upgrading import run_script

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the table and the trigger."""
    run_script(__file__)
