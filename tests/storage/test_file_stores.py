"""Files are kept whole or not at all, in a directory as in a bucket."""

import asyncio
import gc
import hashlib
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.core.errors import StorageError
from storage.base import FileStore
from storage.files import Bucket, DirectoryStore, S3Store
from storage.files.s3 import sign
from tests.conftest import EPOCH
from tests.storage.s3 import ACCESS_KEY, SECRET_KEY, S3Like

KEY = "7/ab/abcdef"
BODY = bytes(range(256)) * 3000


@pytest.fixture
async def cloud() -> AsyncIterator[tuple[S3Like, Bucket]]:
    cloud = S3Like(EPOCH)
    app = web.Application(client_max_size=10**8)
    app.router.add_route("*", "/{path:.*}", cloud.take)
    async with TestServer(app) as server:
        endpoint = str(server.make_url("/")).rstrip("/")
        yield (
            cloud,
            Bucket(endpoint=endpoint, name="trips", prefix="media/2", access_key=ACCESS_KEY, secret_key=SECRET_KEY),
        )


@pytest.fixture(params=["directory", "bucket"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, cloud: tuple[S3Like, Bucket]
) -> AsyncIterator[FileStore]:
    if request.param == "directory":
        yield DirectoryStore(tmp_path / "media")
        return
    bucket = S3Store(cloud[1], lambda: EPOCH)
    yield bucket
    await bucket.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(BODY)
    return path


async def read(store: FileStore, key: str = KEY) -> bytes:
    return b"".join([piece async for piece in store.read(key)])


async def test_kept_read_and_deleted(store: FileStore, source: Path) -> None:
    assert not await store.has(KEY)
    await store.put(KEY, source)
    await store.put(KEY, source)
    assert await store.has(KEY)
    assert await read(store) == BODY
    await store.delete(KEY)
    await store.delete(KEY)
    assert not await store.has(KEY)
    with pytest.raises(StorageError, match="cannot be read"):
        await read(store)


async def test_an_empty_file_is_a_file(store: FileStore, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    await store.put(KEY, tmp_path / "empty")
    assert await read(store) == b""


async def test_who_goes_away_while_reading_leaves_no_file_open(tmp_path: Path, source: Path) -> None:
    store = DirectoryStore(tmp_path / "media")
    await store.put(KEY, source)
    for steps in range(40):
        reading = asyncio.create_task(read(store))
        for _ in range(steps % 8):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
    await asyncio.get_running_loop().shutdown_default_executor()  # whatever its threads began, they have ended
    opened = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert not [name for name in opened if str(name).endswith(KEY)]
    gc.collect()  # a file that was forgotten open warns now, which fails the test


async def test_only_we_may_enter_the_directory(tmp_path: Path, source: Path) -> None:
    await DirectoryStore(tmp_path / "media").put(KEY, source)
    folder, file = tmp_path / "media" / "7" / "ab", tmp_path / "media" / KEY
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in folder.iterdir()] == ["abcdef"], "nothing half-written is left"


@pytest.mark.parametrize("key", ["../secret.key", "/etc/passwd", "7/../../x", "", "7//x", "7/ab/.new-x", "7/ab/x y"])
async def test_no_key_leads_out_of_the_directory(tmp_path: Path, source: Path, key: str) -> None:
    with pytest.raises(StorageError, match="cannot be"):
        await DirectoryStore(tmp_path / "media").put(key, source)


async def test_a_directory_that_cannot_be_written(tmp_path: Path, source: Path) -> None:
    (tmp_path / "media").write_text("a file is in the way")
    with pytest.raises(StorageError, match="cannot be kept"):
        await DirectoryStore(tmp_path / "media").put(KEY, source)


async def test_keys_lie_below_bucket_and_prefix(cloud: tuple[S3Like, Bucket], source: Path) -> None:
    store = S3Store(cloud[1], lambda: EPOCH)
    await store.put(KEY, source)
    assert cloud[0].objects == {f"/trips/media/2/{KEY}": BODY}
    await store.close()


@pytest.mark.parametrize(
    ("change", "minutes"), [({"secret_key": "another"}, 0), ({"access_key": "OTHER"}, 0), ({}, 16)]
)
async def test_a_wrong_key_or_clock_is_told(
    cloud: tuple[S3Like, Bucket], source: Path, change: dict[str, str], minutes: int
) -> None:
    store = S3Store(replace(cloud[1], **change), lambda: EPOCH + timedelta(minutes=minutes))
    for call in (store.put(KEY, source), store.has(KEY), store.delete(KEY)):
        with pytest.raises(StorageError, match="HTTP 403"):
            await call
    assert SECRET_KEY not in repr(cloud[1])
    await store.close()


async def test_a_store_in_trouble(cloud: tuple[S3Like, Bucket], source: Path) -> None:
    store = S3Store(cloud[1], lambda: EPOCH)
    cloud[0].trouble = 503
    with pytest.raises(StorageError, match="HTTP 503"):
        await store.put(KEY, source)
    nobody = S3Store(replace(cloud[1], endpoint="http://127.0.0.1:9"))
    with pytest.raises(StorageError, match="does not answer"):
        await nobody.has(KEY)
    await store.close()
    await nobody.close()


def test_the_signature_of_amazons_own_example() -> None:
    """From "Signature Calculations for the Authorization Header", with the headers that we sign."""
    bucket = Bucket(
        endpoint="https://examplebucket.s3.amazonaws.com",
        name="",
        access_key="AKIAIOSFODNN7EXAMPLE",
        secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )
    at = datetime(2013, 5, 24, tzinfo=UTC)
    digest = hashlib.sha256(b"").hexdigest()
    headers = sign(bucket, "GET", "/test.txt", "examplebucket.s3.amazonaws.com", digest, at)
    assert headers["x-amz-date"] == "20130524T000000Z"
    assert "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request" in headers["Authorization"]


async def test_halves_that_a_killed_process_left_are_swept(tmp_path: Path, source: Path) -> None:
    store, folder = DirectoryStore(tmp_path / "media"), tmp_path / "media/7/ab"
    await store.put(KEY, source)
    left, growing = folder / ".new-left", folder / ".new-growing"
    for half in (left, growing):
        half.write_bytes(b"half")
    long_ago = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    for old in (left, folder / "abcdef"):
        os.utime(old, (long_ago, long_ago))
    await store.put("7/ab/another", source)
    assert sorted(one.name for one in folder.iterdir()) == [".new-growing", "abcdef", "another"]
