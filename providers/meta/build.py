"""What we say → the JSON of Graph's `POST /{phone_number_id}/messages`.

Lengths are not checked here: content is cut to the provider's capabilities before it is stored.
Source: Meta, WhatsApp Cloud API, "Send messages" and "Templates", 2026.
"""

from collections.abc import Sequence
from typing import Any, assert_never

from bot.core.files import plain_type, what_is_wrong
from bot.core.messages import (
    ButtonsOut,
    Choice,
    ContactCard,
    ContactRequestOut,
    ContactsOut,
    FormOut,
    ListOut,
    LocationOut,
    LocationRequestOut,
    MediaOut,
    Outgoing,
    ReactionOut,
    TemplateOut,
    TextOut,
    UrlOut,
)
from providers.base import OutboundMessage
from providers.parameters import parameter_text

MAX_CORRELATION = 512

_VOICE = "audio/ogg"  # anything else is refused as a voice note


def build(message: OutboundMessage) -> dict[str, Any]:
    """Build the request body for one message.

    Raises:
        ValueError: It has no recipient, a correlation longer than Meta echoes, or a file that is nowhere.
    """
    body: dict[str, Any] = {"messaging_product": "whatsapp", "recipient_type": "individual", **_recipient(message)}
    if message.reply_to and not isinstance(message.content, ReactionOut):
        body["context"] = {"message_id": message.reply_to}
    if len(message.correlation) > MAX_CORRELATION:
        raise ValueError(f"The correlation has {len(message.correlation)} characters, {MAX_CORRELATION} are allowed.")
    if message.correlation:
        body["biz_opaque_callback_data"] = message.correlation
    return {**body, **_content(message.content)}


def build_read(message_id: str, *, typing: bool = False) -> dict[str, Any]:
    """Build the request that marks a message (and those before it) as read, and shows us typing for 25 seconds."""
    body: dict[str, Any] = {"messaging_product": "whatsapp", "status": "read", "message_id": message_id}
    if typing:
        body["typing_indicator"] = {"type": "text"}
    return body


def _recipient(message: OutboundMessage) -> dict[str, str]:
    # The number first: where both are given Meta goes by `to`, and some templates cannot go to an id at all.
    if message.phone:
        # Without the +, Meta may take the digits for a national number of the business's country.
        return {"to": "+" + message.phone.removeprefix("+")}
    if message.user_id:
        return {"recipient": message.user_id}
    raise ValueError("The message has neither a phone number nor a business-scoped id to go to.")


def _content(content: Outgoing) -> dict[str, Any]:
    match content:
        case TextOut():
            text: dict[str, Any] = {"body": content.body}
            if content.preview_url:
                text["preview_url"] = True
            return {"type": "text", "text": text}
        case TemplateOut():
            return {"type": "template", "template": _template(content)}
        case MediaOut():
            return {"type": content.media, content.media: _media(content)}
        case LocationOut():
            return {"type": "location", "location": _location(content)}
        case ContactsOut():
            return {"type": "contacts", "contacts": [_card(card) for card in content.cards]}
        case ReactionOut():
            return {"type": "reaction", "reaction": {"message_id": content.message_id, "emoji": content.emoji or ""}}
        case _:
            return _interactive(content)


def _interactive(
    content: ButtonsOut | ListOut | UrlOut | LocationRequestOut | ContactRequestOut | FormOut,
) -> dict[str, Any]:
    match content:
        case ButtonsOut():
            buttons = [{"type": "reply", "reply": {"id": b.id, "title": b.title}} for b in content.buttons]
            action: dict[str, Any] = {"buttons": buttons}
            kind = "button"
        case ListOut():
            rows = [_row(row) for row in content.rows]
            kind, action = "list", {"button": content.label, "sections": [{"rows": rows}]}
        case UrlOut():
            kind, action = "cta_url", _named("cta_url", {"display_text": content.label, "url": content.url})
        case LocationRequestOut():
            kind, action = "location_request_message", _named("send_location")
        case ContactRequestOut():
            kind, action = "request_contact_info", _named("request_contact_info")
        case FormOut():
            kind, action = "flow", _named("flow", _form(content))
        case _:
            assert_never(content)
    interactive = {"type": kind, "body": {"text": content.body}, "action": action}
    return {"type": "interactive", "interactive": interactive}


def _named(name: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name} if parameters is None else {"name": name, "parameters": parameters}


def _form(form: FormOut) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "flow_message_version": "3",
        "flow_id": form.flow_id,
        "flow_cta": form.label,
        "flow_token": form.token,
    }
    if form.draft:
        parameters["mode"] = "draft"
    if form.screen is None:
        return {**parameters, "flow_action": "data_exchange"}
    payload: dict[str, Any] = {"screen": form.screen}
    if form.data:  # Meta refuses an empty object
        payload["data"] = form.data
    return {**parameters, "flow_action": "navigate", "flow_action_payload": payload}


def _media(media: MediaOut) -> dict[str, Any]:
    if wrong := what_is_wrong(media.media, media.mime_type, media.size_bytes):
        raise ValueError(wrong)
    if media.media_id:
        body: dict[str, Any] = {"id": media.media_id}
    elif media.link:
        body = {"link": media.link}
    else:
        raise ValueError("The file has neither an id nor a link: it was not uploaded.")
    if media.caption and media.media in ("image", "video", "document"):
        body["caption"] = media.caption
    if media.filename and media.media == "document":
        body["filename"] = media.filename
    if media.voice and media.media == "audio" and plain_type(media.mime_type or _VOICE) == _VOICE:
        body["voice"] = True
    return body


def _location(place: LocationOut) -> dict[str, Any]:
    body: dict[str, Any] = {"latitude": place.latitude, "longitude": place.longitude}
    if place.name:
        body["name"] = place.name
    if place.address:
        body["address"] = place.address
    return body


def _card(card: ContactCard) -> dict[str, Any]:
    name = {"formatted_name": card.name, "first_name": card.first_name}
    if card.last_name:
        name["last_name"] = card.last_name
    body: dict[str, Any] = {"name": name}
    if card.phones:  # with the WhatsApp id, so that the person is offered to write and not to invite
        body["phones"] = [{"phone": phone, "wa_id": phone.removeprefix("+"), "type": "CELL"} for phone in card.phones]
    if card.emails:
        body["emails"] = [{"email": email, "type": "WORK"} for email in card.emails]
    if card.company:
        body["org"] = {"company": card.company}
    return body


def _row(row: Choice) -> dict[str, str]:
    plain = {"id": row.id, "title": row.title}
    return {**plain, "description": row.description} if row.description else plain


def _template(template: TemplateOut) -> dict[str, Any]:
    components: list[dict[str, Any]] = []
    if (media := template.header_media) is not None:
        component = {"type": media.media, media.media: _template_media(media)}
        components.append({"type": "header", "parameters": [component]})
    elif template.header_location is not None:
        place = {"type": "location", "location": _location(template.header_location)}
        components.append({"type": "header", "parameters": [place]})
    elif template.header_parameters:
        head = _parameters(template.header_parameters, template.header_names)
        components.append({"type": "header", "parameters": head})
    if template.parameters:
        components.append({"type": "body", "parameters": _parameters(template.parameters, template.names)})
    # The position counts all buttons of the template; those without a dynamic part have an empty string here.
    for index, suffix in enumerate(template.button_parameters):
        if suffix and template.button_kinds and template.button_kinds[index] == "copy_code":
            components.append(_button("copy_code", index, {"type": "coupon_code", "coupon_code": suffix.strip()}))
        elif suffix:
            components.append(_button("url", index, {"type": "text", "text": parameter_text(suffix)}))
    for index, payload in enumerate(template.button_payloads):
        if payload:
            components.append(_button("quick_reply", index, {"type": "payload", "payload": payload}))
    built: dict[str, Any] = {"name": template.name, "language": {"code": template.language}}
    if components:
        built["components"] = components
    return built


def _template_media(media: MediaOut) -> dict[str, Any]:
    body = _media(media)
    body.pop("caption", None)  # a header has none, and Meta refuses it
    return body


def _button(kind: str, index: int, parameter: dict[str, str]) -> dict[str, Any]:
    return {"type": "button", "sub_type": kind, "index": str(index), "parameters": [parameter]}


def _parameters(texts: Sequence[str], names: Sequence[str] = ()) -> list[dict[str, str]]:
    if names and len(names) != len(texts):
        raise ValueError(f"The template has {len(names)} names for {len(texts)} parameters.")
    plain = [{"type": "text", "text": parameter_text(text)} for text in texts]
    return [{**one, "parameter_name": name} for one, name in zip(plain, names, strict=True)] if names else plain
