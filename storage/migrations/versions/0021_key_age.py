"""Keys of messages are deleted once no provider delivers those messages again."""

from storage.migrations.upgrading import run_script

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add the index that finds the old ones."""
    run_script(__file__)
