"""Fetches the files that a bot links to, as the provider's servers do, but only from this machine.

An emulator that fetched whatever it is told to would reach out of the computer it promises to stay on; links to other
hosts are shown as links.
"""

import ipaddress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import aiohttp

from providers.emulator.phones import Attachment
from providers.emulator.storeroom import Storeroom

LINK_MOST = 100 * 1024 * 1024
_HEADERS = {"User-Agent": "facebookexternalua"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What became of a link: the attachment as the phone shows it, and whether the file could not be had."""

    media: Attachment
    failed: bool = False


def is_local(url: str) -> bool:
    """Whether an address is on this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def fetch(session: aiohttp.ClientSession, media: Attachment, storeroom: Storeroom) -> Fetched:
    """Bring a linked file into the storeroom; what lies elsewhere stays as it is, what is here is told its type."""
    if media.id is not None:
        file = storeroom.find(media.id)
        return Fetched(media=media if file is None else replace(media, mime_type=file.mime_type))
    if media.link is None or not is_local(media.link):
        return Fetched(media=media)
    try:
        async with session.get(media.link, headers=_HEADERS, allow_redirects=False) as answer:
            if answer.status != 200:
                return Fetched(media=media, failed=True)
            content = bytearray()
            async for chunk in answer.content.iter_chunked(65_536):
                content += chunk
                if len(content) > LINK_MOST:
                    return Fetched(media=media, failed=True)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return Fetched(media=media, failed=True)
    disposition = answer.content_disposition
    named = media.filename or (disposition.filename if disposition and disposition.filename else "")
    file = storeroom.keep(
        bytes(content), mime_type=answer.headers.get("Content-Type", ""), filename=named, inbound=False
    )
    return Fetched(media=replace(media, id=file.id, mime_type=file.mime_type, filename=named))
