"""Words the framework itself understands, per language, and how text is made comparable.

Everything here is matched against the whole of a short message, never inside a longer one, so that "can you help me
with a quote" is not taken for the word *help*.
"""

import re
import unicodedata
from functools import lru_cache

from rapidfuzz import process
from rapidfuzz.distance import OSA

MAX_ANALYSED = 600
"""Characters of a message that are looked at. People who write more are still heard: free-text slots keep all."""

_PUNCTUATION = str.maketrans(
    dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~“”„«»…–—·•¿¡।॥\u200b\u200e\u200f️', " ")
    | {"'": None, "’": None, "‘": None}
    | {chr(tone): None for tone in range(0x1F3FB, 0x1F400)}  # skin tones: a thumb is a thumb
)


def normalise(text: str) -> str:
    """Lower case, no punctuation, single spaces; at most `MAX_ANALYSED` characters are read."""
    text = text[:MAX_ANALYSED]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().translate(_PUNCTUATION).split())


YES: dict[str, tuple[str, ...]] = {
    "en": (
        "yes", "y", "yeah", "yep", "yup", "ya", "ok", "okay", "k", "sure", "of course", "correct", "right", "confirm",
        "confirmed", "go ahead", "yes please", "please do", "looks good", "sounds good", "all good", "perfect", "great",
        "thats right", "do it", "send it", "absolutely", "definitely", "certainly", "yess", "yesss", "yea", "okey",
        "okk",
        "fine", "done", "agreed", "exactly", "of course yes", "ok sure", "yes sure", "yes ok", "yes correct",
        "yes thats right", "👍", "✅", "👌", "✔", "🆗", "💯", "👍👍",
    ),
    "hi": ("haan", "han", "ha", "haan ji", "ji", "ji haan", "theek hai", "thik hai", "bilkul", "sahi",
           "sahi hai", "haanji", "hanji", "haan haan", "accha", "acha", "kar do", "chalega", "hao", "हाँ",
           "हां", "हा", "जी", "अच्छा", "सही है", "चलेगा",
           "जी हाँ", "जी हां", "ठीक है", "बिल्कुल", "सही"),
}  # fmt: skip
NO: dict[str, tuple[str, ...]] = {
    "en": (
        "no",
        "n",
        "nope",
        "nah",
        "no thanks",
        "no thank you",
        "not now",
        "wrong",
        "dont",
        "never",
        "no way",
        "not really",
        "incorrect",
        "thats wrong",
        "not correct",
        "noo",
        "nooo",
        "not ok",
        "👎",
        "❌",
        "🚫",
        "✖",
        "🙅",
    ),
    "hi": (
        "nahi",
        "nahin",
        "na",
        "nahi ji",
        "mat",
        "galat",
        "nhi",
        "nai",
        "bilkul nahi",
        "galat hai",
        "mat karo",
        "नहीं",
        "नही",
        "जी नहीं",
        "मत",
        "गलत",
    ),
}
MAYBE: dict[str, tuple[str, ...]] = {
    "en": ("maybe", "perhaps", "possibly", "not sure", "im not sure", "might", "i dont know", "dont know", "dunno",
           "not decided", "undecided", "lets see", "will see", "depends", "🤔", "🤷"),
    "hi": ("shayad", "pata nahi", "dekhte hain", "dekhenge", "sochna hai", "शायद", "पता नहीं", "देखते हैं"),
}  # fmt: skip
SKIP: dict[str, tuple[str, ...]] = {
    "en": ("skip", "skip it", "skip this", "none", "nothing", "no", "nope", "na", "n a", "not applicable", "no thanks",
           "dont have", "i dont have one", "dont have one", "dont know", "i dont know", "not sure", "next", "leave it",
           "no preference", "nil", "pass"),
    "hi": ("nahi", "nahin", "koi nahi", "kuch nahi", "pata nahi", "chhodo", "नहीं",
           "कोई नहीं", "कुछ नहीं", "पता नहीं", "छोड़ो"),
}  # fmt: skip
CORRECTION: dict[str, tuple[str, ...]] = {
    "en": ("no", "not", "sorry", "actually", "change", "make it", "make that", "i meant", "i mean", "instead",
           "correction", "wait", "oops", "rather", "update"),
    "hi": ("nahi", "nahin", "galat", "badlo", "नहीं", "बदलो", "बदलें"),
}  # fmt: skip

UNIVERSAL_WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "help": ("help", "menu", "options", "what can you do", "commands", "how does this work", "info"),
        "back": ("back", "go back", "previous", "undo"),
        "cancel": ("cancel", "quit", "exit", "end", "never mind", "nevermind", "forget it", "abort", "leave it"),
        "restart": ("restart", "start over", "start again", "begin again", "reset", "from the beginning"),
        "repeat": ("repeat", "again", "say that again", "what was the question", "pardon", "come again"),
        "agent": (
            "agent", "human", "talk to a person", "talk to someone", "talk to a human", "talk to an agent", "person",
            "real person", "representative", "speak to someone", "speak to a person", "speak to a human", "call me",
            "operator", "customer care", "support", "i want to talk to a person", "can i talk to someone",
            "connect me to a person", "connect me to an agent",
        ),
    },
    "hi": {
        "help": ("madad", "sahayata", "मदद", "सहायता", "मेनू"),
        "back": ("wapas", "vapas", "peeche", "piche", "वापस", "पीछे"),
        "cancel": ("radd", "radd karo", "cancel karo", "rehne do", "रद्द", "रद्द करो", "रहने दो", "छोड़ो"),
        "restart": ("phir se shuru", "shuru se", "dobara shuru", "फिर से शुरू", "शुरू से"),
        "repeat": ("phir se", "dobara", "fir se", "फिर से", "दोबारा"),
        "agent": ("insaan", "kisi se baat", "baat karni hai", "baat karo", "किसी से बात", "इंसान", "बात करनी है"),
    },
}  # fmt: skip

CONSENT_WORDS: dict[str, str] = {
    "stop": "stop", "unsubscribe": "stop", "opt out": "stop", "optout": "stop", "stop all": "stop", "stopall": "stop",
    "revoke": "stop", "stop messages": "stop", "no more messages": "stop", "message band karo": "stop",
    "message mat bhejo": "stop", "बंद करो": "stop", "संदेश बंद करो": "stop", "संदेश मत भेजो": "stop",
    "start": "start", "unstop": "start", "subscribe": "start", "opt in": "start", "optin": "start",
    "message shuru karo": "start", "संदेश शुरू करो": "start",
}  # fmt: skip
"""Words that withdraw or give consent to messages, in any language. They come before everything, so no flow may use
them. WhatsApp reserves none: finding them is up to us."""
MORE = frozenset({"more", "show more", "next", "next page", "others", "aur", "aur dikhao", "और", "और दिखाओ", "…"})
"""Words that turn the page of a long list of choices."""
MAYBE_STOP = frozenset({"cancel", "end", "quit", "exit", "radd karo", "रद्द करो"})
"""Words that may mean STOP. In a conversation they mean what they mean there; outside of any we ask."""


def _by_phrase(table: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {normalise(phrase) or phrase: meaning for meaning, phrases in table.items() for phrase in phrases}


@lru_cache(maxsize=64)
def universal_words(language: str) -> dict[str, str]:
    """Phrase → universal, for a language and English, which everybody may use."""
    words: dict[str, str] = {}
    for code in ("hi", language, "en"):
        words |= _by_phrase(UNIVERSAL_WORDS.get(code, {}))
    return words


@lru_cache(maxsize=64)
def yes_no_words(language: str) -> dict[str, str]:
    """Phrase → "yes", "no" or "maybe", for a language and English."""
    words: dict[str, str] = {}
    for code in ("hi", language, "en"):
        words |= _by_phrase({"maybe": MAYBE.get(code, ()), "yes": YES.get(code, ()), "no": NO.get(code, ())})
    return words


@lru_cache(maxsize=64)
def _skip_words(language: str) -> frozenset[str]:
    return frozenset(normalise(word) for code in ("en", "hi", language) for word in SKIP.get(code, ()))


def skips(normal: str, language: str) -> bool:
    """Whether a whole message leaves a question open that need not be answered."""
    return normal in _skip_words(language) or normal == ""


@lru_cache(maxsize=64)
def _correction(language: str) -> re.Pattern[str]:
    """A correction begins or ends with one of the words, the longest possible."""
    found = {normalise(word) for code in ("en", "hi", language) for word in CORRECTION.get(code, ())}
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
