"""Contacts that come as vCards look like those that come as JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.emulator.phones import Card
from providers.emulator.twilio.events import vcard
from providers.twilio.vcards import MAX_CARDS, MAX_OF_EACH, read_vcards

FULL = """BEGIN:VCARD\r
VERSION:3.0\r
N:Rai\\, Dr.;Asha;;;\r
FN:Dr. Asha\r
  Rai\r
ORG:Sirdar Treks\\; Kathmandu;Sales\r
item1.TEL;type=CELL;type=VOICE;waid=9779801234567:+977 980-1234567\r
TEL;HOME:01-4412345\r
TEL;TYPE="work,voice";VALUE=uri:tel:+97714412346\r
EMAIL;TYPE=WORK:asha@example.com\r
URL:https://example.com/a\r
BDAY:1990-02-03\r
NOTE:not\\nread\r
PHOTO;ENCODING=b:AAAA\r
END:VCARD\r
"""


def test_a_card_with_everything_in_it() -> None:
    (card,) = read_vcards(FULL)
    assert card == {
        "name": {"formatted_name": "Dr. Asha Rai", "first_name": "Asha", "last_name": "Rai, Dr."},
        "org": {"company": "Sirdar Treks; Kathmandu"},
        "phones": [
            {"phone": "+977 980-1234567", "type": "CELL", "wa_id": "9779801234567"},
            {"phone": "01-4412345", "type": "HOME"},
            {"phone": "+97714412346", "type": "WORK"},
        ],
        "emails": [{"email": "asha@example.com", "type": "WORK"}],
        "urls": [{"url": "https://example.com/a"}],
        "birthday": "1990-02-03",
    }


def test_what_the_emulator_hands_on_is_read() -> None:
    cards = (Card(name="Asha Rai", phones=("+9779801234567",)), Card(name="Bimal"))
    first, second = read_vcards(vcard(cards).decode())
    assert first["name"] == {"formatted_name": "Asha Rai", "first_name": "Asha", "last_name": "Rai"}
    assert first["phones"] == [{"phone": "+9779801234567", "type": "CELL", "wa_id": "9779801234567"}]
    assert second["name"]["formatted_name"] == "Bimal"


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        ("", ()),
        ("no card", ()),
        ("BEGIN:VCARD\nEND:VCARD", ()),
        ("begin:vcard\nfn:अाशा राई\nend:vcard", ({"name": {"formatted_name": "अाशा राई"}},)),
        ("BEGIN:VCARD\nTEL:1\n", ({"phones": [{"phone": "1"}]},)),  # cut off
        ("BEGIN:VCARD\nN:;Asha\nEND:VCARD", ({"name": {"first_name": "Asha", "formatted_name": "Asha"}},)),
    ],
)
def test_odd_cards(text: str, cards: tuple[object, ...]) -> None:
    assert read_vcards(text) == cards


def test_there_is_an_end_to_it() -> None:
    many = "BEGIN:VCARD\n" + "TEL:1\n" * 500 + "END:VCARD\n"
    cards = read_vcards(many * 200)
    assert (len(cards), len(cards[0]["phones"])) == (MAX_CARDS, MAX_OF_EACH)


@given(st.text(alphabet="BEGINVCARDend:;=\\\n\r ,TELFNwaid1\0\ud83d é", max_size=300))
def test_nothing_makes_it_stumble(text: str) -> None:
    read_vcards("BEGIN:VCARD\n" + text)
