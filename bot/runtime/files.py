"""The files we have: for whoever shows them, and for whoever sends them."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from bot.core.errors import StorageError
from bot.core.filetypes import HEAD_BYTES, agreed_type, extension, safe_name
from bot.core.ids import ChannelId, TenantId
from bot.core.messages import MediaKind
from bot.runtime.loop import Clock
from providers.base import MediaError
from storage.base import FileStore
from storage.postgres import PostgresMedia

MOST_PUTS = 3
"""How often a file is put into the store again, because it was deleted there before we could refer to it."""


def file_key(tenant: TenantId, sha256: str) -> str:
    """Under which a tenant's file is kept: the same bytes of two tenants are two files."""
    return f"{tenant}/{sha256[:2]}/{sha256}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file for somebody to look at. `filename` is safe to use; show files as attachments all the same."""

    media_id: int
    kind: str
    mime_type: str
    size_bytes: int
    sha256: str
    filename: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLibrary:
    """The files of all tenants, for whoever shows them or sends them.

    Attributes:
        media: What is known of them.
        store: Where they are.
        folder: Where new ones lie while they are taken in.
        clock: The time.
    """

    media: PostgresMedia
    store: FileStore
    folder: Path
    clock: Clock

    async def find(self, tenant: TenantId, media_id: int) -> StoredFile | None:
        """A file that we have; None when there is none of that number, or its bytes are not (yet, or any more) here."""
        row = await self.media.row(tenant, media_id)
        if row is None or row.status != "STORED" or row.stored_at is None or row.sha256 is None:
            return None
        fallback = f"{row.kind}-{row.media_id}.{extension(row.mime_type)}"
        return StoredFile(
            media_id=row.media_id,
            kind=row.kind,
            mime_type=row.mime_type,
            size_bytes=row.size_bytes or 0,
            sha256=row.sha256,
            filename=safe_name(row.filename, fallback),
            key=row.stored_at,
        )

    def read(self, file: StoredFile) -> AsyncGenerator[bytes, None]:
        """Its bytes, in pieces.

        Raises:
            StorageError: They are gone, or cannot be read.
        """
        return self.store.read(file.key)

    async def add(
        self, tenant: TenantId, channel: ChannelId, content: bytes, *, kind: MediaKind, mime_type: str,
        filename: str | None = None,
    ) -> int:  # fmt: skip
        """Keep a file of our own, to be sent; returns its number, which `MediaOut.file` takes as text.

        Raises:
            MediaError: It is not what `kind` and `mime_type` say.
            StorageError: It could not be kept.
        """
        agreed = agreed_type(kind, mime_type, content[:HEAD_BYTES])
        if agreed is None or not content:
            raise MediaError(f"The file is not of kind {kind}.")
        sha256 = hashlib.sha256(content).hexdigest()
        key = file_key(tenant, sha256)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"new-{sha256}-{id(content):x}"
        try:
            await asyncio.to_thread(path.write_bytes, content)
            for _ in range(MOST_PUTS):
                if not await self.store.has(key):
                    await self.store.put(key, path)
                number = await self.media.add(
                    tenant, channel, self.store, key=key, sha256=sha256, size_bytes=len(content), kind=kind,
                    mime_type=agreed, filename=filename, at=self.clock(),
                )  # fmt: skip
                if number is not None:
                    return number
        finally:
            path.unlink(missing_ok=True)
        raise StorageError("A file was deleted as often as it was put into the store.")
