"""Message templates at 360dialog: `/v1/configs/templates`, with Meta's bodies and pages of its own.

Source: 360dialog, "Template messages", 2026.
"""

from collections.abc import Collection
from typing import Any

from bot.core.whatsapp import WhatsAppTemplate
from providers.base import RemoteTemplate, Sample, TemplateRefused
from providers.dialog360.rest import api
from providers.dialog360.settings import Dialog360Settings
from providers.fields import integer, items
from providers.templates import build_components, build_template, read_template

PATH = "/v1/configs/templates"
PAGE = 200
MOST_PAGES = 50


class Dialog360Templates:
    """The templates of one number's account."""

    provider = "360dialog"
    editable: Collection[str] = ()

    def __init__(self, settings: Dialog360Settings) -> None:
        self._client = api(settings, TemplateRefused)

    async def list(self) -> list[RemoteTemplate]:
        """Every template of the account."""
        found: list[RemoteTemplate] = []
        seen = 0
        for _ in range(MOST_PAGES):
            answer = await self._client.call("GET", PATH, params={"limit": str(PAGE), "offset": str(seen)})
            entries = items(answer.get("waba_templates"))
            states = (read_template(entry) for entry in entries if isinstance(entry, dict))
            found += [state for state in states if state is not None]
            seen += len(entries)
            if not entries or seen >= (integer(answer.get("total")) or 0):
                break
        return found

    async def create(self, template: WhatsAppTemplate, sample: Sample | None = None) -> RemoteTemplate:
        """Hand a template in; 360dialog fetches the sample by its link and hands it to Meta."""
        link = await sample.link() if sample is not None else None
        answer = await self._client.call("POST", PATH, json=build_template(template, link))
        ours: dict[str, Any] = {"name": template.name, "language": template.language}
        state = read_template(
            {"status": "PENDING", "category": template.category}
            | answer
            | ours
            | {"components": build_components(template)}
        )
        if state is None:
            raise TemplateRefused("360dialog did not confirm the template. See `bot templates sync`.", retryable=True)
        return state

    async def edit(
        self, template: RemoteTemplate, ours: WhatsAppTemplate, sample: Sample | None = None
    ) -> RemoteTemplate:
        """Never: 360dialog has no call for it."""
        raise TemplateRefused("360dialog changes no templates. Give the template a new name.")

    async def delete(self, template: RemoteTemplate) -> None:
        """Delete a template in all its languages: 360dialog knows no less."""
        await self._client.call("DELETE", f"{PATH}/{template.name}")

    async def status(self, name: str, language: str) -> RemoteTemplate | None:
        """How one template stands."""
        return next((one for one in await self.list() if (one.name, one.language) == (name, language)), None)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()
