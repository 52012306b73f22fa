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
    "noviembre": "november", "diciembre": "december",
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
    "amigos": "friends", "amigas": "friends", "companeros": "friends", "viajeros": "travellers",
    "pasajeros": "passengers", "semana": "week", "semanas": "weeks", "mes": "month", "meses": "months",
    "dia": "day", "dias": "days", "noche": "night", "noches": "nights", "hora": "hour", "horas": "hours",
    "minuto": "minute", "minutos": "minutes", "segundos": "seconds", "habitacion": "room", "habitaciones": "rooms",
}  # fmt: skip
_SURE = _MONTHS | _WEEKDAYS | _NOUNS | {
    "hoy": "today", "manana": "tomorrow", "ayer": "yesterday", "finde": "weekend", "esposa": "wife",
    "esposo": "husband", "marido": "husband", "mujer": "wife", "novia": "girlfriend", "novio": "boyfriend",
    "hermano": "brother", "hermana": "sister", "dolares": "dollars", "dolar": "dollar", "rupias": "rupees",
    "nepalies": "nepali", "libras": "pounds", "nosotros": "us", "somos": "we are", "seremos": "we are",
    "seriamos": "we are", "iriamos": "we are", "iremos": "we are", "vamos": "we are", "familia": "family",
    "grupo": "group", "docena": "dozen", "pareja": "couple", "cumpleanos": "birthday", "naci": "born",
    "nacimiento": "born", "nacio": "born", "hola": "hola", "gracias": "gracias", "quiero": "quiero", "proximo": "next",
    "proxima": "next", "unas": "around", "unos": "around", "aproximadamente": "around", "mejor": "mejor",
}  # fmt: skip
"""Words that no other of our languages has."""
_SHARED = {
    "el": "the", "la": "the", "los": "the", "las": "the", "de": "of", "del": "of", "al": "to", "y": "and", "e": "and",
    "o": "or", "u": "or", "con": "with", "para": "for", "en": "in", "mi": "my", "mis": "my", "yo": "i", "por": "for",
    "hasta": "until", "desde": "from", "entre": "between", "este": "this", "esta": "this", "total": "total",
    "euros": "euros", "solo": "solo", "ambos": "both", "no": "no", "ni": "nor", "sobre": "around", "mas": "more",
}  # fmt: skip
_WORDS = _SURE | _SHARED
_TOKENS = re.compile(r"[a-z]+")
_DOUBTFUL = _ALSO_OTHERS | {"hijo", "familia", "mejor", "julio", "hola", "gracias", "vamos", "set"}
_SURE_WORDS = (frozenset(_SURE) | frozenset(_NUMBERS)) - _DOUBTFUL

_COUNT = r"(\d{1,4}|un|una)"
_UNIT = "(?:dias?|semanas?|mes(?:es)?|horas?|minutos?|noches?)"
_DAY_WORD = "(?:" + "|".join([*_WEEKDAYS, "semana", "mes", "weekend", *_MONTHS]) + ")"
_OF_THE_DAY = r"(?= in the | at night)"
_NO_NOUN = rf"(?! ?(?:{'|'.join(_NOUNS)}|euros|dolares|rupias|libras)\b)(?![:.,/-]?\d)"
_PHRASES: tuple[tuple[re.Pattern[str], Made], ...] = tuple(
    (re.compile(pattern), made)
    for pattern, made in (
        (r"\bpasado manana\b", "day after tomorrow"),
        (r"\b(?:anteayer|antier|antes de ayer)\b", "day before yesterday"),
        (r"\b(?:esta|hoy por la|hoy en la) noche\b", "tonight"),
        (r"\besta manana\b", "today morning"),
        (r"\b(?:por|de|en|a) la manana\b", " in the morning "),
        (r"\b(?:por|de|en|a) la tarde\b", " in the afternoon "),
        (r"\b(?:por|de|en|a) la noche\b", " at night "),
        (r"\b(?:al |a |el )?medio ?dia\b", "noon"),
        (r"\b(?:a |la )?media ?noche\b", "midnight"),
        (r"\bfin(?:es)? de semana\b|\bfinde\b", "weekend"),
        # Numbers that are none
        (r"\bmedia docena\b", "6"),
        (r"\b(?:un|el) par(?: de)?\b", "2"),
        (r"\b(?:mi) pareja\b", "my partner"),
        (r"\b(?:una |1 )?pareja\b", "a couple"),
        (r"\b(?:1ro|1ero|1er|primero)\b(?= (?:de )?[a-z]+)", "1"),
        (r"\b(\d{1,2})(?:ro|ero|er|do|to|vo|mo|o|a)\b", r"\1"),
        (r"\brupias nepal(?:ies|esas|i)\b", "nepali rupees"),
        (r"\brupias indias\b", "indian rupees"),
        # Times of day
        (r"\bla una\b(?! [a-z]{3})", "las 1"),
        (r"\bla una\b(?=  ?in the)", "las 1"),
        (rf"\b(?:a |sobre |hacia )?las? (\d{{1,2}}) y media\b{_NO_NOUN}", r" half past \1 "),
        (rf"\b(?:a |sobre |hacia )?las? (\d{{1,2}}) y cuarto\b{_NO_NOUN}", r" quarter past \1 "),
        (r"\b(?:a |sobre |hacia )?las? (\d{1,2}) menos cuarto\b", r" quarter to \1 "),
        (r"\b(?:a |sobre |hacia )?las? (\d{1,2}) menos (\d{1,2})\b", r" \2 minutes to \1 "),
        (r"\b(?:a |sobre |hacia )?las? (\d{1,2}) y (\d{1,2})\b", r" \2 minutes past \1 "),
        (rf"\b(\d{{1,2}}) y media *{_OF_THE_DAY}", r"half past \1 "),
        (rf"\b(?:a|sobre|hacia) las? (\d{{1,2}})\b(?: horas| hs?\b)?{_NO_NOUN}", r" \1 oclock "),
        (r"\blas (\d{1,2})\b(?= ?(?:$|[,.!?]| in the| at night| en punto))", r"\1 oclock "),
        (rf"\b(\d{{1,2}}) +{_OF_THE_DAY}", r"\1 oclock"),
        (r"(?<=:\d\d) h(?:s|rs|oras)?\b", ""),
        (r"\b(\d{1,2}) ?hs?\b(?!\w)", r"\1 oclock"),
        # Lengths of time
        (r"\bmedia hora\b", "half an hour"),
        (rf"\b(?:(\d{{1,3}}) |una? )?({_UNIT}) y medi[oa]\b", lambda m: f"{m[1] or 1} {m[2]} and a half"),
        (rf"\b(?:un|una) (?={_UNIT}\b|personas?\b|adult[oa]\b|nin[oa]\b|bebe\b|hij[oa]\b|amig[oa]\b|noche\b)", "1 "),
        # Days
        (rf"\b(?:el |la )?proxim[oa] (?:el |la )?({_DAY_WORD})\b", r"next \1"),
        (rf"\b(?:el |la |este |esta )?({_DAY_WORD}) (?:proxim[oa]|que viene|siguiente|entrante)\b", r"next \1"),
        (rf"\b(?:el |la )?({_DAY_WORD}) pasad[oa]\b", r"last \1"),
        (rf"\b(?:dentro de|de aqui a|en) {_COUNT} ({_UNIT})\b", r"in \1 \2"),
        (rf"\bhace {_COUNT} ({_UNIT})\b", r"\1 \2 ago"),
        (rf"\b{_COUNT} ({_UNIT}) atras\b", r"\1 \2 ago"),
        (r"\b(?:a )?(?:principios|comienzos|inicios) (?:de|del)\b", "early"),
        (r"\b(?:a )?mediados (?:de|del)\b", "mid"),
        (r"\b(?:a )?(?:finales|fines|final) (?:de|del)\b", "late"),
        (r"\bprimera (?=week|semana)", "first "),
        (r"\bsegunda (?=week|semana)", "second "),
        (r"\btercera (?=week|semana)", "third "),
        (r"\bcuarta (?=week|semana)", "fourth "),
        (r"\bultima (?=week|semana)", "last "),
        (r"\ba partir (?:del?|de el)(?: dia)?\b", "from"),
        (r"\b(?:del?|desde)(?: el)?(?: dia)? (\d{1,2}) (?:al?|hasta)(?: el)?(?: dia)? (\d{1,2})\b", r"from \1 to \2"),
        (r"\bentre (?:el |los |las )?(\d{1,2}) y (?:el )?(\d{1,2})\b", r"\1 to \2"),
        (r"\b(\d{1,2}) (?:al|hasta el) (\d{1,2})\b", r"\1 to \2"),
        (r"(?<=[a-z]) (?:del?) (?=(?:19|20)\d\d\b)", " "),
        (r"\b(\d{1,2}) (?:d|de) (?=[a-z])", r"\1 of "),
        (rf"\b(?:el )?dia (\d{{1,2}})\b(?! of| {_UNIT})", r"on the \1th"),
        (r"^(?:para |desde |hasta )?el (\d{1,2})[.!]?$", r"on the \1th"),
        # Who comes
        (r"\b(?:solo yo|solamente yo|yo sol[oa]|(?:voy|viajo|ire|vengo) sol[oa]|sol[oa] yo|solo para mi)\b", "just me"),
        (r"\b(?:nosotr[oa]s dos|los dos|nosotr[oa]s 2|los 2|ambos)\b", "both of us"),
        (r"\bsomos (?:como |unos |unas )?", "we are "),
        (r"\bcomo (?=\d)", "around "),
        (r"\ben total\b", "in total"),
    )
)  # fmt: skip


def folded(text: str) -> str:
    """Latin letters without their accents: "mañana" → "manana"."""
    return "".join(one for one in unicodedata.normalize("NFD", text) if not "\u0300" <= one <= "\u036f")


def is_spanish(words: list[str], language: str) -> bool:
    """Whether a text with these words (folded) is to be read as Spanish."""
    return language.startswith("es") or not _SURE_WORDS.isdisjoint(words)


def canonical_of(text: str, language: str) -> str:
    """A Spanish text, folded, in the canonical vocabulary."""
    text = " ".join(text.replace("¿", " ").replace("¡", " ").split())
    text = _with_digits(text, sure=language.startswith("es"))
    for pattern, made in _PHRASES:
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
            if words[0] == "uno" and not alone:
                return match[0]
        return _composed(words)

    return "1" if text.strip(" .!?") in {"una", "uno", "un"} else _RUN.sub(digits, text)


def _composed(words: list[str]) -> str:
    """What the words come to; several numbers when they are not one."""
    made: list[int] = []
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
            made.append(total + current)
            total, current = 0, value
        joins = False
    return " ".join(str(number) for number in [*made, total + current])
