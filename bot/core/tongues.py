"""Which language a text is written in: English, Spanish, Hindi or Nepali, the last two in either script. A hint only.

A small model of our own. Script decides between Devanagari and Latin letters. Then each word votes: a common word for
the languages that have it, the more the fewer they are; any other word by its trigrams of letters, compared with those
of the common words, for little. What short texts, names and numbers say is not enough to be a guess.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from bot.core.words import normalise

SPEECH = "speech"
"""Key in the contact's scope of what `bot.core.offering` remembers: `heard` (language → evidence), `asked` (languages
that were offered), `offer` (the one that is open), `chosen` (the person has chosen)."""
HINDI_LATIN = "hi-Latn"
NEPALI_LATIN = "ne-Latn"

_COMMON: dict[str, str] = {
    "en": (
        "the be is are am was were been being have has had do does did will would shall should can could "
        "may might must i you he she it we they me him her us them my your his our their this that these "
        "those and or but if because of in on at by for with about from into to up out not what which "
        "who when where why how much many all any some no more most other than then so very just only "
        "there here please thanks thank hello hi want need like looking interested know tell book "
        "booking price cost trip trek tour people person days day week month next tomorrow today "
        "available possible send call back me get go going come help question does anyone still already "
        "also before after during between good great okay sure sorry yes hotel guide included include "
        "date dates information"
    ),
    "es": (
        "el la los las un una unos unas de del al en con por para sin sobre entre hasta desde y o pero "
        "si porque que quien cual cuando donde como cuanto cuantos cuanta cuesta yo tu usted el ella "
        "nosotros ustedes ellos me te se nos le les mi mis su sus este esta estos estas eso esa es son "
        "soy somos estoy esta estamos estan ser estar hay tengo tiene tenemos tienen quiero queremos "
        "quisiera quisieramos puedo puede podemos pueden necesito necesitamos hola buenas buenos dias "
        "tardes noches gracias favor hacer ir viajar reservar precio viaje personas persona dia semana "
        "mes proximo proxima manana hoy ayer no mas muy tambien ya todo todos algo nada informacion "
        "saber disponible fecha fechas salida grupo familia amigos parece bien reservar reserva reservo "
        "pagar llegar llega llevar cambiar incluye guia vamos seria gustaria interesa ayuda pregunta"
    ),
    HINDI_LATIN: (
        "hai hain hoon hu tha thi the ho hoga hogi honge hum ham main mai mujhe mujhko hume humein humko "
        "aap aapka aapke aapki mera meri mere tum kya kyu kyun kaise kaisa kaun kab kahan kitna kitne "
        "kitni ka ki ke ko se me mein par pe aur ya lekin magar bhi hi toh to nahi nahin nhi mat karna "
        "karo karein kar kijiye kare karte raha rahe rahi jana jaana jaa jayenge jaenge chahiye chahte "
        "chahta chahti chaiye batao bataiye bata dena dijiye do ek teen log logo din raat hafta hafte "
        "mahina mahine kal aaj parso agle pichle baad pehle tak liye wala wali wale yeh ye woh wo accha "
        "acha theek thik sab kuch koi bahut thoda abhi kabhi milega milegi sakta sakte sakti paise "
        "kharcha haan ji bhai baje baare jaankari kaun sa karni karna hamari hamara hamare aana aane "
        "jaane jata jati bolo bol suno samajh pehla dusra sirf bilkul zaroor shukriya dhanyavad mat lena "
        "lekar lekin agar isme usme iska uska"
    ),
    NEPALI_LATIN: (
        "cha chha chu chhu chau chhau chan chhan xa xu xau ho hoina haina huncha hunchha hudaina thiyo "
        "thiye ma hami malai hamilai tapai tapaiko tapailai mero hamro timi k ke kasto kasari ko kati "
        "kahile kaha kun kina lai le ko ka ki ra ta pani matra dekhi samma bata sanga tira pachi pachhi "
        "agadi lagi garna garnu garne garnus gardai gareko jane jana janu jancha jaanu aune aauchu "
        "aauchau auchau parcha parchha paryo chahancha chahanchu chahanchau chahiyo chahincha bhanne "
        "bhannus dinus dinu hola holani sakincha sakchu sakchau milcha milchha bholi parsi hijo aaja din "
        "hapta mahina arko yo tyo yeti tyati dherai ali ekdam ramro thik dui tin char panch hidne parne "
        "hune dine line sodhnu sodhna garidinus pathaunus pathaidinus yesma tesma yesko tesko bhayo "
        "bhaye gaye aayo aaye manche namaste dhanyabad hajur bihana beluka paisa kharcha jankari sabai "
        "kehi"
    ),
    "hi": (
        "है हैं हूँ हूं था थी थे हो होगा होगी होंगे हम मैं मुझे हमें हमको आप आपका आपके आपकी मेरा मेरी "
        "मेरे तुम क्या क्यों कैसे कैसा कौन कब कहाँ कहां कितना कितने कितनी का की के को से में पर और या "
        "लेकिन भी ही तो नहीं मत करना करो करें कर कीजिए करते रहा रहे रही जाना जाएंगे जाएँगे चाहिए चाहते "
        "चाहता चाहती बताओ बताइए बता देना दीजिए लोग लोगों दिन रात हफ्ते हफ्ता महीना महीने कल आज परसों "
        "अगले पिछले बाद पहले तक लिए वाला वाली वाले यह ये वह वो अच्छा ठीक सब कुछ कोई बहुत थोड़ा अभी "
        "मिलेगा सकता सकते सकती बारे जानकारी धन्यवाद कृपया हाँ हां जी हमारी हमारा हमारे इसमें उसमें बदलनी "
        "बहुत आना आने आएगी जाने लेकर देना भेज दीजिए अगर सिर्फ बिल्कुल शामिल छूट महंगा अच्छी आती आते बजे "
        "रुपये कीमत यात्रा बुक"
    ),
    "ne": (
        "छ छन् छु छौं छौ हो होइन हैन हुन्छ हुँदैन थियो थिए म हामी मलाई हामीलाई तपाईं तपाईंको तपाईंलाई "
        "मेरो हाम्रो तिमी के कस्तो कसरी को कति कहिले कहाँ कुन किन लाई ले र त पनि मात्र देखि सम्म बाट सँग "
        "तिर पछि अगाडि लागि गर्न गर्नु गर्ने गर्नुस् गर्नुहोस् गरेको जाने जान जना जानु आउने आउँछु पर्छ "
        "पर्यो चाहन्छु चाहन्छौं चाहियो चाहिन्छ भन्ने भन्नुस् दिनुस् दिनुहोस् होला सकिन्छ सक्छु मिल्छ "
        "भोलि पर्सि हिजो आज दिन हप्ता महिना अर्को यो त्यो धेरै अलि राम्रो ठिक दुई मान्छे नमस्ते धन्यवाद "
        "हजुर बिहान बेलुका रुपैयाँ जानकारी सबै केही जनाको लाग्छ छैन भयो गर्छ यसमा त्यसमा कृपया बजे "
        "समावेश लागि बारे छुट मिति गरिदिनुस् पठाइदिनुस् हिँड्ने हाम्रा बाट जस्तो एकदम भने अनि तर हजुरको "
        "आयो गएको भएको एक जाडो महँगो सोध्न"
    ),
}  # fmt: skip
_SCRIPTS = {"Latin": ("en", "es", HINDI_LATIN, NEPALI_LATIN), "Devanagari": ("hi", "ne")}
TOLD = frozenset(_COMMON)
"""The languages that can be told."""
_ENDINGS = {
    "ne": ("लाई", "हरू", "हरु", "न्छ", "न्छु", "न्छौं", "ँछ", "ँछु", "ँछौं", "र्छ", "र्छु", "देखि", "सम्म", "मा", "बाट", "जना", "नुस्",
           "नुहोस्", "ैन", "ैनौं", "ैनन्", "न्थ्यो", "थियो", "ौला", "ौंला", "िने", "ँदै", "ुभयो", "नुपर्छ"),
    "hi": ("ेगा", "ेगी", "ेंगे", "एगा", "एगी", "एंगे", "एँगे", "ूंगा", "ूँगा", "ूंगी", "िए", "िएगा", "ाइए", "ाओ", "ियों", "ाएं"),
    HINDI_LATIN: ("iye", "iyega", "enge", "unga", "ungi", "ega", "egi", "oge", "ogi", "aunga", "wala", "wali", "iyo"),
    NEPALI_LATIN: ("lai", "haru", "ncha", "nchha", "ncchu", "chau", "chhau", "daina", "dainau", "nuhos", "inus", "nus",
                   "dekhi", "samma", "nthyo", "thiyo", "nuparcha", "ko"),
}  # fmt: skip
"""Endings of verbs, and postpositions, that tell a language even in a word we do not know."""
_ALSO_NAMES = frozenset({"de", "la", "del", "los", "las", "el", "y", "con", "san", "raj", "do", "ram", "maya"})
"""Common words that names of people and places are made of as well."""
_DEVANAGARI = re.compile("[\u0900-\u0963]")
_LETTERS = re.compile(r"[^\W\d_]")
_MIN_KNOWN = 2.0
"""Votes of common words that a guess needs: two words that only this language has."""
_MIN_LEAD = 1.5
_UNKNOWN_WEIGHT = 0.12
_MAX_WORDS = 60


@dataclass(frozen=True, slots=True)
class Guess:
    """A language (`en`, `es`, `hi`, `ne`, `hi-Latn`, `ne-Latn`), and how much the text says for it, from 0 to 1."""

    language: str
    weight: float


def common_words() -> list[str]:
    """The common words of all languages, as they are listed."""
    return [word for words in _COMMON.values() for word in words.split()]


@cache
def _votes() -> Mapping[str, Mapping[str, float]]:
    """Word → language → vote: 1 for a word of one language only, less for one that several of its script have."""
    tables = {language: frozenset(map(normalise, words.split())) for language, words in _COMMON.items()}
    votes: dict[str, dict[str, float]] = {}
    for languages in _SCRIPTS.values():
        for language in languages:
            for word in tables[language]:
                having = [other for other in languages if word in tables[other]]
                if len(having) < len(languages):
                    vote = 1.0 if len(having) == 1 else 0.5 / len(having)
                    votes.setdefault(word, {})[language] = vote * (0.4 if word in _ALSO_NAMES else 1.0)
    return votes


def _trigrams(word: str) -> Iterable[str]:
    edged = f"^{word}$"
    return (edged[place : place + 3] for place in range(len(edged) - 2))


@cache
def _letters() -> Mapping[str, Mapping[str, float]]:
    """Language → trigram → logarithm of how usual it is, from the common words."""
    usual: dict[str, dict[str, float]] = {}
    for language, words in _COMMON.items():
        counts: dict[str, int] = {}
        for word in words.split():
            for trigram in _trigrams(normalise(word)):
                counts[trigram] = counts.get(trigram, 0) + 1
        total = sum(counts.values()) + 2000
        usual[language] = {trigram: math.log((count + 0.5) / total) for trigram, count in counts.items()}
        usual[language][""] = math.log(0.5 / total)
    return usual


def _by_letters(word: str, languages: Iterable[str]) -> dict[str, float]:
    """How much better than the average each language explains the letters of a word, at most 1."""
    usual = _letters()
    scores = {}
    for language in languages:
        known = usual[language]
        values = [known.get(trigram, known[""]) for trigram in _trigrams(word)]
        scores[language] = sum(values) / len(values)
    middle = sum(scores.values()) / len(scores)
    return {language: max(-1.0, min(1.0, score - middle)) for language, score in scores.items()}


def _by_ending(word: str, languages: Iterable[str]) -> dict[str, float] | None:
    having = [one for one in languages if len(word) > 4 and word.endswith(_ENDINGS.get(one, ()))]
    return {having[0]: 0.8} if len(having) == 1 else None


def guess(text: str) -> Guess | None:
    """The language of a text, if it says enough for one.

    Args:
        text: What somebody wrote, normalised (`bot.core.words`).
    """
    words = _words(text) if " " in text else ()
    if len(words) < _MIN_KNOWN:  # no word has more than one vote
        return None
    scores, known = _heard(words)
    best, second = sorted(scores, key=lambda one: -scores[one])[:2]
    lead = scores[best] - scores[second]
    if known[best] < _MIN_KNOWN or lead < _MIN_LEAD or known[best] < 0.25 * len(words):
        return None
    return Guess(best, round(min(1.0, lead / 3), 3))


def likeliest(text: str, usual: str = "en") -> str:
    """The language a text is most like, however little it says; the usual one, when it says nothing.

    For counting, not for deciding how to talk to somebody.

    Args:
        text: Normalised, as for `guess`.
        usual: What it is when nothing tells.
    """
    words = _words(text)
    scores = _heard(words)[0] if words else {}
    best = max(scores, key=lambda one: scores[one], default=usual)
    return usual if scores.get(best, 0.0) <= scores.get(usual, 0.0) else best


def _words(text: str) -> list[str]:
    return [word for word in text.split()[:_MAX_WORDS] if _LETTERS.match(word)]


def _heard(words: Sequence[str]) -> tuple[dict[str, float], dict[str, float]]:
    """What speaks for each language of the script: altogether, and by words that are known."""
    hindi = [word for word in words if _DEVANAGARI.match(word)]
    devanagari = 2 * len(hindi) >= len(words)
    languages = _SCRIPTS["Devanagari" if devanagari else "Latin"]
    scores, known = dict.fromkeys(languages, 0.0), dict.fromkeys(languages, 0.0)
    for word in hindi if devanagari else [one for one in words if not _DEVANAGARI.match(one)]:
        votes = _votes().get(word) or _by_ending(word, languages)
        if votes is not None:
            for language, vote in votes.items():
                if language in scores:
                    scores[language] += vote
                    known[language] += vote
        elif len(word) >= 3:
            for language, vote in _by_letters(word, languages).items():
                scores[language] += _UNKNOWN_WEIGHT * vote
    return scores, known
