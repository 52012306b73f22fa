"""A photo goes from a phone through the provider into our store, and the flow's business object refers to it."""

import asyncio
import hashlib

from bot.core.messages import MediaOut
from bot.runtime.bells import OUTBOX
from storage.base import NewOutbound, Outcome
from storage.postgres import PostgresTurns
from tests.e2e.conftest import GUIDE, MANAGER, Running

JPEG = b"\xff\xd8\xff\xe0" + b"the axle" * 5000


async def test_a_guides_photo_is_fetched_and_belongs_to_the_incident(running: Running) -> None:
    phone = running.emulator
    await phone.say(MANAGER, "hi")
    await phone.wait_for(MANAGER)
    await phone.say(GUIDE, "ISSUE TRP123 Vehicle breakdown at checkpoint")
    await phone.wait_for(GUIDE)
    await phone.send_image(GUIDE, JPEG, caption="The axle")
    await phone.wait_for(GUIDE)
    (media,) = await running.until(
        "SELECT media_id, status, mime_type, sha256, size_bytes, reason FROM whatsapp_media",
        lambda rows: rows and rows[0]["status"] != "REFERENCED",
    )
    assert (media["status"], media["mime_type"], media["size_bytes"]) == ("STORED", "image/jpeg", len(JPEG)), media
    assert media["sha256"] == hashlib.sha256(JPEG).digest()
    file = await running.system.files.find(running.system.channel.tenant_id, media["media_id"])
    assert file is not None
    assert b"".join([piece async for piece in running.system.files.read(file)]) == JPEG
    (incident,) = await running.until("SELECT media::text AS media FROM incidents", lambda rows: len(rows) == 1)
    assert str(media["media_id"]) in incident["media"]


async def test_a_file_of_ours_reaches_the_phone_and_is_uploaded_once(running: Running) -> None:
    phone, system = running.emulator, running.system
    await phone.say(GUIDE, "hi")
    await phone.wait_for(GUIDE)
    tenant, channel = system.channel.tenant_id, system.channel.channel_id
    number = await system.files.add(tenant, channel, JPEG, kind="image", mime_type="image/jpeg", filename="map.jpg")
    (conversation,) = await running.until(
        "SELECT conversation_id FROM whatsapp_conversations WHERE last_inbound_at IS NOT NULL",
        lambda rows: len(rows) == 1,
    )
    for caption in ("The map", "Again"):
        new = NewOutbound(
            conversation_id=conversation["conversation_id"],
            channel_id=channel,
            content=MediaOut(media="image", file=str(number), caption=caption),
        )
        async with PostgresTurns(system.foundation.database, system.foundation.vault).transaction(tenant) as store:
            await store.write(Outcome(outbound=[new]), system.clock())
        system.bells.ring(OUTBOX)
        async with asyncio.timeout(180):
            while (bubble := phone.transcript(GUIDE)[-1]).text != caption:
                await asyncio.sleep(0.02)
        assert bubble.kind == "image"
        assert bubble.media is not None
        assert bubble.media.id is not None
    assert len(await running.rows("SELECT * FROM media_uploads")) == 1
