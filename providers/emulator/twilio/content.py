"""Content resources: what a bot writes once and sends by `ContentSid`, and their approval by WhatsApp."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from providers.emulator.phones import EmulatorError
from providers.emulator.twilio.content_rules import NOT_APPROVABLE, TYPES, VARIABLE, read_content
from providers.emulator.twilio.errors import TwilioError

CATEGORIES = ("UTILITY", "MARKETING", "AUTHENTICATION")
APPROVAL_STATUSES = ("received", "pending", "approved", "rejected", "paused", "disabled")
_NAME = re.compile(r"[a-z0-9_]{1,512}")


@dataclass(slots=True, kw_only=True)
class Approval:
    """What WhatsApp's reviewers say; `status` is what it will be at `due_at`."""

    name: str
    category: str
    due_at: datetime
    begun_at: datetime
    status: str = "approved"
    rejection_reason: str = ""

    def status_at(self, now: datetime) -> str:
        """`received`, then `pending`, then the verdict."""
        if now >= self.due_at:
            return self.status
        return "received" if now - self.begun_at < (self.due_at - self.begun_at) / 2 else "pending"


@dataclass(slots=True, kw_only=True)
class Content:
    """One Content resource."""

    sid: str
    friendly_name: str
    language: str
    variables: dict[str, str]
    types: dict[str, dict[str, Any]]
    created_at: datetime
    updated_at: datetime
    approval: Approval | None = None

    @property
    def whatsapp_type(self) -> str:
        """The type that WhatsApp gets."""
        return next(kind for kind in TYPES if kind in self.types)

    def filled(self, given: dict[str, str]) -> dict[str, Any]:
        """The WhatsApp type with its variables replaced; one that is not given has the sample's value."""
        values = self.variables | given

        def fill(value: Any) -> Any:
            match value:
                case str():
                    return VARIABLE.sub(lambda match: values.get(match[1], match[0]), value)
                case dict():
                    return {key: fill(inner) for key, inner in value.items()}
                case list():
                    return [fill(inner) for inner in value]
                case _:
                    return value

        filled: dict[str, Any] = fill(self.types[self.whatsapp_type])
        return filled

    def json(self, account_sid: str, base_url: str) -> dict[str, Any]:
        """As the Content API shows it."""
        url = f"{base_url}/v1/Content/{self.sid}"
        approvals = f"{url}/ApprovalRequests"
        return {
            "sid": self.sid,
            "account_sid": account_sid,
            "friendly_name": self.friendly_name,
            "language": self.language,
            "variables": self.variables,
            "types": self.types,
            "date_created": _iso(self.created_at),
            "date_updated": _iso(self.updated_at),
            "url": url,
            "links": {"approval_create": f"{approvals}/whatsapp", "approval_fetch": approvals},
        }

    def approval_json(self, now: datetime) -> dict[str, Any]:
        """The `whatsapp` part of its approval."""
        if self.approval is None:
            return {"type": "whatsapp", "name": "", "category": "", "content_type": "", "status": "unsubmitted"} | {
                "rejection_reason": "",
                "allow_category_change": True,
            }
        return {
            "type": "whatsapp",
            "name": self.approval.name,
            "category": self.approval.category,
            "content_type": self.whatsapp_type,
            "status": self.approval.status_at(now),
            "rejection_reason": self.approval.rejection_reason,
            "allow_category_change": True,
        }


@dataclass(slots=True)
class Contents:
    """The Content resources of one account.

    Args:
        now: The emulator's clock.
        approval_delay: How long reviewers take.
    """

    now: Callable[[], datetime]
    approval_delay: timedelta
    _all: dict[str, Content] = field(default_factory=dict)
    _verdicts: dict[str, tuple[str, str]] = field(default_factory=dict)

    def create(self, sid: str, wanted: Any) -> Content:
        """Keep a new resource.

        Raises:
            TwilioError: It is not what Content resources are made of.
        """
        friendly_name, language, variables, types = read_content(wanted)
        now = self.now()
        content = Content(
            sid=sid,
            friendly_name=friendly_name,
            language=language,
            variables=variables,
            types=types,
            created_at=now,
            updated_at=now,
        )
        self._all[sid] = content
        return content

    def update(self, content: Content, wanted: Any) -> None:
        """Change a resource that WhatsApp has not approved."""
        if content.approval is not None:
            raise TwilioError(20422, "Content that was submitted for approval cannot be changed")
        whole = {
            "friendly_name": content.friendly_name,
            "language": content.language,
            "variables": content.variables,
        } | (wanted if isinstance(wanted, dict) else {})
        content.friendly_name, content.language, content.variables, content.types = read_content(whole)
        content.updated_at = self.now()

    def find(self, sid: str) -> Content | None:
        """The resource with this sid."""
        return self._all.get(sid)

    def all(self) -> list[Content]:
        """Every resource, newest first, as Twilio lists them."""
        return list(reversed(self._all.values()))

    def delete(self, sid: str) -> bool:
        """Forget a resource; whether there was one."""
        return self._all.pop(sid, None) is not None

    def submit(self, content: Content, wanted: Any) -> Approval:
        """Hand a resource to WhatsApp's reviewers.

        Raises:
            TwilioError: WhatsApp approves nothing of this kind, or name or category will not do.
        """
        if not isinstance(wanted, dict):
            raise TwilioError(20422, "The request must be a JSON object")
        name, category = wanted.get("name"), wanted.get("category")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise TwilioError(20422, "name may hold lower-case letters, digits and underscores")
        if category not in CATEGORIES:
            raise TwilioError(20422, f"category must be one of {', '.join(CATEGORIES)}")
        if content.whatsapp_type in NOT_APPROVABLE:
            raise TwilioError(20422, f"{content.whatsapp_type} cannot be submitted for approval")
        if content.approval is not None:
            raise TwilioError(20422, "This content was submitted already")
        now = self.now()
        content.approval = Approval(name=name, category=category, begun_at=now, due_at=now + self.approval_delay)
        reason = self._objection(content)
        status, said = ("rejected", reason) if reason else self._verdicts.get(name, ("approved", ""))
        content.approval.status, content.approval.rejection_reason = status, said
        return content.approval

    def control(self, name: str, wanted: dict[str, Any]) -> None:
        """Give an approval a status with a reason, or say what the next review of a name comes to.

        Raises:
            EmulatorError: No approval has this name, or there is no such status.
        """
        key = "verdict" if "verdict" in wanted else "status"
        status, reason = str(wanted.get(key, "")).lower(), str(wanted.get("reason", ""))
        if status not in APPROVAL_STATUSES:
            raise EmulatorError(f"{status!r} is not one of {', '.join(APPROVAL_STATUSES)}")
        if key == "verdict":
            self._verdicts[name] = (status, reason)
            return
        found = [one.approval for one in self._all.values() if one.approval is not None and one.approval.name == name]
        if not found:
            raise EmulatorError(f"no template is called {name!r}")
        for approval in found:
            approval.status, approval.rejection_reason, approval.due_at = status, reason, self.now()

    def _objection(self, content: Content) -> str:
        """What Meta's rules have against a template; '' when they have nothing."""
        for other in self._all.values():
            if (
                other is not content
                and other.approval is not None
                and content.approval is not None
                and (other.approval.name, other.language) == (content.approval.name, content.language)
            ):
                return "There is already content of this name in this language"
        body = str(content.types[content.whatsapp_type].get("body", "")).strip()
        if VARIABLE.match(body) or body.endswith("}}"):
            return "Variables cannot be at the start or end of the text"
        numbers = sorted({int(name) for name in VARIABLE.findall(body) if name.isdecimal()})
        if numbers and numbers != list(range(1, len(numbers) + 1)):
            return "Variables are numbered from {{1}} without gaps"
        missing = [name for name in VARIABLE.findall(body) if name not in content.variables]
        return f"Sample value for {missing[0]} is missing" if missing else ""


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
