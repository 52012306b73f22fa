"""Between the phones and a provider's wire: what happens to a message after somebody sent it.

A `Wire` knows one provider's formats and nothing about phones; the exchange knows the rules that hold whatever the
format: order, ticks, the 24 hour window, who can be reached.
"""

import asyncio
import contextlib
import random
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from providers.emulator.faults import Faults
from providers.emulator.limits import Limits
from providers.emulator.phones import Bubble, Change, Chat, Phones, Receipt, UnknownMessageError
from providers.emulator.settings import EmulatorSettings, Phone
from providers.emulator.storeroom import Storeroom
from providers.emulator.webhooks import Alert, Courier, Letter, Manner, Reply, ReplyError, Webhook

SENDS_KEPT = 10_000
TYPING_LASTS = timedelta(seconds=25)


class Clock:
    """The emulator's time: the real one, which tests may move forward."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        """The present moment (aware, UTC)."""
        return datetime.now(UTC) + self._ahead

    def advance(self, by: timedelta) -> None:
        """Move forward; a 24 hour window closes without waiting for it."""
        self._ahead += by
        self._moved.set()
        self._moved = asyncio.Event()

    async def reach(self, due_at: datetime) -> None:
        """Wait until this moment, however the clock gets there."""
        while (left := (due_at - self.now()).total_seconds()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._moved.wait()


@dataclass(slots=True, kw_only=True)
class Sent:
    """One send that the provider accepted, as `GET /_control/log` lists it.

    Attributes:
        id: The message id that the answer carried.
        to: The address as the bot wrote it.
        number: The phone it went to; `None` when nobody on WhatsApp has that address.
        kind: The message's `type`.
        body: The request's JSON, or its form.
        opaque: `biz_opaque_callback_data`, echoed in each status.
        callback: Where its statuses go; `None` for the provider's usual place.
        at: When it was accepted.
        in_window: Whether the person had written within 24 hours.
        template_category: `marketing`, `utility` or `authentication`; `None` for free-form messages.
        receipt: How far it got.
        failure: The error code of the `failed` status, once there is one.
        due_at: When it is to be sent, if not at once.
        cancelled: Whether it was called off before that.
        history: Each step with its moment, in the order reported.
    """

    id: str
    to: str
    number: str | None
    kind: str
    body: dict[str, Any]
    opaque: str | None
    at: datetime
    in_window: bool
    callback: str | None = None
    template_category: str | None = None
    receipt: Receipt = Receipt.ACCEPTED
    failure: int | None = None
    due_at: datetime | None = None
    cancelled: bool = False
    history: list[tuple[Receipt, datetime]] = field(default_factory=list)


class Wire(Manner, Protocol):
    """One provider's webhook formats. Where it has none for something, the bot is told nothing: `None`."""

    base_url: str

    def message(self, phone: Phone, bubble: Bubble) -> Webhook | None:
        """The webhook for a person's bubble."""
        ...

    def reaction(self, phone: Phone, reaction_id: str, bubble_id: str, emoji: str, at: datetime) -> Webhook | None:
        """The webhook for a person's reaction; an empty emoji takes it back."""
        ...

    def receipt(self, phone: Phone | None, sent: Sent, receipt: Receipt, at: datetime) -> Webhook | None:
        """The status webhook of a send."""
        ...

    def news(self, wanted: dict[str, Any], at: datetime) -> Webhook:
        """Any webhook that a test wants to see, in the provider's envelope.

        Raises:
            EmulatorError: `wanted` is not what this provider's webhooks are made of.
        """
        ...

    def said_in_reply(self, reply: Reply) -> Sequence[str]:
        """The messages that the bot sends by answering a webhook.

        Raises:
            ReplyError: The provider cannot make anything of the answer.
        """
        ...

    def new_id(self, wa_id: str, *, from_business: bool, media: bool = False) -> str:
        """A fresh message id."""
        ...


class Exchange:
    """Holds everything that the phones, the wire and the page share."""

    def __init__(self, settings: EmulatorSettings, phones: Phones) -> None:
        self.settings = settings
        self.phones = phones
        self.clock = Clock()
        self.faults = Faults()
        self.chance = random.Random(settings.seed if settings.seed is not None else secrets.randbits(64))  # noqa: S311 - ids in an emulator, not secrets
        self.storeroom = Storeroom(self.clock.now, self.chance)
        self.sends: deque[Sent] = deque(maxlen=SENDS_KEPT)
        self.limits = Limits(self.clock.now)
        self.blocked: set[str] = set()
        self.registered = True
        self._wire: Wire | None = None
        self._later: set[asyncio.Task[None]] = set()
        self.courier = Courier(
            url=settings.webhook_url,
            manner=lambda: self.wire,
            faults=self.faults,
            chance=random.Random(settings.seed),  # noqa: S311 - its own, so that posts draw no message ids
            retry_first=settings.retry_first,
            retry_cap=settings.retry_cap,
            timeout=settings.webhook_timeout,
            concurrency=settings.webhook_concurrency,
            changed=lambda waiting, problem: phones.tell(Change(what="webhooks", waiting=waiting, problem=problem)),
        )

    @property
    def wire(self) -> Wire:
        """The provider's formats."""
        if self._wire is None:
            raise RuntimeError("no wire is connected")
        return self._wire

    def connect(self, wire: Wire) -> None:
        """Speak through this wire from now on."""
        self._wire = wire

    def person_sends(self, number: str, bubble: Bubble) -> None:
        """Show a person's bubble and tell the bot."""
        chat = self.phones.chat(number)
        chat.last_inbound_at = bubble.at
        self.phones.show(number, bubble)
        if chat.phone.wa_id in self.blocked:
            return
        self.limits.note("throughput")
        self.courier.post(
            f"{number} messages",
            Letter(
                write=lambda: self.wire.message(chat.phone, bubble),
                accepted=lambda reply: self._taken(number, bubble, reply),
            ),
        )

    def person_reacts(self, number: str, bubble_id: str, emoji: str) -> None:
        """Put a person's reaction on a bubble, or take it back with ''."""
        chat = self.phones.chat(number)
        bubble = chat.find(bubble_id)
        if bubble is None:
            raise UnknownMessageError(f"the chat of {number} has no message {bubble_id}")
        reaction_id = self.wire.new_id(chat.phone.wa_id, from_business=False)
        at = self.clock.now()
        chat.reaction_ids.append(reaction_id)
        self.phones.alter(number, replace(bubble, person_reaction=emoji))
        self.courier.post(
            f"{number} messages",
            Letter(write=lambda: self.wire.reaction(chat.phone, reaction_id, bubble_id, emoji, at)),
        )

    def person_plays(self, number: str, bubble_id: str) -> None:
        """A voice note of the business was listened to."""
        chat = self.phones.chat(number)
        bubble = chat.find(bubble_id)
        if bubble is None or bubble.author != "business" or bubble.media is None or not bubble.media.voice:
            raise UnknownMessageError(f"the chat of {number} has no voice note {bubble_id} of the business")
        for sent in self.sends:
            if sent.id == bubble_id and sent.receipt.rank < Receipt.PLAYED.rank:
                sent.receipt = Receipt.PLAYED
                self._report(chat.phone, sent, Receipt.PLAYED)
        self.phones.advance(number, bubble_id, Receipt.PLAYED)

    def post_news(self, wanted: dict[str, Any]) -> None:
        """Post any webhook; raises `EmulatorError` when it is none of this provider's."""
        webhook = self.wire.news(wanted, self.clock.now())
        self.courier.post("news", Letter(write=lambda: webhook))

    def person_reads(self, number: str) -> None:
        """The chat is on screen: what the business wrote becomes read."""
        chat = self.phones.chat(number)
        unread = {
            bubble.id
            for bubble in chat.bubbles
            if bubble.author == "business" and bubble.receipt.rank < Receipt.READ.rank
        }
        if not unread:
            return
        for sent in self.sends:
            if sent.id in unread and sent.number == number and sent.receipt.rank < Receipt.READ.rank:
                sent.receipt = Receipt.READ
                self._report(chat.phone, sent, Receipt.READ)
        for bubble_id in unread:
            self.phones.advance(number, bubble_id, Receipt.READ)

    def business_sends(
        self,
        chat: Chat | None,
        sent: Sent,
        bubble: Bubble | None,
        *,
        failure: int | None,
        queued: timedelta = timedelta(0),
        known: bool = False,
    ) -> None:
        """Take a send that passed the checks: show it and report its way, or report why it failed.

        Args:
            chat: Whom it reaches; `None` when the address is not on WhatsApp.
            sent: The send, for the log.
            bubble: What the phone shows; `None` for a reaction, which is only ever `sent`.
            failure: The error code with which it fails after all.
            queued: How long the provider keeps it before it goes on.
            known: It is in the log already.
        """
        if not known:
            self.sends.append(sent)
        failure = failure if failure is not None else self.faults.take_failure()
        if self.faults.take("silence"):
            return
        if chat is None or failure is not None:
            sent.failure = failure
            self.phones.tell(Change(what="failure", number=sent.number, problem=str(failure)))
            self._report(chat.phone if chat else None, sent, Receipt.FAILED)
            return
        steps = [Receipt.SENT]
        if bubble is not None:
            self.phones.show(chat.phone.number, bubble)
            steps += [] if self.faults.skip_delivered else [Receipt.DELIVERED]
        if self.faults.reorder_statuses:
            steps.reverse()
        for step in steps:
            self._report(chat.phone, sent, step, queued=queued if step is steps[0] else timedelta(0))

    def business_reacts(self, chat: Chat, bubble_id: str, emoji: str) -> None:
        """Show the bot's reaction on a bubble; one that is gone shows nothing."""
        bubble = chat.find(bubble_id)
        if bubble is not None:
            self.phones.alter(chat.phone.number, replace(bubble, business_reaction=emoji))

    def business_reads(self, bubble_id: str, *, typing: bool) -> bool:
        """The bot read a message, and with it the earlier ones; returns whether it exists."""
        for chat in self.phones:
            if chat.find(bubble_id) is None and bubble_id not in chat.reaction_ids:
                continue
            number = chat.phone.number
            for bubble in tuple(chat.bubbles):
                if bubble.author == "person":
                    self.phones.advance(number, bubble.id, Receipt.READ)
                if bubble.id == bubble_id:
                    break
            if typing:
                self.phones.type_until(number, self.clock.now() + TYPING_LASTS)
            return True
        return False

    def at(self, due_at: datetime, do: Callable[[], Awaitable[None]]) -> None:
        """Do something when the emulator's clock comes to it, however it gets there."""

        async def wait() -> None:
            await self.clock.reach(due_at)
            await do()

        task = asyncio.create_task(wait())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def forget_later(self) -> None:
        """Do nothing of what was to be done later."""
        waiting = tuple(self._later)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def reset(self) -> None:
        """Forget conversations, the log, faults and waiting webhooks; templates and files stay."""
        await self.forget_later()
        await self.courier.forget()
        self.sends.clear()
        self.limits.forget()
        self.faults.clear()
        self.phones.clear()

    def _taken(self, number: str, bubble: Bubble, reply: Reply) -> None:
        self.phones.advance(number, bubble.id, Receipt.DELIVERED)
        chat = self.phones.chat(number)
        try:
            texts = self.wire.said_in_reply(reply)
        except ReplyError as error:
            self.courier.alerts.append(Alert(code=error.code, url=self.courier.url, problem=str(error)))
            return
        for text in texts:
            said = Bubble(
                id=self.wire.new_id(chat.phone.wa_id, from_business=True),
                author="business",
                kind="text",
                at=self.clock.now(),
                text=text,
                receipt=Receipt.DELIVERED,
            )
            self.phones.show(number, said)

    def _report(self, phone: Phone | None, sent: Sent, receipt: Receipt, *, queued: timedelta = timedelta(0)) -> None:
        seen = receipt in (Receipt.READ, Receipt.PLAYED)
        at = self.clock.now() if seen else None

        def write() -> Webhook | None:
            if sent.receipt.rank < receipt.rank:
                sent.receipt = receipt
            if sent.number is not None:
                self.phones.advance(sent.number, sent.id, receipt)
            moment = at or self.clock.now()
            sent.history.append((receipt, moment))
            return self.wire.receipt(phone, sent, receipt, moment)

        after = timedelta(0) if seen else self.settings.status_delay
        after += queued + timedelta(seconds=self.faults.status_delay)
        self.courier.post(f"{sent.number or sent.to} statuses", Letter(write=write, after=after))
