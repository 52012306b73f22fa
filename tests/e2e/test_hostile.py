"""Nobody unsigned gets in, and nothing that is signed is ever answered with a 500 or lost."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers.meta.signature import sign
from tests.conftest import FIXTURES
from tests.e2e.conftest import SECRET, Running

META = FIXTURES / "meta"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=25,
)


def envelope(messages: list[dict[str, Any]], *, channel: str = "700800900100200") -> bytes:
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550100200", "phone_number_id": channel},
        "contacts": [{"profile": {"name": "Ann"}, "wa_id": "15550142233"}],
        "messages": messages,
    }
    change = {"field": "messages", "value": value}
    document = {"object": "whatsapp_business_account", "entry": [{"id": "900100200300400", "changes": [change]}]}
    return json.dumps(document).encode()


def text(number: int, body: str, sender: str = "15550142233") -> dict[str, Any]:
    stamp = str(1795338000 + number)
    return {"from": sender, "id": f"wamid.T{number}", "timestamp": stamp, "type": "text", "text": {"body": body}}


@pytest.mark.parametrize(
    "header",
    ["", "sha256=", "sha256=" + "0" * 64, "sha1=" + "0" * 40, "sha256=" + "é" * 64, "SHA256=" + "0" * 64, "x" * 10_000],
)
async def test_unsigned_is_refused_and_leaves_no_trace(running: Running, header: str) -> None:
    body = envelope([text(1, "hello")])
    encoded = header.encode("utf-8", "surrogateescape").decode("latin-1")
    assert await running.post(body, header=encoded[:8000]) == 401
    assert await running.post(body, secret="another-app-secret") == 401
    assert await running.rows("SELECT * FROM whatsapp_messages") == []


async def test_a_signature_of_another_body_is_refused(running: Running) -> None:
    body = envelope([text(1, "hello")])
    assert await running.post(body + b" ", header=sign(SECRET, body)) == 401


@pytest.mark.parametrize("path", sorted(META.glob("in_*.json")), ids=lambda path: path.stem)
async def test_every_kind_of_message_is_taken(running: Running, path: Path) -> None:
    assert await running.post(path.read_bytes()) == 200
    await running.until("SELECT * FROM inbox", lambda rows: not rows)
    assert await running.rows("SELECT * FROM dead_letters") == []
    stored = await running.rows("SELECT * FROM whatsapp_messages WHERE direction = 'INBOUND'")
    kept = await running.rows("SELECT * FROM webhook_events")
    assert stored or kept, "nothing of it was dropped"


async def test_every_other_webhook_is_kept(running: Running) -> None:
    for path in sorted(META.glob("*.json")):
        if not path.name.startswith(("api_", "in_")):
            assert await running.post(path.read_bytes()) == 200, path.name
    await running.until("SELECT * FROM inbox", lambda rows: not rows)


async def test_signed_rubbish_is_kept_and_answered(running: Running) -> None:
    """Any body with our signature is answered 200 (it is on disk) and the server lives on."""
    bodies = [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe\x00",
        b'{"object":"page","entry":[]}',
        b'{"object":"whatsapp_business_account","entry":{}}',
        b'{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":NaN}]}]}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        json.dumps("\ud800 \x00").encode(),
        envelope([text(1, "nul \x00 and half a pair \ud83d")]),
        envelope([text(2, "x" * 100_000)]),
        envelope([{**text(3, "hi"), "timestamp": "9" * 400}]),
        envelope([{**text(4, "hi"), "timestamp": "-1"}]),
        envelope([{**text(5, "hi"), "from": "9" * 5000}]),
        envelope([{**text(6, "hi"), "id": "w" * 100_000}]),
        envelope([text(7, "not our number")], channel="1"),
        envelope([text(8, "keys twice")]).replace(b'"messages":', b'"messages": 5, "messages":'),
        envelope([text(9, "huge")]).replace(b'"type": "text"', b'"n": ' + b"9" * 5000 + b', "type": "text"'),
        envelope([text(10, "floats")]).replace(b'"type": "text"', b'"timestamp": 1e400, "type": "text"'),
        envelope([{**text(11, "hi"), "id": "half \udc00\ud800 and \x00"}]),
        b"\xef\xbb\xbf" + envelope([text(12, "behind a mark of byte order")]),
        envelope([text(13, "in two bytes each")]).decode().encode("utf-16"),
    ]
    for body in bodies:
        assert await running.post(body) == 200, body[:60]
    await running.until("SELECT * FROM inbox", lambda rows: not rows)
    assert await running.rows("SELECT * FROM dead_letters") == []


async def test_a_body_is_taken_as_it_comes(running: Running) -> None:
    """Signed are its bytes, whatever a header says of them: nobody has us unpack what is not signed."""
    for place, (body, told) in enumerate({
        envelope([text(1, "plain")]): "gzip",
        gzip.compress(envelope([text(2, "packed")])): "gzip",
        b"no gzip at all": "gzip",
        b"nor this": "br",
    }.items()):  # fmt: skip
        packed = {"Content-Encoding": told}
        assert await running.post(body, more=packed) == 200, place
        assert await running.post(gzip.compress(body), header=sign(SECRET, body), more=packed) == 401, place
    assert await running.post(gzip.compress(b"0" * 50_000_000), secret="not-our-secret", more=packed) == 401
    kept = await running.rows("SELECT kind FROM webhook_events")
    stored = await running.rows("SELECT content->>'body' AS body FROM whatsapp_messages WHERE direction = 'INBOUND'")
    assert (len(kept), [row["body"] for row in stored]) == (3, ["plain"])


async def test_any_json_is_taken(running: Running) -> None:
    """Wherever in the envelope the rubbish stands."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(JSON, min_size=6, max_size=6))
    def collect(values: list[Any]) -> None:
        drawn.append(values)

    drawn: list[list[Any]] = []
    collect()
    for place, values in enumerate(drawn):
        a, b, c, d, e, f = values
        for document in (
            a,
            {"object": "whatsapp_business_account", "entry": b},
            {"object": "whatsapp_business_account", "entry": [{"id": a, "changes": [{"field": b, "value": c}]}]},
            json.loads(envelope([{"from": a, "id": b, "timestamp": c, "type": d, "text": e, "context": f}])),
            json.loads(envelope([{**text(place, "hi"), "type": "interactive", "interactive": f, "context": e}])),
            json.loads(envelope([{**text(place, "hi"), "type": "image", "image": d, "referral": c}])),
        ):
            assert await running.post(json.dumps(document).encode()) == 200
    await running.until("SELECT * FROM inbox", lambda rows: not rows)
    assert await running.rows("SELECT * FROM dead_letters") == []


async def test_a_thousand_updates_in_one_request(running: Running) -> None:
    messages = [text(number, f"hello {number}", sender=f"1555014{number % 50:04d}") for number in range(1000)]
    body = envelope(messages)
    assert await running.post(body) == 200
    assert await running.post(body) == 200, "delivered again"
    assert (await running.rows("SELECT count(*) FROM whatsapp_messages WHERE direction = 'INBOUND'"))[0][
        "count"
    ] == 1000
    await running.until("SELECT * FROM inbox", lambda rows: not rows)
    order = await running.rows(
        "SELECT conversation_id, content->>'body' AS body FROM whatsapp_messages "
        "WHERE direction = 'INBOUND' ORDER BY message_id"
    )
    by_conversation: dict[int, list[int]] = {}
    for row in order:
        by_conversation.setdefault(row["conversation_id"], []).append(int(row["body"].split()[1]))
    assert len(by_conversation) == 50
    assert all(numbers == sorted(numbers) for numbers in by_conversation.values())


async def test_three_megabytes_are_taken_and_more_is_refused(running: Running) -> None:
    messages = [text(number, "y" * 3000) for number in range(970)]
    body = envelope(messages)
    assert 3_000_000 <= len(body) <= 3_200_000
    assert await running.post(body) == 200
    assert (await running.rows("SELECT count(*) FROM whatsapp_messages WHERE direction = 'INBOUND'"))[0]["count"] == 970
    assert await running.post(b"x" * (5 * 1024 * 1024)) == 413


async def test_the_handshake_echoes_only_for_our_token(running: Running) -> None:
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "fixture-verify-token"}
    path = f"{running.url}/api/whatsapp/webhook"
    async with running.http.get(path, params=query) as answer:
        assert (answer.status, await answer.text()) == (200, "1158201444")
    for wrong in ({**query, "hub.verify_token": "guess"}, {**query, "hub.mode": "unsubscribe"}, {}):
        async with running.http.get(path, params=wrong) as answer:
            assert answer.status == 403
