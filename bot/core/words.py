"""How text is made comparable, and what a whole message means to the framework itself.

Everything here is matched against the whole of a short message, never inside a longer one, so that "can you help me
with a quote" is not taken for the word *help*.
"""

import re
import unicodedata
from functools import lru_cache

from rapidfuzz import process
from rapidfuzz.distance import OSA

from bot.core.phrasebook import (
    AROUND_ORDINALS,
    CONSENT_WORDS,
    CORRECTION,
    FILLERS,
    LANGUAGES,
    MAYBE,
    MAYBE_STOP,
    MORE,
    NO,
    ORDINALS,
    SKIP,
    UNIVERSAL_WORDS,
    YES,
)

__all__ = [
    "CONSENT_WORDS",
    "MAX_ANALYSED",
    "MAYBE_STOP",
    "MORE",
    "correction_words",
    "normalise",
    "place_in",
    "skips",
    "universal_in",
    "universal_words",
    "without_addresses",
    "without_correction",
    "yes_no_in",
    "yes_no_words",
]

MAX_ANALYSED = 600
"""Characters of a message that are looked at. People who write more are still heard: free-text slots keep all."""

_PUNCTUATION = str.maketrans(
    dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~“”„«»…–—·•¿¡।॥\u200b\u200d\u200e\u200f️♀♂', " ")
    | {"'": None, "’": None, "‘": None}
    | {chr(tone): None for tone in range(0x1F3FB, 0x1F400)}  # skin tones: a thumb is a thumb
)


_ACCENTS = re.compile("[\u0300-\u036f]")
_ADDRESS = re.compile(
    r"(?:https?://|www\.)\S+"
    r"|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|(?<![\w.-])(?:[\w-]+\.)+(?:(?:com|org|net|info|biz)(?:\.[a-z]{2})?\b(?:/\S*)?|[a-z]{2,5}/\S*)",
    re.IGNORECASE,
)
_STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
_ROMAN = re.compile("[ivxlcdm]+")


def normalise(text: str) -> str:
    """Lower case, no punctuation, accents or drawn-out letters, single spaces.

    At most `MAX_ANALYSED` characters are read.
    """
    text = text[:MAX_ANALYSED]
    if not text.isascii():
        text = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text)))
    words = text.casefold().translate(_PUNCTUATION).split()
    if _STRETCHED.search(text):
        words = [word if _ROMAN.fullmatch(word) else _STRETCHED.sub(r"\1", word) for word in words]
    return " ".join(words)


def without_addresses(text: str, instead: str = " ") -> str:
    """The text with something else in the place of web and e-mail addresses: their words are not its words."""
    text = text[:MAX_ANALYSED]
    return _ADDRESS.sub(instead, text) if "." in text else text


def _by_phrase(table: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {normalise(phrase) or phrase: meaning for meaning, phrases in table.items() for phrase in phrases}


@lru_cache(maxsize=64)
def universal_words(language: str) -> dict[str, str]:
    """Phrase → universal, in every language; this one and English win where they differ."""
    words: dict[str, str] = {}
    for code in _codes(language):
        words |= _by_phrase(UNIVERSAL_WORDS.get(code, {}))
    return words


@lru_cache(maxsize=64)
def yes_no_words(language: str) -> dict[str, str]:
    """Phrase → "yes", "no" or "maybe", in every language; this one and English win where they differ."""
    words: dict[str, str] = {}
    for code in _codes(language):
        words |= _by_phrase({"maybe": MAYBE.get(code, ()), "yes": YES.get(code, ()), "no": NO.get(code, ())})
    return words


@lru_cache(maxsize=1)
def _places() -> dict[str, int]:
    return {normalise(word): place for place, words in ORDINALS.items() for word in words}


_AROUND = frozenset(normalise(word) for word in AROUND_ORDINALS)


def place_in(normal: str) -> int | None:
    """The place a whole message chooses: 2 for "the second one", -1 for "el último"; None when it chooses none."""
    words = normal.split()
    if not 1 <= len(words) <= 4:
        return None
    rest = [word for word in words if word not in _AROUND]
    return _places().get(rest[0]) if len(rest) == 1 else None


def _codes(language: str) -> tuple[str, ...]:
    """All languages there are phrases in, the person's and English last."""
    return (*LANGUAGES, language[:2], "en")


_SYMBOL = re.compile("([\u2600-\u27bf\U0001f300-\U0001faff])")
_DRAWN_OUT = re.compile(r"(.)\1+")
_FILLERS = frozenset(normalise(word) or word for word in FILLERS)
_MAX_WORDS = 6
_OPENER = re.compile(r"\b(?:that(?:s|d be| is| would be)|it(?:d| would) be|i(?:d| would) say) ")
"""What may stand before a yes or no, and does not make it a question."""
_PUT_OFF = re.compile(
    r"\bthink (?:about it|it over|on it)\b|\b(?:let (?:you|u) know|get back to (?:you|u))\b"
    r"|\bneed to (?:think|decide)\b|\b(?:tell|inform|confirm to) (?:you|u) later\b|^(?:hmm )?we(?:ll| will) see$"
    r"|\b(?:pensarlo|pensarmelo|lo pensare|lo pienso)\b|\bluego (?:te|le|les|os) (?:digo|aviso|confirmo|cuento)\b"
    r"|\bte (?:digo|aviso|confirmo) (?:luego|despues)\b"
    r"|\bsoch(?:na|kar|ke|unga|ungi|enge| kar| ke)\b|\bbaad (?:me|mein) bata"
    r"|सोच(?:कर|ना|ूंगा|ूंगी|ेंगे| कर| के)|बाद में बता"
    r"|\bsochera\b|सोचेर|\bpach?hi bhan|पछि भन"
)
"""What puts an answer off: who thinks about it has not decided."""


@lru_cache(maxsize=64)
def _short_words(language: str) -> dict[str, str]:
    """As `yes_no_words`, by words without doubled letters."""
    found: dict[str, str] = {}
    for phrase, meaning in yes_no_words(language).items():
        short = _DRAWN_OUT.sub(r"\1", phrase)
        if len(short) >= 2 and short.isascii():
            found[short] = meaning if found.get(short, meaning) == meaning else ""
    return found


@lru_cache(maxsize=4096)
def yes_no_in(normal: str, language: str) -> str | None:
    """What a whole message means: "yes", "no" or "maybe", or None.

    Drawn out ("yesss", "nooo"), with others of its meaning ("haan ji bilkul", "ok 👍") or with words that add nothing
    ("ok bhai", "hmm not sure") it means the same. "Yes no" means nothing.

    Args:
        normal: What `normalise` made of the message.
        language: The person's.
    """
    words = yes_no_words(language)
    if normal in words:
        return words[normal]
    if len(normal) > 60:
        return None
    if _PUT_OFF.search(normal):
        return "maybe"
    normal = _OPENER.sub("", normal)
    parts = [part for part in _SYMBOL.sub(r" \1 ", normal).split() if part not in _FILLERS]
    if not parts or len(parts) > _MAX_WORDS:
        return None
    meanings = _meanings(parts, language)
    if "maybe" in meanings and None not in meanings:
        return "maybe"
    return meanings.pop() if len(meanings) == 1 else None


def _meanings(parts: list[str], language: str) -> set[str | None]:
    """What the phrases mean that the words consist of, the longest phrases possible, from left to right."""
    words = yes_no_words(language)
    meanings: set[str | None] = set()
    place = 0
    while place < len(parts):
        for end in range(len(parts), place, -1):
            phrase = " ".join(parts[place:end])
            meaning = words.get(phrase) if end - place > 1 else _word_meaning(phrase, language)
            if meaning is not None or end - place == 1:
                meanings.add(meaning)
                place = end
                break
    return meanings


def _word_meaning(word: str, language: str) -> str | None:
    meaning = yes_no_words(language).get(word)
    if meaning is None and len(word) >= 3 and word.isascii():
        short = _DRAWN_OUT.sub(r"\1", word)
        meaning = (_short_words(language).get(short) or None) if short != word else None
    return meaning


@lru_cache(maxsize=64)
def _skip_words(language: str) -> frozenset[str]:
    return frozenset(normalise(word) for code in _codes(language) for word in SKIP.get(code, ()))


def skips(normal: str, language: str) -> bool:
    """Whether a whole message leaves a question open that need not be answered."""
    return normal in _skip_words(language) or normal == ""


@lru_cache(maxsize=64)
def correction_words(language: str) -> frozenset[str]:
    """Words that make a message a correction, in every language."""
    return frozenset(word for code in _codes(language) for word in CORRECTION.get(code, ()))


@lru_cache(maxsize=64)
def _correction(language: str) -> re.Pattern[str]:
    """A correction begins or ends with one of the words, the longest possible."""
    found = {normalise(word) for word in correction_words(language)}
    words = "|".join(re.escape(word) for word in sorted(found, key=len, reverse=True))
    return re.compile(rf"(?:{words}) (?P<after>.+)|(?P<before>.+) (?:{words})")


@lru_cache(maxsize=4096)
def _nearly_universal(normal: str, language: str) -> str | None:
    near = process.extractOne(normal, _long_phrases(language), scorer=OSA.distance, processor=None, score_cutoff=1)
    return universal_words(language)[near[0]] if near else None


def universal_in(normal: str, language: str) -> str | None:
    """The universal a whole message means, with one typing mistake forgiven in words of five letters and more."""
    words = universal_words(language)
    if normal in words:
        return words[normal]
    return _nearly_universal(normal, language) if 5 <= len(normal) <= 24 else None


@lru_cache(maxsize=64)
def _long_phrases(language: str) -> tuple[str, ...]:
    return tuple(phrase for phrase in universal_words(language) if len(phrase) >= 5)


def without_correction(normal: str, language: str) -> str | None:
    """What is left of a correction ("no, 3 people" → "3 people"); None when the text does not sound like one."""
    match = _correction(language).fullmatch(normal) if " " in normal else None
    return match["after"] or match["before"] if match else None
