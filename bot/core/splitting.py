"""Long texts in parts, never cut inside what a reader sees as one character.

Where WhatsApp counts in UTF-16 units or in code points is not documented, so parts are measured in UTF-16 units, which
is never less: an emoji counts as two.
"""

from bot.core.messages import MAX_TEXT

_SENTENCE_ENDS = (". ", "! ", "? ", "। ")
_BEYOND = 64  # characters looked at after a part, to see whether its last one is whole


def split_text(text: str, limit: int = MAX_TEXT) -> list[str]:
    """Parts of at most `limit` UTF-16 units, cut between paragraphs, else sentences, else words.

    Nothing is lost but white space around the cuts. Only a single character that is longer than a part (a letter with
    thousands of accents) is cut inside.
    """
    text = text.strip()
    if text and 2 * len(text) <= limit:
        return [text]
    parts: list[str] = []
    while (reach := _reach(text, limit)) < len(text):
        cut = _cut(text, reach)
        parts.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [part for part in (*parts, text) if part]


def _reach(text: str, limit: int) -> int:
    """How many characters of a text fit."""
    if 2 * len(text) <= limit:
        return len(text)
    head = text[:limit]
    if head.isascii() or max(head, default="") <= "\uffff":
        return len(head)
    units = 0
    for place, character in enumerate(head):
        units += 2 if character > "\uffff" else 1
        if units > limit:
            return place
    return len(head)


def _cut(text: str, reach: int) -> int:
    """Where to cut, at most at `reach`: where it disturbs least, unless that makes a very short part."""
    whole = boundaries(text[: reach + _BEYOND], reach)
    for marks, least in ((("\n\n",), reach // 3), (("\n",), reach // 3), (_SENTENCE_ENDS, reach // 3), ((" ",), 1)):
        cut = max((_last(text, mark, reach, whole) for mark in marks), default=0)
        if cut > 0 and cut >= least:
            return cut
    return max(whole, default=0) or max(reach, 1)


def _last(text: str, mark: str, reach: int, whole: set[int]) -> int:
    """The end of the last `mark` before `reach` that a reader sees as such; its white space is not counted in."""
    ink = len(mark.rstrip())
    place = text.rfind(mark, 0, reach - ink + len(mark))
    while place > 0 or (place == 0 and ink):
        cut, after = place + ink, place + len(mark)
        # An accent after a space belongs to it: then there is no gap here.
        if cut in whole and (after > reach or after in whole):
            return cut
        place = text.rfind(mark, 0, place + len(mark) - 1)
    return 0


def boundaries(text: str, reach: int) -> set[int]:
    """The places up to `reach` where one user-perceived character ends (Unicode's extended grapheme clusters)."""
    if text.isascii():
        return {place for place in range(1, min(reach, len(text)) + 1) if text[place - 1 : place + 1] != "\r\n"}
    import regex

    ends = set()
    for match in regex.finditer(r"\X", text):
        if match.end() > reach:
            break
        ends.add(match.end())
    return ends
