"""Looking behind the phones of a simulated chat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.cli.cast import Player
from bot.cli.machine import Machine
from bot.core.conversation import Frame, Snapshot
from bot.core.gathering import MASK
from bot.core.ids import ConversationId
from storage.postgres import ConversationRecord, ConversationRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a conversation is. `objects` are runs of business objects; `timers` have `run`, `name` and `due_at`."""

    snapshot: Snapshot
    objects: list[Frame]
    timers: list[dict[str, Any]]


class Lookout:
    """Sees what the database says.

    Args:
        machine: What answers.
        cast: Everybody with a phone.
    """

    def __init__(self, machine: Machine, cast: Sequence[Player]) -> None:
        self._machine = machine
        self._cast = cast

    async def standing(self, one: Player) -> Standing | None:
        """Where somebody's conversation is; None when they have neither written nor been written to."""
        record = await self._record(one)
        if record is None or record.conversation_id is None:
            return None
        inspection, tenant = self._machine.inspection, self._machine.system.channel.tenant_id
        talking = {frame.run for frame in record.snapshot.frames}
        objects = await inspection.objects(tenant, record.conversation_id)
        shown = record.snapshot.frames
        return Standing(
            snapshot=replace(record.snapshot, frames=tuple(self._discreet(frame) for frame in shown)),
            objects=[self._discreet(frame) for frame in objects if frame.run not in talking],
            timers=await inspection.timers(tenant, record.conversation_id),
        )

    def _discreet(self, frame: Frame) -> Frame:
        """A run without the values that the flow says are sensitive."""
        flow = self._machine.system.content.book.flow(frame.flow, frame.version)
        if flow is None or not (flow.sensitive or flow.hidden):
            return frame
        slots = {name: MASK if name in flow.sensitive else value for name, value in frame.slots.items()}
        data = dict(frame.data)
        for name, outputs in flow.hidden.items():
            result = data.get(name)
            if isinstance(result, Mapping):
                data[name] = {key: MASK if key in outputs else value for key, value in result.items()}
        return replace(frame, slots=slots, data=data)

    async def why(self, one: Player) -> list[dict[str, Any]]:
        """Why the last turn of somebody's conversation went as it did."""
        record = await self._record(one)
        if record is None or record.conversation_id is None:
            return []
        tenant = self._machine.system.channel.tenant_id
        return await self._machine.inspection.last_trace(tenant, record.conversation_id)

    async def part_of(self, conversation: ConversationId) -> str | None:
        """Whose phone a conversation is on."""
        for one in self._cast:
            record = await self._record(one)
            if record is not None and record.conversation_id == conversation:
                return one.part
        return None

    async def stranded(self) -> list[str]:
        """Whose run stands where the flows, as they are now, have nothing; a sentence each."""
        found = []
        book = self._machine.system.content.book
        for one in self._cast:
            standing = await self.standing(one)
            for frame in (*standing.snapshot.frames, *standing.objects) if standing is not None else ():
                flow = book.flow(frame.flow, frame.version)
                if flow is None:
                    found.append(
                        f"{one.name} is in version {frame.version} of {frame.flow}, which is gone: /back, /reset, or "
                        "keep that version beside the new one."
                    )
                elif frame.state not in flow.states:
                    found.append(
                        f"{one.name} is at {frame.flow}.{frame.state}, which is gone: /back, /reset, or bring it back."
                    )
        return found

    async def _record(self, one: Player) -> ConversationRecord | None:
        system = self._machine.system
        base, channel = system.foundation, system.channel
        conversations = ConversationRepository(base.database, base.vault, channel.tenant_id)
        return await conversations.find_active_by_phone_number(one.number, channel.channel_id)
