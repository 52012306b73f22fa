"""What each provider carries, as far as what authors write can be too long for it, or beyond it.

A test compares the figures with what the providers' own modules say; those are not imported here, since authors need
neither HTTP nor a provider.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.core.messages import MAX_BUTTON_BODY, MAX_TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """Characters of a text, and of a question above buttons and above a list; and what it cannot do.

    Attributes:
        lacks: Words of `send:` and of slots, with what happens instead.
    """

    name: str
    text: int = MAX_TEXT
    button_body: int = MAX_BUTTON_BODY
    list_body: int = MAX_BUTTON_BODY
    lacks: Mapping[str, str] = field(default_factory=dict)


CARRIERS: Mapping[str, Carrier] = {
    "meta": Carrier(name="meta"),
    "twilio": Carrier(
        name="twilio",
        text=1600,
        lacks={
            "ask_location": "it is asked in words",
            "ask_number": "it is asked in words",
            "contacts": "names and numbers are sent as text",
            "reaction": "nothing is sent",
            "reply": "the message is sent without the quote",
            "id": "the file cannot be sent",
        },
    ),
    "360dialog": Carrier(name="360dialog"),
}
USUAL = CARRIERS["meta"]
