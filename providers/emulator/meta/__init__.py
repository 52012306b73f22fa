"""Meta's Cloud API as a bot sees it: the Graph endpoints, and the webhooks that come from them."""

from providers.emulator.meta.api import MetaApi
from providers.emulator.meta.events import MetaEvents

__all__ = ["MetaApi", "MetaEvents"]
