"""WhatsApp by way of 360dialog, which hosts Meta's Cloud API."""

from providers.dialog360.provider import Dialog360Provider
from providers.dialog360.settings import Dialog360Settings

__all__ = ["Dialog360Provider", "Dialog360Settings"]
