"""What an error code means, whoever it is from: Meta's (also through 360dialog) and Twilio's do not overlap."""

import re

from providers.errors import Meaning
from providers.meta.errors import CATALOGUE as META
from providers.twilio.errors import CATALOGUE as TWILIO


def meaning(code: int) -> Meaning:
    """Say what a stored code means."""
    return TWILIO.meaning(code) if code in TWILIO.meanings else META.meaning(code)


def remedy(alarm: str) -> str:
    """What to do about an alarm of a number: what the code in it means, if there is one."""
    code = re.search(r"code (\d+)", alarm)
    return meaning(int(code[1])).text if code else "See what the provider says about the account."
