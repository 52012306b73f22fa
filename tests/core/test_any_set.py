"""`train` takes any labelled messages: few or many intents and examples, any script, duplicates, nothing at all."""

import math
import random

import pytest

from bot.core.nlu import classifier, train, train_argmax

WORDS = {
    script: words.split()
    for script, words in {
        "latin": "book cancel pay card lost fee trip where when how much refund change date room late early",
        "devanagari": "बुकिंग रद्द भुगतान कार्ड कहाँ कब कितना वापस तारीख कमरा देर यात्रा मौसम गाइड पैसे",
        "arabic": "حجز إلغاء دفع بطاقة أين متى كم استرداد تاريخ غرفة متأخر رحلة",
        "chinese": "预 订 取 消 付 款 卡 哪 里 何 时 多 少 退 日 期 房 间",
        "thai": "จอง ยกเลิก จ่าย บัตร ที่ไหน เมื่อไหร่ เท่าไหร่ คืนเงิน วันที่ ห้อง",
        "emoji": "🎉 🙏 👍 💳 ❌ 🏔️ 🚌 ☔ 🥶 🛏️",
    }.items()
}
Rows = list[tuple[str, str]]


def made(intents: int, each: int, script: str, seed: int = 1) -> Rows:
    """Random messages, each intent with some words that it favours."""
    rng = random.Random(seed)
    words = WORDS[script]
    rows = []
    for number in range(intents):
        own = rng.sample(words, 3)
        rows += [
            (" ".join([*rng.choices(own, k=3), *rng.choices(words, k=2)]), f"intent {number}") for _ in range(each)
        ]
    return rows


SETS: dict[str, Rows] = {
    **{f"{script}, 6 of 5": made(6, 5, script) for script in WORDS},
    "150 intents of one example": made(150, 1, "latin"),
    "2 intents of 200": made(2, 200, "latin"),
    "many for each, by separators": made(20, 10, "latin"),
    "one intent": [(f"hello {number}", "greet") for number in range(5)],
    "one example": [("hello", "greet")],
    "nothing": [],
    "the same text for all": [("pay now", f"intent {number}") for number in range(5) for _ in range(3)],
    "empty texts": [("", "nothing"), (" ", "nothing"), ("\n", "something"), ("…", "something")],
    "one large, one small": [*made(1, 150, "latin"), ("an altogether different matter", "rare")],
    "strange letters": [
        ("\ud800 a\x00b", "one"),
        ("\u202e\u200b", "two"),
        ("a" * 5000, "one"),
        ("<number> <x>", "two"),
    ],
}
TEXTS = ["book a trip", "", "   ", "مرحبا", "预订", "\ud83d", "x" * 4096, "<trek>", "1234567890", "मेरी बुकिंग", "🎉🎉"]


@pytest.mark.parametrize("name", SETS)
def test_any_set_can_be_learnt_and_any_text_asked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = SETS[name]
    if "separators" in name:
        monkeypatch.setattr(classifier, "MOST_COMPARED", 100)
    intents = {intent for _, intent in rows}
    predict, likeliest = train(rows), train_argmax(rows)
    texts = [*TEXTS, *(text for text, _ in rows[:40])]
    said = predict.batch(texts)
    assert said == [predict(text) for text in texts]
    for text, (intent, confidence) in zip(texts, said, strict=True):
        assert math.isfinite(confidence)
        assert 0.0 <= confidence <= 1.0
        assert intent is None or intent in intents
        best, sure = likeliest(text)
        assert best in intents or not intents
        assert sure == confidence
        assert intent in {None, best}
    assert [predict.argmax(text) for text in texts] == likeliest.batch(texts)


@pytest.mark.parametrize("script", [script for script in WORDS if script != "chinese"])
def test_examples_of_any_script_are_recognised(script: str) -> None:
    rows = made(6, 5, script)
    predict = train_argmax(rows)
    assert sum(predict(text)[0] == intent for text, intent in rows) >= 0.8 * len(rows)
