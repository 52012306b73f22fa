"""Which contents the account has: templates by name and language, and the layouts we made ourselves.

Read once, when the first message needs one, and again when a template is asked for that is not there. Layouts are made
on demand; their names tell what is in them, so that the next process finds them instead of making them again.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from yarl import URL

from providers.answers import document_of
from providers.base import NotSent, Refused, SendOutcome, Unknown
from providers.fields import encode, items, mapping, string
from providers.http import ApiClient
from providers.twilio.answers import refusal
from providers.twilio.build import Layout
from providers.twilio.errors import CATALOGUE

PAGE_SIZE = 500
MAX_PAGES = 50
REFRESH_SECONDS = 60.0
"""Least time between two looks at the list, for templates that are not in it."""

NO_TEMPLATE = 63027


@dataclass(frozen=True, slots=True)
class Content:
    """What the account has under a name: the newest one. `media_from`: how addresses of files in it begin."""

    sid: str
    created: str
    media_from: str = ""


class Contents:
    """The contents of one account, remembered.

    Args:
        client: Speaks to Twilio with the account's credentials.
        base_url: Where contents are.
    """

    def __init__(self, client: ApiClient, base_url: str) -> None:
        self._client = client
        self._url = URL(f"{base_url.rstrip('/')}/v1/Content")
        self._list_url = URL(f"{base_url.rstrip('/')}/v1/ContentAndApprovals")
        self._by_name: dict[tuple[str, str], Content] = {}
        self._read_at: float | None = None
        self._lock = asyncio.Lock()

    async def of_layout(self, layout: Layout) -> str | SendOutcome:
        """The sid of a layout, made if there is none; or why not."""
        async with self._lock:
            if (failure := await self._read(float("inf"))) is not None:
                return failure
            key = (layout.name, layout.request["language"])
            if key not in self._by_name:
                made = await self._make(layout.request)
                if not isinstance(made, str):
                    return made
                self._by_name[key] = Content(made, "")
            return self._by_name[key].sid

    async def of_template(self, name: str, language: str) -> Content | SendOutcome:
        """The content of a template; or why it cannot be had."""
        async with self._lock:
            key = (name, language)
            if (failure := await self._read(float("inf") if key in self._by_name else REFRESH_SECONDS)) is not None:
                return failure
            if key not in self._by_name:
                detail = f"The account has no content {name} in {language}."
                return Refused(problem=CATALOGUE.problem(NO_TEMPLATE, detail), http_status=0)
            return self._by_name[key]

    def forget(self) -> None:
        """Read the list anew before the next use: a sid was not good any more."""
        self._read_at = None

    async def _read(self, max_age: float) -> SendOutcome | None:
        if self._read_at is not None and monotonic() - self._read_at < max_age:
            return None
        found: dict[tuple[str, str], Content] = {}
        url: URL | None = self._list_url.with_query(PageSize=PAGE_SIZE)
        for _ in range(MAX_PAGES):
            if url is None:
                break
            answer = await self._client.ask("GET", url)
            if isinstance(answer, NotSent):
                return answer
            if answer.status != 200:
                return refusal(answer, datetime.now(UTC))
            document = document_of(answer.body)
            for content in items(document.get("contents")):
                _note(found, mapping(content))
            following = string(mapping(document.get("meta")).get("next_page_url"))
            # The next page is asked for at our address: with the emulator, or a proxy, theirs may not be reachable.
            url = self._list_url.with_query(URL(following).query) if following else None
        self._by_name, self._read_at = found, monotonic()
        return None

    async def _make(self, request: dict[str, Any]) -> str | SendOutcome:
        answer = await self._client.post(self._url, encode(request))
        if isinstance(answer, NotSent):
            return answer
        if isinstance(answer, Unknown):  # a content, not the message: that was certainly not sent
            return NotSent(detail=answer.detail)
        sid = string(document_of(answer.body).get("sid"))
        if answer.status not in (200, 201) or not sid:
            return refusal(answer, datetime.now(UTC))
        return sid


def _note(found: dict[tuple[str, str], Content], content: dict[str, Any]) -> None:
    sid, language = string(content.get("sid")), string(content.get("language"))
    created = string(content.get("date_created")) or ""
    if not sid or not language:
        return
    approval = mapping(content.get("approval_requests"))
    for name in {string(content.get("friendly_name")), string(approval.get("name"))}:
        if name:
            known = found.get((name, language))
            if known is None or known.created <= created:
                found[name, language] = Content(sid, created, _media_from(content))


def _media_from(content: dict[str, Any]) -> str:
    for value in mapping(content.get("types")).values():
        for media in items(mapping(value).get("media")):
            return (string(media) or "").partition("{{")[0]
    return ""
