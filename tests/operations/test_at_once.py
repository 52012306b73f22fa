"""Many do things to the same few objects at once, each on a connection of their own."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta

from operations.conftest import Crowd, offered

from bot.core.errors import ActionError
from bot.operations import bookings, payments, quotes
from bot.operations.acting import Acting
from bot.operations.gateways import GatewayEvent, read_link
from tests.conftest import EPOCH


def reference_of(link: str) -> str:
    parts = read_link(link.rpartition("/")[2])
    assert parts is not None
    return parts[1]


async def test_a_payment_told_many_times_at_once_is_taken_once(crowd: Crowd) -> None:
    booking = await crowd.do("bookings.create", "customer", quote=await offered(crowd, 1, people=2))
    link = (await crowd.do("payments.request", "customer", booking=booking["id"]))["link"]

    async def tell(number: int) -> str:
        event = GatewayEvent(
            event_id=f"evt_{number % 3}", kind="paid", reference=reference_of(link), amount=booking_due, currency="USD"
        )
        async with crowd.database.tenant(crowd.channel.tenant_id) as db:
            return await payments.take_event(crowd.acting(db, "system"), "demo", event)

    (row,) = await crowd.rows("SELECT total FROM bookings")
    booking_due = row["total"]
    told = Counter(await asyncio.gather(*(tell(number) for number in range(24))))
    assert told == {"done": 1, "ignored": 2, "known": 21}, "three events of one payment, each delivered eight times"
    (paid,) = await crowd.rows("SELECT status, paid, total FROM bookings")
    assert (paid["status"], paid["paid"]) == ("CONFIRMED", paid["total"])


async def test_one_quote_taken_many_times_at_once_is_one_booking(crowd: Crowd) -> None:
    quote = await offered(crowd, 1)
    made = await asyncio.gather(*(crowd.do("bookings.create", "customer", quote=quote) for _ in range(20)))
    assert len({one["id"] for one in made}) == 1
    linked = await asyncio.gather(*(crowd.do("payments.request", "sales", booking=made[0]["id"]) for _ in range(20)))
    assert len({one["link"] for one in linked}) == 1
    assert await crowd.rows("SELECT taken FROM trips WHERE trip_id = 1") == [{"taken": 1}]


@dataclass(frozen=True, slots=True)
class Deal:
    """A booking with its link, and what may happen to it: one thing per transaction, as the dice fall."""

    crowd: Crowd
    dice: random.Random
    booking: int
    payment: int
    reference: str

    async def something(self) -> None:
        what = self.dice.choice([self.move, self.grow, self.cancel, self.pay, self.requote, self.expire, self.link])
        async with self.crowd.database.tenant(self.crowd.channel.tenant_id) as db:
            await what(self.crowd.acting(db, "manager"))

    async def move(self, acting: Acting) -> None:
        await bookings.change_booking(acting, booking=self.booking, trip=self.dice.choice([1, 2]))

    async def grow(self, acting: Acting) -> None:
        await bookings.change_booking(acting, booking=self.booking, people=self.dice.choice([1, 2, 3]))

    async def cancel(self, acting: Acting) -> None:
        await bookings.cancel_booking(acting, booking=self.booking)

    async def link(self, acting: Acting) -> None:
        await payments.request_payment(acting, booking=self.booking)

    async def requote(self, acting: Acting) -> None:
        lead = await acting.db.fetchval("SELECT lead_id FROM bookings WHERE booking_id = $1", self.booking)
        await quotes.draft_quote(acting, lead=lead, price="120.00")

    async def expire(self, acting: Acting) -> None:
        late = replace(acting, at=EPOCH + timedelta(hours=self.dice.choice([1, 49])), role="system")
        await bookings.expire_bookings(late, most=3)
        await quotes.expire_quotes(late)

    async def pay(self, acting: Acting) -> None:
        amount = await acting.db.fetchval("SELECT amount FROM payments WHERE payment_id = $1", self.payment)
        event = GatewayEvent(
            event_id=f"evt_{self.payment}", kind="paid", reference=self.reference, amount=amount, currency="USD"
        )
        await payments.take_event(replace(acting, role="system"), "demo", event)


async def test_whatever_many_do_at_once_the_books_agree_and_nobody_waits_in_turn(crowd: Crowd) -> None:
    """Bookings are made, moved between two trips, changed, cancelled, paid, let go, and quoted anew, all at once."""
    dice = random.Random(7)
    await crowd.rows("UPDATE trips SET seats = 9 WHERE trip_id IN (1, 2) RETURNING 1")
    found = [await offered(crowd, 1 + n % 2, people=1 + n % 3) for n in range(16)]
    refused: Counter[str] = Counter()

    async def deal(quote: int) -> None:
        try:
            booking = await crowd.do("bookings.create", "customer", quote=quote)
            link = await crowd.do("payments.request", "customer", booking=booking["id"])
            one = Deal(crowd, dice, booking["id"], link["id"], reference_of(link["link"]))
            for _ in range(4):
                await one.something()
        except ActionError as error:  # no seats, wrong status: but never a deadlock, which is no ActionError
            refused[error.code] += 1

    await asyncio.gather(*(deal(quote) for quote in found))
    for trip in await crowd.rows(
        """SELECT t.trip_id, t.seats, t.taken, (SELECT coalesce(sum(b.people), 0) FROM bookings b
              WHERE b.trip_id = t.trip_id AND b.status IN ('PENDING', 'CONFIRMED', 'COMPLETED')) AS booked
           FROM trips t WHERE t.trip_id IN (1, 2)"""
    ):
        assert trip["taken"] == trip["booked"] <= trip["seats"], trip
    for booking in await crowd.rows(
        """SELECT b.booking_id, b.paid, (SELECT coalesce(sum(p.amount), 0) FROM payments p
              WHERE p.booking_id = b.booking_id AND p.status = 'PAID') AS money FROM bookings b"""
    ):
        assert booking["paid"] == booking["money"], booking
    assert set(refused) <= {"no_seats", "wrong_status", "paid"}, refused
