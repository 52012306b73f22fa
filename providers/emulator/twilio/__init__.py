"""Twilio's side as a bot sees it: Messages, media and Content over HTTP, and the form webhooks that come from them."""

from providers.emulator.twilio.api import TwilioApi
from providers.emulator.twilio.events import TwilioEvents

__all__ = ["TwilioApi", "TwilioEvents"]
