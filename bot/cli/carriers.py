"""What `bot doctor` looks at of the provider: whether it answers, takes our credentials, and whom we let in."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from bot.cli.findings import HTTP_SECONDS, Check
from bot.config import Settings
from bot.runtime.carriers import dialog360_settings, meta_settings, twilio_settings
from bot.web.webhook import PATH
from providers.fields import Unreadable, mapping, read_json
from providers.http import read_at_most
from providers.meta.errors import meaning, read_problem
from providers.meta.signature import HEADER, sign
from providers.twilio import signature as twilio
from providers.twilio.errors import CATALOGUE as TWILIO

GROUP = "Provider"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    document: dict[str, Any]


async def check_provider(settings: Settings) -> list[Check]:
    """Whether the provider answers, knows our number, and takes our credentials."""
    look: dict[str, Callable[[Settings], Awaitable[list[Check]]]] = {
        "meta": _meta,
        "twilio": _twilio,
        "360dialog": _dialog360,
    }
    try:
        return await look[settings.whatsapp_provider](settings)
    except (aiohttp.ClientError, OSError) as error:
        remedy = "Check WHATSAPP_API_BASE_URL, and that this host may reach it."
        told = f"{_base(settings)} does not answer ({type(error).__name__})"
        return [Check(group=GROUP, name="reachable", verdict="fail", told=told, remedy=remedy)]


def _base(settings: Settings) -> str:
    match settings.whatsapp_provider:
        case "meta":
            return meta_settings(settings).base_url.rstrip("/")
        case "twilio":
            return twilio_settings(settings).api_url.rstrip("/")
        case _:
            return dialog360_settings(settings).base_url.rstrip("/")


def _reachable(settings: Settings) -> Check:
    return Check(group=GROUP, name="reachable", verdict="ok", told=_base(settings))


def _refused(told: str, remedy: str) -> Check:
    return Check(group=GROUP, name="token", verdict="fail", told=told, remedy=remedy)


async def _meta(settings: Settings) -> list[Check]:
    at = meta_settings(settings)
    query = {"fields": "display_phone_number,verified_name,quality_rating"}
    headers = {"Authorization": f"Bearer {at.access_token}"}
    answer = await _ask(f"{at.api_url}/{at.phone_number_id}", headers=headers, params=query)
    found = [_reachable(settings)]
    if answer.status != 200:
        problem = read_problem(answer.document.get("error"))
        told = f"refused: HTTP {answer.status}, code {problem.code}, {problem.detail}"
        return [*found, _refused(told, meaning(problem.code).text)]
    named = answer.document
    told = f"{named.get('verified_name') or 'without a name'}, quality {named.get('quality_rating') or 'not known'}"
    found.append(Check(group=GROUP, name="token", verdict="ok", told=f"valid for {told}"))
    shown = re.sub(r"\D", "", str(named.get("display_phone_number") or ""))
    if shown and shown != settings.whatsapp_phone_number.lstrip("+"):
        told = f"the id belongs to +{shown}, and WHATSAPP_PHONE_NUMBER is {settings.whatsapp_phone_number}"
        remedy = "Correct WHATSAPP_PHONE_NUMBER or WHATSAPP_PHONE_NUMBER_ID."
        found.append(Check(group=GROUP, name="number", verdict="warn", told=told, remedy=remedy))
    return found


async def _twilio(settings: Settings) -> list[Check]:
    at = twilio_settings(settings)
    headers = {"Authorization": at.authorization}
    answer = await _ask(f"{at.account_url}/Messages.json", headers=headers, params={"PageSize": "1"})
    found = [_reachable(settings)]
    if answer.status != 200:
        code = answer.document.get("code")
        remedy = TWILIO.meaning(code if isinstance(code, int) else None).text
        return [*found, _refused(f"refused: HTTP {answer.status}, code {code}", remedy)]
    found.append(Check(group=GROUP, name="token", verdict="ok", told=f"valid for account {at.account_sid}"))
    if not at.public_url.startswith("https://"):
        remedy = "Twilio calls https only; behind a proxy, give the address that the proxy has."
        found.append(Check(group=GROUP, name="address", verdict="warn", told=at.public_url, remedy=remedy))
    return found


async def _dialog360(settings: Settings) -> list[Check]:
    at = dialog360_settings(settings)
    answer = await _ask(f"{_base(settings)}/v1/configs/webhook", headers={"D360-API-KEY": at.api_key})
    found = [_reachable(settings)]
    if answer.status in (401, 403):
        told, remedy = f"refused: HTTP {answer.status}", "WHATSAPP_ACCESS_TOKEN is not this number's API key."
        return [*found, _refused(told, remedy)]
    found.append(Check(group=GROUP, name="token", verdict="ok", told="valid"))
    url, registered = answer.document.get("url"), mapping(answer.document.get("headers"))
    remedy = "Register it: docs/operations.md, Setting up 360dialog."
    if answer.status != 200 or not url:
        return [*found, Check(group=GROUP, name="webhook", verdict="warn", told="none is registered", remedy=remedy)]
    named = {str(name).lower() for name in registered}
    told = str(url) if at.webhook_header.lower() in named else f"{url}, without the header {at.webhook_header}"
    verdict = "ok" if at.webhook_header.lower() in named else "fail"
    return [
        *found,
        Check(group=GROUP, name="webhook", verdict=verdict, told=told, remedy="" if verdict == "ok" else remedy),  # type: ignore[arg-type]
    ]


def forged(settings: Settings) -> tuple[bytes, dict[str, str]]:
    """A webhook that somebody else made: body and headers. Our server must refuse it."""
    match settings.whatsapp_provider:
        case "meta":
            body = b'{"object":"whatsapp_business_account","entry":[]}'
            return body, {HEADER: sign("not the app secret", body), "Content-Type": "application/json"}
        case "twilio":
            body = b"Body=forged"
            signature = twilio.sign("not the token", settings.bot_public_url + PATH, [("Body", "forged")])
            return body, {twilio.HEADER: signature, "Content-Type": "application/x-www-form-urlencoded"}
        case _:
            return b"{}", {settings.whatsapp_webhook_header: "not the token", "Content-Type": "application/json"}


async def _ask(url: str, **options: Any) -> _Answer:
    timeout = aiohttp.ClientTimeout(total=HTTP_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout) as client,
        client.get(url, allow_redirects=False, **options) as answer,
    ):
        body = await read_at_most(answer, 100_000)
    try:
        return _Answer(answer.status, mapping(read_json(body)))
    except Unreadable:
        return _Answer(answer.status, {})
