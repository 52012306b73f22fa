"""The provider that the demo plays: settings for it and for the bot, and our templates handed in as it takes them."""

import hashlib
import secrets
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import aiohttp

from bot.cli.cast import Player, Troupe
from bot.config import WEBHOOK_PATH, Settings
from bot.core.errors import SirdarError
from bot.core.whatsapp import WhatsAppTemplate, variables_in
from providers.emulator import Emulator, EmulatorSettings, Phone
from providers.emulator.settings import ProviderName
from providers.templates import build_components

_PATIENT = "#rc=5&rp=all"
"""Twilio's own words for trying five times whatever goes wrong; it usually tries twice."""


def made_up(provider: ProviderName) -> dict[str, Any]:
    """Settings of the bot for a provider, with secrets nobody else has."""
    if provider != "twilio":
        return {"whatsapp_provider": provider}
    return {
        "whatsapp_provider": provider,
        "twilio_account_sid": f"AC{secrets.token_hex(16)}",
        "twilio_auth_token": secrets.token_hex(16),
        "bot_public_url": "http://127.0.0.1:9",  # until the server has its port
    }


def emulated(settings: Settings, troupe: Troupe) -> EmulatorSettings:
    """The same account as the emulator sees it."""
    header = {settings.whatsapp_webhook_header: settings.webhook_secrets[0]} if settings.webhook_secrets else {}
    token = settings.whatsapp_access_token.get_secret_value()
    return EmulatorSettings(
        webhook_url="http://127.0.0.1:9",  # until the server has its port
        provider=settings.whatsapp_provider,
        app_secret=settings.webhook_secrets[0] if settings.webhook_secrets else "",
        verify_token=settings.whatsapp_verify_token.get_secret_value(),
        access_token=token,
        phone_number_id=settings.whatsapp_phone_number_id,
        business_account_id=settings.whatsapp_business_account_id,
        account_sid=settings.twilio_account_sid,
        auth_token=settings.twilio_auth_tokens[0] if settings.twilio_auth_tokens else "",
        api_key=token,
        webhook_headers=header,
        business_number=settings.whatsapp_phone_number,
        business_name=troupe.business,
        api_version=settings.whatsapp_api_version,
    )


def webhook_address(settings: Settings, server_url: str) -> str:
    """What a provider is told to post to."""
    return server_url + WEBHOOK_PATH + (_PATIENT if settings.whatsapp_provider == "twilio" else "")


def phones_of(troupe: Troupe) -> list[Phone]:
    """Everybody's phone, with the id that WhatsApp gives a person for this business."""
    return [Phone(one.name, one.number, one.part, bsuid=_bsuid(one), hint=one.hint) for one in troupe.people]


async def hand_in(emulator: Emulator, templates: Iterable[WhatsAppTemplate]) -> None:
    """Hand message templates in where the provider has its own way of taking them; here they are approved at once."""
    settings = emulator.settings
    async with aiohttp.ClientSession(headers=_credentials(settings)) as client:
        for template in templates:
            if settings.provider == "twilio":
                await _submit(client, emulator, template)
            else:
                request = {
                    "name": template.name,
                    "language": template.language,
                    "category": template.category,
                    "parameter_format": "NAMED" if template.named else "POSITIONAL",
                    "components": build_components(template),
                }
                await _post(client, f"{emulator.base_url}/v1/configs/templates", request, template)


def _bsuid(one: Player) -> str:
    return "NP." + hashlib.sha256(one.number.encode()).hexdigest()[:20].upper()


def _credentials(settings: EmulatorSettings) -> dict[str, str]:
    if settings.provider == "twilio":
        return {"Authorization": aiohttp.encode_basic_auth(settings.account_sid, settings.auth_token)}
    return {"D360-API-KEY": settings.api_key}


async def _submit(client: aiohttp.ClientSession, emulator: Emulator, template: WhatsAppTemplate) -> None:
    made = await _post(client, f"{emulator.base_url}/v1/Content", content_of(template), template)
    url = f"{emulator.base_url}/v1/Content/{quote(str(made['sid']))}/ApprovalRequests/whatsapp"
    await _post(client, url, {"name": template.name, "category": template.category}, template)


async def _post(
    client: aiohttp.ClientSession, url: str, body: dict[str, Any], template: WhatsAppTemplate
) -> dict[str, Any]:
    async with client.post(url, json=body) as answer:
        if answer.status not in (200, 201):
            raise SirdarError(f"Template {template.name} was refused: {await answer.text()}")
        made: dict[str, Any] = await answer.json()
        return made


def content_of(template: WhatsAppTemplate) -> dict[str, Any]:
    """A template as Twilio's Content API takes it: variables numbered through, from the body over header to buttons."""
    samples = dict(zip(template.parameter_names, template.example_values, strict=True))
    count = 0 if template.named else len(samples)
    header = template.header or ""
    if variables_in(header) and not template.named:
        count += 1
        samples[str(count)] = template.header_example or ""
        header = header.replace("{{1}}", f"{{{{{count}}}}}")
    elif variables_in(header):
        samples[variables_in(header)[0]] = template.header_example or ""
    actions: list[dict[str, Any]] = []
    for button in template.buttons:
        action: dict[str, Any] = {"type": button.type.upper(), "title": button.text}
        if button.url:
            action["url"] = button.url
        if button.url and variables_in(button.url):
            count += 1
            samples[str(count)] = (button.example or "").removeprefix(button.url.partition("{{")[0])
            action["url"] = button.url.partition("{{")[0] + f"{{{{{count}}}}}"
        if button.phone_number:
            action["phone"] = button.phone_number
        if button.type == "quick_reply":
            action["id"] = button.text
        actions.append(action)
    card = {"body": template.body, "header_text": header, "footer": template.footer, "actions": actions}
    return {
        "friendly_name": template.name,
        "language": template.language,
        "variables": samples,
        "types": {"whatsapp/card": {name: value for name, value in card.items() if value}},
    }
