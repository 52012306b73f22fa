"""What the API says of itself: the document is valid OpenAPI, and the server keeps to it whatever it is sent."""

import asyncio
import os
import re
from typing import Any

import jsonschema_rs
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from bot.web.api import PREFIX, all_routes
from storage.crypto import Vault
from tests.api.conftest import Shop, fill

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
EXAMPLES = int(os.environ.get("SIRDAR_FUZZ", "2"))  # per operation and way of making them


async def document(shop: Shop) -> dict[str, Any]:
    async with shop.client.get(f"{PREFIX}/openapi.json") as response:
        assert response.status == 200
        found: dict[str, Any] = await response.json()
        return found


async def test_the_document_lists_every_route(shop: Shop) -> None:
    found = await document(shop)
    assert found["openapi"] == "3.1.0"
    listed = {(path, method) for path, methods in found["paths"].items() for method in methods}
    assert listed == {(PREFIX + route.path, route.method.lower()) for route in all_routes().all}
    for schema in found["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    used = set(re.findall(r"#/components/(\w+/\w+)", str(found)))
    there = {f"{kind}/{name}" for kind, named in found["components"].items() for name in named}
    assert used <= there
    for methods in found["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            assert "401" in operation["responses"]


async def test_the_page_needs_nothing_from_elsewhere(shop: Shop) -> None:
    async with shop.client.get(f"{PREFIX}/docs") as response:
        assert response.status == 200
        page = await response.text()
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page) == []
    assert "<script" not in page
    for route in all_routes().all:
        assert f'id="{route.name}"' in page
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors <= set(re.findall(r'id="([^"]+)"', page))


async def test_the_server_keeps_to_its_document(shop: Shop, vault: Vault) -> None:
    """Schemathesis makes requests from the document, right and wrong ones, and looks at the answers."""
    await fill(shop, vault)
    found = await document(shop)
    base = str(shop.client.make_url("/"))
    await asyncio.to_thread(fuzz, found, base, shop.tokens["manager"])
    assert (await shop.ask("GET", "/me")).status == 200


def fuzz(found: dict[str, Any], base: str, token: str) -> None:
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    schema = schemathesis.openapi.from_dict(
        found, config=SchemathesisConfig.from_dict({"generation": {"allow-x00": False}})
    )
    headers = {"Authorization": f"Bearer {token}"}
    for operation in (result.ok() for result in schema.get_all_operations()):
        for mode in modes:

            @seed(1)
            @settings(
                max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(case=operation.as_strategy(generation_mode=mode))
            def call(case: Any) -> None:
                case.call_and_validate(base_url=base, headers=headers, checks=CHECKS)

            try:
                call()
            except Exception as error:
                if "Unsatisfiable" in type(error).__name__ or "Cannot generate" in str(error):
                    continue
                raise
