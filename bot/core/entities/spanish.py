"""Spanish, with and without accents, in words of the canonical vocabulary.

A text is Spanish when a word of it can be nothing else, or when the person is known to speak it. Then phrases are put
into English order first ("el viernes que viene" → "next friday"), numbers into digits, and what is left word by word.
"""

import re
import unicodedata
from collections.abc import Callable

Made = str | Callable[[re.Match[str]], str]

_UNITS = "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis diecisiete dieciocho diecinueve veinte veintiuno veintidos veintitres veinticuatro veinticinco veintiseis veintisiete veintiocho veintinueve".split()  # noqa: E501, SIM905  a table of words
_TENS = {"treinta": 30, "cuarenta": 40, "cincuenta": 50, "sesenta": 60, "setenta": 70, "ochenta": 80, "noventa": 90}
_HUNDREDS = {
    "cien": 100, "ciento": 100, "doscientos": 200, "trescientos": 300, "cuatrocientos": 400, "quinientos": 500,
    "seiscientos": 600, "setecientos": 700, "ochocientos": 800, "novecientos": 900,
}  # fmt: skip
_NUMBERS = {word: number for number, word in enumerate(_UNITS)} | _TENS | _HUNDREDS | {"mil": 1000, "veintiun": 21}
_NUMBERS |= {f"{word[:-2]}as": number for word, number in _HUNDREDS.items() if word.endswith("os")}
_ALSO_OTHERS = frozenset({"once", "uno", "mil"})
"""Numbers that are words of English, or names."""

_MONTHS = {
    "enero": "january", "febrero": "february", "marzo": "march", "abril": "april", "mayo": "may", "junio": "june",
    "julio": "july", "agosto": "august", "septiembre": "september", "setiembre": "september", "octubre": "october",
    "noviembre": "november", "diciembre": "december", "dic": "december", "ene": "january", "abr": "april",
}  # fmt: skip
_SHORT_MONTHS = {
    "ene": "january", "feb": "february", "abr": "april", "jun": "june", "jul": "july", "ago": "august",
    "sep": "september", "set": "september", "oct": "october", "nov": "november", "dic": "december", "mar": "march",
    "may": "may",
}  # fmt: skip
_WEEKDAYS = {
    "lunes": "monday", "martes": "tuesday", "miercoles": "wednesday", "jueves": "thursday", "viernes": "friday",
    "sabado": "saturday", "sabados": "saturday", "domingo": "sunday",
}  # fmt: skip
_NOUNS = {
    "persona": "person", "personas": "people", "adulto": "adult", "adultos": "adults", "nino": "child",
    "nina": "child", "ninos": "children", "ninas": "children", "bebe": "baby", "bebes": "babies", "hijo": "child",
    "hija": "child", "hijos": "children", "hijas": "children", "amigo": "friend", "amiga": "friend",
    "amigos": "friends", "amigas": "friends", "companeros": "friends", "chicos": "children", "chicas": "children",
    "viajeros": "travellers", "pasajeros": "passengers", "semana": "week", "semanas": "weeks", "mes": "month",
    "meses": "months", "dia": "day", "dias": "days", "noche": "night", "noches": "nights", "hora": "hour",
    "horas": "hours", "minuto": "minute", "minutos": "minutes", "segundos": "seconds", "habitacion": "room",
    "habitaciones": "rooms", "menor": "child", "menores": "children",
}  # fmt: skip
_SURE = _MONTHS | _WEEKDAYS | _NOUNS | {
    "hoy": "today", "manana": "tomorrow", "ayer": "yesterday", "finde": "weekend", "esposa": "wife",
    "esposo": "husband", "marido": "husband", "mujer": "wife", "novia": "girlfriend", "novio": "boyfriend",
    "hermano": "brother", "hermana": "sister", "hermanos": "brothers", "hermanas": "sisters", "papa": "father",
    "mama": "mother", "padre": "father", "madre": "mother", "padres": "parents", "primo": "cousin",
    "prima": "cousin", "tio": "uncle", "tia": "aunt", "abuelo": "grandfather", "abuela": "grandmother",
    "tarde": "afternoon", "mediodia": "noon", "medianoche": "midnight", "companera": "friend", "companero": "friend",
    "dolares": "dollars", "dolar": "dollar", "rupias": "rupees", "nepalies": "nepali", "libras": "pounds",
    "nosotros": "us", "somos": "we are", "seremos": "we are", "seriamos": "we are", "iriamos": "we are",
    "iremos": "we are", "vamos": "we are", "familia": "family", "grupo": "group", "docena": "dozen",
    "nochebuena": "24 december", "nochevieja": "31 december", "navidad": "25 december",
    "parejas": "couples", "pareja": "couple", "cumpleanos": "birthday", "naci": "born", "nacimiento": "born",
    "nacio": "born", "hola": "hola", "gracias": "gracias", "quiero": "quiero", "proximo": "next", "proxima": "next",
    "unas": "around", "unos": "around", "aproximadamente": "around", "mejor": "mejor",
}  # fmt: skip
"""Words that no other of our languages has."""
_SHARED = {
    "el": "the", "la": "the", "los": "the", "las": "the", "de": "of", "del": "of", "al": "to", "y": "and",
    "e": "and", "o": "or", "u": "or", "con": "with", "para": "for", "en": "in", "mi": "my", "mis": "my", "yo": "i",
    "por": "for", "hasta": "until", "desde": "from", "entre": "between", "este": "this", "esta": "this",
    "total": "total", "euros": "euros", "solo": "solo", "ambos": "both", "no": "no", "ni": "nor", "sobre": "around",
    "mas": "more", "su": "his", "sus": "their", "conmigo": "with me",
}  # fmt: skip
_WORDS = _SURE | _SHARED
_TOKENS = re.compile(r"[a-z]+")
_DOUBTFUL = _ALSO_OTHERS | {
    "hijo",
    "familia",
    "mejor",
    "julio",
    "hola",
    "gracias",
    "vamos",
    "set",
    "papa",
    "mama",
    "prima",
    "primo",
    "tio",
    "padre",
    "madre",
}
_SURE_WORDS = (frozenset(_SURE) | frozenset(_NUMBERS)) - _DOUBTFUL

_COUNT = r"(\d{1,4}|un|una)"
_UNIT = "(?:dias?|semanas?|mes(?:es)?|horas?|minutos?|noches?)"
_DAY_WORD = "(?:" + "|".join([*_WEEKDAYS, "semana", "mes", "weekend", *_MONTHS]) + ")"
_OF_THE_DAY = r"(?= in the | at night| noon)"
_NO_NOUN = rf"(?! ?(?:{'|'.join(_NOUNS)}|euros|dolares|rupias|libras)\b)(?![:.,/-]?\d)"
_PARTS = {"manana": "in the morning", "madrugada": "in the morning", "tarde": "in the afternoon", "noche": "at night"}
_WEEKS = {"primera": "first", "segunda": "second", "tercera": "third", "cuarta": "fourth", "ultima": "last"}
_PART_OF = {"p": "early", "c": "early", "i": "early", "m": "mid", "f": "late"}
_AT = r"\b(?:a |sobre |hacia )?las? (\d{1,2})"
_PHRASES: tuple[tuple[tuple[str, ...], re.Pattern[str], Made], ...] = tuple(
    (tuple(telling.split("|")), re.compile(pattern), made)
    for telling, pattern, made in (
        ("pasado", r"\bpasado manana\b", "day after tomorrow"),
        ("ante|antier", r"\b(?:anteayer|antier|antes de ayer)\b", "day before yesterday"),
        ("noche", r"\b(?:esta|hoy por la|hoy en la) noche\b", "tonight"),
        ("esta ", r"\besta manana\b", "today morning"),
        (" la ", r"\b(?:por|de|en|a) la (manana|madrugada|tarde|noche)\b", lambda m: f" {_PARTS[m[1]]} "),
        ("medio", r"\b(?:del|al|a|el) medio ?dia\b|\bmedio ?dia\b", "noon"),
        (" eso ", r"\b(?:a|sobre) eso de las?\b", "a las"),
        ("media", r"\b(?:a |la )?media ?noche\b", "midnight"),
        ("fin", r"\bfin(?:es)? de semana\b|\bfinde\b", "weekend"),
        # Numbers that are none
        ("docena", r"\bmedia docena\b", "6"),
        (" par", r"\b(?:un|el) par(?: de)?\b", "2"),
        ("mi pareja", r"\bmi pareja\b", "my partner"),
        ("pareja", r"\b(?:una |1 )?pareja\b", "a couple"),
        ("1r|1e|primero", r"\b(?:1ro|1ero|1er|primero)\b(?= (?:de )?[a-z]+)", "1"),
        ("o |a |er ", r"\b(\d{1,2})(?:ro|ero|er|do|to|vo|mo|o|a)\b", r"\1"),
        ("rupias", r"\brupias nepal(?:ies|esas|i)\b", "nepali rupees"),
        ("rupias", r"\brupias indias\b", "indian rupees"),
        # Times of day
        ("la una", r"\bla una\b(?! [a-z]{3}|  in the)|\bla una\b(?=  ?in the)", "las 1"),
        ("media", rf"{_AT} y media\b{_NO_NOUN}", r" half past \1 "),
        ("cuarto", rf"{_AT} y cuarto\b{_NO_NOUN}", r" quarter past \1 "),
        ("menos cuarto", rf"{_AT} menos cuarto\b", r" quarter to \1 "),
        ("menos", rf"{_AT} menos (\d{{1,2}})\b", r" \2 minutes to \1 "),
        ("las ", rf"{_AT} y (\d{{1,2}})\b", r" \2 minutes past \1 "),
        ("menos cuarto", rf"\b(\d{{1,2}}) menos cuarto *{_OF_THE_DAY}", r"quarter to \1 "),
        ("y cuarto", rf"\b(\d{{1,2}}) y cuarto *{_OF_THE_DAY}", r"quarter past \1 "),
        ("media", rf"\b(\d{{1,2}}) y media *{_OF_THE_DAY}", r"half past \1 "),
        (" las |la ", rf"\b(?:a|sobre|hacia) las? (\d{{1,2}})\b(?: horas| hs?\b)?{_NO_NOUN}", r" \1 oclock "),
        ("las ", r"\blas (\d{1,2})\b(?= ?(?:$|[,.!?]| in the| at night| en punto))", r"\1 oclock "),
        ("in the|at night|noon", rf"(?<!:)\b(\d{{1,2}}) +{_OF_THE_DAY}", r"\1 oclock"),
        (":", r"(?<=:\d\d) h(?:s|rs|oras)?\b", ""),
        ("h", r"\b(\d{1,2}) ?hs?\b(?!\w)", r"\1 oclock"),
        # Lengths of time
        ("media hora", r"\bmedia hora\b", "half an hour"),
        ("de hora", r"\b(?:3|tres) cuartos de hora\b", "45 minutos"),
        ("de hora", r"\b(?:un |1 )?cuarto de hora\b", "15 minutos"),
        (" y medi", rf"\b(?:(\d{{1,3}}) |una? )?({_UNIT}) y medi[oa]\b", lambda m: f"{m[1] or 1} {m[2]} and a half"),
        ("un", rf"\b(?:un|una) (?={_UNIT}\b|personas?\b|adult[oa]\b|nin[oa]\b|bebe\b|hij[oa]\b|amig[oa]\b)", "1 "),
        # Days
        ("proxim", rf"\b(?:el |la )?proxim[oa] (?:el |la )?({_DAY_WORD})\b", r"next \1"),
        ("proxim|que viene|siguiente|entrante",
         rf"\b(?:el |la |este |esta )?({_DAY_WORD}) (?:proxim[oa]|que viene|siguiente|entrante)\b", r"next \1"),
        ("pasad", rf"\b(?:el |la )?({_DAY_WORD}) pasad[oa]\b", r"last \1"),
        ("en |de ", rf"\b(?:dentro de|de aqui a|en) {_COUNT} ({_UNIT})\b", r"in \1 \2"),
        ("hace", rf"\bhace {_COUNT} ({_UNIT})\b", r"\1 \2 ago"),
        ("atras", rf"\b{_COUNT} ({_UNIT}) atras\b", r"\1 \2 ago"),
        ("ios de|diados de|ines de|inal",
         r"\b(?:a )?(principios|comienzos|inicios|mediados|finales|fines|final) del?\b", lambda m: _PART_OF[m[1][0]]),
        ("a semana|a week", rf"\b({'|'.join(_WEEKS)}) (?=week|semana)", lambda m: f"{_WEEKS[m[1]]} "),
        ("a partir", r"\ba partir (?:del?|de el)(?: dia)?\b", "from"),
        ("de",
         r"\b(?:del?|desde)(?: el)?(?: dia)? (\d{1,2}) (?:al?|hasta)(?: el)?(?: dia)? (\d{1,2})\b", r"from \1 to \2"),
        ("entre", r"\bentre (?:el |los |las )?(\d{1,2}) y (?:el )?(\d{1,2})\b", r"\1 to \2"),
        (" al |hasta", r"\b(\d{1,2}) (?:al|hasta el) (\d{1,2})\b", r"\1 to \2"),
        (" de", r"(?<=[a-z]) (?:del?) (?=(?:19|20)\d\d\b)", " "),
        (" d", r"\b(\d{1,2}) (?:d|de) (?=[a-z])", r"\1 of "),
        ("dia", rf"\b(?:el )?dia (\d{{1,2}})\b(?! of| {_UNIT})", r"on the \1th"),
        ("el ", r"^(?:para |desde |hasta )?el (\d{1,2})[.!]?$", r"on the \1th"),
        # Who comes
        ("sol", r"\b(?:solo yo|solamente yo|yo sol[oa]|(?:voy|viajo|ire|vengo) sol[oa]|sol[oa] yo|solo para mi)\b",
         "just me"),
        ("os dos|as dos|os 2|as 2|ambos", r"\b(?:nosotr[oa]s dos|los dos|nosotr[oa]s 2|los 2|ambos)\b", "both of us"),
        ("somos", r"\bsomos (?:como |unos |unas )?", "we are "),
        ("como ", r"\bcomo (?=\d)", "around "),
        ("en total", r"\ben total\b", "in total"),
    )
)  # fmt: skip


_ACCENTS = re.compile("[\u0300-\u036f]+")


def folded(text: str) -> str:
    """Latin letters without their accents: "mañana" → "manana"."""
    return _ACCENTS.sub("", unicodedata.normalize("NFD", text))


_BESIDE = re.compile(r"\b(?:\d{1,2} (?:de )?|en |para )julio\b|\bjulio del? |\d mil\b")


def is_spanish(text: str, words: list[str], language: str) -> bool:
    """Whether a text (folded) is to be read as Spanish. Julio and mil count beside a number only."""
    if language.startswith("es") or not _SURE_WORDS.isdisjoint(words):
        return True
    return ("julio" in words or "mil" in words) and _BESIDE.search(text) is not None


def canonical_of(text: str, language: str) -> str:
    """A Spanish text, folded, in the canonical vocabulary."""
    text = " ".join(text.replace("¿", " ").replace("¡", " ").split())
    text = _with_digits(text, sure=language.startswith("es"))
    for telling, pattern, made in _PHRASES:
        if any(piece in text for piece in telling):
            text = pattern.sub(made, text)
    text = " ".join(_TOKENS.sub(_word, text).split())
    return _with_short_months(text)


def _word(match: re.Match[str]) -> str:
    return _WORDS.get(match[0], match[0])


_SHORT_MONTH = re.compile(r"(?<=\d) (?:of )?(" + "|".join(_SHORT_MONTHS) + r")\b\.?")


def _with_short_months(text: str) -> str:
    return _SHORT_MONTH.sub(lambda match: f" {_SHORT_MONTHS[match[1]]}", text)


# --- Numbers ----------------------------------------------------------------------------------------------------------

_NUMBER = "|".join(sorted(_NUMBERS, key=len, reverse=True))
_RUN = re.compile(
    rf"\b(?:(\d{{1,3}}) (?=mil\b))?(?:{_NUMBER}|(?<=[a-z] y )una?)(?: (?:y )?(?:{_NUMBER}|(?<= y )una?))*\b"
)
_MONEY = ("dolares", "euros", "rupias", "libras", "pesos", "soles")
_OF_MONTH = re.compile(rf" de (?:{'|'.join(_MONTHS)})\b")
_BELIEVED = re.compile(
    r"(?:$|[,.!?]| (?:" + "|".join([*_NOUNS, *_MONTHS, *_MONEY, "de", "o", "u", "y", "en"]) + r")\b)"
)


def _with_digits(text: str, *, sure: bool) -> str:
    """Number words as digits: "treinta y cinco" → "35". "Once" is believed alone, or before what is counted."""

    def digits(match: re.Match[str]) -> str:
        words = match[0].split()
        if len(words) == 1 and words[0] in _ALSO_OTHERS:
            alone = match[0] == text.strip(" .!?")
            if not (alone and sure) and _BELIEVED.match(text, match.end()) is None:
                return match[0]
            if words[0] == "uno" and not alone and not _OF_MONTH.match(text, match.end()):
                return match[0]
        return _composed(words)

    return "1" if text.strip(" .!?") in {"una", "uno", "un"} else _RUN.sub(digits, text)


def _composed(words: list[str]) -> str:
    """What the words come to; several numbers when they are not one."""
    made: list[str] = []
    total, current, joins = 0, 0, False
    for word in words:
        if word == "y":
            joins = True
            continue
        value = int(word) if word.isdigit() else _NUMBERS.get(word, 1)
        if value == 1000:
            total, current = total + max(current, 1) * 1000, 0
        elif current == 0 or (current % 100 == 0 and value < 100) or (joins and current % 10 == 0 and value < 10):
            current += value
        else:
            made += [str(total + current), *(["y"] if joins else [])]  # "las nueve y diez"
            total, current = 0, value
        joins = False
    return " ".join([*made, str(total + current)])
