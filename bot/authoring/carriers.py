"""What each provider carries in one message, as far as words that authors write can be too long for it.

A test compares the figures with what the providers' own modules say; those are not imported here, since authors need
neither HTTP nor a provider.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.core.messages import MAX_BUTTON_BODY, MAX_TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """Characters of a text, and of a question above buttons and above a list."""

    name: str
    text: int = MAX_TEXT
    button_body: int = MAX_BUTTON_BODY
    list_body: int = MAX_BUTTON_BODY


CARRIERS: Mapping[str, Carrier] = {
    "meta": Carrier(name="meta"),
    "twilio": Carrier(name="twilio", text=1600),
    "360dialog": Carrier(name="360dialog"),
}
USUAL = CARRIERS["meta"]
