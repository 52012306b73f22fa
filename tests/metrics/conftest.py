"""A world, as storage's tests have it."""

import pytest

from storage.crypto import Vault
from storage.postgres import Postgres
from tests.storage.support import World, build_world


@pytest.fixture
async def world(database: Postgres, vault: Vault) -> World:
    return await build_world(database, vault)
