"""What providers tell besides messages: people's new addresses, accounts, limits, and what a failure entails."""

from storage.migrations.upgrading import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns, and the table of people reached outside their window."""
    run_script(__file__)
