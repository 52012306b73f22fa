"""The terms of a tenant's business: currency, how long quotes last, what needs approval, who takes payments."""

import secrets
from dataclasses import dataclass
from decimal import Decimal

from bot.operations.acting import Acting

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


async def terms_of(acting: Acting) -> Terms:
    """The tenant's terms."""
    row = await acting.db.fetchrow(_READ, acting.tenant_id)
    return Terms(**dict(row.items())) if row is not None else Terms()


async def take_payments(acting: Acting, gateway: str, public_url: str) -> None:
    """Say who takes payments, and where people reach our payment page; an empty `gateway`: nobody does.

    The key of payment links is made the first time, and stays.
    """
    await set_terms(
        acting, public_url=public_url, payment_gateway=gateway, link_key=secrets.token_bytes(32) if gateway else None
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
    """Change what is given and keep the rest. The key of payment links is only ever set once."""
    await acting.db.execute(
        _SET, acting.tenant_id, currency, quote_days, quote_limit, hold_hours, public_url, payment_gateway, link_key,
        acting.at,
    )  # fmt: skip
