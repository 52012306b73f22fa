"""What we say → the JSON of Graph's `POST /{phone_number_id}/messages`.

Lengths are not checked here: content is cut to the provider's capabilities before it is stored.
Source: Meta, WhatsApp Cloud API, "Send messages" and "Templates", 2026.
"""

import re
from collections.abc import Sequence
from typing import Any, assert_never

from bot.core.messages import ButtonsOut, Choice, ListOut, Outgoing, TemplateOut, TextOut
from providers.base import OutboundMessage

MAX_CORRELATION = 512

_LINE_BREAKS = re.compile(r"[ \t\n\r\v\f\x85\u2028\u2029]*[\t\n\r\v\f\x85\u2028\u2029][ \t\n\r\v\f\x85\u2028\u2029]*")
_WIDE_GAPS = re.compile(" {5,}")


def build(message: OutboundMessage) -> dict[str, Any]:
    """Build the request body for one message.

    Raises:
        ValueError: It has no recipient, or a correlation longer than Meta echoes.
    """
    body: dict[str, Any] = {"messaging_product": "whatsapp", "recipient_type": "individual", **_recipient(message)}
    if message.reply_to:
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
        case ButtonsOut():
            buttons = [{"type": "reply", "reply": {"id": b.id, "title": b.title}} for b in content.buttons]
            return _interactive("button", content.body, {"buttons": buttons})
        case ListOut():
            rows = [_row(row) for row in content.rows]
            return _interactive("list", content.body, {"button": content.label, "sections": [{"rows": rows}]})
        case TemplateOut():
            return {"type": "template", "template": _template(content)}
        case _:
            assert_never(content)


def _interactive(kind: str, body: str, action: dict[str, Any]) -> dict[str, Any]:
    return {"type": "interactive", "interactive": {"type": kind, "body": {"text": body}, "action": action}}


def _row(row: Choice) -> dict[str, str]:
    plain = {"id": row.id, "title": row.title}
    return {**plain, "description": row.description} if row.description else plain


def _template(template: TemplateOut) -> dict[str, Any]:
    components: list[dict[str, Any]] = []
    if template.header_parameters:
        components.append({"type": "header", "parameters": _parameters(template.header_parameters)})
    if template.parameters:
        components.append({"type": "body", "parameters": _parameters(template.parameters)})
    components.extend(
        # The position counts all buttons of the template; those without a dynamic part have an empty string here.
        {"type": "button", "sub_type": "url", "index": str(index), "parameters": _parameters([suffix])}
        for index, suffix in enumerate(template.button_parameters)
        if suffix
    )
    built: dict[str, Any] = {"name": template.name, "language": {"code": template.language}}
    if components:
        built["components"] = components
    return built


def _parameters(texts: Sequence[str]) -> list[dict[str, str]]:
    return [{"type": "text", "text": parameter_text(text)} for text in texts]


def parameter_text(text: str) -> str:
    """Make a text fit for a template parameter: no line break, no tab, at most four spaces in a row.

    Meta refuses the whole message otherwise (132018); an address with line breaks is the usual case.
    """
    return _WIDE_GAPS.sub("    ", _LINE_BREAKS.sub(" ", text)).strip()
