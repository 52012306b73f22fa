"""Meta's WhatsApp Cloud API."""

from providers.meta.provider import MetaProvider
from providers.meta.settings import MetaSettings

__all__ = ["MetaProvider", "MetaSettings"]
