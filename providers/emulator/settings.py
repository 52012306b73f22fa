"""What an emulator is told at the start: its phones, its business account, its pace."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Phone:
    """One person's phone.

    Attributes:
        name: The profile name the bot sees in webhooks.
        number: E.164 with the plus sign; it identifies the phone everywhere in the emulator.
        role: Shown on the page above the phone (`customer`, `guide`, `sales`, `manager` …).
        bsuid: The business-scoped user id, `CC.` and up to 128 alphanumerics; left out of webhooks when `None`.
        hint: What a visitor might type first; the page offers it as a chip.
        number_hidden: The person has a username and hides the number: webhooks then carry the BSUID only.
    """

    name: str
    number: str
    role: str
    bsuid: str | None = None
    hint: str = ""
    number_hidden: bool = False

    def __post_init__(self) -> None:
        """Refuse phones that no webhook could describe."""
        if not (self.number.startswith("+") and self.number[1:].isdecimal() and 7 <= len(self.number) - 1 <= 15):
            raise ValueError(f"{self.number!r} is not an E.164 number: write it as +9779800000001")
        if self.number_hidden and self.bsuid is None:
            raise ValueError(f"{self.name} hides the number, so a `bsuid` is needed to address them")

    @property
    def wa_id(self) -> str:
        """The number as Meta writes it: digits only."""
        return self.number[1:]


@dataclass(slots=True, kw_only=True)
class EmulatorSettings:
    """The business account that the emulator plays, and how fast it plays.

    Attributes:
        webhook_url: Where the bot listens; `Emulator.webhook_url` may be set again after the start.
        app_secret: Signs webhooks.
        verify_token: Shown in the `hub.verify_token` handshake.
        access_token: The Bearer token that sends must carry.
        phone_number_id: The id in the path of sends.
        business_account_id: The WhatsApp Business Account id, which owns the templates.
        business_number: The business' own number, E.164 with the plus sign.
        business_name: Shown in the header of every phone.
        api_version: The Graph API version in `Emulator.graph_url`; any `vNN.0` in a path is served.
        seed: Makes ids repeatable; `None` draws fresh ones.
        retry_first: Wait before a webhook is posted the second time; doubles each time.
        retry_cap: The longest wait between two posts of one webhook.
        status_delay: Wait before each `sent` and `delivered` webhook.
        approval_delay: Wait before a new template is approved.
        webhook_concurrency: Webhook posts in flight at once, over all phones.
        webhook_timeout: How long the bot may take to answer one webhook.
        pair_limit: Enforce Meta's 45-message burst and one message per 6 s for each recipient (131056).
        trusted_hosts: Host names, besides localhost and IP addresses, under which the page may be opened.
    """

    webhook_url: str
    app_secret: str
    verify_token: str
    access_token: str
    phone_number_id: str
    business_account_id: str
    business_number: str
    business_name: str = "Sirdar Treks"
    api_version: str = "v25.0"
    seed: int | None = None
    retry_first: timedelta = timedelta(seconds=0.5)
    retry_cap: timedelta = timedelta(seconds=30)
    status_delay: timedelta = timedelta(milliseconds=60)
    approval_delay: timedelta = timedelta(0)
    webhook_concurrency: int = 16
    webhook_timeout: timedelta = timedelta(seconds=15)
    pair_limit: bool = False
    trusted_hosts: frozenset[str] = field(default_factory=frozenset)
