"""Many tenants in one deployment: their settings, whether they are served, and claims that are fair among them."""

from storage.migrations.upgrading import run_script

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the columns, exchange the claiming functions and their indexes."""
    run_script(__file__)
