"""Feedback: how it was, from 1 to 5. Bad news reaches managers at once."""

from typing import Any

from bot.core.errors import ActionError
from bot.operations import bookings, news, timeline
from bot.operations.acting import Acting, ident, text_of, whole
from bot.operations.lifecycle import Change, Lifecycle
from bot.operations.services import Services

SERVICES = Services()
ACTIONS = SERVICES.actions

LIFECYCLE = Lifecycle("Feedback", "NEW", {"handle": Change(("NEW",), "HANDLED", "handled")})
BAD = 2
"""Ratings up to this are told to managers."""

_CREATE = """
INSERT INTO feedback (tenant_id, contact_id, booking_id, rating, comment, created_at) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING feedback_id
"""
_ONE = "SELECT status FROM feedback WHERE tenant_id = $1 AND feedback_id = $2 FOR UPDATE"
_HANDLE = "UPDATE feedback SET status = $3, handled_at = $4 WHERE tenant_id = $1 AND feedback_id = $2"
_LIST = """
SELECT f.feedback_id, f.rating, f.comment, f.status, f.booking_id, f.created_at, c.name FROM feedback f
JOIN contacts c ON c.tenant_id = $1 AND c.contact_id = f.contact_id
WHERE f.tenant_id = $1 ORDER BY f.feedback_id DESC LIMIT $2
"""


@SERVICES.service("feedback.give", "give_feedback")
async def give_feedback(
    acting: Acting, *, rating: int | str, comment: str = "", booking: int | str | None = None
) -> dict[str, Any]:
    """Say how it was, 1 (bad) to 5. Managers hear `feedback.bad` of 1 and 2.

    Returns:
        `id` and `rating`.
    """
    stars, words = whole(rating, "The rating", least=1, most=5), text_of(comment, "The comment", needed=False)
    of = (await bookings.booking_row(acting, booking))["booking_id"] if booking is not None else None
    made = await acting.db.fetchval(_CREATE, acting.tenant_id, acting.me, of, stars, words, acting.at)
    await timeline.record(acting, "feedback", made, "FEEDBACK_GIVEN", rating=stars, booking_id=of)
    if stars <= BAD:
        card = {"id": made, "rating": stars, "comment": words, "booking": f"BKG{of}" if of is not None else None}
        await news.tell_role(acting, "manager", "feedback.bad", card)
    return {"id": made, "rating": stars}


@SERVICES.service("feedback.handle", "convert_bookings", "approve")
async def handle_feedback(acting: Acting, *, feedback: int | str) -> dict[str, Any]:
    """Somebody has looked after it."""
    number = ident(feedback, "")
    row = await acting.db.fetchrow(_ONE, acting.tenant_id, number)
    if row is None:
        raise ActionError("not_found", "There is no such feedback.")
    status = LIFECYCLE.after("handle", row["status"])
    await acting.db.execute(_HANDLE, acting.tenant_id, number, status, acting.at)
    await timeline.record(acting, "feedback", number, "FEEDBACK_HANDLED")
    return {"id": number, "status": status}


@SERVICES.service("feedback.list", "convert_bookings", "approve")
async def list_feedback(acting: Acting, *, most: int = 10) -> dict[str, Any]:
    """The latest feedback: `count` and `items`."""
    rows = await acting.db.fetch(_LIST, acting.tenant_id, most)
    items = [
        {
            "id": row["feedback_id"],
            "rating": row["rating"],
            "comment": row["comment"],
            "status": row["status"],
            "booking": f"BKG{row['booking_id']}" if row["booking_id"] is not None else None,
            "by": row["name"],
            "at": row["created_at"].isoformat(),
        }
        for row in rows
    ]
    return {"count": len(items), "items": items}
