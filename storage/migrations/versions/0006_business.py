"""The business: quotes, bookings, payments, departures, check-ins, approvals, feedback, inventory, staff."""

from storage.migrations.upgrading import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the tables, and what the older ones lack."""
    run_script(__file__)
