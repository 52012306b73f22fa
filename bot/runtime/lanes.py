"""A group commit for each tenant: what one tenant's webhooks bring in masses does not make the others' wait."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from bot.core.ids import TenantId
from bot.runtime.bells import Bells
from bot.runtime.intake import GroupCommit
from storage.base import Intake, NewItem, Unread


class Lanes:
    """Stores webhooks, those of each tenant in the order in which they came.

    Args:
        intake: The storage.
        bells: Rung after each commit.
        rate: How many items per second are taken from a tenant; 0: as many as come.
    """

    def __init__(self, intake: Intake, bells: Bells, rate: Callable[[TenantId], float] = lambda _: 0.0) -> None:
        self._intake = intake
        self._bells = bells
        self._rate = rate
        self._lanes: dict[TenantId, GroupCommit] = {}

    async def accept(self, items: Sequence[NewItem], whole: Unread) -> None:
        """Store a webhook; returning means it is committed.

        Args:
            items: What was read from it.
            whole: The webhook as it came, kept when PostgreSQL cannot take one of the items.

        Raises:
            Exception: Some of it could not be stored: answer 5xx, the provider will deliver again.
        """
        by_tenant: dict[TenantId, list[NewItem]] = {}
        for item in items:
            tenant = item.tenant_id if isinstance(item, Unread) else item.channel.tenant_id
            by_tenant.setdefault(tenant, []).append(item)
        if len(by_tenant) == 1:
            await self._lane(next(iter(by_tenant))).accept(items, whole)
            return
        stored = await asyncio.gather(
            *(self._lane(tenant).accept(theirs, whole) for tenant, theirs in by_tenant.items()), return_exceptions=True
        )
        for outcome in stored:
            if isinstance(outcome, BaseException):
                raise outcome

    def _lane(self, tenant: TenantId) -> GroupCommit:
        lane = self._lanes.get(tenant)
        if lane is None:
            lane = self._lanes[tenant] = GroupCommit(self._intake, self._bells, partial(self._rate, tenant))
        return lane
