"""What an emulator is told at the start: its phones, its business account, its pace."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

ProviderName = Literal["meta", "twilio", "360dialog"]

_NEEDED: dict[ProviderName, tuple[str, ...]] = {
    "meta": ("app_secret", "verify_token", "access_token", "phone_number_id", "business_account_id"),
    "twilio": ("account_sid", "auth_token"),
    "360dialog": ("api_key", "phone_number_id", "business_account_id"),
}


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
        webhook_url: Where the bot listens; `Emulator.webhook_url` may be set again after the start. For Twilio it may
            end in an override of its patience, such as `#rc=5&rp=all`.
        business_number: The business' own number, E.164 with the plus sign.
        provider: Whose API this is.
        app_secret: Meta's: signs webhooks.
        verify_token: Meta's: shown in the `hub.verify_token` handshake.
        access_token: Meta's: the Bearer token that calls must carry.
        phone_number_id: Meta's and 360dialog's: the number's id, in webhooks and in Meta's paths.
        business_account_id: Meta's and 360dialog's: the WhatsApp Business Account id, which owns the templates.
        account_sid: Twilio's: `AC…`, the user name of calls.
        auth_token: Twilio's: the password of calls; signs webhooks.
        api_keys: Twilio's: further user names, `SK…`, with their passwords.
        status_callback_url: Twilio's: where statuses go when a send names no place of its own.
        messaging_service_sid: Twilio's: `MG…`, which a send may name instead of the number.
        public_url: Twilio's: the base of the addresses that the bot is known by outside, when webhooks reach it through
            a proxy: signed is that address, posted is to `webhook_url`.
        api_key: 360dialog's: what `D360-API-KEY` must be.
        webhook_headers: 360dialog's: the headers registered with the webhook.
        business_name: Shown in the header of every phone.
        api_version: The Graph API version in `Emulator.graph_url`; any `vNN.0` in a path is served.
        seed: Makes ids repeatable; `None` draws fresh ones.
        retry_first: Wait before a webhook is posted the second time; doubles each time.
        retry_cap: The longest wait between two posts of one webhook.
        status_delay: Wait before each `sent` and `delivered` webhook.
        approval_delay: Wait before a new template is approved.
        webhook_concurrency: Webhook posts in flight at once, over all phones.
        webhook_timeout: How long the bot may take to answer one webhook.
        pair_limit: Enforce Meta's 45-message burst and one message per 6 s for each recipient (131056, 63018).
        throughput: Messages per second, in and out together; Meta gives a number 80. `None` for no limit (130429).
        reach_limit: People who may be written to outside their 24 hours, in any 24 hours: the messaging limit (131048,
            63018). `None` for no limit.
        management_limit: Calls about templates per hour (80007). `None` for no limit.
        rest_concurrency: Twilio's: calls in progress at once (20429). `None` for no limit.
        media_auth: Twilio's: whether media addresses need the account's user name and password.
        trusted_hosts: Host names, besides localhost and IP addresses, under which the page may be opened.
    """

    webhook_url: str
    business_number: str
    provider: ProviderName = "meta"
    app_secret: str = ""
    verify_token: str = ""
    access_token: str = ""
    phone_number_id: str = ""
    business_account_id: str = ""
    account_sid: str = ""
    auth_token: str = ""
    api_keys: dict[str, str] = field(default_factory=dict)
    status_callback_url: str = ""
    messaging_service_sid: str = ""
    public_url: str = ""
    api_key: str = ""
    webhook_headers: dict[str, str] = field(default_factory=dict)
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
    throughput: int | None = None
    reach_limit: int | None = None
    management_limit: int | None = None
    rest_concurrency: int | None = None
    media_auth: bool = True
    trusted_hosts: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        """Refuse settings without which this provider's API would make no sense."""
        missing = [name for name in _NEEDED[self.provider] if not getattr(self, name)]
        if missing:
            raise ValueError(f"the emulator of {self.provider} needs {', '.join(missing)}")
