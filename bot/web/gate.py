"""Who signed a webhook, and therefore whose numbers it may speak of.

All tenants may share one address. Nothing in a request says whom to believe: every secret in use is tried on the bytes
as they came, and only then are they read. What is read counts only for numbers whose own secret fits. So a body can
choose no weaker check, and one that is signed with one tenant's secret and speaks of another's number is not believed
about it. Tenants whose numbers share a secret (one app at Meta for several businesses) may share a body.

An address of a tenant's own (`…/webhook/SLUG`) tries that tenant's secrets only: with very many tenants it is faster.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime

from bot.core.frozen import dataclass
from bot.runtime.tenants import Line, Tenant, Tenants
from bot.web.news import Sorting
from providers.base import Provider, SignatureError, WebhookRequest
from storage.base import Channel


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a webhook may speak of: the numbers whose secret signed it.

    Attributes:
        provider: Reads it.
        by_address: Those that are served, by what webhooks call them.
        by_account: The same, by what webhooks call their account.
        resting: Those of tenants that are not served at the moment: what comes for them is kept.
        lines: What serves them.
    """

    provider: Provider
    by_address: Mapping[str, Channel]
    by_account: Mapping[str, tuple[Channel, ...]]
    resting: Mapping[str, Channel] = field(default_factory=dict)
    lines: Mapping[str, Line] = field(default_factory=dict)

    @classmethod
    def of(cls, provider: Provider, served: Iterable[Line], resting: Iterable[Line] = ()) -> "Admitted":
        """What numbers may be spoken of."""
        lines = {line.channel.address: line for line in served}
        by_address = {address: line.channel for address, line in lines.items()}
        closed = {line.channel.address: line.channel for line in resting}
        return cls(provider, by_address, by_account(by_address.values()), closed, lines)

    def knows(self, address: str) -> bool:
        """Whether a number is among them."""
        return address in self.by_address or address in self.resting

    def sorting(self, received_at: datetime) -> Sorting:
        """What sorts the items of a webhook."""
        return Sorting(
            by_address=self.by_address, by_account=self.by_account, resting=self.resting, received_at=received_at
        )


def by_account(channels: Iterable[Channel]) -> dict[str, tuple[Channel, ...]]:
    """Numbers by the account they belong to."""
    found: dict[str, tuple[Channel, ...]] = {}
    for channel in channels:
        if channel.account:
            found[channel.account] = (*found.get(channel.account, ()), channel)
    return found


@dataclass(frozen=True, slots=True)
class _Check:
    """One way to prove who sent something, and for whose numbers it counts."""

    provider: Provider
    numbers: tuple[tuple[Tenant, Line], ...]


class Gate:
    """Finds out who signed a webhook.

    Args:
        tenants: Everybody this process knows.
    """

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        self._edition = -1
        self._checks: dict[str | None, list[_Check]] = {}
        self._admitted: dict[tuple[int, ...], Admitted] = {}

    def checks(self, slug: str | None = None) -> int:
        """How many secrets are tried."""
        return len(self._of(slug))

    def admit(self, request: WebhookRequest, slug: str | None = None) -> Admitted:
        """Verify a webhook.

        Args:
            request: As it came; nothing in it is believed.
            slug: The tenant whose own address it came to.

        Raises:
            SignatureError: Nobody we know signed it.
        """
        fitting: list[_Check] = []
        failure: SignatureError | None = None
        for check in self._of(slug):
            try:
                check.provider.verify(request)
            except SignatureError as error:
                failure = error
            else:
                fitting.append(check)
        if not fitting:
            raise failure or SignatureError("Nobody is served here.")
        # Providers sign in headers of their own. Should a request carry two, it is read as one provider's alone.
        return self._together([check for check in fitting if check.provider.name == fitting[0].provider.name])

    def handshake(self, query: Mapping[str, str], slug: str | None = None) -> str | None:
        """Answer a provider's check of our endpoint, if the token is anybody's; else None."""
        answer: str | None = None
        for tenant in self._whose(slug):
            for line in tenant.lines:
                answer = line.provider.handshake(query) or answer
        return answer

    def takes(self, method: str) -> bool:
        """Whether any provider in use sends webhooks this way."""
        return any(
            method in line.provider.webhook_methods for tenant in self._tenants.known.values() for line in tenant.lines
        )

    def _whose(self, slug: str | None) -> list[Tenant]:
        known = self._tenants.known.values()
        return [tenant for tenant in known if slug is None or tenant.slug == slug]

    def _of(self, slug: str | None) -> list[_Check]:
        if self._edition != self._tenants.edition:
            self._checks, self._admitted, self._edition = {}, {}, self._tenants.edition
        found = self._checks.get(slug)
        if found is None:
            whose = self._whose(slug)
            found = _checks(whose)
            if whose:  # addresses that nobody has are not remembered
                self._checks[slug] = found
        return found

    def _together(self, checks: list[_Check]) -> Admitted:
        key = tuple(map(id, checks))
        admitted = self._admitted.get(key)
        if admitted is None:
            numbers = [number for check in checks for number in check.numbers]
            served = [line for tenant, line in numbers if tenant.active]
            resting = [line for tenant, line in numbers if not tenant.active]
            admitted = self._admitted[key] = Admitted.of(checks[0].provider, served, resting)
        return admitted


def _checks(tenants: Iterable[Tenant]) -> list[_Check]:
    """One check for all numbers that are proven by the same secrets in the same way."""
    groups: dict[tuple[object, ...], list[tuple[Tenant, Line]]] = {}
    for tenant in tenants:
        for line in tenant.lines:
            s = line.settings
            key = (line.provider.name, s.webhook_secrets, s.twilio_auth_tokens, s.whatsapp_webhook_header)
            groups.setdefault(key, []).append((tenant, line))
    return [_Check(numbers[0][1].provider, tuple(numbers)) for numbers in groups.values()]
