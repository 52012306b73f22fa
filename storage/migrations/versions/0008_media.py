"""Files that people send are fetched, kept, and given away again; old messages and files go by themselves."""

from storage.migrations.upgrading import run_script

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make whatsapp_media a queue as well; add uploads, and the function that drops old months."""
    run_script(__file__)
