"""The permission matrix: every role × every service, in the service itself and as flows see it."""

import pytest

from bot.core.errors import ActionError
from bot.operations import standard_actions, standard_services
from bot.operations.acting import Acting
from bot.operations.permissions import CAPABILITIES, MATRIX, ROLES, may
from tests.conftest import EPOCH

SERVICES = standard_services()

# The seed's matrix, row by row: what each role has to be able to do, as capabilities.
SEED = {
    "customer": {"enquire", "see_own", "pay"},
    "sales": {"create_leads", "send_quotes", "convert_bookings"},
    "operations": {"manage_inventory", "assign_staff", "broadcast"},
    "field_staff": {"check_in", "report_issues", "upload_media"},
    "manager": {
        "create_leads", "send_quotes", "convert_bookings", "manage_inventory", "assign_staff", "broadcast", "check_in",
        "report_issues", "upload_media", "approve",
    },
}  # fmt: skip


class Untouched:
    """A database nobody may ask: whoever is refused has changed nothing."""

    def __getattr__(self, name: str) -> object:
        raise LookupError(name)


def acting(role: str) -> Acting:
    return Acting(tenant_id=1, db=Untouched(), at=EPOCH, role=role, source="WHATSAPP", contact_id=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_what_the_matrix_of_the_guide_says(role: str) -> None:
    assert SEED[role] <= MATRIX[role]  # type: ignore[index]


def test_only_managers_approve_and_nobody_else_manages_people() -> None:
    for capability in ("approve", "manage_people"):
        assert [role for role in ROLES if capability in MATRIX[role]] == ["manager"]
    assert set().union(*MATRIX.values()) == set(CAPABILITIES), "a capability nobody has"


@pytest.mark.parametrize("role", [*ROLES, "stranger", ""])
async def test_every_role_times_every_service(role: str) -> None:
    """Who may not is refused before anything is looked at; who may gets past that. Flows see the same."""
    actions = standard_actions().by_name
    for name, service in SERVICES.items():
        arguments = {parameter: "1" for parameter, required in actions[name].parameters.items() if required}
        allowed = not service.needs or any(need in MATRIX.get(role, ()) for need in service.needs)  # type: ignore[call-overload]
        assert may(role, *service.needs) == allowed, name
        refused = False
        try:
            await service.function(acting(role), **arguments)
        except ActionError as error:
            refused = error.code == "forbidden"
        except LookupError:
            pass  # it got as far as the database
        assert refused != allowed, name
        if role in ROLES:
            assert (not actions[name].roles or role in actions[name].roles) == allowed, name
