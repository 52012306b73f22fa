"""Meta's error answers: the codes that the emulator gives, with Meta's titles."""

from typing import Any

from providers.emulator.faults import Refusal, Shape

HREF = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"

_TITLES = {
    0: "AuthException",
    1: "API Unknown",
    2: "API Service",
    3: "API Method",
    4: "API Too Many Calls",
    10: "Permission Denied",
    33: "Unsupported request",
    100: "Invalid parameter",
    2500: "Unknown path components",
    190: "Error validating access token: the session has expired",
    368: "Temporarily blocked for policies violations",
    80007: "Rate limit issues",
    80008: "Too many template requests",
    130403: "Recipient is blocked by the business",
    130429: "Rate limit hit",
    130472: "User's number is part of an experiment",
    130497: "Business account is restricted from messaging users in this country",
    131000: "Something went wrong",
    131005: "Access denied",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
    131016: "Service unavailable",
    131021: "Recipient cannot be sender",
    131026: "Message undeliverable",
    131030: "Recipient phone number not in allowed list",
    131031: "Account has been locked",
    131037: "Display name approval is needed",
    131042: "Business eligibility payment issue",
    131045: "Incorrect certificate",
    131047: "Re-engagement message",
    131048: "Spam rate limit hit",
    131049: "Not delivered to maintain healthy ecosystem engagement",
    131050: "User has stopped marketing messages",
    131051: "Unsupported message type",
    131052: "Media download error",
    131053: "Media upload error",
    131056: "(Business Account, Consumer Account) pair rate limit hit",
    131057: "Account in maintenance mode",
    131215: "Groups APIs not eligible",
    132000: "Number of parameters does not match the expected number of params",
    132001: "Template name does not exist in the translation",
    132005: "Translated text too long",
    132007: "Template format character policy violated",
    132012: "Parameter format does not match format in the created template",
    132015: "Template is paused",
    132016: "Template is disabled",
    132018: "There are issues with the parameters of your template",
    132068: "Flow is blocked",
    132069: "Flow is throttled",
    133004: "Server temporarily unavailable",
    133005: "Two step verification PIN mismatch",
    133010: "Phone number not registered",
    133016: "Account register deregister rate limit exceeded",
    135000: "Generic user error",
    138000: "Calling not enabled",
    138006: "No approved call permission found",
    139001: "Updating attempt failed",
    139002: "Publishing attempt failed",
    139003: "Deprecating attempt failed",
    139004: "Deleting attempt failed",
}

_DETAILS_OF_FAILURE = {
    131026: "Unable to deliver message.",
    131047: "Message failed to send because more than 24 hours have passed since the customer last replied "
    "to this number.",
    131053: "The media could not be fetched.",
}

_CODE_OF_STATUS = {401: 190, 403: 10, 404: 100, 429: 130429, 500: 131000, 503: 131016}


class GraphError(Exception):
    """A refusal in the Graph API's shape.

    Attributes:
        code: Meta's error code.
        details: `error_data.details`: what exactly is wrong.
        status: HTTP status of the answer.
        subcode: `error_subcode`, when there is one.
        retry_after: Seconds for the `Retry-After` header.
        shape: Whose answer it is: Graph's own, that of 360dialog's gateway, or a machine's in between.
    """

    def __init__(
        self,
        code: int,
        details: str,
        *,
        status: int = 400,
        subcode: int | None = None,
        retry_after: float | None = None,
        shape: Shape = "provider",
    ) -> None:
        super().__init__(f"(#{code}) {details}")
        self.code = code
        self.details = details
        self.status = status
        self.subcode = subcode
        self.retry_after = retry_after
        self.shape = shape

    def body(self, trace_id: str) -> dict[str, Any]:
        """The answer's JSON."""
        if self.code == 190:
            error: dict[str, Any] = {"message": self.details, "type": "OAuthException", "code": 190}
        else:
            error = {
                "message": f"(#{self.code}) {title(self.code)}",
                "type": "OAuthException",
                "code": self.code,
                "error_data": {"messaging_product": "whatsapp", "details": self.details},
            }
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        error["fbtrace_id"] = trace_id
        return {"error": error}


def title(code: int) -> str:
    """Meta's short text for a code."""
    return _TITLES.get(code, "Something went wrong")


def failure(code: int) -> dict[str, Any]:
    """One entry of `statuses[].errors[]`."""
    return {
        "code": code,
        "title": title(code),
        "message": title(code),
        "error_data": {"details": _DETAILS_OF_FAILURE.get(code, title(code))},
        "href": HREF,
    }


def refusal_error(refusal: Refusal) -> GraphError:
    """The error for a refusal that a test asked for."""
    code = refusal.code if refusal.code is not None else _CODE_OF_STATUS.get(refusal.status, 131000)
    return GraphError(code, title(code), status=refusal.status, retry_after=refusal.retry_after, shape=refusal.shape)
