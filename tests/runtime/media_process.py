"""A process that fetches or sends one file and ends; `BOT_FAILPOINTS` may have it die on the way.

Run by test_media_crashes.py: `media_process.py fetch|send DSN FOLDER BASE_URL NOW`.
"""

import asyncio
import sys
from datetime import datetime, timedelta
from pathlib import Path

from bot.core.ids import ChannelId
from bot.runtime.bells import Bells
from bot.runtime.files import MediaLibrary
from bot.runtime.media import MediaKeeper
from bot.runtime.outgoing import WithFiles
from bot.runtime.outlets import Outlet
from bot.runtime.pacing import Pacer
from bot.runtime.sender import Sender, SendRules
from providers.meta import MetaProvider, MetaSettings
from providers.meta.media import MetaMedia
from storage.crypto import Vault
from storage.files import DirectoryStore
from storage.postgres import Postgres, PostgresMedia, PostgresOutbox, Upkeep

LEASE = timedelta(seconds=30)


async def main(what: str, dsn: str, folder: Path, base_url: str, now: datetime) -> None:
    database = await Postgres.connect(dsn, size=2)
    (channel,) = await Upkeep(database).channels()
    settings = MetaSettings(
        app_secrets=("s",), verify_token="v", access_token="t", phone_number_id=channel.address,
        business_account_id="900100200300400", base_url=base_url,
    )  # fmt: skip
    client = MetaMedia(settings, [base_url.partition("//")[2]])
    store, media = DirectoryStore(folder / "media"), PostgresMedia(database)
    if what == "fetch":
        keeper = MediaKeeper(
            media=media, clients={channel.channel_id: client}, store=store, folder=folder / "incoming", limit=10**6,
            clock=lambda: now,
        )  # fmt: skip
        await keeper.start_due()
        await keeper.drain()
    else:
        files = MediaLibrary(media=media, store=store, folder=folder / "incoming", clock=lambda: now)
        carrier = WithFiles(
            provider=MetaProvider(settings), client=client, files=files, links=None, tenant=channel.tenant_id,
            channel=channel.channel_id, patience=120, clock=lambda: now,
        )  # fmt: skip
        rules = SendRules(lease=LEASE, unknown_wait=LEASE)
        outlet = Outlet(provider=carrier, concurrency=4, channel=Pacer(0, 1), pair=Pacer(0, 1))
        outbox = PostgresOutbox(database, Vault(bytes(range(32))))
        sender = Sender(outbox, {ChannelId(channel.channel_id): outlet}, rules, Bells(None), lambda: now)
        await sender.exchange()
        await sender.drain()
        await carrier.close()
    await client.close()
    await database.close()


if __name__ == "__main__":
    deed, where, folder, base, at = sys.argv[1:]
    asyncio.run(main(deed, where, Path(folder), base, datetime.fromisoformat(at)))
