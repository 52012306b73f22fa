"""Every person in their own language: words, numbers, days, and how they change it."""

from pathlib import Path

import pytest
from talking import Business, Talk, blocks, fake_actions, titles, write_content

from bot.authoring.content import load_content
from bot.authoring.linter import check
from bot.core.book import FlowBook
from bot.core.conversation import Contact
from bot.core.effects import SetLanguage
from bot.core.languages import date_in, list_in, money_in, number_in
from bot.core.sandbox import Expression


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["15 December 2026", "December 2026", "15 Dec 2026", "1,234,567.5", "USD 145,000", "a, b and c",
          "a or b"]),
        ("hi", ["15 दिसंबर 2026", "दिसंबर 2026", "15 दिस॰ 2026", "12,34,567.5", "USD 1,45,000", "a, b, और c", "a या b"]),
        ("pt_BR", ["15 de dezembro de 2026", "dezembro de 2026", "15 de dez. de 2026", "1.234.567,5", "USD 145.000",
                   "a, b e c", "a ou b"]),
        ("xx", ["15 December 2026", "December 2026", "15 Dec 2026", "1,234,567.5", "USD 145,000", "a, b and c",
          "a or b"]),
    ],
)  # fmt: skip
def test_filters_follow_the_persons_language(language: str, expected: list[str]) -> None:
    sources = [
        "'2026-12-15' | date", "'2026-12' | date", "'2026-12-15' | date('short')", "1234567.5 | number",
        "145000 | money('USD')", "['a', 'b', 'c'] | human_list", "['a', 'b'] | human_list('or')",
    ]  # fmt: skip
    variables = {"contact": Contact(contact_id=1, language=language)}  # type: ignore[arg-type]
    assert [Expression(source)(variables) for source in sources] == expected


def test_what_is_no_date_or_number_stays_as_it_is() -> None:
    assert date_in("soon", "long", "en") == "soon"
    assert date_in("2026-13-01", "long", "en") == "2026-13-01"
    assert number_in("many", "hi") == "many"
    assert money_in(True, "USD", "en") == "True"
    assert money_in(1450.5, "USD", "en") == "USD 1,450.50"
    assert money_in({"amount": "99.00", "currency": "NPR"}, "", "en") == "NPR 99"
    assert money_in("2900.00", "USD", "en") == "USD 2,900"
    assert money_in("-12.50", "USD", "en") == "USD -12.50"
    assert money_in("2 people", "USD", "en") == "2 people"
    assert list_in([], "and", "en") == ""
    assert list_in(["a", "b"], "&", "en") == "a & b"


def test_the_shipped_flow_changes_the_language_for_good(book: FlowBook) -> None:
    person = Talk(book)
    assert "Which language" in person.text("please write in hindi")
    assert titles(person.said[0]) == ["English", "हिन्दी", "Español", "नेपाली"]
    assert person.tap("हिन्दी") == "ठीक है, अब से हिन्दी में।"
    assert person.of(SetLanguage) == [SetLanguage(language="hi")]
    assert person.conversation.contact.language == "hi"
    assert "Which language do you prefer?" in person.text("भाषा बदलो")
    assert person.text("english") == "Okay, English from now on."


def test_any_role_may_change_it_and_any_flow_may_call_it(book: FlowBook, tmp_path: Path) -> None:
    for roles in (("manager",), ("field_staff",), ()):
        assert ("Which language" in Talk(book, roles=roles).text("change the language")) is bool(roles)
    root = Path(__file__).parents[2]
    flow = """
flow: test
role: customer
start: {universals: [help]}
states: {a: {call: common/language, next: b}, b: {say: bye, end: x}}
"""
    names = [
        "flows/common/language.yaml",
        "templates/en/common/language.j2",
        "templates/hi/common/language.j2",
        "intents/any.yaml",
    ]
    files = {name: (root / name).read_text(encoding="utf-8") for name in names} | {
        "flows/customer/test.yaml": flow,
        "templates/en/customer/test.j2": blocks(bye="Bye"),
        "templates/hi/customer/test.j2": blocks(bye="नमस्ते"),
    }
    person = Talk(load_content(write_content(tmp_path, files), fake_actions()).book)
    person.text("help")
    assert person.text("hindi").endswith("नमस्ते")


def test_a_flow_written_in_another_language_falls_back_to_it(tmp_path: Path) -> None:
    files = {
        "flows/customer/test.yaml": "flow: test\nrole: customer\nlanguage: hi\nstart: {universals: [help]}\n"
        "states: {a: {say: [one, two], end: x}}",
        "templates/hi/customer/test.j2": blocks(one="एक", two="दो"),
        "templates/en/customer/test.j2": blocks(two="Two"),
        "templates/ne/customer/test.j2": blocks(),
    }
    book = load_content(write_content(tmp_path, files), fake_actions()).book
    assert Talk(book, language="en").text("help") == "एक\n---\nTwo"
    assert Talk(book, language="ne").text("help") == "एक\n---\nदो"


def test_commands_may_be_typed_in_other_languages(tmp_path: Path) -> None:
    files = {
        "flows/field_staff/test.yaml": "flow: test\nrole: field_staff\nslots: {note: {type: text}}\n"
        "commands:\n  ALL GOOD {note?}: {to: a}\nstates: {a: {say: got, end: x}}",
        "templates/en/field_staff/test.j2": blocks(got="Got {{ note }}"),
        "templates/hi/field_staff/test.j2": blocks(got="मिला {{ note }}", command_all_good="SAB THEEK, सब ठीक"),
    }
    book = load_content(write_content(tmp_path, files), fake_actions()).book
    guide = Talk(book, roles=("field_staff",), language="hi", business=Business())
    assert guide.text("सब ठीक हम पहुँचे") == "मिला हम पहुँचे"
    assert guide.text("sab theek namche") == "मिला namche"
    assert guide.text("ALL GOOD here") == "मिला here"


@pytest.mark.parametrize(
    ("word", "state"), [("madad", True), ("wapas", True), ("फिर से", True), ("haan", False), ("नहीं", False)]
)
def test_hindi_words_are_understood_by_everybody(tmp_path: Path, word: str, state: bool) -> None:
    flow = """
flow: test
role: customer
start: {universals: [help]}
states: {a: {ask: q, choices: {yes: Yes, no: No}, next: b}, b: {end: x}}
"""
    files = {"flows/customer/test.yaml": flow, "templates/en/customer/test.j2": blocks(q="Well?")}
    person = Talk(load_content(write_content(tmp_path, files), fake_actions()).book)
    person.text("help")
    person.text(word)
    assert bool(person.conversation.frames) is state


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("{a: {language: english, end: x}}", "`english` is no language. Write for example hi or pt_BR."),
        ('{a: {language: "{{ tongue }}", end: x}}', "There is no slot, result or variable `tongue`."),
    ],
)
def test_mistakes_are_named(tmp_path: Path, state: str, message: str) -> None:
    flow = f"flow: test\nrole: customer\nstart: {{universals: [help]}}\nstates: {state}"
    found = [str(one) for one in check(write_content(tmp_path, {"flows/customer/test.yaml": flow}), fake_actions())]
    assert any(message in one for one in found), found


def test_what_is_no_language_changes_nothing(tmp_path: Path) -> None:
    flow = """
flow: test
role: customer
start: {universals: [help]}
slots: {tongue: {type: text}}
states: {a: {form: [tongue], next: b}, b: {language: "{{ tongue }}", end: x}}
"""
    person = Talk(load_content(write_content(tmp_path, {"flows/customer/test.yaml": flow}), fake_actions()).book)
    person.text("help")
    person.text("Klingon; DROP TABLE")
    assert person.of(SetLanguage) == []
    assert person.conversation.contact.language == "en"
