"""Twilio's error answers, and the codes with which an accepted message fails."""

from typing import Any

from providers.emulator.faults import Refusal, Shape

_MESSAGES = {
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20422: "Invalid parameter",
    20429: "Too Many Requests",
    20500: "Internal server error",
    20503: "Service unavailable",
    21211: "The 'To' number is not a valid phone number",
    21602: "Message body is required",
    21603: "A 'From' phone number is required",
    21604: "A 'To' phone number is required",
    21606: "The 'From' phone number provided is not a valid, message-capable Twilio phone number",
    21609: "The StatusCallback URL is not a valid URL",
    21610: "Attempt to send to unsubscribed recipient",
    21611: "This 'From' number has exceeded the maximum number of queued messages",
    21617: "Body is longer than 1600 characters",
    21619: "A text message body or media urls must be specified",
    21620: "Invalid media URL(s)",
    21623: "Number of media files exceeds allowed limit",
    21654: "The ContentSid parameter is required",
    21655: "The ContentSid is invalid",
    21656: "The ContentVariables parameter is invalid",
    21910: "Invalid 'From' and 'To' pair. 'From' and 'To' should be of the same channel",
    30409: "Message is not in a state in which it can be canceled",
    35111: "You must indicate SendAt timestamp if ScheduleType is 'fixed'",
    35114: "SendAt time must be between 300 seconds and 35 days (3024000 seconds) in the future, inclusive",
    35118: "MessagingServiceSid is required to schedule a message",
    63007: "Twilio could not find a Channel with the specified From address",
}

_FAILURES = {
    30001: "Queue overflow",
    30002: "Account suspended",
    30007: "Message filtered",
    63003: "Channel could not find To address",
    63005: "Channel did not accept given content",
    63013: "Channel policy violation",
    63014: "Message failed to be delivered because it was blocked by the user",
    63016: "Free-form text outside the 24 h window",
    63018: "Rate limit exceeded for Channel",
    63019: "Media failed to download",
    63021: "Channel invalid content error",
    63024: "Invalid message recipient",
    63027: "Template does not exist for a language and locale",
    63032: "User cannot receive this message due to WhatsApp limitations",
    63034: "Media exceeds the size limit",
    63040: "Template rejected",
    63041: "Template paused",
    63042: "Template disabled",
    63049: "Meta chose not to deliver this marketing message",
}

# Handed over to WhatsApp, which then refused; the others fail before that.
_UNDELIVERED = frozenset({63003, 63014, 63024, 63026, 63029, 63032, 63033, 63049, 30003, 30004, 30005, 30006, 30008})

_CODE_OF_STATUS = {401: 20003, 404: 20404, 429: 20429, 500: 20500, 503: 20503}


class TwilioError(Exception):
    """A refusal in Twilio's shape.

    Attributes:
        code: Twilio's error code.
        status: HTTP status of the answer.
        retry_after: Seconds for the `Retry-After` header.
        shape: Whose answer it is: Twilio's own, or a machine's in between.
    """

    def __init__(
        self,
        code: int,
        message: str | None = None,
        *,
        status: int = 400,
        retry_after: float | None = None,
        shape: Shape = "provider",
    ) -> None:
        self.message = message or _MESSAGES.get(code, _FAILURES.get(code, "Invalid request"))
        super().__init__(f"{code}: {self.message}")
        self.code = code
        self.status = status
        self.retry_after = retry_after
        self.shape = shape

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


def refusal_error(refusal: Refusal) -> TwilioError:
    """The error for a refusal that a test asked for."""
    code = refusal.code if refusal.code is not None else _CODE_OF_STATUS.get(refusal.status, 20500)
    return TwilioError(code, status=refusal.status, retry_after=refusal.retry_after, shape=refusal.shape)


def not_found(path: str) -> TwilioError:
    """The error for a resource that is not there."""
    return TwilioError(20404, f"The requested resource {path} was not found", status=404)


def failure_words(code: int) -> str:
    """Twilio's text for the failure of an accepted message; '' for one it gives none for."""
    return _FAILURES.get(code, "")


def failed_status(code: int) -> str:
    """`undelivered` when WhatsApp had the message already, else `failed`."""
    return "undelivered" if code in _UNDELIVERED else "failed"
