"""Phone numbers: reading what people type, and knowing one number in its several spellings."""

import re

import phonenumbers

_E164 = re.compile(r"\+[1-9]\d{6,14}")

# Countries that write one mobile number in two ways; WhatsApp uses now this one, now that. What is taken for the number
# is the shorter spelling. Sources: ITU national numbering plans of Brazil (2016), Mexico (2019), Argentina (2017).
_SPELLINGS = (
    (re.compile(r"\+55([1-9]\d)9([6-9]\d{7})"), r"+55\1\2"),  # Brazil: the ninth digit
    (re.compile(r"\+521(\d{10})"), r"+52\1"),  # Mexico: the 1 that was for calls to mobiles
    (re.compile(r"\+549(\d{10})"), r"+54\1"),  # Argentina: the 9 for calls from abroad
)


def canonical(phone: str) -> str:
    """One spelling for all spellings of a number in international form; anything else is returned as it is."""
    for spelling, same in _SPELLINGS:
        found = spelling.fullmatch(phone)
        if found is not None:
            return found.expand(same)
    return phone


def read_phone(text: str, near: str) -> str | None:
    """The number in international form that somebody typed, or None when it is none.

    Args:
        text: `+977 981-2345678`, `00977…`, or without the country's code.
        near: A number in international form, of the country that is meant when none is given.
    """
    plain = re.sub(r"^\s*00", "+", text)
    try:
        home = phonenumbers.region_code_for_number(phonenumbers.parse(near))
        number = phonenumbers.parse(plain, home)
    except phonenumbers.NumberParseException:
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if not phonenumbers.is_possible_number(number) or not _E164.fullmatch(written):
        return None
    return written
