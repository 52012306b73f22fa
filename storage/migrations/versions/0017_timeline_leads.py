"""The dashboard's question how many leads came in over WhatsApp gets an index."""

from storage.migrations.upgrading import run_script

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the index."""
    run_script(__file__)
