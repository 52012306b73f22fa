"""`python -m bench.run`: the system against the floor, on this machine, now.

Both get the same webhooks from the same driver, in turn, and send to stand-ins for Graph. The system runs as it does in
production, as separate processes over a PostgreSQL that syncs every commit, with the pacing that protects a real
number switched off. Nothing is written to the working tree; `--json FILE` keeps the figures.
"""

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import cyclopts
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench.authoring import AuthoringCost, measure_authoring
from bench.engine import StepCost, measure_shipped
from bench.phases import Measured, Plan, Say, Under, grow, measure
from bench.processes import Child, ProcessFailed, children, free_port
from bench.receiving import ReceivingCost, measure_batch, measure_reading
from bench.report import show
from bench.traffic import BUSINESS_ACCOUNT_ID, BUSINESS_NUMBER, PHONE_NUMBER_ID, Traffic
from storage.embedded import EmbeddedPostgres

ROOT = Path(__file__).parent.parent
SECRET = "bench-app-secret"
# As docs/operations.md recommends for two cores: workers hand over to the sender beside them.
SERVE = (("web", "web"), ("worker 1", "worker,sender,clock"), ("worker 2", "worker,sender"))
FLOOR_CEILING = 8_000.0  # webhooks per second that no server reaches here

app = cyclopts.App(help=__doc__, help_format="plaintext")


@contextlib.asynccontextmanager
async def start_floor(plan: Plan, log_dir: Path, order: str) -> AsyncIterator[Under]:
    """Run the bare echo."""
    port, mock_port = free_port(), free_port()
    with children() as started:
        mock = _start_mock(mock_port, log_dir)
        started.append(mock)
        send_url = f"http://127.0.0.1:{mock_port}/v25.0/{PHONE_NUMBER_ID}/messages"
        options = ["--port", str(port), "--secret", SECRET, "--send-url", send_url, "--order", order]
        floor = Child.start("floor", [sys.executable, "-m", "bench.floor", *options], log_dir)
        started.append(floor)
        await mock.wait_ready(mock_port, "/_stats")
        await floor.wait_ready(port, "/readyz")
        traffic = Traffic(path="/webhook", secret=SECRET, contacts=plan.contacts, texts=["hello there"])
        yield Under("floor", port, mock_port, traffic, [floor], {"(mock)": mock.process.pid})


@contextlib.asynccontextmanager
async def start_system(plan: Plan, log_dir: Path, path: str, texts: list[str]) -> AsyncIterator[Under]:
    """Run the whole system: web, workers and senders, clock, and PostgreSQL."""
    port, mock_port = free_port(), free_port()
    async with _database(log_dir / "data") as database:
        with children() as started:
            mock = _start_mock(mock_port, log_dir)
            started.append(mock)
            await mock.wait_ready(mock_port, "/_stats")
            env = environment(port, mock_port, log_dir / "data")
            for kind, only in SERVE:
                command = [str(Path(sys.executable).with_name("bot")), "serve", "--only", only]
                started.append(Child.start(kind, command, log_dir, env))
                if kind == "web":  # it brings the schema up to date, so the others come after it
                    await started[-1].wait_ready(port, "/readyz")
            traffic = Traffic(path=path, secret=SECRET, contacts=plan.contacts, texts=texts)
            pids = {"postgres": database.postmaster_pid(), "(mock)": mock.process.pid}
            yield Under("system", port, mock_port, traffic, started[1:], pids)


async def _grown(under: Under, plan: Plan, conversations: int, say: Say) -> list[tuple[int, dict[str, float]]]:
    if not conversations:
        return []
    newcomers = Traffic(path=under.traffic.path, secret=SECRET, contacts=conversations, texts=["hello"], area="1777")
    return await grow(under, newcomers, conversations, plan, say)


def _start_mock(port: int, log_dir: Path) -> Child:
    return Child.start("mock", [sys.executable, "-m", "bench.mock_graph", "--port", str(port)], log_dir)


@contextlib.asynccontextmanager
async def _database(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    # Held here as well, so that it outlives the processes and its cost can be read; they join it by the directory.
    async with await EmbeddedPostgres.start(data_dir) as database:
        yield database


def environment(port: int, mock_port: int, data_dir: Path) -> dict[str, str]:
    return {
        "WHATSAPP_PROVIDER": "meta",
        "WHATSAPP_PHONE_NUMBER": f"+{BUSINESS_NUMBER}",
        "WHATSAPP_WEBHOOK_SECRET": SECRET,
        "WHATSAPP_VERIFY_TOKEN": "bench-verify-token",
        "WHATSAPP_ACCESS_TOKEN": "bench-access-token",
        "WHATSAPP_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
        "WHATSAPP_BUSINESS_ACCOUNT_ID": BUSINESS_ACCOUNT_ID,
        "WHATSAPP_API_BASE_URL": f"http://127.0.0.1:{mock_port}",
        "BOT_HOST": "127.0.0.1",
        "BOT_PORT": str(port),
        "BOT_DATA_DIR": str(data_dir),
        "BOT_DATABASE_URL": "",
        "BOT_LOG_LEVEL": "warning",
        # A real number may send 80 messages a second, and one to a person in six: here the machine is the limit.
        "BOT_CHANNEL_RATE": "0",
        "BOT_PAIR_INTERVAL": "0",
        "BOT_BACKLOG_LIMIT": "3600",
    }


@app.default
def run(
    *,
    seconds: Annotated[float, cyclopts.Parameter(help="how long each slice takes")] = 3.0,
    rounds: Annotated[int, cyclopts.Parameter(help="how often floor and system take turns")] = 5,
    contacts: Annotated[int, cyclopts.Parameter(help="how many people write")] = 2000,
    connections: Annotated[int, cyclopts.Parameter(help="webhook requests at the same time")] = 96,
    conversations: Annotated[int, cyclopts.Parameter(help="new people whose memory is watched; 0: nobody")] = 100_000,
    quick: Annotated[
        bool, cyclopts.Parameter(help="one round, two seconds a slice, 200 people, 2,000 new ones")
    ] = False,
    only: Annotated[Literal["floor", "system"] | None, cyclopts.Parameter(help="leave the other one out")] = None,
    order: Annotated[Literal["after", "before"], cyclopts.Parameter(help="when the floor sends")] = "after",
    path: Annotated[str, cyclopts.Parameter(help="where the system's webhook is")] = "/api/whatsapp/webhook",
    text: Annotated[list[str] | None, cyclopts.Parameter(help="what people write, in turn")] = None,
    json_file: Annotated[Path | None, cyclopts.Parameter(name="--json", help="write the figures here")] = None,
) -> int:
    """Measure the floor and the system, and compare them."""
    plan = Plan(
        seconds=2.0 if quick else seconds,
        rounds=1 if quick else rounds,
        connections=connections,
        contacts=200 if quick else contacts,
        ceiling=FLOOR_CEILING,
    )
    console = Console()
    try:
        figures = uvloop.run(
            _measure_all(console, plan, only, order, path, text or ["hello"], 2_000 if quick else conversations)
        )
    except ProcessFailed as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Interrupted.")
        return 130
    floor, system, steps, authoring, receiving = figures
    show(console, floor, system, steps, authoring, receiving)
    if json_file is not None:
        document = {
            "plan": asdict(plan),
            "floor": floor.figures() if floor else None,
            "system": system.figures() if system else None,
            "engine": {name: asdict(cost) for name, cost in steps.items()},
            "authoring": asdict(authoring) if authoring else None,
            "receiving": asdict(receiving) if receiving else None,
        }
        json_file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sirdar-bench-") as name:
        scratch = Path(name)
        scratch.chmod(0o755)  # PostgreSQL never runs as root, and has to pass through
        for part in ("floor", "system"):
            (scratch / part).mkdir()
        yield scratch


async def _measure_all(
    console: Console, plan: Plan, only: str | None, order: str, path: str, texts: list[str], conversations: int
) -> tuple[Measured | None, Measured | None, dict[str, StepCost], AuthoringCost | None, ReceivingCost | None]:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    authoring = receiving = None
    steps: dict[str, StepCost] = {}
    columns = (TextColumn("{task.description:<52}"), BarColumn(), TimeElapsedColumn())
    with (
        _scratch() as scratch,
        Progress(*columns, console=console, transient=True, refresh_per_second=4) as progress,
    ):
        bar = progress.add_task("starting", total=1.0)

        def say(what: str, done: float) -> None:
            progress.update(bar, description=what, completed=done)

        async with contextlib.AsyncExitStack() as running:
            servers: list[Under] = []
            if only != "system":
                servers.append(await running.enter_async_context(start_floor(plan, scratch / "floor", order)))
            if only != "floor":
                starting = start_system(plan, scratch / "system", path, texts)
                servers.append(await running.enter_async_context(starting))
            measured = dict(zip((under.name for under in servers), await measure(servers, plan, say), strict=True))
            floor, system = measured.get("floor"), measured.get("system")
            if system is not None:
                system.growth = await _grown(servers[-1], plan, conversations, say)
        if only != "floor":
            say("engine: single steps", 0.0)
            steps = measure_shipped(min(plan.seconds, 3.0))
            say("authoring: a project of 200 flows", 0.0)
            authoring = measure_authoring()
            say("webhooks: one text, and 1,000 in one request", 0.0)
            batch_ms, batch_bytes = await measure_batch(scratch / "batch")
            reading = measure_reading(min(plan.seconds, 1.0))
            receiving = ReceivingCost(read_us=reading, batch_ms=batch_ms, batch_bytes=batch_bytes)
    return floor, system, steps, authoring, receiving


if __name__ == "__main__":
    sys.exit(app())
