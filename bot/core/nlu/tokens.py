"""What is compared: the words of a message, and the pieces of words.

Pieces are taken between letters with their marks: `की` is one letter of Hindi, though it is two characters, so no piece
tears a vowel from its consonant.
"""

import re
import unicodedata
from functools import lru_cache

from bot.core.words import normalise, without_addresses

MAX_WORDS = 60
"""Words of a message that are looked at."""
MAX_LETTERS = 24
"""Letters of a word that are taken apart; longer ones are links and codes."""
NUMBER = "<number>"
LINK = "<link>"
_LINK_WORD = "linkinplace"
_DIGITS = re.compile(r"\d+")
_SHORTEST, _LONGEST = 3, 5


def words_of(text: str) -> list[str]:
    """The words of a message in comparable form: `TRP123` and `TRP7` are alike, so are 2 and 4, and any two links."""
    words = normalise(without_addresses(text, f" {_LINK_WORD} ")).split()[:MAX_WORDS]
    return [_comparable(word) for word in words]


@lru_cache(maxsize=8192)
def _comparable(word: str) -> str:
    if word.isdigit():
        return NUMBER
    if word == _LINK_WORD:
        return LINK
    if not word.isascii():
        word = _without_accents(word)
    return _DIGITS.sub("0", word)


def _without_accents(word: str) -> str:
    """`café` → `cafe`; marks of scripts that spell with them stay."""
    plain: list[str] = []
    latin = False
    for letter in unicodedata.normalize("NFD", word):
        if unicodedata.combining(letter) and latin:
            continue
        if not unicodedata.category(letter).startswith("M"):
            latin = letter.isascii()
        plain.append(letter)
    return unicodedata.normalize("NFC", "".join(plain))


def letters_of(word: str) -> list[str]:
    """Letters, each with the marks that belong to it."""
    if word.isascii():
        return list(word)
    letters: list[str] = []
    for sign in word:
        if letters and unicodedata.category(sign).startswith("M"):
            letters[-1] += sign
        else:
            letters.append(sign)
    return letters


@lru_cache(maxsize=1024)
def pieces_of(word: str) -> tuple[str, ...]:
    """Runs of three to five letters within a word, its ends marked: `trek` → `<tr`, `tre`, …, `rek>`."""
    if word.startswith("<"):
        return (word,)
    letters = ["<", *letters_of(word)[:MAX_LETTERS], ">"]
    shortest = min(_SHORTEST, len(letters))
    return tuple(
        "".join(letters[start : start + length])
        for length in range(shortest, _LONGEST + 1)
        for start in range(len(letters) - length + 1)
    )
