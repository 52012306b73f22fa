"""What holds for anything at all that a webhook may carry."""

import copy
import json
import math
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.messages import INCOMING
from providers.base import InboundMessage, WebhookItem
from providers.fields import storable
from providers.meta.errors import MAX_DETAIL, read_problem
from providers.meta.parse import parse

FIXTURES = Path(__file__).parent.parent / "fixtures" / "meta"
RECEIVED_AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WEBHOOKS = [json.loads(p.read_bytes()) for p in sorted(FIXTURES.glob("*.json")) if not p.name.startswith("api_")]

# Lone surrogates, NUL, NaN, infinities and numbers of any size included.
nasty_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**60, max_value=10**40)
    | st.floats()
    | nasty_text
    | st.sampled_from(["\x00", "\ud800", "15550142233", "text", "image", "sent", "failed", "US.1", "1790000001"])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(nasty_text, inner, max_size=4),
    max_leaves=12,
)


def assert_storable(value: Any) -> None:
    """PostgreSQL's text and jsonb take it, and so does orjson."""
    match value:
        case Enum() | bool() | None:
            pass
        case str():
            assert "\x00" not in value
            value.encode()
        case int() | float():
            orjson.dumps(value)
            assert math.isfinite(value)
        case Decimal():
            assert value.is_finite()
        case datetime():
            assert value.tzinfo is UTC
        case bytes():
            assert_storable(orjson.loads(value))
        case _:
            for part in parts(value):
                assert_storable(part)


def parts(value: Any) -> list[Any]:
    match value:
        case dict():
            return [*value.keys(), *value.values()]
        case list() | tuple():
            return list(value)
        case _ if is_dataclass(value):
            return [getattr(value, field.name) for field in fields(value)]
    raise AssertionError(type(value))


def read(body: bytes) -> list[WebhookItem]:
    items = parse(body, RECEIVED_AT)
    for item in items:
        assert_storable(item)
        if isinstance(item, InboundMessage):
            assert item.sender.phone or item.sender.user_id
            assert INCOMING.validate_json(INCOMING.dump_json(item.content)) == item.content
    return items


def places(document: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    match document:
        case dict():
            return [
                *((document, key) for key in document),
                *(place for inner in document.values() for place in places(inner)),
            ]
        case list():
            return [
                *((document, index) for index in range(len(document))),
                *(place for inner in document for place in places(inner)),
            ]
    return []


@given(st.binary())
def test_any_bytes_are_read_without_an_error(body: bytes) -> None:
    read(body)


@given(anything)
def test_any_json_is_read_without_an_error(document: Any) -> None:
    read(json.dumps(document).encode())


@given(anything, st.sampled_from(["messages", "user_preferences", "message_template_status_update", "x"]))
def test_any_value_is_read_without_an_error(value: Any, field: str) -> None:
    for inner in (value, {"metadata": {"phone_number_id": "7"}, "messages": value, "statuses": value, field: value}):
        entry = {"id": "9", "changes": [{"field": field, "value": inner}]}
        read(json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode())


@settings(max_examples=400)
@given(st.data())
def test_any_damage_to_a_real_webhook_is_survived(data: st.DataObject) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from(WEBHOOKS)))
    for _ in range(data.draw(st.integers(1, 3))):
        if not (found := places(document)):
            break
        container, key = found[data.draw(st.integers(0, len(found) - 1))]
        if data.draw(st.booleans()):
            container[key] = data.draw(anything)
        else:
            del container[key]
    read(json.dumps(document).encode())


@given(st.data())
def test_one_damaged_message_never_spoils_the_others(data: st.DataObject) -> None:
    def good(number: int) -> dict[str, Any]:
        return {"from": "15550142233", "id": f"wamid.{number}", "type": "text", "text": {"body": "x"}}

    damaged = data.draw(anything | st.fixed_dictionaries({"type": nasty_text, "from": anything, "id": anything}))
    entry = {
        "id": "9",
        "changes": [
            {
                "field": "messages",
                "value": {"metadata": {"phone_number_id": "7"}, "messages": [good(1), damaged, good(2)]},
            }
        ],
    }
    items = read(json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode())
    assert len(items) == 3
    ids = [getattr(item, "provider_message_id", None) for item in items]
    assert (ids[0], ids[2]) == ("wamid.1", "wamid.2")


@given(anything)
def test_any_error_object_is_a_problem(error: Any) -> None:
    problem = read_problem(error)
    assert_storable(storable(problem.detail))
    assert len(problem.detail) <= MAX_DETAIL + 60


@given(anything)
def test_making_storable_is_idempotent_and_changes_nothing_that_is_storable(document: Any) -> None:
    once = storable(document)
    assert_storable(once)
    assert storable(once) == once
