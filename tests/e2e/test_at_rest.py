"""What can be read in the database without the key: no number, no id of a person, no secret, in no table."""

import base64
import json
import random
import re
from collections.abc import Iterable

import asyncpg
import pytest

from bot.operations.privacy import base64_of
from providers.emulator.meta.events import wamid
from tests.e2e.conftest import CUSTOMER, GUIDE, SECRET, Running
from tests.e2e.test_every_carrier import HOOK, KEY, TOKEN, carried
from tests.e2e.test_hostile import envelope, text

__all__ = ["carried"]  # a fixture

TABLES = """
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY 1
"""
SECRETS = (SECRET, "fixture-access-token", "fixture-verify-token", TOKEN, KEY, HOOK)
IN_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")


def unpacked(text: bytes) -> Iterable[bytes]:
    """The text, what is in it in hex (bytes are shown so) and in base64, and what is in that."""
    yield text
    for piece in re.findall(rb"\\\\?x((?:[0-9a-f]{2})+)", text):
        yield bytes.fromhex(piece.decode())
    for piece in IN_BASE64.findall(text):
        for shift in range(4):
            part = piece[shift : len(piece) - (len(piece) - shift) % 4].replace(b"-", b"+").replace(b"_", b"/")
            yield base64.b64decode(part, validate=False)


async def readable(running: Running, canaries: Iterable[str]) -> set[str]:
    """Tables in which a canary can be read, with the canary."""
    wanted = {canary: [part.encode() for part in (canary, *base64_of(canary))] for canary in canaries}
    found = set()
    db = await asyncpg.connect(running.system.foundation.dsn)
    try:
        for (table,) in await db.fetch(TABLES):
            for (row,) in await db.fetch(f"SELECT t::text FROM {table} t"):
                texts = b"\n".join(unpacked(row.encode()))
                found |= {f"{table}: {one}" for one, parts in wanted.items() if any(part in texts for part in parts)}
    finally:
        await db.close()
    return found


async def converse(running: Running) -> None:
    """Words, an answer with its statuses, a quoted answer, a tap, a reaction, and what a number's owner changes."""
    phone = running.emulator
    first = await phone.say(CUSTOMER, "Hi, interested in EBC Trek for 2 people in December")
    await running.until(
        "SELECT status FROM whatsapp_messages WHERE direction = 'OUTBOUND' ORDER BY message_id",
        lambda rows: bool(rows) and all(row["status"] in ("DELIVERED", "READ") for row in rows),
    )
    asked = next(b for b in reversed(phone.transcript(CUSTOMER)) if b.buttons or b.menu)
    if running.system.settings.whatsapp_provider != "twilio":
        await phone.react(CUSTOMER, asked.id, "+")
    await phone.say(CUSTOMER, "what does it cost?", quote=asked.id)
    if asked.menu is not None:
        await phone.pick(CUSTOMER, asked.id, asked.menu.sections[0].rows[0].id)
    else:
        await phone.tap(CUSTOMER, asked.id, asked.buttons[0].id)
    await running.until("SELECT 1 FROM inbox", lambda rows: not rows)
    await phone.read(CUSTOMER)
    rows = await running.rows("SELECT provider_message_id, reply_to FROM whatsapp_messages ORDER BY message_id")
    vault, tenant = running.system.foundation.vault, running.system.channel.tenant_id
    assert vault.open_id(tenant, rows[0]["provider_message_id"]) == first, "it is there, for who has the key"


async def nothing_can_be_read(running: Running, *more: str) -> None:
    canaries = [*more, CUSTOMER.lstrip("+"), CUSTOMER.lstrip("+")[1:], GUIDE.lstrip("+"), *SECRETS]
    assert await readable(running, canaries) == set()
    # Or we would not have seen it: what is not sealed is found, in base64 as well.
    async with running.system.foundation.database.tenant(running.system.channel.tenant_id) as db:
        hidden = base64.b64encode(b"\x1d" + CUSTOMER.encode()).decode()
        await db.execute("UPDATE tenants SET name = $1 WHERE tenant_id = $2", json.dumps({"id": hidden}),
                         running.system.channel.tenant_id)  # fmt: skip
    assert await readable(running, [CUSTOMER.lstrip("+")]) == {f"tenants: {CUSTOMER.lstrip('+')}"}


async def test_nothing_can_be_read_after_a_conversation_over_meta(running: Running) -> None:
    await converse(running)
    number, bsuid = "15550149999", "US.13491208655302741918"
    unreadable = {"from": number, "from_user_id": bsuid, "id": wamid(number, random.Random(1), from_business=False),
                  "type": "hologram", "timestamp": "1795340000"}  # fmt: skip
    await running.post(envelope([text(1, "hello", sender=number) | {"from_user_id": bsuid}, unreadable]))
    await running.until("SELECT 1 FROM inbox", lambda rows: not rows)
    await nothing_can_be_read(running, number, bsuid)


@pytest.mark.parametrize("carried", ["twilio", "360dialog"], indirect=True)
async def test_nothing_can_be_read_after_a_conversation_over_the_others(carried: Running) -> None:
    await converse(carried)
    await nothing_can_be_read(carried)
