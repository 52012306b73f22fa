"""Files that went through the emulator, in memory: the oldest leave when there are too many."""

import hashlib
import hmac
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

CAPACITY = 256 * 1024 * 1024
LINK_LASTS = timedelta(minutes=5)
UPLOAD_LASTS = timedelta(days=30)
INBOUND_LASTS = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """Bytes with their type; `expires_at` is when the id dies."""

    id: str
    content: bytes
    mime_type: str
    filename: str
    expires_at: datetime

    @property
    def sha256(self) -> bytes:
        """Digest of the content."""
        return hashlib.sha256(self.content).digest()


class Storeroom:
    """Keeps files by id and signs the short-lived links to them."""

    def __init__(self, now: Callable[[], datetime], chance: random.Random) -> None:
        self._now = now
        self._chance = chance
        self._key = chance.randbytes(32)
        self._files: dict[str, StoredFile] = {}
        self._size = 0

    def keep(self, content: bytes, *, mime_type: str, filename: str, inbound: bool) -> StoredFile:
        """Store bytes under a fresh id."""
        file = StoredFile(
            id=str(self._chance.randrange(10**14, 10**15)),
            content=content,
            mime_type=mime_type,
            filename=filename,
            expires_at=self._now() + (INBOUND_LASTS if inbound else UPLOAD_LASTS),
        )
        self._files[file.id] = file
        self._size += len(content)
        while self._size > CAPACITY and len(self._files) > 1:
            self.drop(next(iter(self._files)))
        return file

    def find(self, file_id: str) -> StoredFile | None:
        """The file, unless it is unknown or its id has died."""
        file = self._files.get(file_id)
        return file if file is not None and self._now() < file.expires_at else None

    def drop(self, file_id: str) -> bool:
        """Delete a file; returns whether there was one."""
        file = self._files.pop(file_id, None)
        if file is None:
            return False
        self._size -= len(file.content)
        return True

    def link_query(self, file_id: str) -> str:
        """The query string of a link that works for five minutes."""
        dies_at = int((self._now() + LINK_LASTS).timestamp())
        return f"mid={file_id}&ext={dies_at}&hash={self._seal(file_id, dies_at)}"

    def open_link(self, file_id: str, dies_at: str, seal: str) -> StoredFile | None:
        """The file behind a link, if the link is genuine and still alive."""
        if not dies_at.isdecimal() or self._now().timestamp() > int(dies_at):
            return None
        if not hmac.compare_digest(seal.encode(), self._seal(file_id, int(dies_at)).encode()):
            return None
        return self.find(file_id)

    def _seal(self, file_id: str, dies_at: int) -> str:
        return hmac.new(self._key, f"{file_id} {dies_at}".encode(), hashlib.sha256).hexdigest()[:32]
