"""The terms of a tenant's business: currency, how long quotes last, what needs approval, hours, who takes payments."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.core.errors import ActionError, StorageError
from bot.operations import timeline
from bot.operations.acting import Acting, money, whole
from bot.operations.hours import Hours
from bot.operations.services import Services

SERVICES = Services()
ACTIONS = SERVICES.actions

LINK_KEY_BYTES = 32

_READ = """
SELECT currency, quote_days, quote_limit, hold_hours, public_url, payment_gateway, link_key
FROM business_settings WHERE tenant_id = $1
"""
# Without a value the stored one stays.
_SET = """
INSERT INTO business_settings AS b (tenant_id, currency, quote_days, quote_limit, hold_hours, public_url,
                                    payment_gateway, link_key, updated_at)
VALUES ($1, coalesce($2, 'USD'), coalesce($3, 14), $4, coalesce($5, 48), $6, $7, $8, $9)
ON CONFLICT (tenant_id) DO UPDATE
SET currency = coalesce($2, b.currency), quote_days = coalesce($3, b.quote_days),
    quote_limit = coalesce($4, b.quote_limit), hold_hours = coalesce($5, b.hold_hours),
    public_url = coalesce($6, b.public_url), payment_gateway = coalesce($7, b.payment_gateway),
    link_key = coalesce(b.link_key, $8), updated_at = $9
"""
_HOUSE = """
SELECT currency, quote_days, quote_limit, hold_hours, timezone, opens, closes, workdays, keep_minutes
FROM business_settings WHERE tenant_id = $1
"""
_BEGIN = "INSERT INTO business_settings (tenant_id) VALUES ($1) ON CONFLICT (tenant_id) DO NOTHING"
_CHANGE = """
UPDATE business_settings
SET currency = $2, quote_days = $3, quote_limit = $4, hold_hours = $5, timezone = $6, opens = $7, closes = $8,
    workdays = $9, keep_minutes = $10, updated_at = $11
WHERE tenant_id = $1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for a tenant; the defaults, where nothing was set."""

    currency: str = "USD"
    quote_days: int = 14
    quote_limit: Decimal | None = None
    hold_hours: int = 48
    public_url: str | None = None
    payment_gateway: str | None = None
    link_key: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What a manager decides for the business; the columns of `business_settings`, and their defaults."""

    currency: str = "USD"
    quote_days: int = 14
    quote_limit: Decimal | None = None
    hold_hours: int = 48
    timezone: str = "UTC"
    opens: time | None = None
    closes: time | None = None
    workdays: Sequence[int] = (1, 2, 3, 4, 5, 6, 7)
    keep_minutes: int = 240

    @property
    def hours(self) -> Hours:
        """When somebody may be expected to answer."""
        return Hours(timezone=self.timezone, opens=self.opens, closes=self.closes, workdays=frozenset(self.workdays))


@SERVICES.service("terms.show", "set_terms")
async def show_terms(acting: Acting) -> dict[str, Any]:
    """The terms of the business.

    Returns:
        `currency`, `quote_days`, `quote_limit`, `hold_hours`, `timezone`, `opens`, `closes`, `workdays`,
        `keep_minutes`: amounts as decimal strings, hours of the day as HH:MM, None where nothing is set.
    """
    return _card(await _house(acting))


@SERVICES.service("terms.change", "set_terms")
async def change_terms(
    acting: Acting,
    *,
    currency: str | None = None,
    quote_days: int | str | None = None,
    quote_limit: str | int | None = None,
    hold_hours: int | str | None = None,
    timezone: str | None = None,
    opens: str | None = None,
    closes: str | None = None,
    workdays: Sequence[int] | None = None,
    keep_minutes: int | str | None = None,
) -> dict[str, Any]:
    """Change the terms that are given; the others stay.

    Args:
        acting: Who and when.
        currency: Three letters; of quotes for what has no currency of its own.
        quote_days: How long a quote is good for, once sent.
        quote_limit: Quotes above it need a manager's approval; empty: none does.
        hold_hours: How long an unpaid booking keeps its seats.
        timezone: Of the hours of business, like Asia/Kathmandu.
        opens: HH:MM, from when on somebody answers; empty, as `closes`: always.
        closes: HH:MM, until when.
        workdays: ISO weekdays, 1 is Monday.
        keep_minutes: How long a person who says no more keeps a conversation.

    Returns:
        As `terms.show`.
    """
    await acting.db.execute(_BEGIN, acting.tenant_id)
    old = await _house(acting)
    new = House(
        currency=currency_of(currency) if currency is not None else old.currency,
        quote_days=whole(quote_days, "The days", least=1, most=366) if quote_days is not None else old.quote_days,
        quote_limit=old.quote_limit if quote_limit is None else money(quote_limit) if quote_limit != "" else None,
        hold_hours=whole(hold_hours, "The hours", least=1, most=8784) if hold_hours is not None else old.hold_hours,
        timezone=zone_of(timezone) if timezone is not None else old.timezone,
        opens=old.opens if opens is None else _clock(opens),
        closes=old.closes if closes is None else _clock(closes),
        workdays=_workdays(workdays) if workdays is not None else list(old.workdays),
        keep_minutes=whole(keep_minutes, "The minutes", least=1, most=43_200) if keep_minutes is not None
        else old.keep_minutes,
    )  # fmt: skip
    _sensible(new)
    await acting.db.execute(_CHANGE, acting.tenant_id, *(getattr(new, name) for name in _FIELDS), acting.at)
    changed = sorted(name for name in _FIELDS if getattr(new, name) != getattr(old, name))
    await timeline.record(acting, "tenant", acting.tenant_id, "TERMS_CHANGED", fields=changed)
    return _card(new)


@SERVICES.service("hours.now")
async def show_hours(acting: Acting) -> dict[str, Any]:
    """Whether somebody may be expected to answer now.

    Returns:
        `open`; `opens_at`: when it is open next, ISO 8601 in the business's own time, None when it is open now;
        `timezone`.
    """
    hours = (await _house(acting)).hours
    opens = None if hours.open_at(acting.at) else hours.opening(acting.at)
    return {
        "open": opens is None,
        "opens_at": opens.isoformat(timespec="minutes") if opens is not None else None,
        "timezone": hours.timezone,
    }


async def terms_of(acting: Acting) -> Terms:
    """The tenant's terms."""
    row = await acting.db.fetchrow(_READ, acting.tenant_id)
    if row is None:
        return Terms()
    return Terms(**{**dict(row.items()), "link_key": _opened(acting, row["link_key"])})


async def take_payments(acting: Acting, gateway: str, public_url: str) -> None:
    """Say who takes payments, and where people reach our payment page; an empty `gateway`: nobody does.

    The key of payment links is made the first time, and stays.
    """
    await set_terms(
        acting,
        public_url=public_url,
        payment_gateway=gateway,
        link_key=secrets.token_bytes(LINK_KEY_BYTES) if gateway else None,
    )


async def set_terms(
    acting: Acting,
    *,
    currency: str | None = None,
    quote_days: int | None = None,
    quote_limit: Decimal | None = None,
    hold_hours: int | None = None,
    public_url: str | None = None,
    payment_gateway: str | None = None,
    link_key: bytes | None = None,
) -> None:
    """Change what is given and keep the rest. The key of payment links is only ever set once, and kept encrypted."""
    if link_key is not None:
        if acting.seals is None:
            raise StorageError("The key of payment links cannot be kept: there is nothing to encrypt it with.")
        link_key = acting.seals.seal(acting.tenant_id, link_key)
    await acting.db.execute(
        _SET, acting.tenant_id, currency, quote_days, quote_limit, hold_hours, public_url, payment_gateway, link_key,
        acting.at,
    )  # fmt: skip


def currency_of(text: str) -> str:
    """Three letters, in capitals.

    Raises:
        ActionError: `bad_value`.
    """
    code = str(text).strip().upper()
    if len(code) != 3 or not code.isascii() or not code.isalpha():
        raise ActionError("bad_value", f"{code[:10]} is not a currency; write three letters, like USD.")
    return code


def zone_of(name: str) -> str:
    """An IANA time zone.

    Raises:
        ActionError: `bad_value`.
    """
    try:
        return ZoneInfo(str(name)).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ActionError("bad_value", f"{str(name)[:40]} is no time zone; write it like Asia/Kathmandu.") from None


def _opened(acting: Acting, stored: bytes | None) -> bytes | None:
    """The key of payment links; None where there is none, or nothing to decrypt it with."""
    if stored is None or len(stored) == LINK_KEY_BYTES:  # of before it was kept encrypted: see storage/postgres/ids.py
        return stored
    return acting.seals.unseal(acting.tenant_id, stored) if acting.seals is not None else None


_FIELDS = tuple(House.__dataclass_fields__)


async def _house(acting: Acting) -> House:
    row = await acting.db.fetchrow(_HOUSE, acting.tenant_id)
    return House(**dict(row.items())) if row is not None else House()


def _sensible(house: House) -> None:
    if (house.opens is None) != (house.closes is None):
        raise ActionError("bad_value", "Hours of business have a beginning and an end; neither: always open.")
    if house.opens is not None and house.closes is not None and house.opens >= house.closes:
        raise ActionError("bad_value", "The business closes after it opens, on the same day.")


def _workdays(given: Sequence[int]) -> list[int]:
    if not given or not all(day in range(1, 8) for day in given):
        raise ActionError("bad_value", "The workdays are numbers from 1, Monday, to 7, Sunday.")
    return sorted(set(given))


def _clock(text: str) -> time | None:
    try:
        return time.fromisoformat(str(text)).replace(tzinfo=None) if text else None
    except ValueError:
        raise ActionError("bad_value", "Hours of the day are written like 09:00.") from None


def _card(house: House) -> dict[str, Any]:
    return {
        **asdict(house),
        "quote_limit": str(house.quote_limit) if house.quote_limit is not None else None,
        "opens": house.opens.isoformat(timespec="minutes") if house.opens is not None else None,
        "closes": house.closes.isoformat(timespec="minutes") if house.closes is not None else None,
        "workdays": list(house.workdays),
    }
