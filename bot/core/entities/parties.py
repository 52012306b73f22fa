"""How many of something a text speaks of: "2 adults and a child", "family of 4", "me and my wife", "5 nights"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from bot.core.entities.found import Span
from bot.core.entities.lexicon import MONTH, WORD_NUMBER, number_of

PARTY = (
    "people", "person", "persons", "pax", "adults", "adult", "travellers", "travelers", "trekkers", "guests", "of us",
    "friends", "members", "ppl", "kids", "kid", "children", "child", "peoples", "participants", "passengers",
    "infants", "infant", "babies", "baby", "toddler", "toddlers", "guest", "traveller", "traveler", "teenagers",
    "seniors", "men", "women", "couples", "colleagues", "students", "teens", "minors",
    "minor", "teenager", "student", "member", "senior", "friend", "participant", "passenger", "colleague", "trekker",
    "mates", "mate", "pals", "buddies", "boys", "boy", "girls", "girl", "ladies", "lady", "guys", "guy",
)  # fmt: skip
PARTIES = frozenset({"people", "guests", "travellers", "party", "travelers", "pax", "persons", "group_size"})
_NOT_PARTY = (
    r"(?! ?(?:st|nd|rd|th|am|pm|a\.m|p\.m|k|km|days?|nights?|weeks?|months?|hours?|hrs?|years?|minutes?|mins?|rooms?"
    rf"|dollars?|usd|inr|npr|rs|eur|gbp|euros?|rupees?|pounds?|lakh|thousand|hundred|baje|o'?clock|raat|percent|%|\$"
    rf"|{MONTH})\b|[:/]| ?[%$€£₹])"
)
_GROUP_OF = re.compile(
    r"\b(?:(?:family|group|party|team|bunch) of |(?<!\d )for |we are |we're |were |there are |there will be |hum "
    r"|only )"
    rf"(?:about |around |a group of |a family of )?(\d{{1,4}}|{WORD_NUMBER})\b{_NOT_PARTY}"
)
_TOGETHER = re.compile(rf"\b(\d{{1,4}}|{WORD_NUMBER})(?:-| )?(?:in total|total|in all|altogether)\b")
_KIN = (
    r"(?:wife|husband|partner|friend|girlfriend|boyfriend|son|daughter|brother|sister|mother|father|mom|dad|mum|mummy"
    r"|papa|parents|spouse|fiancee?|cousin|colleague|boss|uncle|aunt|auntie|baby|child|kid|nephew|niece|grandmother"
    r"|grandfather|grandma|grandpa|patni|pati)"
)
_WHOSE = r"(?:my|meri|mera|mere|our|his|her|their|uski|uska|unki) "
_MY = rf"(?:{_WHOSE})?"
_EITHER = re.compile(rf"\b(?:\d{{1,4}}|{WORD_NUMBER}) ?(?:or|to|-|/|–) ?(?:\d{{1,4}}|{WORD_NUMBER})\b")
_ANY_NUMBER = re.compile(rf"\d{{1,4}}|{WORD_NUMBER}")
_COUPLE = re.compile(r"(?:(?:we are |for |just )?(?:a |one |1 )?couple)[.! ]*|\b(?:as|we are|for|we're) a couple\b")
_SELF = r"(?:me|myself|i|main|mai)"
_COUNTED = rf"(?:{_KIN}s?|children|babies|wives|others?|more|{'|'.join(PARTY)})"
_HOW_MANY = rf"(?:\d{{1,2}}|{WORD_NUMBER}|an?)"
_MEMBER = (
    rf"(?:{_SELF}|{_MY}(?:{_HOW_MANY} (?:(?!and|or)[a-z]{{1,12}} )?)?{_COUNTED}|(?:\d{{1,2}}|{WORD_NUMBER})(?=[.! ]*$))"
)
_AND = r"(?:,? ?(?:and|&|\+|plus|with|aur|ra) ?|, ?)"
_LIST = re.compile(rf"\b{_MEMBER}(?:{_AND}{_MEMBER})+\b")
_WITH = re.compile(
    rf"\b(?:with|along with|bring(?:ing)?(?: along)?|my saath(?: mein)?) {_MY}"
    rf"((?:(?:\d{{1,2}}|{WORD_NUMBER}|an?) )?(?:{_KIN}s?|colleagues)\b(?:{_AND}{_MEMBER})*)"
)
_BESIDES = re.compile(rf" ?(?:and|&|\+|plus|aur|ra) ?((?:{_WHOSE}(?:{_HOW_MANY} )?)?{_KIN}s?(?:{_AND}{_MEMBER})*)\b")
"""Who comes on top of a number: "the four of us plus our daughter" are five."""
_MEMBERS = re.compile(rf"(?:(\d{{1,2}}|{WORD_NUMBER})\b(?: [a-z]+)*|[a-z][a-z ]*)")
_OWN = re.compile(rf"^{_WHOSE}")
_SELF_IN = re.compile(rf"\b{_SELF}\b")
_WITH_ME = re.compile(
    rf"\b(?:(?:my|main) saath(?: mein)?|with me),? (?:there )?(?:are |is |and |aur |plus )?"
    rf"(\d{{1,2}}|{WORD_NUMBER})\b"
    rf"(?=(?: (?:and|aur|more|other|small))*(?: others?\b| (?:{'|'.join(PARTY)})\b|[.,! ]*$))"
    rf"|\b(\d{{1,2}}|{WORD_NUMBER}) (?:(?:and|aur|more|other) )*(?:others?|{'|'.join(PARTY)}) (?:and |aur )?"
    rf"(?:(?:are |is |coming )*with me|my saath)\b"
)
"""Those who come with the person: "2 friends with me" are three."""
_ALONE = re.compile(
    r"\b(?:just me|only me|myself only|solo|alone|for me only|me alone|just myself|by myself|on my own|single person"
    r"|only myself|for myself)\b|^(?:me|myself|single)[.!]?$"
)
_BOTH = re.compile(
    r"\b(?:both of us|the two of us|us two|you and me|we two|we both|hum both|husband(?: and|,| aur| &)? wife)\b"
    r"|^(?:both|us both)[.!]?$"
)
_PARTY_WORDS = frozenset(PARTY) | {"of", "us"}
_SELF_WORDS = frozenset(["me", "myself", "solo", "alone", "own", "single", "both", "us", "you", "we", "husband"])
_AND_WORDS = frozenset(["me", "myself", "i", "main", "mai", "with", "saath", "bring", "bringing"])
_GROUP_WORDS = frozenset(
    ["family", "group", "party", "team", "bunch", "for", "we", "were", "re", "there", "hum", "only"]
)
_TOTAL_WORDS = frozenset(["total", "all", "altogether"])


@dataclass(frozen=True, slots=True)
class Count:
    """How many, where it stands, and whether it had to be worked out ("me and my wife")."""

    value: int
    spans: tuple[Span, ...]
    inferred: bool = False


def is_party(of: str) -> bool:
    """Whether people are counted."""
    return of in PARTIES


def count_of(text: str, words: Sequence[str], of: str, *, numbers: bool) -> Count | None:
    """How many of something the text names on its own accord; None when it does not say, or says two things.

    Args:
        text: Canonical, with dates and amounts blanked out.
        words: The words it consists of.
        of: What is counted: "people" understands parties ("family of 4"), any other word only "5 nights".
        numbers: Whether there is any number in the text.
    """
    if not words:
        return None
    party = is_party(of)
    if not numbers:
        return (_phrase(text, words) or _sum(text, words)) if party else _articled(text, of)
    if ("or" in words or "to" in words or "-" in text or "/" in text) and _alternatives(text):
        return None
    if party:
        return _sum(text, words)
    found = [(number_of(match[1]), match.span()) for match in _nouns(of).finditer(text)]
    if not found:
        return _articled(text, of)
    return Count(found[0][0], (found[0][1],)) if len({value for value, _ in found}) == 1 else None


def either(text: str, of: str) -> tuple[int, int] | None:
    """The two numbers of "2 or 3 people", for asking back."""
    found = _alternatives(text)
    return (found[0], found[1]) if found and _either_of(of).match(text, found[2]) else None


def either_at_all(text: str) -> tuple[int, int] | None:
    """As `either`, whatever follows: for "2-3" as an answer."""
    found = _alternatives(text)
    return (found[0], found[1]) if found else None


def _alternatives(text: str) -> tuple[int, int, int] | None:
    """Two numbers of which one is meant, and where they end."""
    match = _EITHER.search(text)
    numbers = [number_of(word) for word in _ANY_NUMBER.findall(match[0])] if match else []
    if match is None or len(numbers) != 2 or numbers[0] == numbers[1]:
        return None  # "twenty-five" is one number
    return numbers[0], numbers[1], match.end()


def _phrase(text: str, words: Sequence[str]) -> Count | None:
    if not _SELF_WORDS.isdisjoint(words):
        for pattern, value in ((_ALONE, 1), (_BOTH, 2)):
            match = pattern.search(text)
            if match:
                return Count(value, (match.span(),), inferred=True)
    return _company(text, words)


def _company(text: str, words: Sequence[str]) -> Count | None:
    """As in "me, my wife and two kids", "my wife and i", "with 2 friends"."""
    if _AND_WORDS.isdisjoint(words):
        return None
    for match in _LIST.finditer(text):
        if _SELF_IN.search(match[0]):
            return Count(_members(match[0]), (match.span(),), inferred=True)
    others = _WITH_ME.search(text)
    if others:
        return Count(1 + number_of(others[1] or others[2]), (others.span(),), inferred=True)
    company = _WITH.search(text)
    return Count(1 + _members(company[1]), (company.span(),), inferred=True) if company else None


def _members(text: str) -> int:
    """How many a list of people names."""
    total = 0
    for part in re.split(_AND, text):
        member = _MEMBERS.match(_OWN.sub("", part.strip()))
        if member:
            total += number_of(member[1]) if member[1] else 2 if part.strip().endswith("parents") else 1
    return total


def _articled(text: str, of: str) -> Count | None:
    """Since "a tent" is one."""
    match = _article(of).search(text)
    return Count(1, (match.span(),)) if match else None


def _sum(text: str, words: Sequence[str]) -> Count | None:
    """As in "2 adults and a child"; otherwise what all ways of saying it agree on."""
    company = _company(text, words)
    if company is not None and company.value > 1:
        total = _total_of(text, company)
        if total is not None:
            return total
        begins, ends = company.spans[0]
        if begins == 0 or all(begins <= m.start() < ends for m in _PARTY_NOUNS.finditer(text)):
            return company
    nouns: list[tuple[int, Span]] = []
    if not _PARTY_WORDS.isdisjoint(words):
        nouns = [(_number(m[1]) * (2 if m[2] == "couples" else 1), m.span()) for m in _PARTY_NOUNS.finditer(text)]
    for value, span in nouns if len(nouns) > 2 else ():
        if _GENERAL.search(text, *span) and 2 * value == sum(each for each, _ in nouns):
            return Count(value, tuple(each for _, each in nouns))  # "4 pax (2 adults, 2 kids)"
    if len(nouns) == 1 and (besides := _BESIDES.match(text, nouns[0][1][1])):
        return Count(nouns[0][0] + _members(besides[1]), ((nouns[0][1][0], besides.end()),), inferred=True)
    if len(nouns) > 1:
        return Count(sum(value for value, _ in nouns), tuple(span for _, span in nouns), inferred=True)
    found = nouns
    for pattern, telling in ((_GROUP_OF, _GROUP_WORDS), (_TOGETHER, _TOTAL_WORDS)):
        if not telling.isdisjoint(words):
            found = found + [(number_of(match[1]), match.span()) for match in pattern.finditer(text)]
    if found and len({value for value, _ in found}) == 1:
        return Count(found[0][0], (found[0][1],))
    couple = None if found or "couple" not in words else _COUPLE.search(text)
    return Count(2, (couple.span(),)) if couple else None


def _total_of(text: str, company: Count) -> Count | None:
    """As in "we are four people, my wife and I with two friends": said, and then who they are."""
    begins, ends = company.spans[0]
    for pattern in (_ALL_OF, _GROUP_OF):
        for match in pattern.finditer(text):
            value = number_of(match[1])
            among = begins <= match.start() < ends and company.value == 2 * value
            if among or company.value == value:
                return Count(value, (match.span(), *company.spans))
    return None


def _number(word: str) -> int:
    return 1 if word in {"a", "an"} else number_of(word)


@lru_cache(maxsize=256)
def _either_of(of: str) -> re.Pattern[str]:
    nouns = "|".join(PARTY) if is_party(of) else re.escape(of.replace("_", " ").rstrip("s")) + "s?"
    return re.compile(rf" ?(?:{nouns})\b")


@lru_cache(maxsize=256)
def _nouns(of: str) -> re.Pattern[str]:
    stem = re.escape(of.replace("_", " ").rstrip("s"))
    return re.compile(
        rf"(?<![\w.,/-])(\d{{1,4}}|{WORD_NUMBER}) ?(?:more |other |young |senior |extra |single "
        rf"|double )?(?:{_plural(stem)})\b"
    )


def _plural(stem: str) -> str:
    irregular = {"child": "child(?:ren)?|kids?", "adult": "adults?|grown-?ups?", "children": "child(?:ren)?|kids?"}
    return irregular.get(stem, stem + "s?")


@lru_cache(maxsize=256)
def _article(of: str) -> re.Pattern[str]:
    return re.compile(
        rf"\b(?:a|an) (?:single |double |extra )?(?:{_plural(re.escape(of.replace('_', ' ').rstrip('s')))})\b"
    )


_GENERAL = re.compile(r"people|persons|pax|of us|members|guests|travellers|ppl|participants")
_ALL_OF = re.compile(rf"(?<![\w.,/-])(\d{{1,4}}|{WORD_NUMBER}) ?(?:{_GENERAL.pattern})\b")
_PARTY_NOUNS = re.compile(
    rf"(?<![\w.,/-])(\d{{1,4}}|{WORD_NUMBER}|an?(?= (?:child|kid|infant|baby|toddler|friend|guest|adult)\b)) ?"
    rf"(?:more |other |young |senior |small |little )?({'|'.join(PARTY)})\b"
)
