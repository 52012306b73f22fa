"""Links under which others may fetch a file of ours for a while: whoever has one has the file, and nobody else."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from bot.core.ids import TenantId
from bot.runtime.files import StoredFile

PATH = "/files"


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Makes and reads links.

    Attributes:
        base_url: How others reach this server, without a path.
        ticket: A tag that only this deployment can make of a text.
        ticketed: Whether a tag is that of a text.
    """

    base_url: str
    ticket: Callable[[str], str]
    ticketed: Callable[[str, str], bool]

    def link(self, tenant: TenantId, file: StoredFile, until: datetime) -> str:
        """An address that is good until a time. Its last part is the file's name, which some clients show."""
        claim = f"{tenant}.{file.media_id}.{int(until.timestamp())}"
        name = quote(file.filename, safe="")
        return f"{self.base_url.rstrip('/')}{PATH}/{claim}.{self.ticket(f'file {claim}')}/{name}"

    def read(self, token: str, now: datetime) -> tuple[TenantId, int] | None:
        """Whose file a link is for, and its number; None when it is over, or not a link of ours."""
        claim, _, tag = token.rpartition(".")
        parts = claim.split(".")
        if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and len(part) < 20 for part in parts):
            return None
        if not self.ticketed(f"file {claim}", tag):
            return None
        tenant, number, until = map(int, parts)
        if datetime.fromtimestamp(min(until, 10**11), UTC) < now:
            return None
        return TenantId(tenant), number
