"""Message templates follow their provider, and what has to be done once in a while is done by one process."""

from storage.migrations.upgrading import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Widen whatsapp_templates; add the sends that wait for one, and the chores."""
    run_script(__file__)
