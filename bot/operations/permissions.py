"""Who may do what: the one place. Flows, actions, API and desk all ask here.

A role has capabilities, a service names those of which one suffices. Customers see and change only what is theirs:
that is no matter of roles, each service looks at whose object it is.
"""

from typing import Literal, get_args

from bot.core.errors import ActionError
from bot.operations.acting import SYSTEM, Acting

Role = Literal["customer", "sales", "operations", "field_staff", "manager"]
Capability = Literal[
    "enquire", "see_own", "pay", "give_feedback",
    "create_leads", "send_quotes", "convert_bookings",
    "manage_inventory", "assign_staff", "manage_trips", "handle_incidents", "broadcast",
    "check_in", "report_issues", "upload_media", "keep_availability",
    "approve", "manage_people", "set_terms",
]  # fmt: skip
"""What can be done, in words of the business."""

ROLES: tuple[Role, ...] = get_args(Role)
CAPABILITIES: tuple[Capability, ...] = get_args(Capability)

_CUSTOMER: frozenset[Capability] = frozenset({"enquire", "see_own", "pay", "give_feedback"})
_SALES: frozenset[Capability] = frozenset({"create_leads", "send_quotes", "convert_bookings", "keep_availability"})
_OPERATIONS: frozenset[Capability] = frozenset(
    {"manage_inventory", "assign_staff", "manage_trips", "handle_incidents", "broadcast", "keep_availability"}
)
_FIELD_STAFF: frozenset[Capability] = frozenset({"check_in", "report_issues", "upload_media", "keep_availability"})

MATRIX: dict[Role, frozenset[Capability]] = {
    "customer": _CUSTOMER,
    "sales": _SALES,
    "operations": _OPERATIONS,
    "field_staff": _FIELD_STAFF,
    # "All operations + approvals": everything staff may do. What customers do for themselves is not among it.
    "manager": _SALES | _OPERATIONS | _FIELD_STAFF | {"approve", "manage_people", "set_terms"},
}


def roles_with(*needs: Capability) -> tuple[str, ...]:
    """The roles that have at least one of these capabilities; everybody when none is needed."""
    return tuple(role for role in ROLES if not needs or MATRIX[role] & set(needs))


def may(role: str, *needs: Capability) -> bool:
    """Whether a role has at least one of these capabilities."""
    return role == SYSTEM or not needs or any(need in MATRIX.get(role, ()) for need in needs)  # type: ignore[call-overload]


def check(acting: Acting, name: str, needs: tuple[Capability, ...]) -> None:
    """Let pass who may call a service.

    Raises:
        ActionError: `forbidden`.
    """
    if not may(acting.role, *needs):
        raise ActionError("forbidden", f"The role {acting.role} may not call {name}.")
