"""What is done to servers under test: warm them up, find their throughput, then time them at half of that."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from statistics import median

from bench.driver import Load, closed_loop, open_loop, percentile, reply_latencies
from bench.processes import Child, ProcessFailed, cpu_seconds, fetch, machine_seconds, memory_mib
from bench.traffic import Call, Traffic

POLL_SECONDS = 0.1
QUIET_SECONDS = 1.0
STUCK_SECONDS = 15.0
STARTING_SECONDS = 90.0
"""Without a single reply, processes may still be starting: on a loaded machine that takes long."""
BUILD_BATCH = 2_000
GROWTH_STEPS = 10

Say = Callable[[str, float], None]
"""Shows what is going on, and how far this phase has come (0 to 1)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to do."""

    seconds: float
    """How long one slice takes: one server under one kind of load, in one round."""
    rounds: int
    connections: int
    contacts: int
    ceiling: float
    """No server answers more requests per second than this: that many are prepared."""


@dataclass(slots=True)
class Under:
    """The server under test: where it listens, and the process groups whose cost counts."""

    name: str
    port: int
    mock_port: int
    traffic: Traffic
    watched: list[Child]
    extra_pids: dict[str, int] = field(default_factory=dict)

    def pids(self) -> Mapping[str, int]:
        """Process id by kind."""
        return {**{child.kind: child.process.pid for child in self.watched}, **self.extra_pids}

    def check(self) -> None:
        """Raise `ProcessFailed` if one of them has ended."""
        for child in self.watched:
            child.check()


@dataclass(slots=True)
class Measured:
    """What a server did, over all rounds. Times in milliseconds, memory in MiB, CPU in milliseconds per turn."""

    accepted_per_second: list[float] = field(default_factory=list)
    turns_per_second: list[float] = field(default_factory=list)
    refused: int = 0
    turns: int = 0
    sends: int = 0
    missing: int = 0
    answers: list[float] = field(default_factory=list)
    half_rate: float = 0.0
    replies: list[float] = field(default_factory=list)
    replies_missing: int = 0
    others: float = 0.0
    """Share of the machine that went to somebody else during the throughput slices: noise."""
    cpu_per_turn: dict[str, float] = field(default_factory=dict)
    memory_before: dict[str, float] = field(default_factory=dict)
    memory_after: dict[str, float] = field(default_factory=dict)
    growth: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    """Memory by process, after so many new conversations."""

    def figures(self) -> dict[str, object]:
        """All of it for a file: percentiles instead of single times."""
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("answers", "replies"):
            times = known.pop(name)
            known[name] = {f"p{100 * share:.0f}": percentile(times, share) for share in (0.5, 0.99)}
        return known


async def measure(servers: Sequence[Under], plan: Plan, say: Say) -> list[Measured]:
    """Measure servers in turn, round by round: warm-up, throughput, latency at half the throughput.

    A machine that others use too is now fast, now slow. Slices in turn meet the same hours, so that the ratio of two
    servers in a round tells about the servers.
    """
    results = [Measured() for _ in servers]
    for under, result in zip(servers, results, strict=True):
        # Everybody has written once before anything counts: a first message makes a contact, which is not usual.
        warm_up = await _prepare(under.traffic, plan.contacts, say, f"{under.name}: preparing")
        await _loaded(under, plan, warm_up, 120.0, say, f"{under.name}: warming up")
        result.memory_before = {kind: memory_mib(pid) for kind, pid in under.pids().items()}
    spent = [dict.fromkeys([*under.pids(), "(driver)"], 0.0) for under in servers]
    for number in range(1, plan.rounds + 1):
        for under, result, cpu in zip(servers, results, spent, strict=True):
            await _throughput(under, plan, result, cpu, say, f"{under.name}: throughput, round {number}")
    for result, cpu in zip(results, spent, strict=True):
        result.others /= plan.rounds
        result.cpu_per_turn = {kind: 1000 * seconds / max(result.turns, 1) for kind, seconds in cpu.items()}
        result.half_rate = max(median(result.turns_per_second) / 2, 1.0)
    for number in range(1, plan.rounds + 1):
        for under, result in zip(servers, results, strict=True):
            await _latency(under, plan, result, say, f"{under.name}: latency, round {number}")
    for under, result in zip(servers, results, strict=True):
        result.memory_after = {kind: memory_mib(pid) for kind, pid in under.pids().items()}
    return results


async def _throughput(under: Under, plan: Plan, result: Measured, cpu: dict[str, float], say: Say, what: str) -> None:
    calls = await _prepare(under.traffic, int(plan.seconds * plan.ceiling), say, what)
    before, machine_before = _cpu(under), machine_seconds()
    load, sends = await _loaded(under, plan, calls, plan.seconds, say, what)
    spent = {kind: seconds - before[kind] for kind, seconds in _cpu(under).items()}
    busy, available = (now - then for now, then in zip(machine_seconds(), machine_before, strict=True))
    result.others += max(busy - sum(spent.values()), 0.0) / max(available, 1e-9)
    for kind, seconds in spent.items():
        cpu[kind] += seconds
    sent = sum(len(times) for times in sends.values())
    turns = min(load.accepted, sent)
    last_ns = max((times[-1] for times in sends.values()), default=load.ended_ns)
    result.turns += turns
    result.sends += sent
    result.missing += load.accepted - turns
    result.refused += load.refused
    result.accepted_per_second.append(load.accepted_per_second)
    # Until the last reply is out, not until the last webhook is in: a backlog is work not done.
    result.turns_per_second.append(turns / max((last_ns - load.started_ns) / 1e9, 1e-9))
    result.answers += [value / 1e6 for value in load.answer_ns]


async def _latency(under: Under, plan: Plan, result: Measured, say: Say, what: str) -> None:
    paced = await _prepare(under.traffic, int(result.half_rate * plan.seconds), say, what)
    await fetch(under.mock_port, "POST", "/_reset")
    pacing = asyncio.create_task(_progress(plan.seconds, say, what))
    try:
        load = await open_loop("127.0.0.1", under.port, paced, connections=4 * plan.connections, rate=result.half_rate)
    finally:
        pacing.cancel()
    sends = await _drained(under, load.accepted, say, what)
    latencies = [value / 1e6 for value in reply_latencies(load, sends)]
    result.replies += latencies
    result.replies_missing += load.accepted - len(latencies)


async def grow(
    under: Under, newcomers: Traffic, count: int, plan: Plan, say: Say
) -> list[tuple[int, dict[str, float]]]:
    """Let so many new people write once, and read the memory on the way."""
    seen: list[tuple[int, dict[str, float]]] = []
    for done in range(0, count, count // GROWTH_STEPS):
        what = f"{under.name}: {done:,} of {count:,} new conversations"
        calls = newcomers.calls(count // GROWTH_STEPS)
        await _loaded(under, plan, calls, 600.0, lambda _, part, what=what: say(what, part), what)  # type: ignore[misc]
        seen.append((done + len(calls), {kind: memory_mib(pid) for kind, pid in under.pids().items()}))
    return seen


def _cpu(under: Under) -> dict[str, float]:
    return {**{kind: cpu_seconds(pid) for kind, pid in under.pids().items()}, "(driver)": time.process_time()}


async def _prepare(traffic: Traffic, count: int, say: Say, what: str) -> list[Call]:
    calls: list[Call] = []
    while len(calls) < count:
        calls += traffic.calls(min(BUILD_BATCH, count - len(calls)))
        say(what, len(calls) / count)
        await asyncio.sleep(0)
    return calls


async def _loaded(
    under: Under, plan: Plan, calls: list[Call], seconds: float, say: Say, what: str
) -> tuple[Load, dict[str, list[int]]]:
    await fetch(under.mock_port, "POST", "/_reset")
    progress = asyncio.create_task(_progress(min(seconds, plan.seconds), say, what))
    try:
        load = await closed_loop("127.0.0.1", under.port, calls, connections=plan.connections, seconds=seconds)
    finally:
        progress.cancel()
    return load, await _drained(under, load.accepted, say, what)


async def _progress(seconds: float, say: Say, what: str) -> None:
    started = time.monotonic()
    while True:
        say(what, min((time.monotonic() - started) / seconds, 1.0))
        await asyncio.sleep(0.2)


async def _drained(under: Under, expected: int, say: Say, what: str) -> dict[str, list[int]]:
    """Wait until all replies are out; returns when each person was sent something."""
    seen, changed_at = -1, time.monotonic()
    while True:
        under.check()
        _, body = await fetch(under.mock_port, "GET", "/_stats")
        sent, now = json.loads(body)["sends"], time.monotonic()
        if sent != seen:
            seen, changed_at = sent, now
        say(f"{what}, {max(expected - sent, 0)} replies to come", min(sent / max(expected, 1), 1.0))
        patience = QUIET_SECONDS if sent >= expected else STUCK_SECONDS if sent else STARTING_SECONDS
        if now - changed_at > patience:
            break
        await asyncio.sleep(POLL_SECONDS)
    if expected and not seen:
        tails = "\n".join(f"--- {child.kind}\n{child.tail()}" for child in under.watched)
        raise ProcessFailed(f"{under.name} took {expected} messages and answered none.\n{tails}")
    _, body = await fetch(under.mock_port, "GET", "/_sends")
    lines = (line.split() for line in body.decode().splitlines())
    return {phone: [int(at) for at in times] for phone, *times in lines}
