"""Message templates in the form that Meta and 360dialog give and take, and in which we keep those of all providers."""

from collections.abc import Iterable
from typing import Any

from bot.core.whatsapp import Button, WhatsAppTemplate, normal_status, variables_in
from providers.base import RemoteTemplate


def build_components(template: WhatsAppTemplate, sample: str | None = None) -> list[dict[str, Any]]:
    """A template's parts, as Meta and 360dialog take and give them.

    Args:
        template: The template.
        sample: What the provider calls the sample of the file above the body: a handle at Meta, a link at 360dialog.

    Source: Meta, WhatsApp Business Platform, "Template components", 2026.
    """
    parts: list[dict[str, Any]] = []
    if template.header_media:
        example = {"example": {"header_handle": [sample]}} if sample else {}
        parts.append({"type": "HEADER", "format": template.header_media.upper(), **example})
    if template.header:
        parts.append({"type": "HEADER", "format": "TEXT", "text": template.header, **_header_example(template)})
    parts.append({"type": "BODY", "text": template.body, **_body_example(template)})
    if template.footer:
        parts.append({"type": "FOOTER", "text": template.footer})
    if template.buttons:
        parts.append({"type": "BUTTONS", "buttons": [_button(button) for button in template.buttons]})
    return parts


def _header_example(template: WhatsAppTemplate) -> dict[str, Any]:
    if not template.header_example:
        return {}
    if not template.named:
        return {"example": {"header_text": [template.header_example]}}
    (name,) = variables_in(template.header or "")
    return {"example": {"header_text_named_params": [{"param_name": name, "example": template.header_example}]}}


def _body_example(template: WhatsAppTemplate) -> dict[str, Any]:
    values = template.example_values
    if not values:
        return {}
    if not template.named:
        return {"example": {"body_text": [values]}}
    pairs = zip(template.parameter_names, values, strict=True)
    return {"example": {"body_text_named_params": [{"param_name": name, "example": value} for name, value in pairs]}}


def _button(button: Button) -> dict[str, Any]:
    if button.type == "copy_code":
        return {"type": "COPY_CODE", "example": button.example}
    found: dict[str, Any] = {"type": button.type.upper(), "text": button.text}
    if button.url:
        found["url"] = button.url
        if button.example and button.takes_parameter:
            found["example"] = [button.example]
    if button.phone_number:
        found["phone_number"] = button.phone_number
    return found


def build_template(template: WhatsAppTemplate, sample: str | None = None) -> dict[str, Any]:
    """The request that hands a template in at Meta and 360dialog; `sample` as for `build_components`."""
    body: dict[str, Any] = {
        "name": template.name,
        "language": template.language,
        "category": template.category,
        "components": build_components(template, sample),
    }
    if template.named:
        body["parameter_format"] = "NAMED"
    if template.ttl_seconds is not None:
        body["message_send_ttl_seconds"] = template.ttl_seconds
    return body


def read_template(entry: dict[str, Any]) -> RemoteTemplate | None:
    """One entry of a list of Meta's or 360dialog's; None when it has no name or language."""
    name, language = entry.get("name"), entry.get("language")
    if not isinstance(name, str) or not isinstance(language, str):
        return None
    status, category, reason = entry.get("status"), entry.get("category"), entry.get("rejected_reason")
    score = entry.get("quality_score")
    quality = score.get("score") if isinstance(score, dict) else score
    parts = entry.get("components")
    identity = entry.get("id")
    return RemoteTemplate(
        name=name,
        language=language,
        status=normal_status(status) if isinstance(status, str) and status else "PENDING",
        category=category if isinstance(category, str) else None,
        provider_template_id=str(identity) if isinstance(identity, str | int) else None,
        reason=reason if isinstance(reason, str) and reason not in ("", "NONE") else None,
        quality=quality if isinstance(quality, str) else None,
        components=[part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else [],
    )


def wording(components: Iterable[dict[str, Any]]) -> list[tuple[str, ...]]:
    """What people see of a template: for telling whether two are the same, whatever their examples."""
    seen: list[tuple[str, ...]] = []
    for part in components:
        kind = _word(part.get("type"))
        if kind == "BUTTONS":
            buttons = part.get("buttons")
            seen += [_seen(one) for one in buttons if isinstance(one, dict)] if isinstance(buttons, list) else []
        else:
            shape = _word(part.get("format") or "TEXT") if kind == "HEADER" else ""
            seen.append((kind, shape, str(part.get("text") or "").strip()))
    return seen


def _seen(button: dict[str, Any]) -> tuple[str, ...]:
    kind = _word(button.get("type"))
    text = "" if kind == "COPY_CODE" else str(button.get("text") or "")  # WhatsApp translates that one itself
    return kind, text, str(button.get("url") or ""), str(button.get("phone_number") or "").lstrip("+")


def _word(value: Any) -> str:
    return str(value or "").upper()
