"""`bot simulate` on a whole terminal: typing, tapping, moving time, going back."""

from pathlib import Path

from bot.cli.screen import scenes
from bot.cli.screen.app import initials
from bot.cli.screen.bubble import RemarkLine, Tappable
from bot.cli.screen.entry import Entry, Hints
from bot.cli.screen.panel import Panel
from bot.cli.screen.sheet import Sheet
from tests.cli.stage import ENQUIRY, copied_content, on_screen


async def test_what_is_typed_is_answered(dsn: str, tmp_path: Path) -> None:
    async with on_screen(dsn, tmp_path) as actor:
        await actor.press(*"hello", "enter")
        own, answer = [item for item in actor.items if isinstance(item, scenes.Bubble)]
        assert (own.said.text, own.said.by_business, own.read) == ("hello", False, True)
        assert "Namaste Maya" in answer.said.text
        assert "online" in actor.text("#title")
        assert "09:00" in actor.text("#clock")


async def test_buttons_are_tapped_with_the_mouse(dsn: str, tmp_path: Path) -> None:
    async with on_screen(dsn, tmp_path) as actor:
        await actor.write(ENQUIRY)
        await actor.click(actor.app.query(Tappable).first())
        assert "LEAD1" in actor.words
        assert await actor.count("leads") == 1


async def test_buttons_are_tapped_with_tab_and_enter_or_by_number(dsn: str, tmp_path: Path) -> None:
    async with on_screen(dsn, tmp_path) as actor:
        await actor.write(ENQUIRY)
        await actor.press("tab", "down", "enter")
        assert "What would you like to change?" in actor.words
        await actor.press("2")
        assert "How many of us" in actor.words
        assert actor.session.played[-1].deed.shown == "How many of us"
        await actor.press("3", "enter")  # nothing is on offer any more: it is an answer
        assert "3 people" in actor.words


async def test_a_button_of_long_ago_can_still_be_tapped(dsn: str, tmp_path: Path) -> None:
    async with on_screen(dsn, tmp_path, size=(120, 60)) as actor:
        await actor.write(ENQUIRY)
        await actor.press("2")
        await actor.click(actor.app.query(Tappable).first())
        assert actor.session.played[-1].deed.shown == "Send me a quote"
        assert actor.session.played[-1].deed.earlier == 1


async def test_a_list_rises_as_a_sheet(dsn: str, tmp_path: Path) -> None:
    content = copied_content(tmp_path)
    flow = content / "flows" / "customer" / "enquiry.yaml"
    flow.write_text(
        flow.read_text().replace(
            'edit:  {label: Change details, synonyms: [change, edit, modify, "no", not right, wrong]}',
            "edit:  {label: Change details, description: trek or month}\n      later: Ask me again",
        ).replace("      edit: change\n", "      edit: change\n      later: change\n")
    )  # fmt: skip
    async with on_screen(dsn, tmp_path, content) as actor:
        await actor.write(ENQUIRY)
        [opens] = actor.app.query(Tappable)
        await actor.click(opens)
        assert isinstance(actor.app.screen, Sheet)
        await actor.press("escape")
        assert not isinstance(actor.app.screen, Sheet)
        await actor.press("2", "enter")
        assert actor.session.played[-1].deed.shown == "Change details"
        await actor.press("f4")
        await actor.press("1", "1")
        assert "LEAD1" in actor.words


async def test_time_passes_and_comes_back(dsn: str, tmp_path: Path) -> None:
    async with on_screen(dsn, tmp_path) as actor:
        await actor.write("Hi, interested in EBC Trek for 2 people")
        assert "in 2 h" in actor.text("#insight")
        await actor.write("/wait 1d")
        assert "Still planning, Maya?" in actor.words
        assert "Mon 23 Nov" in actor.text("#clock")
        await actor.write("hello")
        assert [item.day.day for item in actor.items if isinstance(item, scenes.Day)] == [22, 23]
        await actor.write("/back")
        await actor.write("/back")
        assert "Still planning" not in actor.words
        assert "Undone: the wait of 1 d" in actor.words
        assert "Sun 22 Nov" in actor.text("#clock")
        assert "enquiry.details" in actor.text("#insight")


async def test_going_back_takes_the_business_along(dsn: str, tmp_path: Path) -> None:
    async with on_screen(dsn, tmp_path) as actor:
        await actor.write(ENQUIRY)
        await actor.write("/tap 1")
        assert await actor.count("leads") == 1
        await actor.press("f4")
        assert await actor.count("leads") == 0
        assert "LEAD1" not in actor.words
        await actor.write("/tap Send me a quote")
        assert "LEAD1" in actor.words
        await actor.write("/reset")
        assert await actor.count("leads") == 0
        assert actor.words.strip() == "Everything is as in the beginning."
        await actor.write("/back")
        assert "nothing to go back to" in actor.words


async def test_a_crash_doubles_nothing(dsn: str, tmp_path: Path) -> None:
    async with on_screen(dsn, tmp_path) as actor:
        await actor.write("/crash")
        assert "Nothing has been answered yet" in actor.words
        await actor.write(ENQUIRY)
        await actor.write("/tap 1")
        await actor.write("/crash")
        assert "undone: 2 messages, what leads.create had done" in actor.words
        assert "nothing is there twice" in actor.words
        assert await actor.count("leads") == 1
        assert actor.words.count("Your enquiry") == 1
        await actor.write("/back")
        assert "LEAD1" in actor.words  # as it was before the crash


async def test_a_second_delivery_changes_nothing(dsn: str, tmp_path: Path) -> None:
    async with on_screen(dsn, tmp_path) as actor:
        await actor.write("/dup")
        assert "Nothing has been delivered yet" in actor.words
        await actor.write(ENQUIRY)
        await actor.write("/dup")
        assert "known by its id, so nothing happened" in actor.words
        assert actor.words.count("Here is what I have") == 1


async def test_other_phones_are_tabs_with_marks(dsn: str, tmp_path: Path) -> None:
    async with on_screen(dsn, tmp_path) as actor:
        await actor.write(ENQUIRY)
        await actor.write("/tap 1")
        assert "●1" in actor.text("#tab-sales")
        await actor.click("#tab-sales")
        assert "New lead" in actor.words
        assert "●" not in actor.text("#tab-sales")
        await actor.press("f6")
        await actor.write("ISSUE TRP123 Vehicle breakdown at checkpoint")
        await actor.write("/photo the axle")
        await actor.write("/location")
        assert "INC1" in actor.words
        kinds = [
            item.said.kind for item in actor.items if isinstance(item, scenes.Bubble) and not item.said.by_business
        ]
        assert kinds == ["text", "photo", "location"]
        assert "about TRP123" in actor.text("#insight")
        await actor.write("/as cook")
        assert "Nobody here is cook" in actor.words


async def test_a_photo_can_be_a_file(dsn: str, tmp_path: Path) -> None:
    picture = tmp_path / "axle.png"
    picture.write_bytes(b"\x89PNG")
    async with on_screen(dsn, tmp_path) as actor:
        await actor.write(f"/photo {picture}")
        content = actor.session.played[-1].deed.content
        assert (content.filename, content.mime_type, len(content.sha256)) == ("axle.png", "image/png", 64)
        await actor.write("/photo axel.jpg")
        assert "There is no file axel.jpg." in actor.words
        assert len(actor.session.played) == 1


async def test_silence_and_failures_are_said(dsn: str, tmp_path: Path) -> None:
    content = copied_content(tmp_path)
    flow = content / "flows" / "customer" / "enquiry.yaml"
    flow.write_text(flow.read_text().replace("if: people >= 15", "if: trek.name >= people"))
    async with on_screen(dsn, tmp_path, content) as actor:
        await actor.write(ENQUIRY)
        await actor.write("/tap 1")
        assert "The turn failed: EngineError: `if:` in state 'lead'" in actor.words
        own = [item for item in actor.items if isinstance(item, scenes.Bubble) and not item.said.by_business]
        assert [item.read for item in own] == [True, False]
        await actor.write("/reset")
        await actor.write("I want to talk to a person")
        assert "sales has taken over" in actor.text("#title")
        await actor.write("hello?")
        assert "No answer; the panel tells why" in actor.words
        assert "a person has taken over" in actor.text("#insight")


async def test_the_entry_remembers_and_completes(dsn: str, tmp_path: Path) -> None:
    async with on_screen(dsn, tmp_path) as actor:
        entry = actor.app.query_one(Entry)
        await actor.write("hello")
        await actor.write("/dance")
        assert "There is no /dance" in actor.words
        await actor.press("up", "up")
        assert entry.value == "hello"
        await actor.press("down", "down")
        assert entry.value == ""
        await actor.press("slash", "w")
        assert "/wait 2h" in actor.text("#hints")
        await actor.press("a", "tab")
        assert entry.value == "/wait "
        await actor.press("5", "m", "enter")
        assert "5 min pass" in actor.words
        assert not actor.app.query_one(Hints).display


async def test_a_language_is_spoken(dsn: str, tmp_path: Path) -> None:
    async with on_screen(dsn, tmp_path) as actor:
        await actor.write("/lang fi")
        assert "from now on in suomi" in actor.words
        assert "There are no words in fi" in actor.words
        assert await actor.count("contacts WHERE language = 'fi'") == 1


async def test_a_narrow_terminal_shows_phone_or_panel(dsn: str, tmp_path: Path) -> None:
    async with on_screen(dsn, tmp_path, size=(80, 24)) as actor:
        panel, phone = actor.app.query_one(Panel), actor.app.query_one("#phone")
        await actor.write(ENQUIRY)
        assert (panel.display, phone.display) == (False, True)
        assert all(widget.region.right <= 80 for widget in actor.app.query("Bubble"))
        await actor.write("/why")
        assert (panel.display, phone.display) == (True, False)
        assert "enquiry.review" in actor.text("#insight")
        await actor.press("f2")
        assert (panel.display, phone.display) == (False, True)
        await actor.pilot.resize_terminal(140, 40)
        await actor.press("f2")
        assert (panel.display, phone.display) == (True, True)


async def test_light_and_dark(dsn: str, tmp_path: Path) -> None:
    async with on_screen(dsn, tmp_path) as actor:
        dark = actor.app.screen.styles.background
        await actor.press("f3")
        assert actor.app.screen.styles.background.brightness > dark.brightness
        await actor.press("f1")
        assert "/wait 2h" in actor.words


async def test_help_is_a_table_whose_lines_stay_in_their_columns(dsn: str, tmp_path: Path) -> None:
    async with on_screen(dsn, tmp_path, size=(60, 30)) as actor:
        await actor.press("f1")
        shown = actor.app.query_one(RemarkLine)
        lines = ["".join(part.text for part in shown.render_line(y)).rstrip() for y in range(shown.size.height)]
        assert next(line for line in lines if "/wait" in line).startswith("/wait 2h ")
        assert {len(line) - len(line.lstrip()) for line in lines if "/" not in line[:1]} == {23}


def test_the_picture_bears_the_initials_of_the_business() -> None:
    assert [initials(name) for name in ("Bike Shop", "Sirdar Treks and Tours", "zoo", "")] == ["BS", "ST", "Z", ""]
