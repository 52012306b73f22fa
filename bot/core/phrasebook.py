"""Words and phrases the framework itself understands, per language: yes and no, help and cancel, stop and start.

Each is matched against the whole of a short message (see `bot.core.words`), normalised: lower case, no punctuation, no
accents. Everybody may use the words of every language; a person's own language and English come first.
"""

LANGUAGES = ("ne", "es", "hi", "en")
"""The languages below; of phrases that several have, the later one's meaning counts."""

YES: dict[str, tuple[str, ...]] = {
    "en": (
        "yes", "y", "yeah", "yep", "yup", "ya", "ok", "okay", "k", "sure", "of course", "correct", "right",
        "confirm",
        "confirmed", "go ahead", "yes please", "please do", "looks good", "sounds good", "all good", "perfect",
        "great", "thats right", "do it", "send it", "absolutely", "definitely", "certainly", "yess",
        "yesss", "okie",
        "okies", "why not", "sure thing", "that works", "yes please do", "yea", "okey", "okk", "fine",
        "done", "agreed", "exactly",
        "of course yes", "ok sure", "for sure", "i guess so", "i think so", "i suppose so",
        "yes sure", "yes ok", "yes correct", "yes thats right", "cool", "awesome",
        "alright", "correct yes", "lets do it", "lets go", "👍", "✅", "👌", "✔", "☑", "🆗", "💯", "👍👍",
        "❤", "🙌", "👏", "🤝", "go for it", "sounds good to me", "looks good to me", "fine by me", "works for me",
        "fine with me", "ok with me", "count me in", "im in", "do that", "lets do that",
    ),
    "hi": (
        "haan", "han", "ha", "haan ji", "ji", "ji haan", "theek hai", "thik hai", "bilkul", "sahi", "sahi hai",
        "haanji", "hanji", "haan haan", "accha", "acha", "kar do", "chalega", "hao", "haa", "chalo", "pakka",
        "zaroor", "zarur", "jarur", "thik h", "theek h", "thik", "theek", "bhej do", "kardo", "bhejdo",
        "ji bilkul",
        "haan theek hai", "जरूर", "ज़रूर", "पक्का", "ठीक", "कर दो", "भेज दो", "कर दीजिए", "भेज दीजिए",
        "हाँ बिल्कुल",
        "हाँ", "हां", "हा", "जी", "अच्छा", "सही है", "चलेगा", "जी हाँ", "जी हां", "ठीक है", "बिल्कुल", "सही",
    ),
    "es": (
        "si", "sip", "sii", "claro", "claro que si", "si claro", "por supuesto", "vale", "dale", "de acuerdo",
        "correcto", "perfecto", "esta bien", "bueno", "listo", "exacto", "genial", "me parece bien", "adelante",
        "si por favor", "me encanta", "me gusta", "asi es", "confirmo", "confirmado", "seguro", "okey",
        "vamos", "si gracias",
    ),
    "ne": (
        "ho", "hajur", "hunchha", "huncha", "hunxa", "hudo ho", "thik cha", "thik chha", "thik xa", "theek cha",
        "pakka", "sahi ho", "garnus", "pathaunus", "thikai cha", "thikai chha", "ho ni",
        "हो", "हजुर", "हुन्छ", "ठीक छ", "ठिक छ", "पक्का",
        "सही हो", "राम्रो", "गर्नुस्", "गर्नुहोस्", "पठाउनुस्", "पठाउनुहोस्", "हुन्छ हजुर",
    ),
}  # fmt: skip
NO: dict[str, tuple[str, ...]] = {
    "en": (
        "no", "n", "nope", "nah", "no thanks", "no thank you", "not now", "wrong", "dont", "never", "no way",
        "not really", "incorrect", "thats wrong", "not correct", "noo", "nooo", "not ok", "👎", "❌", "🚫", "✖",
        "not interested", "no need", "please dont", "rather not", "⛔", "🙅", "absolutely not", "definitely not",
        "certainly not", "of course not", "not at all", "i dont think so", "dont think so", "id rather not",
        "not this time", "not today", "not for me", "not for us",
    ),
    "hi": (
        "nahi", "nahin", "na", "nahi ji", "mat", "galat", "nhi", "nai", "bilkul nahi", "nahi chahiye",
        "rehne do",
        "rehne dijiye", "nahi karna", "ना", "नहीं चाहिए", "रहने दीजिए", "बिल्कुल नहीं", "नहीं करना",
        "galat hai", "abhi nahi", "abhi nahin", "अभी नहीं", "aaj nahi",
        "mat karo", "नहीं", "नही", "जी नहीं", "मत", "गलत",
    ),
    "es": (
        "no gracias", "para nada", "nop", "ahora no", "ni hablar", "de ninguna manera", "no quiero",
        "todavia no",
        "aun no", "incorrecto", "no es correcto", "nunca", "mejor no", "no me interesa",
    ),
    "ne": (
        "hoina", "haina", "अहँ", "hudaina", "hunna", "pardaina", "chaina", "chahindaina", "chaidaina",
        "chaindaina", "nai",
        "gardina", "होइन", "हैन", "हुँदैन", "हुदैन", "हुन्न", "पर्दैन", "छैन", "चाहिँदैन", "चाहिदैन",
        "अहिले होइन",
        "गर्दिन",
    ),
}  # fmt: skip
MAYBE: dict[str, tuple[str, ...]] = {
    "en": (
        "maybe", "perhaps", "possibly", "not sure", "im not sure", "might", "i dont know", "dont know", "dunno",
        "not decided", "undecided", "lets see", "will see", "depends", "idk", "not really sure", "not too sure",
        "maybe later", "cant say", "not yet decided", "🤔", "🤷", "let me think", "let me see", "let me check",
        "need some time", "give me some time",
    ),
    "hi": (
        "shayad", "pata nahi", "pta nahi", "pta nhi", "pata nhi", "ho sakta hai", "sochta hu", "sochti hu",
        "soch raha hu", "soch rahi hu", "soch ke batata hu",
        "soch kar batata hu", "soch ke bataunga", "sochte hain", "abhi nahi pata", "हो सकता है", "सोचना है",
        "अभी नहीं पता", "सोचकर बताऊँगा", "सोचकर बताता हूँ", "dekhte hain", "dekhenge", "sochna hai", "शायद",
        "पता नहीं", "देखते हैं",
    ),
    "es": (
        "tal vez", "quizas", "quiza", "no se", "no lo se", "no estoy seguro", "no estoy segura", "a lo mejor",
        "depende", "puede ser", "puede que si", "ya veremos", "no se todavia", "aun no se", "todavia no se",
        "lo pensare", "ni idea", "no tengo idea",
    ),
    "ne": (
        "sayad", "shayad", "thaha chaina", "thaha bhayena", "थाहा भएन", "thaha xaina", "herau", "heraula",
        "herum", "sochchu", "सायद", "शायद",
        "थाहा छैन", "हेरौं", "हेरौँ", "हेरौंला", "सोच्छु", "पक्का छैन",
    ),
}  # fmt: skip
SKIP: dict[str, tuple[str, ...]] = {
    "en": (
        "skip", "skip it", "skip this", "none", "nothing", "no", "nope", "na", "n a", "not applicable",
        "no thanks",
        "dont have", "i dont have one", "dont have one", "dont know", "i dont know", "not sure", "next",
        "leave it",
        "no preference", "nil", "pass",
    ),
    "hi": (
        "nahi", "nahin", "koi nahi", "kuch nahi", "pata nahi", "chhodo", "नहीं", "कोई नहीं", "कुछ नहीं",
        "पता नहीं",
        "छोड़ो",
    ),
    "es": (
        "saltar", "omitir", "ninguno", "ninguna", "nada", "no tengo", "no se", "no aplica", "siguiente",
        "sin preferencia", "no gracias", "paso",
    ),
    "ne": (
        "chaina", "kehi chaina", "thaha chaina", "chhodnus", "छैन", "केही छैन", "थाहा छैन", "छोड्नुस्",
        "छोड्नुहोस्",
        "पर्दैन",
    ),
}  # fmt: skip
CORRECTION: dict[str, tuple[str, ...]] = {
    "en": (
        "no", "not", "sorry", "actually", "change", "make it", "make that", "i meant", "i mean", "instead",
        "correction", "wait", "oops", "rather", "update",
    ),
    "hi": ("nahi", "nahin", "galat", "badlo", "नहीं", "बदलो", "बदलें"),
    "es": (
        "no", "mejor", "perdon", "perdona", "en realidad", "quise decir", "queria decir", "quiero decir",
        "cambia",
        "cambialo", "cambialo a", "cambiar", "cambiar a", "corrijo", "digo", "sino", "que sea", "que sean",
        "me equivoque", "espera", "ponle", "pon",
    ),
    "ne": (
        "hoina", "haina", "होइन", "हैन", "बरु", "baru", "माफ गर्नुस्", "maaf garnus", "सच्याउनुस्", "बदल्नुस्",
        "badalnus",
    ),
}  # fmt: skip

UNIVERSAL_WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "help": ("help", "help me", "menu", "options", "what can you do", "commands", "how does this work",
        "info"),
        "back": ("back", "go back", "previous", "undo"),
        "cancel": (
            "cancel", "quit", "exit", "end", "never mind", "nevermind", "forget it", "abort", "leave it",
        ),
        "restart": ("restart", "start over", "start again", "begin again", "reset", "from the beginning"),
        "repeat": ("repeat", "again", "say that again", "what was the question", "pardon", "come again"),
        "agent": (
            "agent", "human", "talk to a person", "talk to someone", "talk to a human", "talk to an agent",
            "person",
            "real person", "representative", "speak to someone", "speak to a person", "speak to a human",
            "call me",
            "operator", "customer care", "support", "i want to talk to a person", "can i talk to someone",
            "connect me to a person", "connect me to an agent",
        ),
    },
    "hi": {
        "help": ("madad", "sahayata", "मदद", "सहायता", "मेनू"),
        "back": ("wapas", "vapas", "peeche", "piche", "वापस", "पीछे"),
        "cancel": ("radd", "radd karo", "cancel karo", "rehne do", "रद्द", "रद्द करो", "रहने दो", "छोड़ो"),
        "restart": ("phir se shuru", "shuru se", "dobara shuru", "फिर से शुरू", "शुरू से"),
        "repeat": ("phir se", "dobara", "fir se", "फिर से", "दोबारा"),
        "agent": (
            "insaan", "kisi se baat", "baat karni hai", "baat karo", "किसी से बात", "इंसान", "बात करनी है",
        ),
    },
    "es": {
        "help": ("ayuda", "ayudame", "ayudeme", "menu", "opciones", "que puedes hacer", "informacion"),
        "back": ("volver", "atras", "volver atras", "regresar", "anterior"),
        "cancel": ("cancelar", "cancela", "cancelalo", "salir", "olvidalo", "dejalo", "terminar"),
        "restart": (
            "empezar de nuevo", "empezar otra vez", "reiniciar", "de nuevo desde el principio",
            "desde el principio",
            "volver a empezar",
        ),
        "repeat": ("repetir", "repite", "repita", "otra vez", "de nuevo", "como dijo", "puedes repetir"),
        "agent": (
            "agente", "persona", "humano", "una persona", "asesor", "operador", "quiero hablar con una persona",
            "hablar con una persona", "hablar con alguien", "quiero hablar con alguien", "hablar con un agente",
            "llamame", "soporte",
        ),
    },
    "ne": {
        "help": ("madat", "maddat", "sahayog", "मद्दत", "सहयोग", "सहायता"),
        "back": ("pachadi", "pachhadi", "farka", "pharka", "पछाडि", "फर्क", "फर्कनुस्", "फर्कनुहोस्"),
        "cancel": (
            "radda", "radda gara", "radda garnus", "रद्द", "रद्द गर", "रद्द गर्नुस्", "रद्द गर्नुहोस्",
            "छोड्दिनुस्",
        ),
        "restart": ("feri suru", "feri suru gara", "suru dekhi", "फेरि सुरु", "सुरुदेखि", "फेरि सुरु गर्नुस्"),
        "repeat": (
            "feri", "feri bhana", "feri bhannus", "फेरि", "फेरि भन्नुस्", "फेरि भन्नुहोस्", "दोहोर्याउनुस्",
        ),
        "agent": (
            "manche", "manche sanga kura", "manche sanga kura garne", "kohi sanga kura garnu cha", "मान्छे",
            "मान्छेसँग कुरा", "मान्छेसँग कुरा गर्ने", "कोहीसँग कुरा गर्नु छ", "मान्छेसँग कुरा गर्नु छ",
        ),
    },
}  # fmt: skip

CONSENT_WORDS: dict[str, str] = {
    "stop": "stop", "unsubscribe": "stop", "opt out": "stop", "optout": "stop", "stop all": "stop",
    "stopall": "stop",
    "revoke": "stop", "stop messages": "stop", "no more messages": "stop", "message band karo": "stop",
    "message mat bhejo": "stop", "बंद करो": "stop", "संदेश बंद करो": "stop", "संदेश मत भेजो": "stop",
    "start": "start", "unstop": "start", "subscribe": "start", "opt in": "start", "optin": "start",
    "message shuru karo": "start", "संदेश शुरू करो": "start", "darme de baja": "stop", "dar de baja": "stop",
    "no mas mensajes": "stop", "detener mensajes": "stop", "message nagarnus": "stop",
    "message napathaunus": "stop",
    "सन्देश नपठाउनुस्": "stop", "सन्देश नपठाउनुहोस्": "stop", "सन्देश बन्द गर्नुस्": "stop",
    "सन्देश बन्द गर्नुहोस्": "stop", "reanudar mensajes": "start", "सन्देश सुरु गर्नुस्": "start",
    "सन्देश पठाउनुस्": "start",
}  # fmt: skip
"""Words that withdraw or give consent to messages, in any language. They come before everything, so no flow may use
them. WhatsApp reserves none: finding them is up to us."""
MORE = frozenset(
    [
        "aru", "aur", "aur dikhao", "mas", "more", "mostrar mas", "next", "next page", "others", "show more",
        "siguiente", "ver mas", "अरू", "और", "और दिखाओ", "थप", "…",
    ]
)  # fmt: skip
"""Words that turn the page of a long list of choices."""
MAYBE_STOP = frozenset(
    [
        "cancel", "cancelar", "end", "exit", "quit", "radd karo", "radda", "salir", "रद्द", "रद्द करो",
    ]
)  # fmt: skip
"""Words that may mean STOP. In a conversation they mean what they mean there; outside of any we ask."""
FILLERS: tuple[str, ...] = (
    "please", "pls", "sorry", "ni", "नि", "plz", "plss", "thanks", "thank", "thx", "ty", "you", "u", "hmm", "hm",
    "um", "well", "so",
    "then", "oh", "sir", "madam", "mam", "bro", "dear", "bhai", "ji", "h", "hai", "yaar", "na", "didi", "dai",
    "hajur", "gracias", "dhanyavad", "dhanyawad", "dhanyabad", "shukriya", "धन्यवाद", "शुक्रिया",
    "mate", "buddy", "boss", "bhaiya", "bhaiyya", "भाई", "भैया", "यार", "दीदी", "सर", "मैडम", "दाइ", "दाई", "दिदी",
    "जी", "हजुर", "por", "favor", "amigo", "amiga", "hermano", "pues", "entonces", "hola", "🙏", "😊", "🙂",
    "😀", "😃",
    "😄", "😁", "😅", "🥰",
)  # fmt: skip
"""Words and signs that add nothing to a yes or no."""

ORDINALS: dict[int, tuple[str, ...]] = {
    1: ("first", "1st", "pehla", "pehli", "पहला", "पहली", "primero", "primera", "primer", "pahilo", "पहिलो"),
    2: ("second", "2nd", "dusra", "doosra", "dusri", "दूसरा", "दूसरी", "segundo", "segunda", "dosro", "दोस्रो"),
    3: ("third", "3rd", "teesra", "tisra", "तीसरा", "तीसरी", "tercero", "tercera", "tesro", "तेस्रो"),
    4: ("fourth", "4th", "chautha", "चौथा", "चौथी", "cuarto", "cuarta", "chautho", "चौथो"),
    5: ("fifth", "5th", "paanchva", "पाँचवाँ", "पांचवां", "quinto", "quinta", "paanchau", "पाँचौं"),
    -1: ("last", "aakhri", "akhri", "आखिरी", "ultimo", "ultima", "antim", "अन्तिम"),
}  # fmt: skip
"""Words that choose by place, counted from the end when negative."""
AROUND_ORDINALS: tuple[str, ...] = (
    "the", "one", "option", "choice", "please", "wala", "wali", "vala", "वाला", "वाली", "el", "la",
    "opcion", "chahi",
    "chai", "चाहिँ", "number",
)  # fmt: skip
"""Words that may stand beside them: "the second one", "दूसरा वाला"."""
