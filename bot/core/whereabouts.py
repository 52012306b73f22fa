"""Where somebody is, as far as their phone number tells: the country, and the time on the wall."""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumber

_WINTER, _SUMMER = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 7, 15, tzinfo=UTC)


def timezone_of(phone: str) -> str:
    """The time zone of a number's country, when all of it goes by the same clock.

    Costs a microsecond once the country has been seen.

    Args:
        phone: In international form: "+9779812345678".

    Returns:
        An IANA name such as "Asia/Katmandu"; empty for countries with several clocks, and for what is no number.
    """
    digits = phone.removeprefix("+")
    for length in (1, 2, 3):
        code = digits[:length]
        if code.isascii() and code.isdigit() and int(code) in COUNTRY_CODE_TO_REGION_CODE:
            return _timezone_of_country(int(code))
    return ""


@lru_cache(maxsize=512)
def _timezone_of_country(code: int) -> str:
    from phonenumbers.timezone import time_zones_for_geographical_number

    zones = time_zones_for_geographical_number(PhoneNumber(country_code=code, national_number=0))
    try:
        clocks = {tuple(at.astimezone(ZoneInfo(zone)).utcoffset() for at in (_WINTER, _SUMMER)) for zone in zones}
    except (ZoneInfoNotFoundError, ValueError):  # "Etc/Unknown"
        return ""
    return str(zones[-1]) if len(clocks) == 1 else ""


@lru_cache(maxsize=1024)
def region_of(phone: str) -> str | None:
    """The country a number in international form belongs to."""
    try:
        number = phonenumbers.parse(phone if phone.startswith("+") else f"+{phone}", None)
    except phonenumbers.NumberParseException:
        return None
    region = phonenumbers.region_code_for_number(number)
    return str(region) if region and region != "001" else None
