"""Broadcasts: lists with approval, pacing and hours, and a row per recipient."""

from storage.migrations.upgrading import run_script

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Widen the lists, and add the recipients."""
    run_script(__file__)
