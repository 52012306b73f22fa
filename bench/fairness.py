"""What one tenant's burst does to another's replies: `python -m bench.fairness`.

Two tenants in one deployment, which runs as in `bench.run`. People of the quiet one write at a steady rate, first
alone, then while the other's webhooks come as fast as they are taken. What is told is the 95th percentile of the time
from a quiet person's webhook to their reply, of both, and how many times the one is the other.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from bench.driver import Load, closed_loop, open_loop, percentile, reply_latencies
from bench.phases import Plan, Under
from bench.processes import ProcessFailed, fetch
from bench.run import environment, start_system
from bench.traffic import Traffic

GOAL = 2.0
HOST = "127.0.0.1"
QUIET_NUMBER, QUIET_ID, QUIET_SECRET = "+15550100300", "700800900100300", "bench-quiet-secret"
SETTLE_SECONDS = 1.0  # after which replies to the last webhooks are there
PATH = "/api/whatsapp/webhook"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def add_quiet(under: Under, folder: Path) -> Traffic:
    """A second business, which the running servers begin to serve."""
    secrets = folder / "quiet.env"
    secrets.write_text(
        f"WHATSAPP_WEBHOOK_SECRET={QUIET_SECRET}\nWHATSAPP_ACCESS_TOKEN=bench-quiet-token\n"
        "WHATSAPP_VERIFY_TOKEN=bench-quiet-verify\n"
    )
    own = [
        f"WHATSAPP_PHONE_NUMBER_ID={QUIET_ID}", "WHATSAPP_BUSINESS_ACCOUNT_ID=900100200300500", "BOT_CHANNEL_RATE=0",
        f"WHATSAPP_API_BASE_URL=http://{HOST}:{under.mock_port}", "BOT_PAIR_INTERVAL=0",
    ]  # fmt: skip
    command = [str(Path(sys.executable).with_name("bot")), "tenants", "add", "quiet", "--provider", "meta",
               "--number", QUIET_NUMBER, "--secrets", str(secrets), *own]  # fmt: skip
    env = {**os.environ, **environment(under.port, under.mock_port, folder / "data")}
    process = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    told, _ = await process.communicate()
    if process.returncode:
        raise ProcessFailed(told.decode())
    return Traffic(path=PATH, secret=QUIET_SECRET, contacts=40, texts=["hello"], area="1777", phone_number_id=QUIET_ID)


async def replies(under: Under, load: Load) -> list[int]:
    """How long each of these webhooks waited for its reply, in nanoseconds."""
    await asyncio.sleep(SETTLE_SECONDS)
    for _ in range(60):
        _, lines = await fetch(under.mock_port, "GET", "/_sends")
        sends = {who.decode(): [int(at) for at in times] for who, *times in map(bytes.split, lines.splitlines())}
        waits = reply_latencies(load, sends)
        if len(waits) >= load.accepted:
            return waits
        await asyncio.sleep(SETTLE_SECONDS)
    raise SystemExit(f"only {len(waits)} of {load.accepted} were answered")


async def steady(under: Under, quiet: Traffic, rate: float, seconds: float) -> list[int]:
    """The quiet tenant alone, or beside whatever else goes on."""
    await fetch(under.mock_port, "POST", "/_reset")
    load = await open_loop(HOST, under.port, quiet.calls(int(rate * seconds)), connections=16, rate=rate)
    return await replies(under, load)


async def measure(seconds: float, rate: float, connections: int, folder: Path) -> float:
    plan = Plan(seconds=seconds, rounds=1, connections=connections, contacts=1000, ceiling=8_000.0)
    async with start_system(plan, folder, PATH, ["hello"]) as under:
        quiet = await add_quiet(under, folder)
        await asyncio.sleep(6)  # until every process has seen that it is there
        await steady(under, quiet, rate, 3)  # everybody is known, and every plan is made
        alone = await steady(under, quiet, rate, seconds)
        crowd = under.traffic.calls(int(4_000 * (seconds + 4)))
        burst = asyncio.create_task(closed_loop(HOST, under.port, crowd, connections=connections, seconds=seconds + 2))
        await asyncio.sleep(1)
        beside = await steady(under, quiet, rate, seconds)
        load = await burst
    p95 = [percentile(waits, 0.95) / 1e6 for waits in (alone, beside)]
    p50 = [percentile(waits, 0.5) / 1e6 for waits in (alone, beside)]
    say(f"burst: {load.accepted_per_second:,.0f} webhooks a second taken of the other tenant, {load.refused} refused")
    say(f"alone:  p50 {p50[0]:7.1f} ms  p95 {p95[0]:7.1f} ms  of {len(alone)} replies")
    say(f"beside: p50 {p50[1]:7.1f} ms  p95 {p95[1]:7.1f} ms  of {len(beside)} replies")
    factor = p95[1] / p95[0]
    say(f"the burst makes the quiet tenant's p95 {factor:.2f} times as long; the goal is {GOAL:.0f} at the most")
    return factor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=20.0, help="webhooks a second of the quiet tenant")
    parser.add_argument("--connections", type=int, default=64, help="of the burst")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sirdar-fairness-") as name:
        Path(name).chmod(0o755)  # PostgreSQL never runs as root, and has to pass through
        factor = asyncio.run(measure(given.seconds, given.rate, given.connections, Path(name)))
    sys.exit(0 if factor <= GOAL else 1)


if __name__ == "__main__":
    main()
