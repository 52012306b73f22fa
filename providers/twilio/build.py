"""What we say → the form of Twilio's `POST …/Messages.json`, and the contents that buttons and lists need.

Twilio takes buttons and lists only as a content made beforehand. A content of ours is a layout (three buttons, say)
whose words and ids are all variables, so a few dozen of them serve every message.
Source: Twilio, "Message resource" and "Content types", 2026.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bot.core.files import what_is_wrong
from bot.core.messages import (
    ButtonsOut,
    Choice,
    FormOut,
    ListOut,
    LocationOut,
    MediaOut,
    Outgoing,
    TemplateOut,
    TextOut,
    UrlOut,
)
from providers.base import OutboundMessage
from providers.parameters import parameter_text
from providers.twilio.parse import PREFIX

PREFIX_OF_OURS = "sirdar_"
"""Begins the friendly names of the contents we make on demand."""

MAX_FILE = 16 * 1024 * 1024

LANGUAGE = "en"  # of a layout: it has no words of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A content with variables in it, and what fills them this time."""

    types: dict[str, Any]
    values: tuple[str, ...]

    @property
    def name(self) -> str:
        """The friendly name, the same for the same layout."""
        digest = hashlib.sha256(json.dumps(self.types, sort_keys=True).encode()).hexdigest()
        return f"{PREFIX_OF_OURS}{next(iter(self.types)).partition('/')[2].replace('-', '_')}_{digest[:16]}"

    @property
    def request(self) -> dict[str, Any]:
        """The body that creates it. Twilio wants a sample for each variable; ours name nobody."""
        samples = {str(place): f"text {place}" for place in range(1, len(self.values) + 1)}
        return {"friendly_name": self.name, "language": LANGUAGE, "variables": samples, "types": self.types}


def recipient(message: OutboundMessage) -> str:
    """Whom it goes to, as Twilio writes it.

    Raises:
        ValueError: There is nobody.
    """
    if message.phone:
        return f"{PREFIX}+{message.phone.removeprefix('+')}"
    if message.user_id:
        return PREFIX + message.user_id
    raise ValueError("The message has neither a phone number nor a business-scoped id to go to.")


Prepared = ButtonsOut | ListOut | UrlOut | FormOut | TemplateOut
"""What Twilio sends as a content that was made beforehand."""


def plain_fields(content: Outgoing) -> dict[str, str] | Prepared:
    """The fields of a content that needs nothing made beforehand; others come back as they are.

    Raises:
        ValueError: Twilio cannot carry it: it should have been planned around.
    """
    match content:
        case TextOut():
            return {"Body": content.body}
        case MediaOut():
            if not content.link:
                raise ValueError("Twilio takes files by link only, and this one has none.")
            if wrong := what_is_wrong(content.media, content.mime_type, content.size_bytes, most=MAX_FILE):
                raise ValueError(wrong)
            caption = content.caption if content.media in ("image", "video") else None
            return {"MediaUrl": content.link, **({"Body": caption} if caption else {})}
        case LocationOut():
            label = (content.name or content.address or "").replace("|", " ")
            place = f"geo:{content.latitude:.6f},{content.longitude:.6f}"
            shown = ", ".join(part for part in (content.name, content.address) if part)
            return {"PersistentAction": f"{place}|{label}" if label else place, "Body": shown or "📍"}
        case ButtonsOut() | ListOut() | UrlOut() | FormOut() | TemplateOut():
            return content
        case _:
            raise ValueError(f"Twilio carries no {content.kind}.")


def layout(content: ButtonsOut | ListOut | UrlOut | FormOut) -> Layout:
    """The content that a message needs."""
    match content:
        case ButtonsOut():
            return _buttons(content.body, content.buttons)
        case ListOut():
            return _list(content)
        case UrlOut():
            return _link(content)
        case FormOut():
            return _form(content)


def _buttons(body: str, buttons: tuple[Choice, ...]) -> Layout:
    values = _Values()
    text = values.add(body)
    actions = [{"title": values.add(b.title), "id": values.add(b.id)} for b in buttons]
    return Layout(types={"twilio/quick-reply": {"body": text, "actions": actions}}, values=values.all)


def _list(content: ListOut) -> Layout:
    values = _Values()
    text, label = values.add(content.body), values.add(content.label)
    items = []
    for row in content.rows:
        item = {"item": values.add(row.title), "id": values.add(row.id)}
        if row.description:
            item["description"] = values.add(row.description)
        items.append(item)
    return Layout(types={"twilio/list-picker": {"body": text, "button": label, "items": items}}, values=values.all)


def _link(content: UrlOut) -> Layout:
    # Only the end of an address may be a variable, and the title of such a button none.
    values = _Values()
    text = values.add(content.body)
    parts = urlsplit(content.url)
    origin = f"{parts.scheme}://{parts.netloc}/"
    path = content.url.partition("://")[2].partition("/")[2]
    url = origin + values.add(path) if path else origin
    action = {"type": "URL", "title": content.label, "url": url}
    return Layout(types={"twilio/call-to-action": {"body": text, "actions": [action]}}, values=values.all)


def _form(content: FormOut) -> Layout:
    values = _Values()
    form: dict[str, Any] = {
        "body": values.add(content.body),
        "button_text": content.label,
        "flow_id": content.flow_id,
        "flow_token": values.add(content.token),
    }
    if content.screen:
        form["flow_first_page_id"] = content.screen
    return Layout(types={"whatsapp/flows": form}, values=values.all)


class _Values:
    """Numbers the variables of a layout."""

    def __init__(self) -> None:
        self._values: list[str] = []

    def add(self, value: str) -> str:
        self._values.append(value)
        return f"{{{{{len(self._values)}}}}}"

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(self._values)


def template_values(template: TemplateOut, media_from: str = "") -> dict[str, str]:
    """What fills the variables of an approved template.

    Args:
        template: The message.
        media_from: How the addresses of files above its body begin; the rest is a variable.

    Raises:
        ValueError: What is to stand above the body comes from elsewhere, or is a place.

    Named ones go by their names. The others are numbered through: the body's, then the header's, then the dynamic
    parts of the buttons, which is how our templates are made at Twilio. A variable left out would be sent as the
    sample it was approved with, so every one is named here.
    """
    texts = dict(zip(template.names, template.parameters, strict=True)) if template.names else {}
    texts.update(zip(template.header_names, template.header_parameters, strict=False))
    numbered = [] if template.names else list(template.parameters)
    if not template.header_names:
        numbered += template.header_parameters
    if template.header_location is not None:
        raise ValueError("Twilio has no templates with a place above the body.")
    if template.header_media is not None:
        numbered.append(_media_end(template.header_media, media_from))
    numbered += [part for part in template.button_parameters if part]
    texts.update((str(place), text) for place, text in enumerate(numbered, 1))
    return {name: parameter_text(text) or "-" for name, text in texts.items()}


def _media_end(media: MediaOut, media_from: str) -> str:
    if not media.link:
        raise ValueError("Twilio takes files by link only, and this one has none.")
    if not media.link.startswith(media_from):
        raise ValueError(f"The template was approved with files from {media_from}, and from nowhere else.")
    return media.link[len(media_from) :]


def content_fields(sid: str, values: dict[str, str]) -> dict[str, str]:
    """The fields that send a content."""
    fields = {"ContentSid": sid}
    if values:
        fields["ContentVariables"] = json.dumps(values, ensure_ascii=False)
    return fields
