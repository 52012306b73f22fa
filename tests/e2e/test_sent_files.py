"""A photo goes from a phone through the provider into our store, and the flow's business object refers to it."""

import hashlib

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
