"""WhatsApp's rules for message templates: what would be refused after hours of review is refused here at once."""

import pytest
from pydantic import ValidationError

from bot.core.headers import HeaderMedia, read_header
from bot.core.messages import LocationOut, MediaOut
from bot.core.whatsapp import WhatsAppTemplate, current_category, normal_status, sendable

GOOD = {"name": "x", "category": "UTILITY", "body": "Hi {{1}}, all is well.", "examples": ["Asha"]}
URL = {"type": "url", "text": "Pay", "url": "https://a.example/{{1}}", "example": "https://a.example/7"}
QUICK = {"type": "quick_reply", "text": "Yes"}
CALL = {"type": "phone_number", "text": "Call", "phone_number": "+15550100200"}
CODE = {"type": "copy_code", "example": "SAVE10"}


def buttons(*given: dict[str, object]) -> dict[str, object]:
    """Buttons with texts of their own."""
    return {"buttons": [one | {"text": f"{one.get('text', 'Code')} {place}"} for place, one in enumerate(given)]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"category": "GREETING"}, "UTILITY"),
        ({"category": "OTP"}, "writes AUTHENTICATION templates itself"),
        ({"body": "{{1}} is here."}, "neither begin nor end"),
        ({"body": "Pay {{1}}"}, "neither begin nor end"),
        ({"body": "Hi {{2}}, x."}, "in order"),
        ({"body": "Hi {{2}} and {{1}} too.", "examples": ["a", "b"]}, "in order"),
        ({"body": "Hi {{1}} {{2}} x.", "examples": ["a", "b"]}, "side by side"),
        ({"body": "Hi {{name}}, {{1}} is x.", "examples": ["a", "b"]}, "neither"),
        ({"body": "Hi {{First-Name}}, all is x."}, "neither"),
        ({"body": "Hi {{name}}, all is well."}, "a mapping"),
        ({"body": "Hi {{name}}, all is well.", "examples": {"nome": "Ada"}}, "nothing for `name`"),
        ({"examples": {"1": "Ada"}}, "a list"),
        ({"body": "A {{1}}, {{2}} - {{3}} b.", "examples": ["a", "b", "c"]}, "more variables than words"),
        ({"examples": []}, "write 1"),
        ({"examples": ["two\nlines"]}, "line break"),
        ({"examples": ["far     away"]}, "four spaces"),
        ({"examples": [" "]}, "is empty"),
        ({"examples": ["x" * 1024]}, "longer than 1024 characters once"),
        ({"header": "{{1}} and {{2}}", "header_example": "a"}, "one variable"),
        ({"header": "For {{1}}"}, "header_example"),
        ({"header": "For {{2}}", "header_example": "a"}, "counted by itself"),
        ({"header": "Two\nlines"}, "one line"),
        ({"header": "x" * 61}, "60"),
        ({"header_media": "image"}, "no `header_example:`"),
        ({"header_media": "image", "header_example": "map.gif"}, "name ends in .jpg"),
        ({"header_media": "document", "header_example": "/etc/passwd.pdf"}, "a path below"),
        ({"header_media": "document", "header_example": "a/../../b.pdf"}, "a path below"),
        ({"header_media": "document", "header_example": "http://x.example/b.pdf"}, "a path below"),
        ({"header_media": "location", "header_example": "a.pdf"}, "needs no"),
        ({"header_media": "image", "header_example": "a.jpg", "header": "News"}, "not both"),
        ({"footer": "By {{1}}"}, "footer"),
        ({"footer": "x" * 61}, "60"),
        ({"name": "Payment Reminder"}, "pattern"),
        ({"name": "x" * 513}, "pattern"),
        ({"language": "english"}, "pattern"),
        ({"body": "x" * 1025, "examples": []}, "1024"),
        ({"ttl_seconds": 29}, "30 to 43200"),
        ({"category": "MARKETING", "ttl_seconds": 3600}, "43200 to 2592000"),
        ({"buttons": [URL | {"url": "{{5}}"}]}, "https"),
        ({"buttons": [URL | {"url": "https://a.example/{{1}}/b"}]}, "very end"),
        ({"buttons": [URL | {"example": None}]}, "example"),
        ({"buttons": [URL | {"example": "7"}]}, "write a whole"),
        ({"buttons": [URL | {"url": "https://a.example/" + "x" * 1983}]}, "2000"),
        ({"buttons": [CALL | {"phone_number": "call us"}]}, "pattern"),
        ({"buttons": [CALL | {"phone_number": "+" + "1" * 20}]}, "pattern"),
        ({"buttons": [QUICK | {"phone_number": "+15550100200"}]}, "phone_number"),
        ({"buttons": [QUICK | {"url": "https://a.example"}]}, "URL button"),
        ({"buttons": [QUICK | {"text": "x" * 26}]}, "25"),
        ({"buttons": [QUICK | {"text": "Hi {{1}}"}]}, "no variables"),
        ({"buttons": [{"type": "quick_reply"}]}, "no `text:`"),
        ({"buttons": [CODE | {"example": "x" * 16}]}, "15 characters"),
        ({"buttons": [QUICK, QUICK]}, "same text"),
        (buttons(*[QUICK] * 11), "10"),
        (buttons(URL, URL, URL), "two URL buttons"),
        (buttons(CALL, CALL), "one phone button"),
        (buttons(CODE, CODE), "one copy code button"),
        (buttons(QUICK, URL, QUICK), "stand together"),
    ],
)
def test_what_whatsapp_refuses(change: dict[str, object], message: str) -> None:
    WhatsAppTemplate.model_validate(GOOD)
    with pytest.raises(ValidationError, match=message):
        WhatsAppTemplate.model_validate(GOOD | change)


@pytest.mark.parametrize(
    "change",
    [
        buttons(*[QUICK] * 10),
        buttons(QUICK, QUICK, URL, URL, CALL, CODE),
        buttons(URL, CALL, QUICK),
        {"header_media": "video", "header_example": "https://cdn.example.com/films/a%20b.mp4?v=2"},
        {"header_media": "location"},
        {"language": "pt_BR", "ttl_seconds": 30, "header": "For {{1}}", "header_example": "Asha"},
        {"body": "Hi {{name}}, {{trip}} is near, {{name}}!", "examples": {"trip": "EBC", "name": "Ada"}},
        {"body": "x" * 1024, "examples": []},
        {"category": "MARKETING", "ttl_seconds": 43_200},
    ],
)
def test_what_whatsapp_takes(change: dict[str, object]) -> None:
    WhatsAppTemplate.model_validate(GOOD | change)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("TRANSACTIONAL", "UTILITY"), ("transactional", "UTILITY"), ("PAYMENT_UPDATE", "UTILITY"),
        ("OTP", "AUTHENTICATION"), ("MARKETING", "MARKETING"),
    ],
)  # fmt: skip
def test_old_categories_mean_todays(old: str, new: str) -> None:
    assert current_category(old) == new


def test_a_template_of_an_old_category_is_one_of_todays() -> None:
    assert WhatsAppTemplate.model_validate(GOOD | {"category": "TRANSACTIONAL"}).category == "UTILITY"


@pytest.mark.parametrize(
    ("word", "status", "may"),
    [
        ("approved", "APPROVED", True), ("REINSTATED", "APPROVED", True), ("FLAGGED", "FLAGGED", True),
        ("submitted", "PENDING", False), ("received", "PENDING", False), ("unsubmitted", "DRAFT", False),
        ("PAUSED", "PAUSED", False), ("PENDING_DELETION", "PENDING_DELETION", False), ("NEW_WORD", "NEW_WORD", False),
    ],
)  # fmt: skip
def test_every_word_for_a_status(word: str, status: str, may: bool) -> None:
    assert (normal_status(word), sendable(word)) == (status, may)


def test_parameters_fill_names_in_the_order_in_which_they_appear() -> None:
    named = {"body": "Hi {{name}}, {{trip}} is near, {{name}}!", "examples": {"trip": "EBC", "name": "Ada"}}
    template = WhatsAppTemplate.model_validate(GOOD | named)
    assert (template.named, template.parameter_names, template.example_values) == (
        True, ["name", "trip"], ["Ada", "EBC"],
    )  # fmt: skip
    assert template.fill(["Bo", "ABC"]) == "Hi Bo, ABC is near, Bo!"


def test_a_template_as_text() -> None:
    template = WhatsAppTemplate.model_validate(GOOD | {"header": "News", "footer": "Us"})
    assert template.fill(["Asha {{2}}"]) == "*News*\nHi Asha {{2}}, all is well.\n_Us_"


def test_values_fill_the_body_then_the_header_then_the_buttons() -> None:
    parts = {"header": "For {{1}}", "header_example": "x", "buttons": [QUICK, URL, CODE]}
    template = WhatsAppTemplate.model_validate(GOOD | parts)
    assert template.value_count == 4
    message = template.message(["Asha", "EBC", "BKG7", "SAVE"], "hi")
    assert (message.language, message.parameters, message.names) == ("hi", ("Asha",), ())
    assert (message.header_parameters, message.button_parameters) == (("EBC",), ("", "BKG7", "SAVE"))
    assert template.fill(["Asha", "EBC", "BKG7", "SAVE"]).startswith("*For EBC*\nHi Asha")
    named = {"body": "Hi {{name}}, all is {{how}} now.", "examples": {"name": "a", "how": "b"}}
    sent = WhatsAppTemplate.model_validate(GOOD | named).message(["Ada", "well"], "en")
    assert (sent.names, sent.parameters, sent.header_names) == (("name", "how"), ("Ada", "well"), ())


def test_what_may_be_refused_is_only_a_caution() -> None:
    template = WhatsAppTemplate.model_validate(
        GOOD | {"body": "Hi {{1}}, {{2}} ok.", "examples": ["a", "b"]}
        | {"buttons": [QUICK | {"text": "x" * 21}, URL | {"url": "http://a.example"}]}
    )  # fmt: skip
    told = template.cautions()
    assert [next(word for word in ("few words", "Twilio", "https") if word in one) for one in told] == [
        "few words", "Twilio", "https",
    ]  # fmt: skip
    assert WhatsAppTemplate.model_validate(GOOD).cautions() == []


@pytest.mark.parametrize(
    ("kind", "value", "header"),
    [
        ("image", "17", MediaOut(media="image", file="17")),
        ("image", "https://x.example/a.jpg", MediaOut(media="image", link="https://x.example/a.jpg")),
        ("document", "https://x.example/d/a%20b.pdf?t=1",
         MediaOut(media="document", link="https://x.example/d/a%20b.pdf?t=1", filename="a b.pdf")),
        ("location", "27.5,-86.25|Base camp|Khumbu, Nepal",
         LocationOut(latitude=27.5, longitude=-86.25, name="Base camp", address="Khumbu, Nepal")),
        ("location", " 27.5 , 86 ", LocationOut(latitude=27.5, longitude=86)),
    ],
)  # fmt: skip
def test_what_stands_above_the_body_is_told_by_one_value(kind: HeaderMedia, value: str, header: object) -> None:
    found = read_header(kind, value)
    assert (found.location or found.media) == header


@pytest.mark.parametrize(
    ("kind", "value"),
    [("image", "–"), ("image", "http://x.example/a.jpg"), ("image", "https://"), ("image", "https://x y/a.jpg"),
     ("image", "file:///etc/passwd"), ("image", "https://a@b.example/x.jpg"), ("location", "91,0"), ("location", "x"),
     ("location", "27.5"), ("document", "१२")],
)  # fmt: skip
def test_what_is_no_file_or_place_is_refused_before_anybody_sends_it(kind: HeaderMedia, value: str) -> None:
    with pytest.raises(ValueError, match="The header is"):
        read_header(kind, value)


def test_people_inside_their_window_get_the_link_or_the_place_in_words() -> None:
    parts = {"header_media": "document", "header_example": "a.pdf"}
    template = WhatsAppTemplate.model_validate(GOOD | parts)
    values = ["Ada", "https://x.example/i.pdf"]
    assert template.value_count == 2
    assert template.fill(values).startswith("https://x.example/i.pdf\n")
    place = WhatsAppTemplate.model_validate(GOOD | {"header_media": "location"})
    assert place.fill(["Ada", "27.5,86|Base camp|Khumbu"]).startswith("Base camp, Khumbu\n")
    assert template.signature != place.signature
