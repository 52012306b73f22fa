"""`bot simulate --replay`: a real conversation, played again with the flows as they are now."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot.cli.bubbles import Said
from bot.cli.cast import CAST, Player
from bot.cli.session import BLINK, Session
from bot.config import DatabaseSettings
from bot.core.choices import read_tap
from bot.core.errors import ConfigError, SirdarError
from bot.core.messages import ChoiceIn, Incoming, LocationIn, MediaIn, TextIn
from bot.runtime.opening import open_foundation
from storage.postgres.history import History, history
from storage.postgres.inspection import Inspection

_WORTH_WAITING = timedelta(minutes=1)  # shorter pauses are made up for by the next longer one


async def fetch(settings: DatabaseSettings, message: str) -> History:
    """Read a conversation from the configured database, which is not changed.

    Raises:
        ConfigError: The key that finds messages is not set.
        SirdarError: There is no such message.
    """
    if settings.bot_database_url is not None and settings.bot_secret_key is None:
        raise ConfigError(["BOT_SECRET_KEY is missing: messages are found by keys made with it."])
    async with open_foundation(settings, connections=1, migrate=False) as base:
        inspection = Inspection(base.database)
        tenant = await inspection.tenant(settings.bot_tenant)
        wanted = message
        if tenant is not None and message == "latest":
            wanted = str(await inspection.latest_message(tenant) or "")
        found = await history(base.database, base.vault, tenant, wanted) if tenant is not None else None
    if found is None or not found.messages:
        raise SirdarError(
            f"There is no message {message} in tenant {settings.bot_tenant}: bot explain finds the same ones."
        )
    return found


def casting(past: History, people: Sequence[Player] = CAST) -> tuple[tuple[Player, ...], Player]:
    """Everybody with a phone, and who plays the person: under their name, with a made-up number."""
    role = next((one for one in people if set(one.roles) & set(past.roles)), people[0])
    one = replace(role, name=past.name or role.name, roles=past.roles, hint="")
    return tuple(one if other is role else other for other in people), one


def beginning(past: History) -> datetime:
    """When the simulated clock begins."""
    return past.messages[0][0] - BLINK


async def play(session: Session, past: History, watch: Callable[[int, list[Said]], None]) -> None:
    """Send everything the person sent, at its time; timers fire in between.

    Args:
        session: A fresh one.
        past: What they sent.
        watch: Told, after each message, how many have been sent and what was said.
    """
    if past.language != "en":
        await session.speak(past.language)
    for number, (at, content) in enumerate(past.messages, 1):
        said: list[Said] = []
        pause = at - BLINK - session.clock.now
        if pause >= _WORTH_WAITING:
            said += await session.wait(timedelta(seconds=int(pause.total_seconds())))
        said += await _send(session, content)
        watch(number, said)


async def _send(session: Session, content: Incoming) -> list[Said]:
    match content:
        case TextIn(body=body):
            return await session.say(body)
        case ChoiceIn(id=id_, title=title):
            return await _tap(session, content, id_, title)
        case LocationIn(latitude=latitude, longitude=longitude):
            return await session.send(content, f"📍 {latitude}, {longitude}", kind="location")
        case MediaIn(media="image"):
            return await session.send(content, f"📷 {content.caption or content.filename or ''}".strip(), kind="photo")
        case MediaIn():
            return await session.send(content, f"📎 {content.filename or content.media}")
        case other:
            return await session.send(content, f"({other.kind})")


async def _tap(session: Session, content: ChoiceIn, id_: str, title: str) -> list[Said]:
    """Tap the same choice: ids name a run, and runs have other names here. What is not offered is sent as it was."""
    key = tapped.choice if (tapped := read_tap(id_)) is not None else None
    offers = session.offers(session.who.part)
    for place in range(len(offers) - 1, -1, -1):
        for choice in offers[place].choices:
            same = read_tap(choice.id)
            if (
                key is not None and same is not None and same.choice == key
            ) or choice.title.casefold() == title.casefold():
                return await session.tap(choice.title, offer=place)
    return await session.send(content, title)
