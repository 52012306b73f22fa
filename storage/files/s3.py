"""Files in a bucket of an S3-compatible store: Amazon's, MinIO, Ceph, R2 and others.

Four calls are all we need, so they are made here, signed with Signature Version 4, rather than by a library that brings
a whole cloud along. Buckets are addressed by path (`https://host/bucket/key`), which every such store understands.
Source: Amazon, "Authenticating requests: AWS Signature Version 4", 2026.
"""

import hashlib
import hmac
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import aiohttp
from yarl import URL

from bot.core.errors import StorageError

CHUNK = 256 * 1024
_EMPTY = hashlib.sha256(b"").hexdigest()
_SERVICE = "s3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket, and who may use it. Secrets stay out of its `repr`.

    Attributes:
        endpoint: Where the store is: `https://s3.eu-central-1.amazonaws.com`, `http://minio:9000`.
        name: The bucket, which must exist.
        prefix: What our keys begin with, without slashes around it; may be empty.
        region: Amazon's name of the place; others take `us-east-1`.
        access_key: Name of the key.
        secret_key: The key.
    """

    endpoint: str
    name: str
    prefix: str = ""
    region: str = "us-east-1"
    access_key: str
    secret_key: str = field(repr=False)


class S3Store:
    """Keeps files in a bucket. Belongs to the event loop that first uses it.

    Args:
        bucket: Which.
        clock: The time, for signatures; stores refuse those that are more than 15 minutes off.
    """

    def __init__(self, bucket: Bucket, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._bucket = bucket
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def put(self, key: str, source: Path) -> None:
        """Upload a file. Its hash is signed, so that the store refuses what was changed on the way."""
        digest, size = _digest(source)
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        with source.open("rb") as body:
            status = await self._status("PUT", key, digest, headers, body)
        if status not in (200, 201, 204):
            raise StorageError(f"The file store did not keep a file: HTTP {status}.")

    async def read(self, key: str) -> AsyncGenerator[bytes, None]:
        """Read a file in pieces."""
        url, headers = self._signed("GET", key, _EMPTY)
        try:
            async with self._open().get(url, headers=headers, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise StorageError(f"The file {key} cannot be read: HTTP {answer.status}.")
                async for piece in answer.content.iter_chunked(CHUNK):
                    yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise StorageError(f"The file store does not answer ({type(error).__name__}).") from error

    async def has(self, key: str) -> bool:
        """Whether there is such a file."""
        status = await self._status("HEAD", key, _EMPTY)
        if status not in (200, 404):
            raise StorageError(f"The file store does not tell whether there is a file: HTTP {status}.")
        return status == 200

    async def delete(self, key: str) -> None:
        """Delete a file."""
        status = await self._status("DELETE", key, _EMPTY)
        if status not in (200, 204, 404):
            raise StorageError(f"The file store did not delete a file: HTTP {status}.")

    async def close(self) -> None:
        """Let go of connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _status(
        self, method: str, key: str, digest: str, headers: Mapping[str, str] | None = None, body: object = None
    ) -> int:
        url, signed = self._signed(method, key, digest)
        try:
            async with self._open().request(
                method, url, data=body, headers={**(headers or {}), **signed}, allow_redirects=False
            ) as answer:
                return answer.status
        except (aiohttp.ClientError, OSError) as error:
            raise StorageError(f"The file store does not answer ({type(error).__name__}).") from error

    def _signed(self, method: str, key: str, digest: str) -> tuple[URL, dict[str, str]]:
        bucket = self._bucket
        endpoint = URL(bucket.endpoint)
        path = quote("/" + "/".join(part for part in (bucket.name, bucket.prefix, key) if part), safe="/-_.~")
        host = endpoint.host or ""
        if not endpoint.is_default_port():
            host = f"{host}:{endpoint.port}"
        headers = sign(bucket, method, path, host, digest, self._clock())
        return URL(f"{endpoint.origin()}{path}", encoded=True), headers

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=600, sock_connect=10, sock_read=60),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "Sirdar", "Accept-Encoding": "identity"},
                auto_decompress=False,
            )
        return self._session


def sign(bucket: Bucket, method: str, path: str, host: str, digest: str, at: datetime) -> dict[str, str]:
    """The headers that prove a request without query to be ours.

    Args:
        bucket: Whose key signs.
        method: GET, PUT…
        path: Percent-encoded, with its first slash.
        host: With the port, unless it is the usual one.
        digest: Lower-case hex SHA-256 of the body.
        at: The time, UTC.
    """
    moment = at.strftime("%Y%m%dT%H%M%SZ")
    day = moment[:8]
    scope = f"{day}/{bucket.region}/{_SERVICE}/aws4_request"
    names = "host;x-amz-content-sha256;x-amz-date"
    canonical = "\n".join(
        (method, path, "", f"host:{host}", f"x-amz-content-sha256:{digest}", f"x-amz-date:{moment}", "", names, digest)
    )
    text = "\n".join(("AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{bucket.secret_key}".encode()
    for part in (day, bucket.region, _SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"AWS4-HMAC-SHA256 Credential={bucket.access_key}/{scope}"
    return {
        "x-amz-date": moment,
        "x-amz-content-sha256": digest,
        "Authorization": f"{credential}, SignedHeaders={names}, Signature={signature}",
    }


def _digest(source: Path) -> tuple[str, int]:
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return digest.hexdigest(), file.tell()
