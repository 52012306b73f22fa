"""The exact JSON that Meta gets."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.messages import ButtonsOut, Choice, ListOut, Outgoing, TemplateOut, TextOut
from providers.base import OutboundMessage
from providers.fields import encode
from providers.meta.build import build, build_read
from providers.parameters import parameter_text

ENVELOPE = {
    "messaging_product": "whatsapp",
    "recipient_type": "individual",
    "to": "+15550142233",
    "biz_opaque_callback_data": "attempt:7",
}


def outbound(content: Outgoing = TextOut(body="Hi"), **changes: Any) -> OutboundMessage:  # noqa: B008
    known: dict[str, Any] = {"phone": "+15550142233", "user_id": None, "correlation": "attempt:7"}
    return OutboundMessage(content=content, **{**known, **changes})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (TextOut(body="Hi *you*"), {"type": "text", "text": {"body": "Hi *you*"}}),
        (
            TextOut(body="https://sirdar.example", preview_url=True),
            {"type": "text", "text": {"body": "https://sirdar.example", "preview_url": True}},
        ),
        (
            ButtonsOut(body="Sure?", buttons=(Choice(id="y", title="Yes"), Choice(id="n", title="No"))),
            {
                "type": "interactive",
                "interactive": {
                    "type": "button",
                    "body": {"text": "Sure?"},
                    "action": {
                        "buttons": [
                            {"type": "reply", "reply": {"id": "y", "title": "Yes"}},
                            {"type": "reply", "reply": {"id": "n", "title": "No"}},
                        ]
                    },
                },
            },
        ),
        (
            ListOut(
                body="When?",
                label="Times",
                rows=(Choice(id="1", title="11:00", description="two places"), Choice(id="2", title="12:00")),
            ),
            {
                "type": "interactive",
                "interactive": {
                    "type": "list",
                    "body": {"text": "When?"},
                    "action": {
                        "button": "Times",
                        "sections": [
                            {
                                "rows": [
                                    {"id": "1", "title": "11:00", "description": "two places"},
                                    {"id": "2", "title": "12:00"},
                                ]
                            }
                        ],
                    },
                },
            },
        ),
        (
            TemplateOut(name="hello", language="en_US"),
            {"type": "template", "template": {"name": "hello", "language": {"code": "en_US"}}},
        ),
        (
            TemplateOut(
                name="trip",
                language="de",
                parameters=("Ada", "Tor 3\n1010 Wien"),
                header_parameters=("42",),
                button_parameters=("", "a/42"),
            ),
            {
                "type": "template",
                "template": {
                    "name": "trip",
                    "language": {"code": "de"},
                    "components": [
                        {"type": "header", "parameters": [{"type": "text", "text": "42"}]},
                        {
                            "type": "body",
                            "parameters": [
                                {"type": "text", "text": "Ada"},
                                {"type": "text", "text": "Tor 3 1010 Wien"},
                            ],
                        },
                        {
                            "type": "button",
                            "sub_type": "url",
                            "index": "1",
                            "parameters": [{"type": "text", "text": "a/42"}],
                        },
                    ],
                },
            },
        ),
    ],
    ids=["text", "preview", "buttons", "list", "plain template", "template"],
)
def test_each_kind_has_its_json(content: Outgoing, expected: dict[str, Any]) -> None:
    assert build(outbound(content)) == {**ENVELOPE, **expected}


def test_a_reply_names_the_message_it_answers() -> None:
    assert build(outbound(reply_to="wamid.A"))["context"] == {"message_id": "wamid.A"}


def test_a_number_always_goes_out_with_its_plus() -> None:
    """Without it Meta may take the digits for a national number of the business's country."""
    assert build(outbound(phone="15550142233"))["to"] == "+15550142233"


def test_an_id_is_the_recipient_where_there_is_no_number() -> None:
    by_id = build(outbound(phone=None, user_id="US.1"))
    assert by_id["recipient"] == "US.1"
    assert "to" not in by_id
    assert "recipient" not in build(outbound(user_id="US.1"))


@pytest.mark.parametrize("changes", [{"phone": None}, {"phone": ""}, {"correlation": "x" * 513}])
def test_what_meta_cannot_take_is_not_built(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"neither|correlation"):
        build(outbound(**changes))


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("a\nb", "a b"),
        ("a \r\n\t b", "a b"),
        ("a\u2028b", "a b"),
        ("a    b", "a    b"),
        ("a     b", "a    b"),
        ("a" + " " * 40 + "b", "a    b"),
        (" a ", "a"),
        ("", ""),
    ],
)
def test_a_template_parameter_is_made_fit(given_text: str, expected: str) -> None:
    assert parameter_text(given_text) == expected


@given(st.text(st.sampled_from("ab \t\n\r\u2028")))
def test_no_template_parameter_breaks_metas_rule(text: str) -> None:
    fit = parameter_text(text)
    assert not set(fit) & set("\t\n\r\u2028")
    assert " " * 5 not in fit
    assert fit.replace(" ", "") == "".join(text.split())


def test_a_lone_surrogate_does_not_stop_a_message() -> None:
    sent = json.loads(encode(build(outbound(TextOut(body="a\ud800b")))))
    assert sent["text"]["body"] == "a�b"


def test_a_read_mark_and_typing_have_their_json() -> None:
    read = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.A"}
    assert build_read("wamid.A") == read
    assert build_read("wamid.A", typing=True) == {**read, "typing_indicator": {"type": "text"}}
