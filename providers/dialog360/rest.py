"""360dialog's API besides messages."""

from collections.abc import Mapping
from typing import Any

from bot.core.errors import ProviderError
from providers.base import Problem
from providers.dialog360.answers import fault_of
from providers.dialog360.settings import Dialog360Settings
from providers.errors import MAX_DETAIL, without_people
from providers.fields import clean, mapping, string
from providers.meta.templates import read_error as read_meta_error
from providers.rest import RestClient


def read_error(status: int, answer: Mapping[str, Any]) -> Problem:
    """Read a refusal of 360dialog's gateway, or of Meta behind it."""
    if "error" in answer:
        return read_meta_error(status, answer)
    gateway = mapping(answer.get("meta"))
    told = string(gateway.get("developer_message")) or string(gateway.get("developerMessage")) or ""
    return Problem(fault=fault_of(status, told), detail=without_people(clean(" ".join(told.split())))[:MAX_DETAIL])


def api(settings: Dialog360Settings, raising: type[ProviderError]) -> RestClient:
    """A client of 360dialog's API that raises such errors."""
    return RestClient(
        settings.base_url,
        headers={"D360-API-KEY": settings.api_key},
        read_error=read_error,
        raising=raising,
        timeout_seconds=max(settings.patience.timeout_seconds, 30.0),
    )
