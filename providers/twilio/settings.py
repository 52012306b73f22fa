"""What one number at Twilio needs to be told."""

import base64
from dataclasses import dataclass, field

from providers.http import Patience

API = "https://api.twilio.com"
CONTENT = "https://content.twilio.com"
MESSAGING = "https://messaging.twilio.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioSettings:
    """One WhatsApp number at Twilio. Secrets stay out of its `repr`.

    Attributes:
        account_sid: The account (`AC…`) that owns the sender.
        auth_tokens: The account's auth tokens: the first one is used, all of them sign webhooks while one is replaced.
        phone_number: The sender's number, E.164 with +; also its channel.
        public_url: How Twilio reaches us, without a path: `https://bot.example.com`. Signatures cover it.
        status_path: Where statuses are sent, below `public_url`.
        messaging_service_sid: A messaging service (`MG…`) to send through, if there is one.
        api_url: Where messages and files are.
        content_url: Where contents (templates, buttons, lists) are.
        messaging_url: Where typing indicators are.
        patience: Timeouts and connections.
    """

    account_sid: str
    auth_tokens: tuple[str, ...] = field(repr=False)
    phone_number: str
    public_url: str
    status_path: str
    messaging_service_sid: str | None = None
    api_url: str = API
    content_url: str = CONTENT
    messaging_url: str = MESSAGING
    patience: Patience = field(default_factory=Patience)

    @property
    def account_url(self) -> str:
        """What the addresses of messages begin with."""
        return f"{self.api_url.rstrip('/')}/2010-04-01/Accounts/{self.account_sid}"

    @property
    def authorization(self) -> str:
        """The header that opens Twilio's API: account and token, as HTTP basic authentication has them."""
        token = self.auth_tokens[0] if self.auth_tokens else ""
        return "Basic " + base64.b64encode(f"{self.account_sid}:{token}".encode()).decode()
