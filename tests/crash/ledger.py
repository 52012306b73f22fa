"""What the database says afterwards, and what must be true of it."""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from crash.meta import FakeMeta, Sent
from crash.people import Person

Query = Callable[..., Awaitable[list[Any]]]

MOST_REPEATS = 3
"""How often policy repeats a reply whose fate is unknown."""

# Made by the owner in each test's database. The trigger sees every change of a status, whoever makes it.
DDL = """
CREATE TABLE crash_effects (
    effect_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id bigint, conversation_id bigint, person text,
    kind text, number integer, run text);
GRANT INSERT ON crash_effects TO sirdar_runtime;
CREATE TABLE crash_moves (message_id bigint, direction text, was text, became text);
CREATE FUNCTION crash_note_move() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO crash_moves VALUES (NEW.message_id, NEW.direction, OLD.status, NEW.status);
    RETURN NULL;
END $$;
CREATE TRIGGER crash_moves AFTER UPDATE ON whatsapp_messages
    FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION crash_note_move();
"""

_WAITING = """
SELECT (SELECT count(*) FROM inbox) AS inbox, (SELECT count(*) FROM outbox) AS outbox,
       (SELECT count(*) FROM delivery_updates) AS updates, (SELECT count(*) FROM timers) AS timers
"""
_EFFECTS = "SELECT person, kind, number, run FROM crash_effects ORDER BY effect_id"
_MOVES = "SELECT direction, was, became, count(*) FROM crash_moves GROUP BY 1, 2, 3"
UNKNOWNS = "SELECT message_id, attempt, detail FROM send_attempts WHERE outcome = 'UNKNOWN'"
_LATE = "SELECT message_id, attempt FROM send_attempts WHERE outcome = 'LATE'"
_OUTBOUND = "SELECT message_id, status, content->>'body' AS body FROM whatsapp_messages WHERE direction = 'OUTBOUND'"
_TOTALS = """
SELECT (SELECT count(*) FROM whatsapp_messages WHERE direction = 'INBOUND') AS inbound,
       (SELECT count(*) FROM turn_traces) AS traces, (SELECT count(DISTINCT event_id) FROM turn_traces) AS events,
       (SELECT count(*) FROM whatsapp_audit_logs WHERE action = 'crash.count') AS audited,
       (SELECT count(*) FROM timeline_entries WHERE object_type = 'number') AS noted,
       (SELECT count(*) FROM receipts WHERE action = 'crash.count') AS receipts,
       (SELECT count(*) FROM dead_letters) AS dead, (SELECT count(*) FROM webhook_events) AS unread
"""

_RANK = {"QUEUED": 0, "UNKNOWN": 0, "ACCEPTED": 1, "SENT": 2, "DELIVERED": 3, "READ": 4, "PLAYED": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a run came to, for the summary; everything that must be zero was asserted.

    Attributes:
        messages: Written by people.
        unknowns: Attempts that became UNKNOWN.
        orphans: Those of them that the provider would have answered: their sender, or the database, was gone. Not
            those whose sender was only slower than its lease, as on a busy machine, and told in the end.
        repeats: Messages that went out a second time, each after an UNKNOWN attempt.
        given_up: Replies that never went out: unknown, and unknown again each time policy repeated them.
    """

    messages: int
    unknowns: int
    orphans: int
    repeats: int
    given_up: int


async def waiting(query: Query) -> dict[str, int]:
    """How many rows the queues hold."""
    return dict((await query(_WAITING))[0].items())


async def counted(query: Query) -> Counter[str]:
    """How many effects of each kind there are."""
    return Counter(row["kind"] for row in await query(_EFFECTS))


async def judge(query: Query, people: Sequence[Person], meta: FakeMeta, *, in_flight: int) -> Verdict:
    """Check every promise.

    Args:
        query: Reads the database as its owner.
        people: Who wrote what.
        meta: What the provider accepted, and left unanswered.
        in_flight: Sends that were under way whenever a process that could answer for them went away.
    """
    effects = await _check_effects(query, people)
    unknowns = await query(UNKNOWNS)
    sent = meta.sent
    given_up = await _check_replies(query, people, sent, Counter(row["message_id"] for row in unknowns), effects)
    await _check_books(query, people)
    _check_moves(await query(_MOVES))
    late = {(row["message_id"], row["attempt"]) for row in await query(_LATE)}
    orphans = {(row["message_id"], row["attempt"]) for row in unknowns} - meta.unanswered - late
    assert len(orphans) <= in_flight, f"{len(orphans)} attempts became unknown, {in_flight} were in flight at crashes"
    return Verdict(
        messages=sum(len(person.written) for person in people),
        unknowns=len(unknowns),
        orphans=len(orphans),
        repeats=len(sent) - len({one.message_id for one in sent}),
        given_up=given_up,
    )


async def _check_effects(query: Query, people: Sequence[Person]) -> dict[str, list[int]]:
    """Nothing lost, nothing twice, nothing out of order. Returns each person's numbers as they were processed."""
    numbers: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in await query(_EFFECTS):
        numbers[row["person"]][row["kind"]].append(row["number"])
    for person in people:
        found = numbers[person.name]
        assert found["count"] == found["turn"], f"{person.name}: a receipt hid a second turn, or a turn lost its effect"
        done = found["count"] if person.ordered else sorted(found["count"])
        assert done == sorted(person.counted), f"{person.name}: wrote {person.counted}, processed {found['count']}"
        assert len(found["later"]) == person.written.count("LATER"), f"{person.name}: timers fired {found['later']}"
        assert not found["broken"], f"{person.name}: the effect of a failed action was kept"
    return {name: kinds["count"] for name, kinds in numbers.items()}


async def _check_replies(
    query: Query, people: Sequence[Person], sent: Sequence[Sent], unknowns: Counter[int], effects: dict[str, list[int]]
) -> int:
    """Every reply accepted, in the order of the effects, and more than once only where nobody could know.

    Returns:
        How many replies were given up because their fate stayed unknown after the repeat that policy allows.
    """
    attempts = Counter((one.message_id, one.attempt) for one in sent)
    assert max(attempts.values(), default=0) <= 1, f"attempts that went out twice: {attempts.most_common(3)}"
    for message, times in Counter(one.message_id for one in sent).items():
        assert times - 1 <= min(unknowns[message], MOST_REPEATS), (
            f"message {message} went out {times} times, {unknowns[message]} unknown"
        )
    accepted = {one.message_id for one in sent}
    given_up = {row["message_id"] for row in await query(_OUTBOUND) if row["message_id"] not in accepted}
    assert all(unknowns[message] > MOST_REPEATS for message in given_up), f"lost replies: {given_up}"
    firsts: dict[str, dict[int, str]] = defaultdict(dict)
    for one in sent:
        firsts[one.to].setdefault(one.message_id, one.body)
    missing = 0
    for person in people:
        heard = [int(body) for body in firsts[person.phone].values() if body.isdigit()]
        missing += len(effects.get(person.name, [])) - len(heard)
        rest = iter(effects.get(person.name, []))
        assert all(number in rest for number in heard), f"{person.name}: {effects[person.name]} but heard {heard}"
    assert missing <= len(given_up), f"{missing} replies are missing, {len(given_up)} were given up"
    return len(given_up)


async def _check_books(query: Query, people: Sequence[Person]) -> None:
    """One row each, wherever a turn leaves rows."""
    (row,) = await query(_TOTALS)
    written = sum(len(person.written) for person in people)
    numbers = sum(len(person.counted) for person in people)
    assert row["inbound"] == written
    assert row["traces"] == row["events"], "an event was processed twice"
    assert (row["audited"], row["noted"], row["receipts"]) == (numbers, numbers, numbers)
    assert row["unread"] == 0
    replies = await query(_OUTBOUND)
    assert len({row["message_id"] for row in replies}) == len(replies)


def _check_moves(moves: Sequence[Any]) -> None:
    """Statuses only ever went up."""
    for direction, was, became, count in moves:
        step = f"{count} × {direction} {was} → {became}"
        if direction == "INBOUND":
            assert (was, became) == ("RECEIVED", "DEAD"), step
        elif became == "FAILED":
            assert _RANK[was] < _RANK["DELIVERED"], step
        elif became == "UNKNOWN":
            assert was == "QUEUED", step
        else:
            assert _RANK.get(was, 0) < _RANK[became], step
