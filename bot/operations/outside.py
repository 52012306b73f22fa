"""outside.yaml: which actions are calls to another system, and where they go.

    systems:
      tms:
        url: https://tms.example/api
        secret: TMS_SECRET          # an environment variable
    calls:
      tms.create_lead:
        system: tms
        method: POST
        path: /leads
        roles: [customer, sales]
        arguments: [trek, people, month]

Each call becomes an action of its name. It returns at once; the answer comes as an event.
"""

import inspect
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bot.core.actions import Action, ActionCall, Actions
from bot.core.errors import ActionError, ContentError, ContentErrors, Mark
from bot.operations.acting import acting_of
from bot.operations.permissions import ROLES

FILE = "outside.yaml"

_ADD = """
INSERT INTO outside_jobs (tenant_id, kind, lane, call, payload, conversation_id, run, due_at, created_at)
VALUES ($1, 'call', $2, $3, $4::jsonb, $5, $6, $7, $7) RETURNING job_id
"""
_IN_PATH = re.compile(r"\{(\w+)\}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SystemSpec(_Strict):
    """Another system: where it is, what signs our requests, how long we wait for it."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s/@?#]+(/[^\s?#]*)?$")]
    secret: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    timeout: Annotated[float, Field(gt=0, le=60)] = 10


class CallSpec(_Strict):
    """An action that asks another system."""

    system: str
    path: Annotated[str, Field(pattern=r"^/[\w./{}-]*$")]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    roles: tuple[str, ...] = ()
    arguments: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], ...] = ()
    optional: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], ...] = ()
    about: str = ""
    """The argument that names the object: calls about one object are made in order."""

    @model_validator(mode="after")
    def _names(self) -> "CallSpec":
        known = {*self.arguments, *self.optional}
        unknown = {*_IN_PATH.findall(self.path), *([self.about] if self.about else [])} - known
        if unknown:
            raise ValueError(f"{', '.join(sorted(unknown))} is none of its arguments")
        strange = set(self.roles) - set(ROLES)
        if strange:
            raise ValueError(f"there is no role {', '.join(sorted(strange))}")
        return self


class OutsideSpec(_Strict):
    """The whole file."""

    systems: dict[str, SystemSpec] = Field(default_factory=dict)
    calls: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$")], CallSpec] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _systems(self) -> "OutsideSpec":
        for name, call in self.calls.items():
            if call.system not in self.systems:
                raise ValueError(f"{name}: there is no system {call.system}")
        return self

    def missing_secrets(self, environment: Mapping[str, str] = os.environ) -> list[str]:
        """Environment variables that should hold a secret and do not."""
        return sorted({one.secret for one in self.systems.values() if not environment.get(one.secret)})


def load_outside(root: Path) -> OutsideSpec:
    """What outside.yaml of a content folder says; nothing, when there is none.

    Raises:
        ContentErrors: With everything that is wrong in it.
    """
    path = root / FILE
    if not path.is_file():
        return OutsideSpec()
    try:
        return OutsideSpec.model_validate(yaml.safe_load(path.read_text(encoding="utf-8-sig")) or {})
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"it is not UTF-8, {error.reason}"
        raise ContentErrors([ContentError(f"The file cannot be read: {why}.", at=Mark(FILE, 1, 1))]) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = Mark(FILE, mark.line + 1, mark.column + 1) if mark is not None else Mark(FILE, 1, 1)
        raise ContentErrors([ContentError("This is not YAML.", at=place)]) from error
    except ValidationError as error:
        mistakes = [
            ContentError(f"{'.'.join(map(str, one['loc'])) or 'The file'}: {one['msg']}.", at=Mark(FILE, 1, 1))
            for one in error.errors()
        ]
        raise ContentErrors(mistakes) from error


def outside_actions(spec: OutsideSpec) -> Actions:
    """An action for each call: flows call them as any other, and hear the answer under `events:`."""
    actions = Actions()
    for name, call in spec.calls.items():
        actions.add(Action(name=name, function=_asking(name, call), roles=frozenset(call.roles), outside=True))
    return actions


def _asking(name: str, spec: CallSpec) -> Any:
    variable = [part for part in spec.path.split("/") if "{" in part]

    async def ask(call: ActionCall, /, **arguments: Any) -> dict[str, Any]:
        given = {one: str(value).strip() for one, value in arguments.items() if value is not None}
        for part in variable:  # what people write chooses what is asked about, never another path
            if _IN_PATH.sub(lambda found: given.get(found[1], ""), part) in ("", ".", ".."):
                raise ActionError("bad_value", f"{name} cannot be asked about that.")
        acting = acting_of(call)
        about = arguments.get(spec.about) if spec.about else call.run
        job = await acting.db.fetchval(
            _ADD, acting.tenant_id, f"call:{spec.system}:{about}", name, json.dumps(arguments, default=str),
            acting.conversation_id, acting.run, acting.at,
        )  # fmt: skip
        return {"asked": job}

    # The linter reads the signature: required arguments have no default.
    parameter, keyword = inspect.Parameter, inspect.Parameter.KEYWORD_ONLY
    parameters = [parameter("call", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    parameters += [parameter(one, keyword) for one in spec.arguments]
    parameters += [parameter(one, keyword, default=None) for one in spec.optional]
    ask.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    ask.__doc__ = f"Ask {spec.system}: {spec.method} {spec.path}. The answer comes as the event `{name}.answered`."
    return ask
