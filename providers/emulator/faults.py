"""Faults that tests switch on: what a provider does on a bad day. docs/emulator.md lists them."""

from dataclasses import dataclass, fields
from typing import Any, Literal

from providers.emulator.phones import EmulatorError

Endpoint = Literal["send", "media", "templates"]
Shape = Literal["provider", "gateway", "empty"]
Counted = Literal["drop_answer", "lose_webhooks", "forge_webhooks", "silence"]


@dataclass(slots=True)
class Refusal:
    """Refuse the next calls of one endpoint.

    Attributes:
        status: HTTP status of the refusal.
        code: The provider's error code in its body; `None` for the one that fits the status.
        retry_after: Seconds for the `Retry-After` header; left out when `None`.
        times: How many calls are still to be refused.
        shape: The provider's own error, that of 360dialog's gateway, or a bare HTML page from a machine in between.
    """

    status: int
    code: int | None = None
    retry_after: float | None = None
    times: int = 1
    shape: Shape = "provider"


@dataclass(slots=True)
class Failure:
    """Accept the next sends and report them as failed afterwards."""

    code: int
    times: int = 1


@dataclass(slots=True)
class Pacing:
    """Hold the next template sends for quality assessment, as Meta does with new templates.

    Attributes:
        times: How many sends are still to be held.
        drop: Whether they fail afterwards (132015), instead of going out.
    """

    times: int = 1
    drop: bool = False


@dataclass(slots=True)
class Faults:
    """What goes wrong from now on; the default is a good day. Whatever counts, counts down.

    Attributes:
        send: Refusal of sends (not of read marks).
        media: Refusal of uploads, look-ups and downloads of files.
        templates: Refusal of calls about templates.
        fail: Sends that are accepted and fail later.
        pace: Template sends that are held at first.
        drop_answer: How many sends are accepted and then left without an answer, the connection closed.
        delay: Seconds before a send is looked at.
        answer_delay: Seconds between taking a send and answering it: its statuses may come first.
        webhook_delay: Seconds before each webhook.
        status_delay: Seconds before each status, beside the settings' own.
        duplicate_webhooks: Probability, 0–1, that a webhook is posted again after the bot took it.
        reorder_statuses: Post `delivered` before `sent`.
        skip_delivered: Never post `delivered`, as when the chat is open and `read` says it all.
        silence: How many sends no status is ever posted for, as for a message dropped at the end of its life.
        shuffle_webhooks: Post webhooks that wait together in any order.
        batch_webhooks: Make one webhook of up to so many that wait together.
        lose_webhooks: How many webhooks are never posted.
        forge_webhooks: Before so many webhooks, post the same with a wrong proof; `/_control/log` has the answers.
    """

    send: Refusal | None = None
    media: Refusal | None = None
    templates: Refusal | None = None
    fail: Failure | None = None
    pace: Pacing | None = None
    drop_answer: int = 0
    delay: float = 0.0
    answer_delay: float = 0.0
    webhook_delay: float = 0.0
    status_delay: float = 0.0
    duplicate_webhooks: float = 0.0
    reorder_statuses: bool = False
    skip_delivered: bool = False
    silence: int = 0
    shuffle_webhooks: bool = False
    batch_webhooks: int = 0
    lose_webhooks: int = 0
    forge_webhooks: int = 0

    @property
    def pools_webhooks(self) -> bool:
        """Whether webhooks wait for one another."""
        return self.shuffle_webhooks or self.batch_webhooks > 1

    def take_refusal(self, endpoint: Endpoint) -> Refusal | None:
        """The refusal for this call, counted down."""
        refusal: Refusal | None = getattr(self, endpoint)
        if refusal is None or refusal.times <= 0:
            return None
        refusal.times -= 1
        return refusal

    def take_failure(self) -> int | None:
        """The code with which this send fails later, counted down."""
        if self.fail is None or self.fail.times <= 0:
            return None
        self.fail.times -= 1
        return self.fail.code

    def take_pacing(self) -> Pacing | None:
        """How this template send is held, counted down."""
        if self.pace is None or self.pace.times <= 0:
            return None
        self.pace.times -= 1
        return self.pace

    def take(self, fault: Counted) -> bool:
        """Whether a counted fault happens now, counted down."""
        left: int = getattr(self, fault)
        if left <= 0:
            return False
        setattr(self, fault, left - 1)
        return True

    def update(self, wanted: dict[str, Any]) -> None:
        """Set the faults that `wanted` names (the JSON of `POST /_control/faults`) and leave the others.

        Raises:
            EmulatorError: A fault is unknown or its value makes no sense; nothing was changed.
        """
        known = {field.name: field for field in fields(self)}
        unknown = wanted.keys() - known
        if unknown:
            raise EmulatorError(f"unknown fault: {', '.join(sorted(unknown))}")
        try:
            read = {name: _read(name, getattr(self, name), value) for name, value in wanted.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise EmulatorError(f"fault not understood: {error!r}") from error
        for name, value in read.items():
            setattr(self, name, value)

    def clear(self) -> None:
        """Back to a good day."""
        for field in fields(self):
            setattr(self, field.name, field.default)


def _read(name: str, now: object, value: Any) -> object:
    if name in ("send", "media", "templates"):
        return _refusal(value) if value else None
    if name == "fail":
        return Failure(code=int(value["code"]), times=int(value.get("times", 1))) if value else None
    if name == "pace":
        return Pacing(times=int(value.get("times", 1)), drop=bool(value.get("drop", False))) if value else None
    if isinstance(now, bool):
        return bool(value)
    number = float(value)
    if number < 0:
        raise ValueError(f"{name} is 0 or more")
    return int(number) if isinstance(now, int) else number


def _refusal(wanted: dict[str, Any]) -> Refusal:
    code, retry_after, shape = wanted.get("code"), wanted.get("retry_after"), wanted.get("shape", "provider")
    if shape not in ("provider", "gateway", "empty"):
        raise ValueError(f"shape {shape!r}")
    return Refusal(
        status=int(wanted["status"]),
        code=None if code is None else int(code),
        retry_after=None if retry_after is None else float(retry_after),
        times=int(wanted.get("times", 1)),
        shape=shape,
    )
