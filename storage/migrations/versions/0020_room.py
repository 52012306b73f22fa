"""Updates of messages find room on their page."""

from storage.migrations.upgrading import run_script

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Change how full pages are filled."""
    run_script(__file__)
