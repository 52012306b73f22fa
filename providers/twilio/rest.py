"""Twilio's APIs besides messages."""

import base64
from collections.abc import Mapping
from typing import Any

from bot.core.errors import ProviderError
from providers.base import Fault, Problem
from providers.fields import integer, string
from providers.rest import RestClient
from providers.twilio.errors import CATALOGUE, words
from providers.twilio.settings import TwilioSettings


def credentials(settings: TwilioSettings) -> dict[str, str]:
    """The account's, for HTTP Basic."""
    token = settings.auth_tokens[0] if settings.auth_tokens else ""
    return {"Authorization": "Basic " + base64.b64encode(f"{settings.account_sid}:{token}".encode()).decode()}


def read_error(status: int, answer: Mapping[str, Any]) -> Problem:
    """Read a refusal of Twilio's."""
    code, temporary = integer(answer.get("code")), status >= 500 or status == 429
    if code is not None:
        return CATALOGUE.problem(code, words(string(answer.get("message")) or ""), temporary=temporary)
    fault = Fault.AUTH if status in (401, 403) else Fault.TRANSIENT if temporary else Fault.REQUEST
    return Problem(fault=fault, detail="Twilio does not say why.")


def api(base_url: str, settings: TwilioSettings, raising: type[ProviderError]) -> RestClient:
    """A client of one of Twilio's APIs that raises such errors."""
    return RestClient(
        base_url,
        headers=credentials(settings),
        read_error=read_error,
        raising=raising,
        timeout_seconds=max(settings.patience.timeout_seconds, 30.0),
    )
