import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from providers.base import WebhookRequest
from providers.meta import MetaProvider, MetaSettings

FIXTURES = Path(__file__).parent.parent / "fixtures"
RECEIVED_AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
APP_SECRET = "fixture-app-secret-0001"


def pytest_addoption(parser: pytest.Parser) -> None:
    with contextlib.suppress(ValueError):  # another conftest may have it already
        parser.addoption("--update", action="store_true", help="rewrite expected files; read the diff afterwards")


@pytest.fixture
def meta() -> MetaProvider:
    return MetaProvider(
        MetaSettings(
            app_secrets=(APP_SECRET,),
            verify_token="fixture-verify-token",
            access_token="fixture-access-token",
            phone_number_id="700800900100200",
            business_account_id="900100200300400",
        )
    )


@pytest.fixture
def webhook() -> Callable[..., WebhookRequest]:
    def make(body: bytes, **headers: str) -> WebhookRequest:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return WebhookRequest(
            method="POST", url="/webhook", headers=named, query={}, body=body, received_at=RECEIVED_AT
        )

    return make


@pytest.fixture
def check_expected(request: pytest.FixtureRequest) -> Callable[[Path, object], None]:
    """Compare with a JSON file, or rewrite it with `--update`."""

    def check(path: Path, found: object) -> None:
        text = json.dumps(found, ensure_ascii=False, indent=2) + "\n"
        if request.config.getoption("--update", default=False):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text

    return check
