"""What an error code means, whoever it is from: Meta's (also through 360dialog) and Twilio's do not overlap."""

from providers.errors import Meaning
from providers.meta.errors import CATALOGUE as META
from providers.twilio.errors import CATALOGUE as TWILIO


def meaning(code: int) -> Meaning:
    """Say what a stored code means."""
    return TWILIO.meaning(code) if code in TWILIO.meanings else META.meaning(code)
