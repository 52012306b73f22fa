"""From what people write to the canonical vocabulary, so that one grammar reads every language.

Languages differ in words more than in the order of figures and nouns: "१५ दिसंबर", "15 disambar" and "15 de diciembre"
are all "15 december" once the words are replaced. Devanagari tells by itself what it is; words in Latin letters that
several languages share need company ("do log", "teen hafte"), or the language the person is known to speak. What is not
known stays as it is.
"""

import re
import unicodedata
from functools import lru_cache

from bot.core.entities import hindi, nepali, spanish
from bot.core.entities.idioms import SHORTHAND, plain, unmistaken

MAX_READ = 400
"""Characters of a message in which values are looked for: what somebody says beyond, a flow asks for."""
_NASALS = re.compile("न्(?=[त-नट-ढ])|म्(?=[प-म])|ण्(?=[ट-ण])|ञ्(?=[च-ञ])|ङ्(?=[क-ङ])")
_ALIKE = str.maketrans({"\u093c": None, "\u0901": "\u0902", "\u0940": "\u093f", "\u0942": "\u0941", "\u200d": None})


def skeleton(word: str) -> str:
    """A word in Devanagari without what people leave out or confuse: dots, nasal signs, long and short i and u."""
    word = unicodedata.normalize("NFD", word).translate(_ALIKE)
    return _NASALS.sub("\u0902", word)


def _by_skeleton(*tables: dict[str, str]) -> dict[str, str]:
    return {skeleton(word): meaning for table in tables for word, meaning in table.items()}


def _digits(table: dict[str, int]) -> dict[str, str]:
    """The grammars know digits better than any word."""
    return {word: str(number) for word, number in table.items()}


_DEVANAGARI = _by_skeleton(
    nepali.DEVANAGARI, _digits(nepali.DEVANAGARI_NUMBERS), hindi.DEVANAGARI, _digits(hindi.DEVANAGARI_NUMBERS)
)  # fmt: skip
_SUFFIXES = sorted(
    ((skeleton(word), meaning) for word, meaning in nepali.SUFFIXES.items()), key=lambda one: -len(one[0])
)
_ENDINGS = tuple(word for word, _ in _SUFFIXES)
_MOST_ENDINGS = 4
"""Postpositions that are taken off a word; nobody writes more of them."""
_LATIN = hindi.LATIN | nepali.LATIN | _digits(hindi.LATIN_NUMBERS | nepali.LATIN_NUMBERS)
_DOUBTFUL = hindi.ALSO_ENGLISH | hindi.DOUBTFUL | frozenset(nepali.DOUBTFUL)
_ALL_LATIN = _LATIN | nepali.DOUBTFUL
_TOKENS = (frozenset(_ALL_LATIN) | frozenset(SHORTHAND)) - {"jan"}
_DEVANAGARI_RUN = re.compile("[\u0900-\u0963\u0970-\u097f\u200d]+")
_FIGURES = str.maketrans({chr(0x0966 + digit): str(digit) for digit in range(10)} | {"\u20e3": None, "\ufe0f": None})
_BEFORE_MARK = re.compile(" (?=[,.!?;])")
_EDGES = ".,!?;:()"
_WORDS = re.compile(r"[a-z]+")


def lowered(text: str) -> str:
    """Lower case, single spaces, plain apostrophes; at most `MAX_READ` characters."""
    return " ".join(text[:MAX_READ].lower().replace("’", "'").split())


def canonical(lower: str, language: str = "en") -> tuple[str, list[str]]:
    """The text in the one vocabulary that the grammars know, and the words it consists of.

    Args:
        lower: What `lowered` made of it.
        language: The person's, as far as it is known: it decides about words that several languages have.
    """
    if not lower.isascii():
        lower = unicodedata.normalize("NFKC", lower)[:MAX_READ].lower().translate(_FIGURES)
        lower = _DEVANAGARI_RUN.sub(_from_devanagari, lower)
        if not lower.isascii():
            lower = spanish.folded(lower)
        lower = _BEFORE_MARK.sub("", " ".join(lower.split()))
    tokens = lower.split()
    tokens = _spelled(tokens)
    lower = " ".join(tokens)
    words: list[str] = _WORDS.findall(lower)
    if spanish.is_spanish(lower, words, language):
        lower = spanish.canonical_of(lower, language)
        words = _WORDS.findall(lower)
    elif not _TOKENS.isdisjoint(words):
        lower = _from_latin(tokens, language)
        words = _WORDS.findall(lower)
    made = plain(lower, words)
    return (lower, words) if made == lower else (made, _WORDS.findall(made))


def _spelled(tokens: list[str]) -> list[str]:
    """Telling words without typing mistakes."""
    made: list[str] = []
    for token in tokens:
        word = token.strip(_EDGES)
        meant = unmistaken(word) if word.isalnum() and word.isascii() else word
        made.append(token if meant == word else token.replace(word, meant, 1))
    return made


# --- Devanagari -------------------------------------------------------------------------------------------------------

_COUNTED_NEXT = re.compile(r" ?(?:जना|बजे|दिन|हप्ता|महिना|घण्टा|घन्टा|रात|लाख|हजार|सय|साढे)")


def _from_devanagari(match: re.Match[str]) -> str:
    word, text = match[0], match.string
    if word == nepali.SIX:
        alone = text.strip(" .!?।") == word
        before = text[: match.start()].rstrip()
        six = alone or _COUNTED_NEXT.match(text, match.end()) is not None or before.endswith(("साढे", "sadhe"))
        return " 6 " if six else f" {word} "
    if word == nepali.MAY:
        near = (
            text[: match.start()].rstrip()[-1:].isdigit() or text[match.end() : match.end() + 2].strip()[:1].isdigit()
        )
        named = text[match.end() :].lstrip().startswith(("महिना", "महीना"))
        return " may " if near or named or text.strip(" .!?।") == word else " mein "
    return f" {_known_devanagari(word) or word} "


@lru_cache(maxsize=8192)
def _known_devanagari(word: str) -> str | None:
    return _of_devanagari(skeleton(word))


def _of_devanagari(word: str, most: int = _MOST_ENDINGS) -> str | None:
    """What a word means, so many postpositions taken off; None when it is not known."""
    known = _DEVANAGARI.get(word)
    if known is not None:
        return known
    if not most or not word.endswith(_ENDINGS):
        return None
    for ending, meaning in _SUFFIXES:
        if len(word) > len(ending) and word.endswith(ending):
            stem = _of_devanagari(word[: -len(ending)], most - 1)
            if stem is not None:
                return f"{stem} {meaning}".strip()
    return None


# --- Hindi and Nepali in Latin letters --------------------------------------------------------------------------------


def _from_latin(tokens: list[str], language: str) -> str:
    """A word at a time; words that are also English only where Hindi or Nepali surrounds them."""
    words = [token.strip(_EDGES) for token in tokens]
    told = language[:2] in {"hi", "ne"}
    nepalese = language.startswith("ne") or not nepali.TELLING.isdisjoint(words)
    made: list[str] = []
    for place, (token, word) in enumerate(zip(tokens, words, strict=True)):
        meaning = _ALL_LATIN.get(word) if word in _LATIN or nepalese else None
        if meaning is None or (word in _DOUBTFUL and not _is_meant(words, place, told=told, nepalese=nepalese)):
            made.append(_in_pieces(token) if "-" in token else token)
        else:
            made.append(token.replace(word, meaning, 1))
    return " ".join(made)


def _in_pieces(token: str) -> str:
    """As in "do-teen"."""
    numbers = [hindi.LATIN_NUMBERS.get(part) or nepali.LATIN_NUMBERS.get(part) for part in token.split("-")]
    return "-".join(map(str, numbers)) if all(numbers) else token


def _is_meant(words: list[str], place: int, *, told: bool, nepalese: bool) -> bool:
    """Whether a doubtful word is Hindi or Nepali here."""
    word = words[place]
    if len(words) == 1:
        return word in hindi.ALSO_ENGLISH
    after = words[place + 1] if place + 1 < len(words) else ""
    before = words[place - 1] if place else ""
    if word in nepali.DOUBTFUL:
        return nepalese
    if word == "saath" and before in _WITH_WHOM:
        return False
    if word not in hindi.ALSO_ENGLISH:
        return told or nepalese or _is_company(before) or _is_company(after)
    if after in hindi.ALSO_ENGLISH or after in {"ya", "wa"} or after in _SURE_NUMBERS:
        return place + 2 < len(words) and (words[place + 2] in hindi.COUNTED or words[place + 2] in _SURE_NUMBERS
                                           or place + 3 == len(words))  # fmt: skip
    if before in {"ya", "wa"} and not after:
        return True
    return (
        after in hindi.COUNTED
        or (word != "do" and after in _ENGLISH_UNITS)
        or (
            before in hindi.BEFORE
            and (after in {"", "hain", "hai", "honge", "log"} or before in {"sadhe", "saadhe", "saade", "sade"})
        )
    )


_ENGLISH_UNITS = frozenset(["minutes", "minute", "hours", "hour", "days", "day", "weeks", "nights", "months", "rooms"])
_WITH_WHOM = frozenset(["mere", "mera", "mero", "hamare", "apne", "ke"])
"""Before them, *saath* is "with", and sixty nowhere."""
_SURE_NUMBERS = (frozenset(hindi.LATIN_NUMBERS) | frozenset(nepali.LATIN_NUMBERS)) - hindi.ALSO_ENGLISH


def _is_company(word: str) -> bool:
    """Whether a neighbour speaks for Hindi: a number or a word of its own."""
    return word.isdigit() or (word in _LATIN and word not in _DOUBTFUL) or word in hindi.LATIN_NUMBERS
