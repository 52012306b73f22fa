"""Long texts come in parts that nobody sees were one, whatever they are written in."""

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.files import MAX_BYTES, kind_of, what_is_wrong
from bot.core.messages import MAX_TEXT, MediaKind
from bot.core.splitting import split_text

WHOLE = ["👨‍👩‍👧‍👦", "🇳🇵", "👍🏽", "é", "क्षि", "한", "❤️", "x", "…"]


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def graphemes(text: str) -> list[str]:
    return regex.findall(r"\X", text)


@pytest.mark.parametrize("whole", WHOLE)
@pytest.mark.parametrize("limit", [30, 31, 32, 33, 37])
def test_what_looks_like_one_character_is_never_cut(whole: str, limit: int) -> None:
    parts = split_text(whole * 100, limit)
    assert [one for part in parts for one in graphemes(part)] == graphemes(whole * 100)
    assert all(units(part) <= limit for part in parts)


@given(
    st.lists(st.sampled_from([*WHOLE, " ", "\n", "\n\n", ". ", "word", "\u0301", "\r\n", "\u200d"]), max_size=120),
    st.integers(25, 60),
)
@settings(max_examples=200)
def test_parts_are_whole_within_the_limit_and_lose_nothing(pieces: list[str], limit: int) -> None:
    text = "".join(pieces)
    parts = split_text(text, limit)
    assert "".join("".join(parts).split()) == "".join(text.split())
    for part in parts:
        assert units(part) <= limit or len(graphemes(part)) == 1
    short = all(units(one) <= limit for one in graphemes(text))
    if short:
        inside = [one for one in graphemes(text) if not one.isspace()]
        found = [one for part in parts for one in graphemes(part) if not one.isspace()]
        assert found == inside or " \u0301" in text or "\n\u0301" in text or " \u200d" in text or "\n\u200d" in text


def test_an_emoji_counts_as_two() -> None:
    assert [len(part) for part in split_text("👍" * 3000)] == [2048, 952]
    assert split_text("x" * MAX_TEXT) == ["x" * MAX_TEXT]
    assert [len(part) for part in split_text("x" * (MAX_TEXT + 1))] == [MAX_TEXT, 1]


def test_it_is_cut_where_it_disturbs_least() -> None:
    assert split_text("One two.\n\nThree four five six.", 24) == ["One two.", "Three four five six."]
    assert split_text("One two. Three four five", 20) == ["One two.", "Three four five"]
    assert split_text("onetwothree four", 13) == ["onetwothree", "four"]
    assert split_text("a" * 25, 10) == ["a" * 10, "a" * 10, "a" * 5]


def test_an_accent_on_a_space_keeps_its_space() -> None:
    first, second = split_text("aaaa \u0301bbbbbb", 8)
    assert (first, second) == ("aaaa \u0301bb", "bbbb")


def test_a_letter_longer_than_a_part_is_cut_rather_than_lost() -> None:
    monster = "a" + "\u0301" * 50
    assert "".join(split_text(monster, 20)) == monster


@pytest.mark.parametrize(
    ("media", "mime_type", "size", "wrong"),
    [
        ("image", "image/jpeg", 5 * 1024 * 1024, False),
        ("image", "image/jpeg", 5 * 1024 * 1024 + 1, True),
        ("image", "image/webp", 10, True),
        ("image", "IMAGE/JPG; q=1", 10, False),
        ("audio", "audio/ogg; codecs=opus", 10, False),
        ("audio", "audio/wav", 10, True),
        ("video", "video/mp4", 16 * 1024 * 1024 + 1, True),
        ("sticker", "image/webp", 501 * 1024, True),
        ("document", "application/x-anything", 100 * 1024 * 1024, False),
        ("document", None, 100 * 1024 * 1024 + 1, True),
        ("document", "application/pdf", 0, True),
        ("video", None, None, False),
    ],
)
def test_files_are_checked_by_type_and_size(
    media: MediaKind, mime_type: str | None, size: int | None, wrong: bool
) -> None:
    assert (what_is_wrong(media, mime_type, size) is not None) is wrong


def test_a_provider_may_take_less() -> None:
    assert what_is_wrong("document", "application/pdf", 17 * 1024 * 1024, most=16 * 1024 * 1024)
    assert not what_is_wrong("document", "application/pdf", MAX_BYTES["document"])


@pytest.mark.parametrize(
    ("mime_type", "kind"),
    [
        ("image/jpg", "image"),
        ("image/webp", "document"),
        ("audio/mp3", "audio"),
        ("video/3gp", "video"),
        ("x", "document"),
    ],
)
def test_a_file_is_sent_as_what_whatsapp_takes(mime_type: str, kind: MediaKind) -> None:
    assert kind_of(mime_type) == kind
