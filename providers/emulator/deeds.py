"""What a person can do with a phone, told as JSON: by the page, and by tests through the control API."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from providers.emulator.phones import Card, EmulatorError

if TYPE_CHECKING:
    from providers.emulator.emulator import Emulator

TEXT_MOST = 65_536
FILE_MOST = 8 * 1024 * 1024
PICTURE_MOST = 5 * 1024 * 1024
FIELDS_MOST = 100

Deed = Callable[["Emulator", str, dict[str, Any]], Awaitable[str | None]]


async def act(emulator: "Emulator", deed: str, number: str, wanted: dict[str, Any]) -> str | None:
    """Do what the JSON says; returns the new message's id, if there is one.

    Raises:
        EmulatorError: Nobody can do that.
        KeyError: Something is missing.
    """
    if deed not in DEEDS:
        raise EmulatorError(f"nobody can {deed!r}; there is {', '.join(DEEDS)}")
    return await DEEDS[deed](emulator, number, wanted)


async def _say(emulator: "Emulator", number: str, wanted: dict[str, Any]) -> str:
    text = str(wanted["text"])[:TEXT_MOST]
    if not text.strip():
        raise EmulatorError("the text is empty")
    return await emulator.say(number, text, quote=wanted.get("quote"))


async def _tap(emulator: "Emulator", number: str, wanted: dict[str, Any]) -> str:
    return await emulator.tap(number, str(wanted["message"]), str(wanted["button"]))


async def _pick(emulator: "Emulator", number: str, wanted: dict[str, Any]) -> str:
    return await emulator.pick(number, str(wanted["message"]), str(wanted["row"]))


async def _location(emulator: "Emulator", number: str, wanted: dict[str, Any]) -> str:
    latitude, longitude = float(wanted["latitude"]), float(wanted["longitude"])
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise EmulatorError("there is no such place on earth")
    name, address = str(wanted.get("name", "")), str(wanted.get("address", ""))
    return await emulator.send_location(number, latitude, longitude, name=name, address=address)


async def _media(emulator: "Emulator", number: str, wanted: dict[str, Any]) -> str:
    mime_type = str(wanted["mime_type"])
    try:
        content = base64.b64decode(str(wanted["data"]), validate=True)
    except binascii.Error:
        raise EmulatorError("the file is not base64") from None
    most = PICTURE_MOST if mime_type.startswith("image/") else FILE_MOST
    if not 0 < len(content) <= most:
        raise EmulatorError(f"the file is empty or larger than {most // 1024 // 1024} MB")
    return await emulator.send_media(
        number,
        content,
        mime_type,
        caption=str(wanted.get("caption") or ""),
        filename=str(wanted.get("filename") or ""),
        voice=bool(wanted.get("voice", False)),
        quote=wanted.get("quote"),
    )


async def _contacts(emulator: "Emulator", number: str, wanted: dict[str, Any]) -> str:
    cards = [Card(name=str(one["name"]), phones=tuple(map(str, one.get("phones", ())))) for one in wanted["cards"]]
    if not cards:
        raise EmulatorError("there is nobody in these contacts")
    return await emulator.send_contacts(number, cards)


async def _share(emulator: "Emulator", number: str, wanted: dict[str, Any]) -> str:
    return await emulator.share_number(number, str(wanted["message"]))


async def _flow(emulator: "Emulator", number: str, wanted: dict[str, Any]) -> str:
    filled = wanted["filled"]
    if not isinstance(filled, dict) or len(filled) > FIELDS_MOST:
        raise EmulatorError("what is filled in is an object")
    return await emulator.fill_in(number, str(wanted["message"]), filled)


async def _react(emulator: "Emulator", number: str, wanted: dict[str, Any]) -> None:
    await emulator.react(number, str(wanted["message"]), str(wanted["emoji"])[:16])


async def _read(emulator: "Emulator", number: str, _wanted: dict[str, Any]) -> None:
    await emulator.read(number)


async def _play(emulator: "Emulator", number: str, wanted: dict[str, Any]) -> None:
    await emulator.play(number, str(wanted["message"]))


DEEDS: dict[str, Deed] = {
    "say": _say,
    "tap": _tap,
    "pick": _pick,
    "location": _location,
    "media": _media,
    "contacts": _contacts,
    "share": _share,
    "flow": _flow,
    "react": _react,
    "read": _read,
    "play": _play,
}
