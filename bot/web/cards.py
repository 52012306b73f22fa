"""Contacts that come as a file: read before they are stored, since a flow cannot wait for them.

That is Twilio's way: one message in a webhook, and it waits for fifteen seconds. A file that does not come in four
stays an address, and the message is not lost.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from bot.core.messages import ContactsIn
from bot.runtime.tenants import Line
from providers.base import InboundMessage, MediaClient, MediaError, MediaLocation, WebhookItem
from providers.twilio.vcards import read_vcards

log = structlog.get_logger(__name__)

SECONDS = 4.0
MOST_BYTES = 256 * 1024
ADDRESS = "vcard_url"


async def with_cards(items: Sequence[WebhookItem], lines: Mapping[str, Line]) -> list[WebhookItem]:
    """The items of a webhook, with contacts in place of the addresses of files of them."""
    found = list(items)
    for place, item in enumerate(found):
        if isinstance(item, InboundMessage) and isinstance(item.content, ContactsIn):
            line = lines.get(item.channel)
            url = item.content.cards[0].get(ADDRESS) if item.content.cards else None
            if line is not None and line.media is not None and isinstance(url, str):
                cards = await _read(line.media, url)
                if cards:
                    found[place] = replace(item, content=replace(item.content, cards=cards))
    return found


async def _read(client: MediaClient, url: str) -> tuple[dict[str, object], ...]:
    try:
        async with asyncio.timeout(SECONDS):
            pieces = [piece async for piece in client.download(MediaLocation(url=url), limit=MOST_BYTES)]
    except (MediaError, TimeoutError) as error:
        log.warning("contacts could not be fetched", action="go_on", error=type(error).__name__)
        return ()
    return read_vcards(b"".join(pieces).decode("utf-8", "replace"))
