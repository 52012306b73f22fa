"""Words for numbers, months and weekdays, in English, Hindi and Hindi written in Latin letters.

The grammars of this package know one vocabulary, that of `canonical`: English words, and the few Hindi ones that have
no English twin ("baje", "kal"), all in Latin letters. What is written otherwise is put into it here, word by word.
"""

import re
import unicodedata

from bot.core.words import MAX_ANALYSED

_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()  # noqa: SIM905
_UNITS = [*"zero one two three four five six seven eight nine".split(), *_TEENS]  # noqa: SIM905  a table of words
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
NUMBER_WORDS: dict[str, int] = {word: value for value, word in enumerate(_UNITS)}
NUMBER_WORDS |= {ten: place * 10 for place, ten in enumerate(_TENS, 2)}
NUMBER_WORDS |= {
    f"{ten} {unit}": place * 10 + value
    for place, ten in enumerate(_TENS, 2)
    for value, unit in enumerate(_UNITS[1:10], 1)
}
NUMBER_WORDS |= {"hundred": 100, "a hundred": 100, "dozen": 12, "a dozen": 12, "couple": 2, "a couple": 2}

MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
MONTH_NUMBERS = {name: number for number, name in enumerate(MONTHS, 1)} | {
    name[:3]: n for n, name in enumerate(MONTHS, 1)
}
MONTH_NUMBERS |= {"sept": 9}
AMBIGUOUS_MONTHS = frozenset({"may", "march", "mar"})
"""Also ordinary words: believed with a day, a year or a preposition beside them, or as the whole answer."""
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAY_NUMBERS = {name: number for number, name in enumerate(WEEKDAYS)} | {
    "mon": 0, "tue": 1, "tues": 1, "wed": 2, "thu": 3, "thur": 3, "thurs": 3, "fri": 4, "sat": 5, "sun": 6,
}  # fmt: skip

MONTH = "(?:" + "|".join(sorted(MONTH_NUMBERS, key=len, reverse=True)) + ")"
WEEKDAY = "(?:" + "|".join(sorted(WEEKDAY_NUMBERS, key=len, reverse=True)) + ")"


def _number_pattern() -> str:
    """Number words, sharing their beginnings, so that a text without any is passed over quickly."""
    units = "|".join(sorted(_UNITS[1:10], key=len, reverse=True))
    others = "|".join(sorted(_UNITS, key=len, reverse=True))
    return f"(?:(?:{'|'.join(_TENS)})(?:[ -](?:{units})\\b)?|{others}|(?:a )?(?:hundred|dozen|couple))"


WORD_NUMBER = _number_pattern()

# --- Hindi ------------------------------------------------------------------------------------------------------------

_HINDI_NUMBERS = {
    "एक": 1, "दो": 2, "तीन": 3, "चार": 4, "पांच": 5, "पाँच": 5, "छह": 6, "छः": 6, "छ": 6, "छे": 6, "सात": 7, "आठ": 8,
    "नौ": 9, "दस": 10, "ग्यारह": 11, "बारह": 12, "तेरह": 13, "चौदह": 14, "पंद्रह": 15, "पन्द्रह": 15, "सोलह": 16,
    "सत्रह": 17, "अठारह": 18, "उन्नीस": 19, "बीस": 20, "इक्कीस": 21, "बाईस": 22, "तेईस": 23, "चौबीस": 24,
    "पच्चीस": 25, "छब्बीस": 26, "सत्ताईस": 27, "अट्ठाईस": 28, "उनतीस": 29, "तीस": 30, "इकतीस": 31, "पैंतीस": 35,
    "चालीस": 40, "पैंतालीस": 45, "पचास": 50, "साठ": 60, "सत्तर": 70, "अस्सी": 80, "नब्बे": 90,
}  # fmt: skip
_LATIN_NUMBERS = {
    "ek": 1, "do": 2, "teen": 3, "tin": 3, "char": 4, "chaar": 4, "paanch": 5, "panch": 5, "pach": 5, "chhe": 6,
    "cheh": 6, "chhah": 6, "chah": 6, "saat": 7, "sat": 7, "aath": 8, "aat": 8, "nau": 9, "das": 10, "dus": 10,
    "gyarah": 11, "barah": 12, "baarah": 12, "terah": 13, "chaudah": 14, "pandrah": 15, "solah": 16, "satrah": 17,
    "atharah": 18, "unnis": 19, "bees": 20, "bis": 20, "ikkis": 21, "bais": 22, "pachis": 25, "pachees": 25,
    "tees": 30, "tis": 30, "chalis": 40, "chaalis": 40, "paintalis": 45, "pachas": 50, "pachaas": 50, "saath": 60,
    "sattar": 70, "assi": 80, "nabbe": 90,
}  # fmt: skip
_ALSO_ENGLISH = frozenset({"do", "tin", "char", "teen", "sat", "bees", "bis", "das", "pach", "saath", "tis", "aat"})
"""Hindi numbers that look like other words: believed beside a Hindi word that is counted, or as the whole text."""
_AMOUNTS = {
    "sau": 100,
    "hazaar": 1000,
    "hazar": 1000,
    "hajar": 1000,
    "hajaar": 1000,
    "सौ": 100,
    "हज़ार": 1000,
    "हजार": 1000,
}
_COUNTED = frozenset(
    [
        "log", "logon", "jan", "jane", "aadmi", "admi", "bache", "bachche", "bacche", "bachcha", "bacha", "yatri",
        "din", "dino", "dinon", "raat", "raatein", "raten", "hafte", "hafta", "mahine", "mahina", "ghante", "ghanta",
        "ghanton", "minat", "baje", "bajkar", "rupaye", "rupay", "rupee", "rupees", "rupaiye", "lakh", "lac", "crore",
        "vyakti", "mehman", "dost", "people", "persons", "adults", "baar", "kamre", "saal", *_AMOUNTS,
    ]
)  # fmt: skip
_BEFORE = frozenset({"hum", "ham", "sirf", "bas", "kul", "keval", "sadhe", "saadhe", "sava", "sawa", "paune", "pone"})
_ENGLISH_OF = {
    "log": "people", "logon": "people", "logo": "people", "jan": "jan", "jane": "people",
    "aadmi": "people", "admi": "people",
    "vyakti": "people", "yatri": "people", "mehman": "guests", "dost": "friends", "bache": "children",
    "bachche": "children", "bacche": "children", "bachcha": "child", "bacha": "child", "din": "days", "dino": "days",
    "dinon": "days", "raat": "raat", "raatein": "nights", "raten": "nights", "hafte": "weeks", "hafta": "week",
    "mahine": "months", "mahina": "month", "ghante": "hours", "ghanta": "hour", "ghanton": "hours", "minat": "minutes",
    "rupaye": "rupees", "rupay": "rupees", "rupaiye": "rupees", "sau": "hundred", "hazaar": "thousand",
    "hazar": "thousand", "hajar": "thousand", "hajaar": "thousand", "lac": "lakh", "lacs": "lakh", "lakhs": "lakh",
    "crores": "crore", "saadhe": "sadhe", "sawa": "sava", "pone": "paune", "dedh": "dedh", "derh": "dedh",
    "dhaai": "dhai", "adhai": "dhai", "aadha": "half", "adha": "half", "aadhe": "half", "aaj": "today",
    "parso": "parson", "somvar": "monday", "somwar": "monday", "mangalvar": "tuesday", "mangalwar": "tuesday",
    "budhvar": "wednesday", "budhwar": "wednesday", "guruvar": "thursday", "guruwar": "thursday",
    "shukravar": "friday", "shukrawar": "friday", "shukrvar": "friday", "shanivar": "saturday",
    "shaniwar": "saturday", "ravivar": "sunday", "raviwar": "sunday", "itvar": "sunday", "itwar": "sunday",
    "agle": "next", "agla": "next", "agli": "next", "pichle": "last", "pichhle": "last", "pichla": "last",
    "subah": "subah", "savere": "subah", "sham": "shaam", "dopahar": "dopahar", "dopeher": "dopahar",
    "janvari": "january", "janwari": "january", "farvari": "february", "farwari": "february", "julai": "july",
    "agast": "august", "sitambar": "september", "oktobar": "october", "aktubar": "october", "navambar": "november",
    "disambar": "december", "disamber": "december", "patni": "wife", "pati": "husband", "akela": "alone",
    "akele": "alone", "akeli": "alone",
}  # fmt: skip
_DEVANAGARI = {
    "लोग": "people", "लोगों": "people", "जन": "people", "आदमी": "people", "व्यक्ति": "people", "यात्री": "people",
    "वयस्क": "adults", "बच्चे": "children", "बच्चा": "child", "बच्चों": "children", "मेहमान": "guests", "दोस्त": "friends",
    "दिन": "days", "दिनों": "days", "रात": "raat", "रातें": "nights", "हफ्ते": "weeks", "हफ़्ते": "weeks", "हफ्ता": "week",
    "सप्ताह": "weeks", "महीने": "months", "महीना": "month", "घंटे": "hours", "घंटा": "hour", "घण्टे": "hours",
    "घण्टा": "hour", "घंटों": "hours", "मिनट": "minutes", "बजे": "baje", "रुपये": "rupees", "रुपए": "rupees",
    "रूपये": "rupees", "रुपया": "rupee", "डॉलर": "dollars", "यूरो": "euros", "लाख": "lakh", "करोड़": "crore",
    "सौ": "hundred", "हज़ार": "thousand", "हजार": "thousand", "आधा": "half", "आधे": "half", "डेढ़": "dedh",
    "ढाई": "dhai", "साढ़े": "sadhe", "सवा": "sava", "पौने": "paune", "पौन": "paune", "आज": "today", "कल": "kal",
    "परसों": "parson", "अगले": "next", "अगला": "next", "अगली": "next", "इस": "this", "पिछले": "last", "पिछला": "last",
    "सुबह": "subah", "सवेरे": "subah", "शाम": "shaam", "दोपहर": "dopahar", "को": "ko", "और": "and", "से": "se",
    "तक": "tak", "में": "mein", "हम": "hum", "मैं": "main", "मेरी": "my", "पत्नी": "wife", "पति": "husband",
    "अकेला": "alone", "अकेले": "alone", "अकेली": "alone", "सिर्फ": "only", "परिवार": "family", "या": "or", "बाद": "baad",
    "पहले": "pehle", "जनवरी": "january", "फरवरी": "february", "फ़रवरी": "february", "मार्च": "march",
    "अप्रैल": "april", "मई": "may", "जून": "june", "जुलाई": "july", "अगस्त": "august", "सितंबर": "september",
    "सितम्बर": "september", "अक्टूबर": "october", "अक्तूबर": "october", "नवंबर": "november", "नवम्बर": "november",
    "दिसंबर": "december", "दिसम्बर": "december", "सोमवार": "monday", "मंगलवार": "tuesday", "बुधवार": "wednesday",
    "गुरुवार": "thursday", "शुक्रवार": "friday", "शनिवार": "saturday", "रविवार": "sunday", "इतवार": "sunday",
    "सोम॰": "monday", "घं॰": "hours", "मि॰": "minutes", "अपराह्न": "pm", "पूर्वाह्न": "am", "भारतीय": "indian",
}  # fmt: skip


def _by_normal_form(table: dict[str, str]) -> dict[str, str]:
    return {unicodedata.normalize("NFKC", word): meaning for word, meaning in table.items()}


def _word_for(number: int) -> str:
    """Digits: the grammars know them better than any word."""
    return str(number)


_DEVANAGARI_WORDS = _by_normal_form(_DEVANAGARI | {word: _word_for(n) for word, n in _HINDI_NUMBERS.items()})
_LATIN_WORDS = _ENGLISH_OF | {word: _word_for(number) for word, number in _LATIN_NUMBERS.items()}
_LATIN_TOKENS = frozenset(_LATIN_WORDS) - {"jan"}
_DEVANAGARI_RUN = re.compile("[\u0900-\u0963\u0970-\u097f]+")
_DIGITS = str.maketrans({chr(0x0966 + digit): str(digit) for digit in range(10)})
_EDGES = ".,!?;:()"
_WORDS = re.compile(r"[a-z]+")


def lowered(text: str) -> str:
    """Lower case, single spaces, plain apostrophes; at most `MAX_ANALYSED` characters."""
    return " ".join(text[:MAX_ANALYSED].lower().replace("’", "'").split())


def canonical(lower: str) -> tuple[str, list[str]]:
    """The text in the one vocabulary that the grammars know, and the words it consists of.

    Args:
        lower: What `lowered` made of it.
    """
    if not lower.isascii():
        lower = unicodedata.normalize("NFKC", lower)[:MAX_ANALYSED].lower().translate(_DIGITS)
        lower = " ".join(_DEVANAGARI_RUN.sub(_from_devanagari, lower).split())
    words: list[str] = _WORDS.findall(lower)
    if _LATIN_TOKENS.isdisjoint(words):
        return lower, words
    lower = _from_latin(lower.split())
    return lower, _WORDS.findall(lower)


def _from_devanagari(match: re.Match[str]) -> str:
    return f" {_DEVANAGARI_WORDS.get(match[0], match[0])} "


def _from_latin(tokens: list[str]) -> str:
    """Hindi in Latin letters, a word at a time; words that are also English only where Hindi surrounds them."""
    words = [token.strip(_EDGES) for token in tokens]
    made: list[str] = []
    for place, (token, word) in enumerate(zip(tokens, words, strict=True)):
        meaning = _LATIN_WORDS.get(word)
        if meaning is None or (word in _ALSO_ENGLISH and not _is_hindi(words, place)):
            made.append(token)
        else:
            made.append(token.replace(word, meaning, 1))
    return " ".join(made)


def _is_hindi(words: list[str], place: int) -> bool:
    if len(words) == 1:
        return True
    after = words[place + 1] if place + 1 < len(words) else ""
    before = words[place - 1] if place else ""
    return (
        after in _COUNTED or (before in _BEFORE and after in {"", "hain", "hai", "honge", "log"}) or before == "sadhe"
    )


def number_of(word: str) -> int:
    """The value of digits or a number word."""
    word = word.replace("-", " ")
    return NUMBER_WORDS[word] if word in NUMBER_WORDS else int(word)
