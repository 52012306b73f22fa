"""What everything stands on."""

from dataclasses import dataclass

from bot.runtime.parts import PartLoop
from storage.crypto import Vault
from storage.postgres import Postgres


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """The database, opened and up to date."""

    database: Postgres
    vault: Vault
    dsn: str
    keep: PartLoop | None = None
    """Starts the embedded PostgreSQL again when it dies; None when the database is somebody else's."""
