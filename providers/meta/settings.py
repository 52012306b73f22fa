"""What one number at Meta needs to be told."""

from dataclasses import dataclass, field

from providers.http import Patience

API = "https://graph.facebook.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaSettings:
    """One number at Meta. Secrets stay out of its `repr`.

    Attributes:
        app_secrets: App secrets that sign webhooks; several while one is being replaced.
        verify_token: What Meta shows when it checks the endpoint.
        access_token: System-user token.
        phone_number_id: Meta's id of our number, which is also its channel.
        business_account_id: Id of the WhatsApp Business account.
        base_url: Where the Graph API is.
        api_version: Graph version. Left to Meta, behaviour would change when the oldest version ends.
        timeout_seconds: For a whole send, the wait for a free connection included.
        connect_timeout_seconds: For opening a connection, TLS included.
        keepalive_seconds: How long an idle connection is trusted.
        connections: How many at once.
    """

    app_secrets: tuple[str, ...] = field(repr=False)
    verify_token: str = field(repr=False)
    access_token: str = field(repr=False)
    phone_number_id: str
    business_account_id: str
    base_url: str = API
    api_version: str = "v25.0"
    timeout_seconds: float = 15.0
    connect_timeout_seconds: float = 5.0
    keepalive_seconds: float = 10.0
    connections: int = 100

    @property
    def api_url(self) -> str:
        """What every address at Graph begins with."""
        return f"{self.base_url.rstrip('/')}/{self.api_version}"

    @property
    def patience(self) -> Patience:
        """How long to wait for Graph."""
        return Patience(
            timeout_seconds=self.timeout_seconds,
            connect_timeout_seconds=self.connect_timeout_seconds,
            keepalive_seconds=self.keepalive_seconds,
            connections=self.connections,
        )
