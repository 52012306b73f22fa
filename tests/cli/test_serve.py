"""A server stops in order whenever it is told to, also before it is up."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = {
    "WHATSAPP_PROVIDER": "meta",
    "WHATSAPP_PHONE_NUMBER": "+15550100200",
    "WHATSAPP_WEBHOOK_SECRET": "an-app-secret",
    "WHATSAPP_VERIFY_TOKEN": "a-verify-token",
    "WHATSAPP_ACCESS_TOKEN": "an-access-token",
    "WHATSAPP_PHONE_NUMBER_ID": "100",
    "WHATSAPP_BUSINESS_ACCOUNT_ID": "200",
    "BOT_SECRET_KEY": "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0ISEhISE=",
    "BOT_PORT": "0",
}


def started(folder: Path, **settings: str) -> "subprocess.Popen[str]":
    command = [str(Path(sys.executable).with_name("bot")), "serve"]
    env = {**os.environ, **SETTINGS, "BOT_DATA_DIR": str(folder), **settings}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_waits_for_its_database_can_be_stopped(tmp_path: Path, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never says a word
        port = silent.getsockname()[1]
        process = started(tmp_path, BOT_DATABASE_URL=f"postgresql://nobody@127.0.0.1:{port}/nothing")
        caller, _ = silent.accept()
        process.send_signal(number)
        output, _ = process.communicate(timeout=180)
        caller.close()
    assert process.returncode == 0, output
    assert "Traceback" not in output


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("module", ["bot.cli", "bot.runtime.bootstrap"])
def test_a_server_that_has_not_even_begun_can_be_stopped(module: str, number: signal.Signals, code: int) -> None:
    """As the first process of a container it would not hear the signal at all, had it no handler."""
    look = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born deaf to it
from bot.__main__ import main

class Impatient:  # asks it to stop in the middle of an import
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {int(number)})

sys.meta_path.insert(0, Impatient())
sys.argv = ["bot", "serve"]
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", look], env={**os.environ, **SETTINGS}, capture_output=True, text=True, check=False,
        timeout=180,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
