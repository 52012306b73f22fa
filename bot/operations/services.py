"""Making a function a service: permission, audit, and the action or lookup that flows call."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from bot.core.actions import ActionCall, Actions, Kind, Listing
from bot.operations.acting import Acting, acting_of
from bot.operations.permissions import Capability, check, roles_with
from storage.base import AuditEntry

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Plain = Callable[Concatenate[Acting, _P], Awaitable[_R]]
_Checked = Callable[Concatenate[ActionCall | Acting, _P], Awaitable[_R]]


@dataclass(frozen=True, slots=True)
class Service:
    """What the registry knows: the function (checked, audited), and the capabilities of which one is needed."""

    name: str
    function: Callable[..., Awaitable[Any]]
    needs: tuple[Capability, ...]
    kind: Kind


_READING = frozenset({"show", "list", "current", "departures", "free", "trips", "now", "status", "people"})
"""How services are called that change nothing."""


class Services:
    """The services of one file. `actions` are the same functions, as flows call them."""

    def __init__(self) -> None:
        self.by_name: dict[str, Service] = {}
        self.actions = Actions()

    def service(self, name: str, *needs: Capability) -> Callable[[_Plain[_P, _R]], _Checked[_P, _R]]:
        """Make the decorated function something that changes the business.

        Args:
            name: What flows write after `do:`.
            needs: Capabilities; one of them suffices. None: everybody may.
        """
        return self._register(name, "action", needs)

    def lookup(
        self, name: str, *needs: Capability, things: Listing | None = None
    ) -> Callable[[_Plain[_P, _R]], _Checked[_P, _R]]:
        """Make the decorated function one that finds things in a text; leaves no trace in the audit."""
        return self._register(name, "lookup", needs, things)

    def _register(
        self, name: str, kind: Kind, needs: tuple[Capability, ...], things: Listing | None = None
    ) -> Callable[[_Plain[_P, _R]], _Checked[_P, _R]]:
        def register(function: _Plain[_P, _R]) -> _Checked[_P, _R]:
            @wraps(function)
            async def checked(call: ActionCall | Acting, /, *args: _P.args, **arguments: _P.kwargs) -> _R:
                acting = acting_of(call)
                check(acting, name, needs)
                result = await function(acting, *args, **arguments)
                if kind == "action" and acting.trail is not None:
                    acting.trail.append(_entry(acting, name, result))
                return result

            roles = roles_with(*needs) if needs else ()
            if kind == "action":
                self.actions.action(name, roles=roles, reads=name.rpartition(".")[2] in _READING)(checked)
            else:
                self.actions.lookup(name, roles=roles, things=things)(checked)
            self.by_name[name] = Service(name, checked, needs, kind)
            return checked

        return register


def _entry(acting: Acting, name: str, result: Any) -> AuditEntry:
    """Who did what to which object; never what it says, which may name people."""
    known = {key: result[key] for key in ("id", "status") if key in result} if isinstance(result, dict) else {}
    return AuditEntry(
        at=acting.at,
        actor=acting.actor,
        action=name,
        conversation_id=acting.conversation_id,
        detail={"role": acting.role, "source": acting.source, **known},
    )
