"""Slots that are sent rather than written: files and places."""

from dataclasses import dataclass
from typing import Any

from bot.core.entities import find_place
from bot.core.slots.base import Filled, Heard, Reader, Reading
from bot.core.values import Place, show_place


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaReader(Reader):
    """Files: one object when `max` is 1, else a list of them.

    Each is `{"id", "kind", "mime_type", "caption", "filename", "sha256"}`.
    """

    type: str = "media"
    kinds: frozenset[str] = frozenset({"photo"})
    min: int = 1
    max: int = 1

    def read(self, heard: Heard, *, asked: bool) -> Reading:
        """Nothing: files are sent, not written."""
        return None

    def takes(self, kind: str) -> bool:
        """Whether a file of this kind is wanted."""
        return kind in self.kinds

    def show(self, value: Any, language: str) -> str:
        """How many, or what it is called."""
        if isinstance(value, list):
            return str(len(value))
        return str(value.get("filename") or value.get("kind")) if isinstance(value, dict) else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationReader(Reader):
    """A place: `{"latitude", "longitude", "name", "address"}`, WGS 84 degrees."""

    type: str = "location"

    def read(self, heard: Heard, *, asked: bool) -> Reading:
        """Take a link to a map, or, asked, latitude and longitude."""
        if not asked and "://" not in heard.text[:600]:
            return None
        place = find_place(heard.entities.lower)
        if place is None:
            return None
        return Filled({"latitude": place[0], "longitude": place[1], "name": None, "address": None})

    def takes(self, kind: str) -> bool:
        """Whether it is a place."""
        return kind == "location"

    def show(self, value: Any, language: str) -> str:
        """Name or address, or figures."""
        return show_place(value)

    @property
    def prints(self) -> bool:
        """Always."""
        return True

    def wrap(self, value: Any, language: str) -> Any:
        """Printing itself."""
        return Place(value, language) if isinstance(value, dict) else value
