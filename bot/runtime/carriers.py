"""Which provider carries the messages of a number, made from the settings."""

from typing import assert_never

from bot.config import STATUS_PATH, Settings
from providers.base import MediaClient, Provider, TemplateClient
from providers.dialog360 import Dialog360Provider, Dialog360Settings
from providers.dialog360.media import Dialog360Media
from providers.dialog360.settings import API as DIALOG360
from providers.dialog360.templates import Dialog360Templates
from providers.http import Patience
from providers.meta import MetaProvider, MetaSettings
from providers.meta.media import MetaMedia
from providers.meta.settings import API as META
from providers.meta.templates import MetaTemplates
from providers.twilio import TwilioProvider, TwilioSettings
from providers.twilio.media import TwilioMedia
from providers.twilio.settings import API as TWILIO
from providers.twilio.settings import CONTENT, MESSAGING
from providers.twilio.templates import TwilioTemplates
from storage.base import FileStore
from storage.files import Bucket, DirectoryStore, S3Store

MEDIA = "media"
"""Folder of the data directory in which files are."""


def make_provider(settings: Settings) -> Provider:
    """The provider in `settings`."""
    match settings.whatsapp_provider:
        case "meta":
            return MetaProvider(meta_settings(settings))
        case "twilio":
            return TwilioProvider(twilio_settings(settings))
        case "360dialog":
            return Dialog360Provider(dialog360_settings(settings))
        case _:
            assert_never(settings.whatsapp_provider)


def make_media(settings: Settings) -> MediaClient:
    """Files of the number in `settings`, at its provider."""
    match settings.whatsapp_provider:
        case "meta":
            return MetaMedia(meta_settings(settings), settings.media_hosts)
        case "twilio":
            return TwilioMedia(twilio_settings(settings), settings.media_hosts)
        case "360dialog":
            return Dialog360Media(dialog360_settings(settings), settings.media_hosts)
        case _:
            assert_never(settings.whatsapp_provider)


def make_store(settings: Settings) -> FileStore:
    """Where files are kept: the bucket in `settings`, or `media` in the data directory."""
    if not settings.bot_media_store:
        return DirectoryStore(settings.bot_data_dir / MEDIA)
    name, _, prefix = settings.bot_media_store.removeprefix("s3://").partition("/")
    return S3Store(
        Bucket(
            endpoint=settings.bot_s3_endpoint,
            name=name,
            prefix=prefix.strip("/"),
            region=settings.bot_s3_region,
            access_key=settings.bot_s3_access_key,
            secret_key=settings.bot_s3_secret_key.get_secret_value(),
        )
    )


def make_desk(settings: Settings) -> TemplateClient:
    """Where the message templates of the number in `settings` are handed in."""
    match settings.whatsapp_provider:
        case "meta":
            return MetaTemplates(meta_settings(settings))
        case "twilio":
            return TwilioTemplates(twilio_settings(settings))
        case "360dialog":
            return Dialog360Templates(dialog360_settings(settings))
        case _:
            assert_never(settings.whatsapp_provider)


def meta_settings(settings: Settings) -> MetaSettings:
    """What Meta needs of our settings."""
    return MetaSettings(
        app_secrets=settings.webhook_secrets,
        verify_token=settings.whatsapp_verify_token.get_secret_value(),
        access_token=settings.whatsapp_access_token.get_secret_value(),
        phone_number_id=settings.whatsapp_phone_number_id,
        business_account_id=settings.whatsapp_business_account_id,
        base_url=settings.whatsapp_api_base_url or META,
        api_version=settings.whatsapp_api_version,
        timeout_seconds=settings.bot_send_timeout,
        connections=settings.bot_send_concurrency,
    )


def twilio_settings(settings: Settings) -> TwilioSettings:
    """What Twilio needs of our settings. A base URL of our own stands for all of its hosts."""
    base = settings.whatsapp_api_base_url
    return TwilioSettings(
        account_sid=settings.twilio_account_sid,
        auth_tokens=settings.twilio_auth_tokens,
        phone_number=settings.whatsapp_phone_number,
        public_url=settings.bot_public_url,
        status_path=STATUS_PATH,
        messaging_service_sid=settings.twilio_messaging_service_sid or None,
        api_url=base or TWILIO,
        content_url=base or CONTENT,
        messaging_url=base or MESSAGING,
        patience=_patience(settings),
    )


def dialog360_settings(settings: Settings) -> Dialog360Settings:
    """What 360dialog needs of our settings."""
    return Dialog360Settings(
        api_key=settings.whatsapp_access_token.get_secret_value(),
        webhook_tokens=settings.webhook_secrets,
        webhook_header=settings.whatsapp_webhook_header,
        phone_number_id=settings.whatsapp_phone_number_id,
        base_url=settings.whatsapp_api_base_url or DIALOG360,
        patience=_patience(settings),
    )


def _patience(settings: Settings) -> Patience:
    return Patience(timeout_seconds=settings.bot_send_timeout, connections=settings.bot_send_concurrency)
