"""Looking whether the bot is there, as a provider does before it posts webhooks to an address."""

import secrets

import aiohttp

from providers.emulator.phones import EmulatorError


class WebhookRefusedError(EmulatorError):
    """The bot did not answer the verification handshake as Meta wants it."""


async def shake_hands(session: aiohttp.ClientSession, url: str, token: str) -> None:
    """Meta's `hub.challenge` handshake.

    Raises:
        WebhookRefusedError: The bot cannot be reached, or did not answer 200 with the bare challenge.
    """
    challenge = str(secrets.randbelow(10**9) + 10**9)
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": token}
    try:
        async with session.get(url, params=query, allow_redirects=False) as answer:
            text = await answer.text()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise WebhookRefusedError(f"{url} cannot be reached: {error!r}") from error
    if answer.status != 200 or text != challenge:
        raise WebhookRefusedError(
            f"{url} answered {answer.status} {text[:80]!r}; 200 and {challenge!r} were expected. "
            "Compare the verify tokens."
        )


async def knock(session: aiohttp.ClientSession, url: str) -> None:
    """Look whether anybody is there; other providers than Meta do no more.

    Raises:
        WebhookRefusedError: Nobody is.
    """
    try:
        async with session.head(url, allow_redirects=False):
            return
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise WebhookRefusedError(f"{url} cannot be reached: {error!r}") from error
