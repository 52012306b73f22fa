"""What one number at 360dialog needs to be told."""

from dataclasses import dataclass, field

from providers.http import Patience

API = "https://waba-v2.360dialog.io"
HEADER = "X-Hook-Token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialog360Settings:
    """One number at 360dialog. Secrets stay out of its `repr`.

    Attributes:
        api_key: The number's key, sent as `D360-API-KEY`.
        webhook_tokens: What the header we registered with the webhook may hold; several while one is being replaced.
        webhook_header: The name of that header.
        phone_number_id: Meta's id of the number, which is also its channel.
        base_url: Where the API is.
        patience: Timeouts and connections.
    """

    api_key: str = field(repr=False)
    webhook_tokens: tuple[str, ...] = field(repr=False)
    webhook_header: str = HEADER
    phone_number_id: str
    base_url: str = API
    patience: Patience = field(default_factory=Patience)
