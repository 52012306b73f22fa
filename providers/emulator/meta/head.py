"""What every bubble of a send has in common."""

from dataclasses import dataclass
from datetime import datetime

from providers.emulator.phones import Attachment, Bubble, Button, Card, Kind, Menu, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What every bubble of a send starts with."""

    id: str
    at: datetime
    quotes: str | None

    def bubble(
        self,
        kind: Kind,
        *,
        text: str = "",
        header: str = "",
        footer: str = "",
        buttons: tuple[Button, ...] = (),
        menu: Menu | None = None,
        place: Place | None = None,
        cards: tuple[Card, ...] = (),
        media: Attachment | None = None,
    ) -> Bubble:
        """A bubble of the business."""
        return Bubble(
            id=self.id,
            author="business",
            at=self.at,
            quotes=self.quotes,
            kind=kind,
            text=text,
            header=header,
            footer=footer,
            buttons=buttons,
            menu=menu,
            place=place,
            cards=cards,
            media=media,
        )
