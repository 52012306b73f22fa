"""Whom a broadcast is for: a few properties of people, all of which must hold."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from bot.core.errors import ActionError
from bot.operations.acting import Acting, ident

_MOST_NAMED = 10_000

CONSENT = """LEFT JOIN LATERAL (
    SELECT o.allowed, o.created_at FROM whatsapp_opt_ins o
    WHERE o.tenant_id = $1 AND o.contact_id = c.contact_id AND o.purpose = 'all'
    ORDER BY o.created_at DESC, o.opt_in_id DESC LIMIT 1) AS every ON true
LEFT JOIN LATERAL (
    SELECT o.allowed, o.created_at FROM whatsapp_opt_ins o
    WHERE o.tenant_id = $1 AND o.contact_id = c.contact_id AND o.purpose = 'marketing'
    ORDER BY o.created_at DESC, o.opt_in_id DESC LIMIT 1) AS offers ON true
"""
"""Joins the newest word of a contact `c` about all messages (`every`) and about offers (`offers`)."""

# $2…$7 are the segment; NULL: it does not matter. $8: only who has agreed; else all who have not forbidden it. The
# newest word counts, and STOP ('all') is stronger than a yes to marketing that came before it.
WHO = f"""
FROM contacts c
{CONSENT}WHERE c.tenant_id = $1 AND c.merged_into IS NULL
  AND every.allowed IS NOT FALSE
  AND (NOT $8::boolean OR CASE WHEN offers.created_at IS NULL THEN every.allowed
                               WHEN every.created_at > offers.created_at THEN every.allowed
                               ELSE offers.allowed END IS TRUE)
  AND ($2::text[] IS NULL OR c.language = ANY ($2))
  AND ($3::text[] IS NULL OR coalesce(
          (SELECT array_agg(r.role) FROM contact_roles r WHERE r.tenant_id = $1 AND r.contact_id = c.contact_id),
          '{{customer}}') && $3)
  AND ($4::text[] IS NULL OR EXISTS (
          SELECT FROM leads l WHERE l.tenant_id = $1 AND l.contact_id = c.contact_id AND l.status = ANY ($4)))
  AND ($5::text[] IS NULL OR EXISTS (
          SELECT FROM bookings b JOIN trips t ON t.tenant_id = $1 AND t.trip_id = b.trip_id
          WHERE b.tenant_id = $1 AND b.contact_id = c.contact_id AND b.status IN ('PENDING', 'CONFIRMED')
            AND t.code = ANY ($5)))
  AND ($6::integer IS NULL OR EXISTS (
          SELECT FROM whatsapp_conversations w WHERE w.tenant_id = $1 AND w.contact_id = c.contact_id
            AND w.last_inbound_at > $9::timestamptz - make_interval(days => $6)))
  AND ($7::bigint[] IS NULL OR c.contact_id = ANY ($7))
"""  # noqa: S608  no text from outside
_COUNT = f"SELECT count(*) {WHO}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Properties of people; None: it does not matter. All that are given must hold.

    Attributes:
        languages: They speak one of these.
        roles: They hold one of these; who holds none is a customer.
        leads: They have a lead in one of these statuses.
        trips: They have a booking on one of these trips (codes).
        active_days: They have written in so many days.
        contacts: They are one of these (ids).
    """

    languages: list[str] | None = None
    roles: list[str] | None = None
    leads: list[str] | None = None
    trips: list[str] | None = None
    active_days: int | None = None
    contacts: list[int] | None = None

    @classmethod
    def of(cls, value: Any) -> "Segment":
        """Read what a flow or program handed over: a mapping, or its JSON.

        Raises:
            ActionError: `bad_segment`, saying which property is wrong.
        """
        try:
            given = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            given = None
        if not isinstance(given, dict):
            raise ActionError("bad_segment", 'A segment is written like {"languages": ["en"], "roles": ["customer"]}.')
        strange = sorted(set(given) - set(cls.__slots__))
        if strange:
            raise ActionError("bad_segment", f"There is no property {strange[0]}: use {', '.join(cls.__slots__)}.")
        return cls(
            languages=_texts(given, "languages"),
            roles=_texts(given, "roles"),
            leads=_texts(given, "leads", upper=True),
            trips=_texts(given, "trips", upper=True),
            active_days=_days(given.get("active_days")),
            contacts=[ident(one, "") for one in _items(given, "contacts")] if "contacts" in given else None,
        )

    def json(self) -> str:
        """As it is stored: only what matters."""
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None})

    def arguments(self) -> list[Any]:
        """$2 to $7 of `WHO`."""
        return [self.languages, self.roles, self.leads, self.trips, self.active_days, self.contacts]


async def count(acting: Acting, segment: Segment, *, marketing: bool) -> int:
    """How many people that are, of whom we may write to."""
    found: int = await acting.db.fetchval(_COUNT, acting.tenant_id, *segment.arguments(), marketing, acting.at)
    return found


def _items(given: dict[str, Any], name: str) -> list[Any]:
    value = given[name]
    if not isinstance(value, list) or not value or len(value) > _MOST_NAMED:
        raise ActionError("bad_segment", f"{name} must be a list of 1 to {_MOST_NAMED:,} values.")
    return value


def _texts(given: dict[str, Any], name: str, *, upper: bool = False) -> list[str] | None:
    if name not in given:
        return None
    values = [str(one).strip() for one in _items(given, name)]
    return [value.upper() for value in values] if upper else values


def _days(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 3660:
        raise ActionError("bad_segment", "active_days must be a whole number from 1 to 3660.")
    return value
