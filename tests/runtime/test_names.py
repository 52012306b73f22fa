"""The business's own names are known to the intents of its tenant, from the database, without a query per message."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.authoring.content import Content, load_content
from bot.core.ids import TenantId
from bot.operations import standard_actions
from bot.operations.outside import OutsideSpec
from bot.runtime.library import Library
from bot.runtime.shelf import Folder
from storage.crypto import Vault
from storage.postgres import FlowVersions, Postgres
from tests.conftest import EPOCH
from tests.storage.support import World, build_world
from tests.talking import blocks, write_content

INTENTS = """
role: customer
entities:
  trek: {lookup: treks.find}
  trip: {lookup: trips.find}
intents:
  price:
    examples: [what does the Mardi Himal cost, how much is the Mardi Himal, price of the Mardi Himal please,
      what do you charge for the Mardi Himal, Mardi Himal price]
  weather:
    examples: [is it cold on the Langtang Valley, how cold does it get there, will it snow, is it raining up there,
      do I need a warm jacket]
"""
FLOW = "flow: {0}\nrole: customer\nstart: {{intents: [{0}]}}\nstates: {{a: {{say: it, end: told}}}}\n"


class Counting(FlowVersions):
    """Counts how often the business's names are read."""

    reads = 0
    broken = False

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[tuple[Any, TenantId]]:
        self.reads += 1
        if self.broken:
            raise OSError("the database is away")
        async with super().reading() as found:
            yield found


class Shop:
    """A library over a real database, at a time that the test moves."""

    def __init__(self, world: World, root: Path) -> None:
        files = {
            "intents/customer.yaml": INTENTS,
            **{f"flows/customer/{name}.yaml": FLOW.format(name) for name in ("price", "weather")},
            **{f"templates/en/customer/{name}.j2": blocks(it="It.") for name in ("price", "weather")},
        }
        self.world = world
        self.now: datetime = EPOCH
        self.rows = Counting(world.database, world.tenant)
        actions = standard_actions()
        content: Content = load_content(write_content(root, files), actions)
        folder = Folder(root, actions, OutsideSpec())
        self.library = Library(folder, self.rows, lambda: self.now, content)

    async def trek(self, name: str, *synonyms: str) -> None:
        async with self.world.database.tenant(self.world.tenant) as db:
            await db.execute(
                "INSERT INTO treks (tenant_id, name, synonyms) VALUES ($1, $2, $3)",
                self.world.tenant, name, list(synonyms),
            )  # fmt: skip

    def read_as(self, text: str) -> list[str]:
        """The words of a message as the classifier compares them."""
        return self.library.content.book.understanding("customer").classifier.corrected(text)  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
async def shop(database: Postgres, vault: Vault, tmp_path: Path) -> Shop:
    made = Shop(await build_world(database, vault), tmp_path)
    await made.trek("Mardi Himal Trek", "Mardi Himal", "mardi")
    await made.library.register()
    return made


async def test_names_and_synonyms_of_the_database_are_entities(shop: Shop) -> None:
    assert shop.read_as("price of the mardi himal trek, please") == ["price", "of", "the", "<trek>", "please"]
    assert shop.read_as("mardi price?") == ["<trek>", "price"]


async def test_a_new_row_is_known_by_its_name_and_understood_like_the_others(shop: Shop) -> None:
    assert "<trek>" not in shop.read_as("gokyo ri price")
    await shop.trek("Gokyo Ri")
    shop.now += timedelta(seconds=11)
    await shop.library.look_at_names()
    assert shop.read_as("gokyo ri price") == ["<trek>", "price"]
    understood = shop.library.content.book.understanding("customer").understand("Gokyo Ri price?")
    assert understood[0].intent == "price"
    assert understood[0].score > 0.6


async def test_messages_read_nothing_and_looks_only_now_and_then(shop: Shop) -> None:
    assert shop.rows.reads == 1
    for _ in range(50):
        shop.library.content.book.understanding("customer").understand("how much is mardi")
        await shop.library.look_at_names()
    assert shop.rows.reads == 1
    before = shop.library.current()
    shop.now += timedelta(seconds=11)
    await shop.library.look_at_names()
    assert shop.rows.reads == 2
    assert shop.library.current() is before, "the names are the same, so nothing is exchanged"


async def test_each_tenant_has_its_own_names_and_models(shop: Shop, tmp_path: Path) -> None:
    world = await build_world(shop.world.database, Vault(bytes(32)), slug="other", address="2")
    other = Shop(world, tmp_path / "other")
    await other.trek("Langtang Valley", "langtang")
    await other.library.register()
    assert other.read_as("mardi price") == ["mardi", "price"]
    assert other.read_as("is langtang cold") == ["is", "<trek>", "cold"]
    assert "<trek>" not in shop.read_as("is langtang cold")


async def test_names_are_kept_while_the_database_is_away(shop: Shop) -> None:
    shop.rows.broken = True
    shop.now += timedelta(seconds=11)
    await shop.library.look_at_names()
    assert shop.read_as("mardi price?") == ["<trek>", "price"]
