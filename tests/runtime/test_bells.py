"""Bells wake others in other processes, and what they cost."""

import asyncio
from functools import partial

from bot.runtime.bells import INBOX, OUTBOX, Bells
from bot.runtime.bootstrap import listen
from storage.postgres.database import Postgres


async def test_a_ring_is_heard_elsewhere_and_only_there_where_it_was_meant(dsn: str) -> None:
    here, there = (Bells(partial(listen, dsn)) for _ in range(2))
    carrying = [asyncio.create_task(bells.run()) for bells in (here, there)]
    try:
        heard = False
        while not heard:  # both connect first, and a bell that nobody listens to yet is missed
            here.ring(INBOX)
            heard = await there.wait(INBOX, 0.1)
        assert not await there.wait(OUTBOX, 0.01)
    finally:
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)


async def test_no_ring_waits_for_the_disk_and_everything_else_does(dsn: str, database: Postgres) -> None:
    ringing = await listen(dsn)
    try:
        assert await ringing.fetchval("SHOW synchronous_commit") == "off"
    finally:
        await ringing.close()
    async with database.connection() as connection:
        settings = "SELECT setting, source FROM pg_settings WHERE name = 'synchronous_commit'"
        assert (await connection.fetchrow(settings))["source"] != "client"
