"""People who write numbered messages."""

import asyncio
import itertools
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from crash.meta import Courier

_ids = itertools.count(1)


@dataclass(slots=True)
class Person:
    """Somebody with a phone. `written` is what was accepted from them with 200, in that order.

    Attributes:
        number: Makes the phone number and the name.
        ordered: Waits for each 200 before writing on, so that the order is known to everybody.
    """

    number: int
    ordered: bool = True
    written: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Profile name: what `crash_effects` calls them."""
        return f"p{self.number:04d}"

    @property
    def phone(self) -> str:
        """In E.164."""
        return f"+1555{self.number:07d}"

    @property
    def counted(self) -> list[int]:
        """The numbers they wrote."""
        return [int(text.removeprefix("COUNT ")) for text in self.written if text.startswith("COUNT ")]

    async def write(self, courier: Courier, *texts: str) -> None:
        """Write messages, in one webhook; returns when it was answered 200."""
        digits = self.phone.removeprefix("+")
        messages = [
            {"from": digits, "id": f"wamid.CRASHIN{next(_ids):08d}", "timestamp": str(int(time.time())),
             "type": "text", "text": {"body": text}}
            for text in texts
        ]  # fmt: skip
        await courier.deliver({"contacts": [{"profile": {"name": self.name}, "wa_id": digits}], "messages": messages})
        self.written += texts

    async def count(
        self, courier: Courier, numbers: Iterable[int], rng: random.Random, *, gap: float, later_at: int = 0
    ) -> None:
        """Write numbers, with about `gap` seconds in between; at `later_at` ask for a timer as well.

        Who is not `ordered` has up to five messages under way at the same time.
        """
        room = asyncio.Semaphore(1 if self.ordered else 5)

        async def one(text: str) -> None:
            try:
                await self.write(courier, text)
            finally:
                room.release()

        async with asyncio.TaskGroup() as under_way:
            for number in numbers:
                texts = [f"COUNT {number}"] + (["LATER"] if number == later_at else [])
                for text in texts:
                    await room.acquire()
                    under_way.create_task(one(text))
                await asyncio.sleep(rng.uniform(0, 2 * gap))
