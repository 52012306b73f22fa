"""One message to many people: `python -m bench.broadcast`.

Starts the whole system in one process (`bot serve`) on a database of its own, with so many people in it, sends them a
broadcast with `bot broadcast`, and watches time and memory of both until the last message is out. Graph is played by
`bench.mock_graph`, which knows afterwards who was sent how many.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.processes import Child, children, fetch, free_port, memory_mib
from bench.run import environment
from bot.config import load_settings
from bot.core.messages import TextIn
from bot.runtime.bootstrap import open_system
from storage.base import Channel, NewMessage, Person
from storage.postgres import Directory

BATCH = 2_000
STEP_SECONDS = 5.0
PATIENCE_SECONDS = 1_800.0
BOT = Path(sys.executable).with_name("bot")


@dataclass(slots=True)
class Watched:
    """What was seen while it went out; memory in MiB, of the server and of `bot broadcast status --watch`."""

    seconds: float = 0.0
    server: list[float] = field(default_factory=list)
    watcher: list[float] = field(default_factory=list)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def fill(people: int) -> None:
    """Make the people, as if each had written once."""
    async with open_system(load_settings()) as system:
        directory = Directory(system.foundation.database, system.foundation.vault)
        for first in range(0, people, BATCH):
            numbers = range(first, min(first + BATCH, people))
            await directory.places([_hello(system.channel, n) for n in numbers])


def _hello(channel: Channel, number: int) -> NewMessage:
    now = datetime.now(UTC)
    return NewMessage(
        channel=channel, person=Person(phone=f"+1777{number:07}", user_id=None, name=f"Person {number}"),
        provider_message_id=f"wamid.{number}", content=TextIn(body="hello"), sent_at=now, received_at=now,
    )  # fmt: skip


async def bot(*words: str) -> str:
    """Run a command; returns what it said."""
    process = await asyncio.create_subprocess_exec(BOT, *words, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"bot {' '.join(words)} failed")
    return output.decode()


async def watch(server: Child, watcher: Child, mock_port: int, people: int) -> Watched:
    """Until all are out, and the watcher has seen it."""
    seen, began, sends, shown = Watched(), time.perf_counter(), 0, 0.0
    while watcher.process.poll() is None:
        await asyncio.sleep(0.5)
        server.check()
        passed = time.perf_counter() - began
        if passed > PATIENCE_SECONDS:
            raise SystemExit(f"only {sends:,} after {passed:.0f} s\n{server.tail()}")
        seen.server.append(memory_mib(server.process.pid))
        if watcher.process.poll() is None:
            seen.watcher.append(memory_mib(watcher.process.pid))
        _, stats = await fetch(mock_port, "GET", "/_stats")
        sends = int(stats.split(b'"sends": ')[1].split(b",")[0])
        if not seen.seconds and sends >= people:
            seen.seconds = passed
        if passed - shown >= STEP_SECONDS:
            shown = passed
            say(f"  {passed:6.0f} s  {sends:>9,} sent  server {seen.server[-1]:6.1f} MiB")
    return seen


async def run(people: int, folder: Path) -> bool:
    port, mock_port = free_port(), free_port()
    os.environ.update(environment(port, mock_port, folder / "data"))
    began = time.perf_counter()
    await fill(people)
    say(f"{people:,} people made in {time.perf_counter() - began:.0f} s")
    with children() as started:
        mock = Child.start("mock", [sys.executable, "-m", "bench.mock_graph", "--port", str(mock_port)], folder)
        started.append(mock)
        await mock.wait_ready(mock_port, "/_stats")
        server = Child.start("server", [str(BOT), "serve"], folder)
        started.append(server)
        await server.wait_ready(port, "/readyz")
        options = ["--no-marketing", "--per-minute", "60000", "--hours", "00:00-00:00", "--parameter", "{name}"]
        say("  " + (await bot("broadcast", "draft", "News", "news", *options)).strip())
        before = memory_mib(server.process.pid)
        await bot("broadcast", "start", "BRC1")
        watcher = Child.start("watcher", [str(BOT), "broadcast", "status", "BRC1", "--watch"], folder)
        started.append(watcher)
        seen = await watch(server, watcher, mock_port, people)
        _, lines = await fetch(mock_port, "GET", "/_sends")
    return told(people, before, seen, {who: len(times) for who, *times in map(bytes.split, lines.splitlines())})


def told(people: int, before: float, seen: Watched, sends: Mapping[bytes, int]) -> bool:
    """Say what it came to; whether everybody got it once."""
    half = len(seen.server) // 2
    say(f"sent in {seen.seconds:.0f} s, {people / max(seen.seconds, 0.1):.0f} a second")
    say(f"server: {before:.1f} MiB before, {max(seen.server):.1f} at most, grew by "
        f"{max(seen.server[half:]) - max(seen.server[:half]):.1f} in the second half")  # fmt: skip
    say(f"watcher: {max(seen.watcher):.1f} MiB at most")
    once = len(sends) == people and set(sends.values()) == {1}
    say("everybody once" if once else f"{len(sends):,} people got {sum(sends.values()):,}")
    return once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sirdar-broadcast-") as name:
        Path(name).chmod(0o755)  # PostgreSQL never runs as root, and has to pass through
        sys.exit(0 if asyncio.run(run(given.people, Path(name))) else 1)


if __name__ == "__main__":
    main()
