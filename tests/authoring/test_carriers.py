"""What `bot check` knows of the providers is what they can."""

from bot.authoring.carriers import CARRIERS
from providers.base import Capabilities
from providers.dialog360.provider import CAPABILITIES as DIALOG360
from providers.meta.provider import CAPABILITIES as META
from providers.twilio.provider import CAPABILITIES as TWILIO


def test_the_linter_knows_what_providers_carry() -> None:
    known: dict[str, Capabilities] = {"meta": META, "twilio": TWILIO, "360dialog": DIALOG360}
    assert set(CARRIERS) == set(known)
    for name, carrier in CARRIERS.items():
        told = known[name]
        assert (carrier.text, carrier.button_body, carrier.list_body) == (
            told.max_text, told.max_button_body, told.max_list_body,
        )  # fmt: skip
        lacks = {
            "ask_location": told.location_requests, "ask_number": told.contact_requests, "contacts": told.contacts,
            "reaction": told.reactions, "reply": told.replies, "id": told.media_ids,
        }  # fmt: skip
        assert set(carrier.lacks) == {word for word, able in lacks.items() if not able}
