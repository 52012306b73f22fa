"""Long messages in parts: sentences, and what stands on either side of an "and" or "but", without what adds nothing.

"Uh hi, so I was wondering, how much would the trek be" asks the price; the rest is how people talk. Only messages that
mean nothing for sure as a whole are looked at so.
"""

import re

from bot.core.phrasebook import FILLERS
from bot.core.words import MAX_ANALYSED, normalise

MOST = 4
"""Parts that are looked at; who wants more is asked what."""
_ENDS = re.compile(r"[.!?;।\n…]+(?=\s|$)|,(?=\s)|\s[-–—]+\s")
_WITHIN = re.compile(r"[.!?;।](?=\s)|\n")
_JOINTS = frozenset(
    {"and", "but", "also", "aur", "lekin", "magar", "और", "लेकिन", "y", "pero", "tara", "ani", "तर", "अनि"}
)
_LEAST_JOINED = 3
"""Words on both sides of a joint, from which it joins two wishes and not two things: "me and my wife"."""
_TALK = frozenset(normalise(word) for word in FILLERS) | frozenset({
    "uh", "uhm", "umm", "er", "hi", "hello", "hey", "hii", "ok", "okay", "like", "actually", "basically", "kindly",
    "guys", "team", "zara", "suniye", "suno", "accha", "acha", "kripya", "kripaya", "कृपया", "ज़रा", "सुनिए", "namaste",
    "नमस्ते", "disculpe", "perdon", "perdone", "oiga", "bueno", "mira",
}) - {"thanks", "thank", "thx", "ty", "gracias", "dhanyavad", "dhanyawad", "dhanyabad", "shukriya", "धन्यवाद", "शुक्रिया",
      "hai", "h", "you", "u", "sorry", "then"}  # fmt: skip
_LEADS = tuple(tuple(lead.split()) for lead in sorted((
    "i was wondering if", "i was wondering whether", "i was wondering", "i was just wondering", "just wondering if",
    "i just wanted to ask", "i wanted to ask", "i wanted to know", "i want to know", "i would like to know",
    "i just want to know", "just wanted to ask", "just checking if", "just checking that", "just checking",
    "could you please tell me", "could you tell me", "can you please tell me", "can you tell me", "pls tell me",
    "please tell me", "tell me", "do you know", "quick question", "one question", "sorry to bother you",
    "sorry to disturb you", "excuse me", "would you mind telling me", "any idea", "let me know",
    "queria saber si", "queria saber", "quisiera saber si", "quisiera saber", "una pregunta", "me puede decir",
    "mujhe ye batao ki", "ye batao", "yeh bataiye", "ek baat batao", "batao", "bataiye", "पूछना था",
), key=len, reverse=True))  # fmt: skip


def parts_of(text: str) -> list[str]:
    """The parts of a message, normalised and without what adds nothing; those that are nothing else are left out.

    At most `MAX_ANALYSED` characters are read.
    """
    found: list[str] = []
    for sentence in _ENDS.split(text[:MAX_ANALYSED], 4 * MOST):
        for words in _at_joints(normalise(sentence).split()):
            part = " ".join(_plainly(words))
            if part:
                found.append(part)
    return found[:MOST]


def has_sentences(text: str) -> bool:
    """Whether a message may be more than one sentence: a quick look."""
    return _WITHIN.search(text.rstrip()) is not None


def _at_joints(words: list[str]) -> list[list[str]]:
    for place in range(_LEAST_JOINED, len(words) - _LEAST_JOINED):
        if words[place] in _JOINTS:
            return [words[:place], *_at_joints(words[place + 1 :])]
    return [words]


def _plainly(words: list[str]) -> list[str]:
    """What is left without words that only talk, and without how a question is led up to."""
    words = [word for word in words if word not in _TALK]
    for lead in _LEADS:
        if len(words) > len(lead) and tuple(words[: len(lead)]) == lead:
            return words[len(lead) :]
    return words
