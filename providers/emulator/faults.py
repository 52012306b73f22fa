"""Faults that tests switch on: what a provider does on a bad day."""

from dataclasses import dataclass
from typing import Any

from providers.emulator.phones import EmulatorError

_TRANSIENT_CODE = 131000
_THROTTLE_CODE = 130429


@dataclass(slots=True)
class SendFault:
    """Refuse the next sends.

    Attributes:
        status: HTTP status of the refusal.
        code: The provider's error code in its body.
        retry_after: Seconds for the `Retry-After` header; left out when `None`.
        times: How many sends are still to be refused.
    """

    status: int
    code: int
    retry_after: float | None
    times: int


@dataclass(slots=True)
class Faults:
    """What goes wrong from now on with sends (not with read marks); the default is a good day.

    Attributes:
        send: Refusal of sends.
        drop_answers: How many sends are accepted and then left without an answer, the connection closed.
        delay: Seconds before a send is looked at.
        duplicate_webhooks: Probability, 0–1, that a webhook is posted again after it was answered 200.
        reorder_statuses: Post `delivered` before `sent`.
    """

    send: SendFault | None = None
    drop_answers: int = 0
    delay: float = 0.0
    duplicate_webhooks: float = 0.0
    reorder_statuses: bool = False

    def take_refusal(self) -> SendFault | None:
        """The refusal for this send, counted down."""
        if self.send is None or self.send.times <= 0:
            return None
        self.send.times -= 1
        return self.send

    def take_drop(self) -> bool:
        """Whether this send's answer is dropped, counted down."""
        if self.drop_answers <= 0:
            return False
        self.drop_answers -= 1
        return True

    def update(self, wanted: dict[str, Any]) -> None:
        """Set the faults that `wanted` names (the JSON of `POST /_control/faults`) and leave the others.

        Raises:
            EmulatorError: A fault is unknown or its value makes no sense; nothing was changed.
        """
        unknown = wanted.keys() - {"send", "drop_answer", "delay", "duplicate_webhooks", "reorder_statuses"}
        if unknown:
            raise EmulatorError(f"unknown fault: {', '.join(sorted(unknown))}")
        try:
            send = _send_fault(wanted["send"]) if wanted.get("send") else None
            drops = int(wanted.get("drop_answer", self.drop_answers))
            delay = float(wanted.get("delay", self.delay))
            duplicates = float(wanted.get("duplicate_webhooks", self.duplicate_webhooks))
        except (KeyError, TypeError, ValueError) as error:
            raise EmulatorError(f"fault not understood: {error!r}") from error
        if "send" in wanted:
            self.send = send
        self.drop_answers, self.delay, self.duplicate_webhooks = drops, delay, duplicates
        self.reorder_statuses = bool(wanted.get("reorder_statuses", self.reorder_statuses))

    def clear(self) -> None:
        """Back to a good day."""
        self.send = None
        self.drop_answers, self.delay, self.duplicate_webhooks, self.reorder_statuses = 0, 0.0, 0.0, False


def _send_fault(wanted: dict[str, Any]) -> SendFault:
    status = int(wanted["status"])
    retry_after = wanted.get("retry_after")
    return SendFault(
        status=status,
        code=int(wanted.get("code", _THROTTLE_CODE if status == 429 else _TRANSIENT_CODE)),
        retry_after=None if retry_after is None else float(retry_after),
        times=int(wanted.get("times", 1)),
    )
