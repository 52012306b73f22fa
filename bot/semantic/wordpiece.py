"""Text as the encoder was trained to read it: BERT's uncased word pieces.

`vocabulary.txt` is that of BERT and all-MiniLM-L6-v2 (Apache-2.0).
"""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources

_UNKNOWN, _BEGIN, _END = "[UNK]", "[CLS]", "[SEP]"
_LONGEST_WORD = 100
_CHINESE = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0xF900, 0xFAFF))


@lru_cache(maxsize=1)
def vocabulary() -> dict[str, int]:
    """Each piece with its number, roughly from frequent to rare."""
    text = resources.files("bot.semantic").joinpath("vocabulary.txt").read_text(encoding="utf-8")
    return {piece: number for number, piece in enumerate(text.split("\n")) if piece}


def pieces(text: str, most: int) -> list[int]:
    """The numbers of a text's pieces, begin and end included; at most so many."""
    known = vocabulary()
    found = [known[_BEGIN]]
    for word in _words(text):
        found += _pieces_of(word)
        if len(found) >= most:
            break
    return [*found[: most - 1], known[_END]]


def _words(text: str) -> Iterator[str]:
    """Lower case without accents; each sign of punctuation is a word."""
    word = ""
    for letter in unicodedata.normalize("NFD", text.lower()):
        category = unicodedata.category(letter)
        if category == "Mn" or (category.startswith("C") and letter not in "\t\n\r") or letter == "\ufffd":
            continue
        alone = category.startswith("P") or letter in "$+<=>^`|~" or _is_chinese(letter)
        if alone or letter.isspace():
            if word:
                yield word
            word = ""
            if alone:
                yield letter
        else:
            word += letter
    if word:
        yield word


def _is_chinese(letter: str) -> bool:
    return any(first <= ord(letter) <= last for first, last in _CHINESE)


@lru_cache(maxsize=8192)
def _pieces_of(word: str) -> tuple[int, ...]:
    """The longest pieces there are, from left to right."""
    known = vocabulary()
    if len(word) > _LONGEST_WORD:
        return (known[_UNKNOWN],)
    found: list[int] = []
    start = 0
    while start < len(word):
        for end in range(len(word), start, -1):
            number = known.get(("##" if start else "") + word[start:end])
            if number is not None:
                found.append(number)
                start = end
                break
        else:
            return (known[_UNKNOWN],)
    return tuple(found)
