"""WhatsApp by way of Twilio."""

from providers.twilio.provider import TwilioProvider
from providers.twilio.settings import TwilioSettings

__all__ = ["TwilioProvider", "TwilioSettings"]
