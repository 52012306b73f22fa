"""Message templates at Twilio: a Content resource each, handed to WhatsApp for approval.

An approved content is never changed: other words are another content, under another name. Its variables are numbered
through, the body's first, then the header's, then those of the buttons; `providers.twilio.build.template_values` fills
them in that order. Of the address of a file above the body only the end is a variable: all files come from one host,
that of the sample. Source: Twilio, "Content API" and "Approval requests", 2026.
"""

import contextlib
import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from yarl import URL

from bot.core.headers import SAMPLE_TYPES
from bot.core.whatsapp import Button, WhatsAppTemplate, normal_status, sendable, variables_in
from providers.base import RemoteTemplate, Sample, TemplateRefused
from providers.fields import items, mapping, string
from providers.templates import build_components
from providers.twilio.rest import api
from providers.twilio.settings import TwilioSettings

PAGE_SIZE = 500
MOST_PAGES = 50

_VARIABLE = re.compile(r"\{\{\s*\w+\s*\}\}")


class _Numbers:
    """Numbers variables through, and keeps their samples."""

    def __init__(self, template: WhatsAppTemplate) -> None:
        self.samples = dict(zip(template.parameter_names, template.example_values, strict=True))
        self._last = 0 if template.named else template.parameter_count

    def next(self, text: str, sample: str) -> str:
        """The text with its variable, if it has one, under the next number."""
        if not variables_in(text):
            return text
        self._last += 1
        self.samples[str(self._last)] = sample
        return _VARIABLE.sub(f"{{{{{self._last}}}}}", text)


def build_content(template: WhatsAppTemplate, sample: str | None = None) -> dict[str, Any]:
    """The request that makes the content of a template; `sample` is the address of a file like those above its body."""
    numbers = _Numbers(template)
    header = template.header
    if header and not template.named:
        header = numbers.next(header, template.header_example or "")
    elif header and (names := variables_in(header)):
        numbers.samples.setdefault(names[0], template.header_example or "")
    media = _media(sample, numbers) if sample else None
    kinds = {button.type for button in template.buttons}
    value: dict[str, Any] = {"body": template.body}
    if template.buttons:
        value["actions"] = [_action(button, numbers, typed=kinds != {"quick_reply"}) for button in template.buttons]
    if header:
        value["header_text"] = header
    if media:
        value["media"] = [media]
    if template.footer:
        value["footer"] = template.footer
    return {
        "friendly_name": template.name,
        "language": template.language,
        "variables": numbers.samples,
        "types": {_content_type(template, kinds): value},
    }


def _media(sample: str, numbers: _Numbers) -> str:
    parts = urlsplit(sample)
    origin = f"{parts.scheme}://{parts.netloc}/"
    return origin + numbers.next("{{1}}", sample[len(origin) :])


def _content_type(template: WhatsAppTemplate, kinds: Collection[str]) -> str:
    if template.header or template.header_media or template.footer or (len(kinds) > 1 and "quick_reply" in kinds):
        return "whatsapp/card"
    if not kinds:
        return "twilio/text"
    return "twilio/quick-reply" if "quick_reply" in kinds else "twilio/call-to-action"


def _action(button: Button, numbers: _Numbers, *, typed: bool) -> dict[str, Any]:
    kind = {"type": button.type.upper()} if typed else {}
    match button.type:
        case "quick_reply":
            return {**kind, "title": button.text, "id": button.text}
        case "url":
            example = (button.example or "").removeprefix(_VARIABLE.sub("", button.url or ""))
            return {**kind, "title": button.text, "url": numbers.next(button.url or "", example)}
        case "phone_number":
            return {**kind, "title": button.text, "phone": button.phone_number}
        case "copy_code":
            return {**kind, "title": button.text, "code": numbers.next("{{1}}", button.example or "")}


def read_content(content: dict[str, Any]) -> RemoteTemplate | None:
    """A content with its approval, as a template; None when it was never meant to be one."""
    approval = mapping(content.get("approval_requests"))
    name, language = string(approval.get("name")), string(content.get("language"))
    status = normal_status(string(approval.get("status")) or "unsubmitted")
    if not name or not language or status == "DRAFT":
        return None
    types = mapping(content.get("types"))
    kind = string(approval.get("content_type")) or next(iter(types), "")
    reason = string(approval.get("rejection_reason"))
    return RemoteTemplate(
        provider_template_id=string(content.get("sid")),
        name=name,
        language=language,
        status=status,
        category=string(approval.get("category")),
        reason=reason or None,
        components=_components(
            mapping(types.get(kind) or next(iter(types.values()), None)), mapping(content.get("variables"))
        ),
    )


def _components(value: dict[str, Any], samples: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a content says, in Meta's form: variables of header and buttons are counted by themselves there."""
    parts: list[dict[str, Any]] = []
    for media in map(string, items(value.get("media"))[:1]):
        # WhatsApp tells pictures, videos and documents apart by the sample, and so do we.
        example = _VARIABLE.sub(lambda match: str(samples.get(match[0].strip("{} "), "")), media or "")
        parts.append({"type": "HEADER", "format": _format(example)})
    if header := string(value.get("header_text")):
        parts.append({"type": "HEADER", "format": "TEXT", "text": _alone(header)})
    parts.append({"type": "BODY", "text": string(value.get("body")) or ""})
    if footer := string(value.get("footer")):
        parts.append({"type": "FOOTER", "text": footer})
    buttons = [_button(mapping(action)) for action in items(value.get("actions"))]
    return [*parts, {"type": "BUTTONS", "buttons": buttons}] if buttons else parts


def _button(action: dict[str, Any]) -> dict[str, Any]:
    kind = string(action.get("type")) or "QUICK_REPLY"
    found: dict[str, Any] = {"type": kind, "text": string(action.get("title")) or ""}
    if url := string(action.get("url")):
        found["url"] = _VARIABLE.sub("{{1}}", url)
    if phone := string(action.get("phone")):
        found["phone_number"] = phone
    return found


def _format(address: str) -> str:
    ending = PurePosixPath(urlsplit(address).path).suffix.lower()
    return next((kind.upper() for kind, endings in SAMPLE_TYPES.items() if ending in endings), "DOCUMENT")


def _alone(text: str) -> str:
    return re.sub(r"\{\{\s*\d+\s*\}\}", "{{1}}", text)


class TwilioTemplates:
    """The templates of one account."""

    provider = "twilio"
    editable: Collection[str] = ()

    def __init__(self, settings: TwilioSettings) -> None:
        self._client = api(settings.content_url, settings, TemplateRefused)

    async def list(self) -> list[RemoteTemplate]:
        """Every content that was handed in: of a name and language the newest that may be sent, else the newest."""
        found: dict[tuple[str, str], RemoteTemplate] = {}
        query = {"PageSize": str(PAGE_SIZE)}
        for _ in range(MOST_PAGES):
            answer = await self._client.call("GET", "/v1/ContentAndApprovals", params=query)
            contents = sorted(map(mapping, items(answer.get("contents"))), key=lambda one: str(one.get("date_created")))
            for state in map(read_content, contents):
                if state is None:
                    continue
                known = found.get((state.name, state.language))
                if known is None or sendable(state.status) or not sendable(known.status):
                    found[state.name, state.language] = state
            following = string(mapping(answer.get("meta")).get("next_page_url"))
            if not following:
                break
            query = dict(URL(following).query)  # asked for at our address: theirs need not be reachable
        return list(found.values())

    async def create(self, template: WhatsAppTemplate, sample: Sample | None = None) -> RemoteTemplate:
        """Make a content and hand it in; what is refused is not left lying about."""
        if template.header_media == "location":
            raise TemplateRefused("Twilio has no templates with a place above the body.")
        link = await sample.link() if sample is not None else None
        answer = await self._client.call("POST", "/v1/Content", json=build_content(template, link))
        sid = string(answer.get("sid"))
        if not sid:
            raise TemplateRefused("Twilio made the content but gave no sid. See `bot templates sync`.")
        request = {"name": template.name, "category": template.category}
        try:
            approval = await self._client.call("POST", f"/v1/Content/{sid}/ApprovalRequests/whatsapp", json=request)
        except TemplateRefused:
            with contextlib.suppress(TemplateRefused):
                await self._client.call("DELETE", f"/v1/Content/{sid}")
            raise
        return RemoteTemplate(
            provider_template_id=sid,
            name=template.name,
            language=template.language,
            status=normal_status(string(approval.get("status")) or "pending"),
            category=string(approval.get("category")) or template.category,
            reason=string(approval.get("rejection_reason")) or None,
            components=build_components(template),
        )

    async def edit(
        self, template: RemoteTemplate, ours: WhatsAppTemplate, sample: Sample | None = None
    ) -> RemoteTemplate:
        """Never: approved contents stay as they are."""
        raise TemplateRefused("Twilio changes no content that was handed in. Give the template a new name.")

    async def delete(self, template: RemoteTemplate) -> None:
        """Delete one content."""
        if not (template.provider_template_id or "").isalnum():
            raise TemplateRefused("The template has no sid.")
        await self._client.call("DELETE", f"/v1/Content/{template.provider_template_id}")

    async def status(self, name: str, language: str) -> RemoteTemplate | None:
        """How one template stands."""
        return next((one for one in await self.list() if (one.name, one.language) == (name, language)), None)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()
