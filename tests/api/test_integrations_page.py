"""The examples of docs/integrations.md: the check of signatures, the call with its flow, and the event."""

import json
import re
import shutil
from pathlib import Path

from bot.authoring.content import load_content
from bot.authoring.linter import check
from bot.core.actions import Actions
from bot.operations import standard_actions
from bot.operations.outside import load_outside, outside_actions
from bot.runtime.outside import sign
from tests.api.conftest import Shop
from tests.conftest import EPOCH, FIXTURES

ROOT = FIXTURES.parents[1]
PAGE = ROOT / "docs" / "integrations.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fences(language: str) -> list[str]:
    found = FENCE.findall(PAGE.read_text(encoding="utf-8"))
    return [text for kind, text in found if kind == language]


def test_the_shown_check_takes_our_signatures_and_no_others() -> None:
    (source,) = fences("python")
    names: dict[str, object] = {}
    exec(compile(source, str(PAGE), "exec"), names)
    is_ours = names["is_from_sirdar"]
    assert callable(is_ours)
    body, now = b'{"id": 1}', EPOCH.timestamp()
    header = sign(b"s3cret", EPOCH, body)
    assert is_ours("s3cret", header, body, now)
    assert is_ours("s3cret", header, body, now + 299)
    for secret, given, said, at in (
        ("other", header, body, now), ("s3cret", header, b'{"id": 2}', now), ("s3cret", header, body, now + 300),
        ("s3cret", "", body, now), ("s3cret", header.replace("t=", "t=1"), body, now), ("s3cret", "v1=x", body, now),
    ):  # fmt: skip
        assert not is_ours(secret, given, said, at)


def test_the_call_and_its_flow_load_and_are_clean(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "templates" / "whatsapp", tmp_path / "templates" / "whatsapp")
    (tmp_path / "templates" / "en").mkdir()
    shutil.copy(ROOT / "templates" / "en" / "common.j2", tmp_path / "templates" / "en")
    for text in (*fences("yaml"), *fences("jinja")):
        named = re.match(r"(?:# |\{# )(\S+)", text)
        assert named is not None
        path = tmp_path / named[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    actions: Actions = standard_actions().including(outside_actions(load_outside(tmp_path)))
    found = [str(finding) for finding in check(tmp_path, actions)]
    assert [finding for finding in found if ": error:" in finding] == [], found
    assert "seats" in {flow.name for flow in load_content(tmp_path, actions).book.flows()}
    wrong = tmp_path / "flows" / "customer" / "seats.yaml"
    wrong.write_text(wrong.read_text().replace('people: "{{ people }}"}', 'persons: "{{ people }}"}'))
    assert any("persons" in str(finding) for finding in check(tmp_path, actions))


async def test_the_event_is_told(shop: Shop) -> None:
    request = next(text for text in fences("http") if "/api/v1/events" in text)
    body = json.loads(request.partition("\n\n")[2])
    answer = await shop.ask("POST", "/events", body, role="sales")
    assert answer.body == {"name": "tms.lead_confirmed"}
    (row,) = await shop.rows("SELECT event FROM inbox WHERE kind = 'business'")
    event = json.loads(row["event"])
    assert (event["name"], event["data"]) == ("tms.lead_confirmed", {"lead": "LEAD17"})
    nobody = await shop.ask("POST", "/events", {"name": "tms.x"}, role="sales")
    assert (nobody.status, nobody.body["code"]) == (422, "invalid")


def test_the_shown_webhook_has_what_is_sent() -> None:
    shown = fences("http")[0]
    head, _, body = shown.partition("\n\n")
    assert {"Idempotency-Key", "Sirdar-Action", "Sirdar-Attempt", "Sirdar-Signature"} <= {
        line.partition(":")[0] for line in head.splitlines()
    }
    assert set(json.loads(body)) == {"id", "action", "object", "source", "happened_at", "content"}
