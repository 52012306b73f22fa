"""Message templates at Meta: `/{WABA}/message_templates` of the Graph API.

Source: Meta, WhatsApp Business Platform, "Manage templates", 2026.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from bot.core.errors import ProviderError
from bot.core.whatsapp import WhatsAppTemplate
from providers.base import Problem
from providers.meta.errors import read_problem
from providers.meta.settings import MetaSettings
from providers.rest import RestClient
from providers.templates import TemplateState, build_components, build_template, read_template

PAGE = 100
_MOST_PAGES = 100  # an account has at most 6,000 templates
_FIELDS = "id,name,language,status,category,components,rejected_reason,quality_score"


def read_error(status: int, answer: Mapping[str, Any]) -> Problem:
    """Read a refusal of the Graph API, in the words that Meta has for people where there are any."""
    error = answer.get("error")
    problem = read_problem(error, temporary=status >= 500 or status == 429)
    told = error.get("error_user_msg") if isinstance(error, Mapping) else None
    return replace(problem, detail=told) if isinstance(told, str) and told else problem


def graph(settings: MetaSettings) -> RestClient:
    """A client of the Graph API."""
    return RestClient(
        f"{settings.base_url.rstrip('/')}/{settings.api_version}",
        headers={"Authorization": f"Bearer {settings.access_token}"},
        read_error=read_error,
        timeout_seconds=max(settings.timeout_seconds, 30.0),
    )


class MetaTemplates:
    """The templates of one WhatsApp Business account."""

    provider = "meta"
    editable: Collection[str] = ("APPROVED", "REJECTED", "PAUSED")

    def __init__(self, settings: MetaSettings) -> None:
        self._client = graph(settings)
        self._path = f"/{settings.business_account_id}/message_templates"

    async def list(self) -> list[TemplateState]:
        """Every template of the account."""
        found: list[TemplateState] = []
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

    async def create(self, template: WhatsAppTemplate) -> TemplateState:
        """Hand a template in."""
        answer = await self._client.call("POST", self._path, json=build_template(template))
        return _answered(template, answer)

    async def edit(self, template_id: str, template: WhatsAppTemplate) -> TemplateState:
        """Hand other words in; it is reviewed again."""
        answer = await self._client.call("POST", f"/{template_id}", json={"components": build_components(template)})
        if answer.get("success") is not True:
            raise ProviderError("Meta did not confirm that the template was changed.", retryable=True)
        return _answered(template, {"id": template_id})

    async def delete(self, state: TemplateState) -> None:
        """Delete one language; without an id, all of them."""
        query = {"name": state.name} | ({"hsm_id": state.template_id} if state.template_id else {})
        await self._client.call("DELETE", self._path, params=query)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()


def _answered(template: WhatsAppTemplate, answer: dict[str, Any]) -> TemplateState:
    state = read_template(
        {"status": "PENDING", "category": template.category}
        | answer
        | {"name": template.name, "language": template.language, "components": build_components(template)}
    )
    if state is None or state.template_id is None:
        raise ProviderError("Meta took the template but gave no id. See `bot templates sync`.")
    return state


def _next_page(answer: dict[str, Any]) -> str | None:
    """The cursor, not the whole address: that one carries the access token, and need not lead to the same host."""
    paging = answer.get("paging")
    if not isinstance(paging, dict) or not paging.get("next"):
        return None
    cursors = paging.get("cursors")
    after = cursors.get("after") if isinstance(cursors, dict) else None
    return after if isinstance(after, str) and after else None
