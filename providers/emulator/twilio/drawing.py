"""A filled Content resource as the phone shows it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.emulator.phones import Attachment, Bubble, Button, Kind, Menu, Place, Row, Section

SESSION_REPLIES_MOST = 3
TEMPLATE_BODY_MOST = 1024
REFUSED_CONTENT, INVALID_CONTENT = 63005, 63021


class UndeliverableError(Exception):
    """WhatsApp refuses what Twilio accepted; `code` is the one with which the message fails."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What every bubble of a send starts with."""

    id: str
    at: datetime
    approved: bool

    def content(self, kind: str, value: dict[str, Any]) -> Bubble:
        """The bubble for a content type.

        Raises:
            UndeliverableError: WhatsApp would not take it.
        """
        body = str(value.get("body") or value.get("title") or "")
        if self.approved and len(body) > TEMPLATE_BODY_MOST:
            raise UndeliverableError(INVALID_CONTENT)
        match kind:
            case "twilio/quick-reply":
                return self._bubble("buttons", text=body, buttons=self._replies(value["actions"]))
            case "twilio/list-picker":
                return self._bubble("list", text=body, menu=_menu(value))
            case "twilio/media":
                media = Attachment(link=str(value["media"][0]))
                return self._bubble(kind_of(media.link or ""), text=body, media=media)
            case "twilio/location":
                return self._bubble("location", place=_place(value))
            case "twilio/flows" | "whatsapp/flows":
                token = str(value.get("flow_token") or value.get("flow_id") or "unused")
                title = str(value.get("button_text") or "Open")
                return self._bubble("flow", text=body, buttons=(Button(id=token, title=title),))
            case "whatsapp/authentication":
                code = str(value.get("code") or "{{1}}")
                title = str((value.get("actions") or [{}])[0].get("copy_code_text") or "Copy code")
                text = f"*{code}* is your verification code."
                return self._bubble("link", text=text, buttons=(Button(id="", title=title, url=""),))
            case "twilio/carousel":
                cards = [card for card in value["cards"] if isinstance(card, dict)]
                buttons = [button for card in cards for button in self._actions(card.get("actions") or [])]
                return self._bubble("buttons", text=body, buttons=tuple(buttons))
            case _:
                return self._card(value, body)

    def _card(self, value: dict[str, Any], body: str) -> Bubble:
        links = value.get("media")
        media = Attachment(link=str(links[0])) if isinstance(links, list) and links else None
        return self._bubble(
            "buttons" if value.get("actions") else "text",
            text=body,
            header=str(value.get("header_text") or ""),
            footer=str(value.get("footer") or value.get("subtitle") or ""),
            buttons=tuple(self._actions(value.get("actions") or [])),
            media=media,
        )

    def _replies(self, actions: list[dict[str, Any]]) -> tuple[Button, ...]:
        if len(actions) > SESSION_REPLIES_MOST and not self.approved:
            raise UndeliverableError(REFUSED_CONTENT)
        titles = [str(action["title"]) for action in actions]
        if len(set(titles)) < len(titles) or max(map(len, titles)) > 20:
            raise UndeliverableError(REFUSED_CONTENT)
        return tuple(Button(id=str(action.get("id") or action["title"]), title=action["title"]) for action in actions)

    def _actions(self, actions: list[dict[str, Any]]) -> list[Button]:
        buttons: list[Button] = []
        for action in actions:
            title = str(action.get("title") or "")
            match action.get("type"):
                case "URL":
                    buttons.append(Button(id="", title=title, url=str(action.get("url") or "")))
                case "PHONE_NUMBER":
                    buttons.append(Button(id="", title=title, url=f"tel:{action.get('phone', '')}"))
                case "QUICK_REPLY":
                    buttons.append(Button(id=str(action.get("id") or title), title=title))
                case _:
                    buttons.append(Button(id="", title=title, url=""))
        return buttons

    def _bubble(self, kind: Kind, *, text: str = "", **rest: Any) -> Bubble:
        shown: Kind = "template" if self.approved and kind not in ("list", "location", "flow") else kind
        return Bubble(id=self.id, author="business", at=self.at, kind=shown, text=text, **rest)


def kind_of(link: str, mime_type: str = "") -> Kind:
    """What a linked file is shown as, by its type or, before it is fetched, by its name."""
    plain = mime_type.partition(";")[0].strip()
    ending = link.partition("?")[0].rpartition(".")[2].lower()
    if plain == "image/webp" or ending == "webp":
        return "sticker"
    if plain.startswith("image/") or (not plain and ending in ("jpg", "jpeg", "png")):
        return "image"
    if plain.startswith("audio/") or (not plain and ending in ("ogg", "oga", "amr", "aac", "mp3", "m4a")):
        return "audio"
    if plain.startswith("video/") or (not plain and ending in ("mp4", "3gp")):
        return "video"
    return "document"


def _menu(value: dict[str, Any]) -> Menu:
    rows = tuple(
        Row(id=str(item["id"]), title=str(item["item"]), description=str(item.get("description") or ""))
        for item in value["items"]
    )
    too_long = any(len(row.title) > 24 or len(row.description) > 72 for row in rows)
    if too_long or len({row.id for row in rows}) < len(rows):
        raise UndeliverableError(REFUSED_CONTENT)
    return Menu(label=str(value["button"]), sections=(Section(title="", rows=rows),))


def _place(value: dict[str, Any]) -> Place:
    try:
        return Place(
            latitude=float(value["latitude"]),
            longitude=float(value["longitude"]),
            name=str(value.get("label") or ""),
            address=str(value.get("address") or ""),
        )
    except (TypeError, ValueError):
        raise UndeliverableError(REFUSED_CONTENT) from None
