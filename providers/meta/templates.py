"""Message templates at Meta: `/{WABA}/message_templates` of the Graph API.

Source: Meta, WhatsApp Business Platform, "Manage templates", 2026.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from bot.core.errors import ProviderError
from bot.core.whatsapp import WhatsAppTemplate
from providers.base import Problem, RemoteTemplate, Sample, TemplateRefused
from providers.meta.errors import read_problem
from providers.meta.settings import MetaSettings
from providers.rest import RestClient
from providers.templates import build_components, build_template, read_template

PAGE = 100
_MOST_PAGES = 100  # an account has at most 6,000 templates
_FIELDS = "id,name,language,status,category,components,rejected_reason,quality_score"


def read_error(status: int, answer: Mapping[str, Any]) -> Problem:
    """Read a refusal of the Graph API, in the words that Meta has for people where there are any."""
    error = answer.get("error")
    problem = read_problem(error, temporary=status >= 500 or status == 429)
    told = error.get("error_user_msg") if isinstance(error, Mapping) else None
    return replace(problem, detail=told) if isinstance(told, str) and told else problem


def graph(settings: MetaSettings, raising: type[ProviderError]) -> RestClient:
    """A client of the Graph API that raises such errors."""
    return RestClient(
        f"{settings.base_url.rstrip('/')}/{settings.api_version}",
        headers={"Authorization": f"Bearer {settings.access_token}"},
        read_error=read_error,
        raising=raising,
        timeout_seconds=max(settings.timeout_seconds, 30.0),
    )


class MetaTemplates:
    """The templates of one WhatsApp Business account."""

    provider = "meta"
    editable: Collection[str] = ("APPROVED", "REJECTED", "PAUSED")

    def __init__(self, settings: MetaSettings) -> None:
        self._client = graph(settings, TemplateRefused)
        self._path = f"/{settings.business_account_id}/message_templates"

    async def list(self) -> list[RemoteTemplate]:
        """Every template of the account."""
        found: list[RemoteTemplate] = []
        query = {"fields": _FIELDS, "limit": str(PAGE)}
        for _ in range(_MOST_PAGES):
            answer = await self._client.call("GET", self._path, params=query)
            entries = answer.get("data")
            for entry in entries if isinstance(entries, list) else []:
                state = read_template(entry) if isinstance(entry, dict) else None
                if state is not None:
                    found.append(state)
            after = _next_page(answer)
            if after is None or after == query.get("after"):
                break
            query["after"] = after
        return found

    async def create(self, template: WhatsAppTemplate, sample: Sample | None = None) -> RemoteTemplate:
        """Hand a template in."""
        handle = await self._upload(sample) if sample is not None else None
        answer = await self._client.call("POST", self._path, json=build_template(template, handle))
        return _answered(template, answer)

    async def edit(
        self, template: RemoteTemplate, ours: WhatsAppTemplate, sample: Sample | None = None
    ) -> RemoteTemplate:
        """Hand other words in; it is reviewed again."""
        handle = await self._upload(sample) if sample is not None else None
        path = f"/{template.provider_template_id}"
        answer = await self._client.call("POST", path, json={"components": build_components(ours, handle)})
        if answer.get("success") is not True:
            raise TemplateRefused("Meta did not confirm that the template was changed.", retryable=True)
        return _answered(ours, {"id": template.provider_template_id})

    async def delete(self, template: RemoteTemplate) -> None:
        """Delete one language; without an id, all of them."""
        identity = template.provider_template_id
        query = {"name": template.name} | ({"hsm_id": identity} if identity else {})
        await self._client.call("DELETE", self._path, params=query)

    async def _upload(self, sample: Sample) -> str:
        """Hand a sample in by the Resumable Upload API, to the app that the token belongs to; returns its handle."""
        file = await sample.file()
        about = {"file_name": file.filename, "file_length": str(len(file.content)), "file_type": file.mime_type}
        opened = await self._client.call("POST", "/app/uploads", params=about)
        session = opened.get("id")
        if not isinstance(session, str) or not session.startswith("upload:"):
            raise TemplateRefused("Meta opened no upload for the sample.", retryable=True)
        done = await self._client.call(
            "POST", f"/{session}", data=file.content,
            headers={"file_offset": "0", "Content-Type": "application/octet-stream"},
        )  # fmt: skip
        handle = done.get("h")
        if not isinstance(handle, str) or not handle:
            raise TemplateRefused("Meta took the sample but gave no handle.", retryable=True)
        return handle

    async def status(self, name: str, language: str) -> RemoteTemplate | None:
        """How one template stands."""
        answer = await self._client.call(
            "GET", self._path, params={"fields": _FIELDS, "name": name, "limit": str(PAGE)}
        )
        found = [read_template(entry) for entry in answer.get("data") or [] if isinstance(entry, dict)]
        return next((one for one in found if one and (one.name, one.language) == (name, language)), None)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()


def _answered(template: WhatsAppTemplate, answer: dict[str, Any]) -> RemoteTemplate:
    state = read_template(
        {"status": "PENDING", "category": template.category}
        | answer
        | {"name": template.name, "language": template.language, "components": build_components(template)}
    )
    if state is None or state.provider_template_id is None:
        raise TemplateRefused("Meta took the template but gave no id. See `bot templates sync`.")
    return state


def _next_page(answer: dict[str, Any]) -> str | None:
    """The cursor, not the whole address: that one carries the access token, and need not lead to the same host."""
    paging = answer.get("paging")
    if not isinstance(paging, dict) or not paging.get("next"):
        return None
    cursors = paging.get("cursors")
    after = cursors.get("after") if isinstance(cursors, dict) else None
    return after if isinstance(after, str) and after else None
