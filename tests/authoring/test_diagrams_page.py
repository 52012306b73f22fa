"""The page of all flows in a real browser: found, opened, zoomed and left without a mouse."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from drawing import large, shipped

from bot.authoring.diagrams import gallery

CHROMIUM = "/usr/bin/chromium"
sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no chromium on this machine"),
]


@pytest.fixture
def page(tmp_path: Path) -> Iterator["sync_api.Page"]:
    file = tmp_path / "flows.html"
    file.write_text(gallery([*shipped().values(), large(tmp_path / "content")]), encoding="utf-8")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1280, "height": 800})
        wrong: list[str] = []
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.on("request", lambda request: None if request.url.startswith("file:") else wrong.append(request.url))
        opened.goto(file.as_uri())
        yield opened
        browser.close()
    assert not wrong


def test_flows_are_found_by_what_they_say_and_filtered_by_role(page: "sync_api.Page") -> None:
    page.keyboard.press("/")
    page.keyboard.type("passport")
    assert page.locator("article:visible").count() == 1
    assert page.locator("#sum").inner_text().startswith("1 flow, ")
    page.keyboard.press("Escape")
    everything = page.locator("article:visible").count()
    page.get_by_role("button", name="field staff").first.click()
    assert 0 < page.locator("article:visible").count() < everything
    page.locator("#search").fill("no such words anywhere")
    assert page.locator("#none").is_visible()


def test_a_flow_is_opened_moved_zoomed_and_closed_by_keys(page: "sync_api.Page") -> None:
    page.get_by_role("button", name="Show flow booking, version 4").focus()
    page.keyboard.press("Enter")
    assert page.locator("#viewer-name").inner_text() == "booking"
    before = page.locator("#sheet").get_attribute("style")
    page.keyboard.press("ArrowDown")
    assert page.locator("#sheet").get_attribute("style") != before
    scale = page.locator("#scale").inner_text()
    page.keyboard.press("+")
    assert page.locator("#scale").inner_text() != scale
    page.locator("#about").get_by_role("button", name="travellers/papers").click()
    box = page.locator(".node.here").bounding_box()
    assert box is not None
    assert 0 < box["x"] < 1280
    assert 0 < box["y"] < 800
    page.keyboard.press("]")
    assert page.locator("#viewer-name").inner_text() != "booking"
    page.keyboard.press("Escape")
    drawings = page.locator("article svg.fd")
    sync_api.expect(drawings, "each drawing is back on its card").to_have_count(page.locator("article").count())
