"""The provider that the demo plays: settings for it, and the same for the bot."""

import hashlib
import secrets
from typing import Any

from bot.cli.cast import Player, Troupe
from bot.config import WEBHOOK_PATH, Settings
from providers.emulator import EmulatorSettings, Phone
from providers.emulator.settings import ProviderName

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


def _bsuid(one: Player) -> str:
    return "NP." + hashlib.sha256(one.number.encode()).hexdigest()[:20].upper()
