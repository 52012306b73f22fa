"""The business behind the chat: services, and the same functions as actions that flows call."""

from bot.core.actions import Actions
from bot.operations import (
    approvals,
    assignments,
    bookings,
    broadcasts,
    check_ins,
    choosing,
    feedback,
    handoffs,
    incidents,
    inventory,
    leads,
    payments,
    people,
    quotes,
    terms,
    treks,
    trips,
)
from bot.operations.acting import Acting
from bot.operations.catalogue import catalogue_actions
from bot.operations.lifecycle import Lifecycle
from bot.operations.services import Service

_PARTS = (
    leads, quotes, bookings, payments, trips, assignments, check_ins, incidents, approvals, feedback, inventory, people,
    broadcasts, choosing, handoffs, terms, treks,
)  # fmt: skip

LIFECYCLES: dict[str, Lifecycle] = {
    "lead": leads.LIFECYCLE,
    "quote": quotes.LIFECYCLE,
    "booking": bookings.LIFECYCLE,
    "payment": payments.LIFECYCLE,
    "trip": trips.LIFECYCLE,
    "assignment": assignments.LIFECYCLE,
    "incident": incidents.LIFECYCLE,
    "approval": approvals.LIFECYCLE,
    "feedback": feedback.LIFECYCLE,
    "broadcast": broadcasts.LIFECYCLE,
    "handoff": handoffs.LIFECYCLE,
    "invite": people.INVITES,
    "merge": people.MERGES,
}
"""The statuses of every kind of object, for docs and tests."""


async def expire_what_is_over(acting: Acting) -> None:
    """Let quotes, unpaid bookings and invitations run out; the people concerned hear of it."""
    await quotes.expire_quotes(acting)
    await bookings.expire_bookings(acting)
    await people.expire_invites(acting)


def standard_services() -> dict[str, Service]:
    """Every service by name, for the API and the desk."""
    return {name: service for part in _PARTS for name, service in part.SERVICES.by_name.items()}


def standard_actions() -> Actions:
    """Every built-in action and lookup."""
    return catalogue_actions().including(*(part.SERVICES.actions for part in _PARTS))
