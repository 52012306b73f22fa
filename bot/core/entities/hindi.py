"""Hindi, in Devanagari and in Latin letters, in words of the canonical vocabulary (see `bot.core.entities.wording`)."""

_NUMBERS = [
    "एक", "दो", "तीन", "चार", "पाँच", "छह", "सात", "आठ", "नौ", "दस", "ग्यारह", "बारह", "तेरह", "चौदह", "पंद्रह",
    "सोलह", "सत्रह", "अठारह", "उन्नीस", "बीस", "इक्कीस", "बाईस", "तेईस", "चौबीस", "पच्चीस", "छब्बीस", "सत्ताईस",
    "अट्ठाईस", "उनतीस", "तीस", "इकतीस", "बत्तीस", "तैंतीस", "चौंतीस", "पैंतीस", "छत्तीस", "सैंतीस", "अड़तीस",
    "उनतालीस", "चालीस", "इकतालीस", "बयालीस", "तैंतालीस", "चौवालीस", "पैंतालीस", "छियालीस", "सैंतालीस",
    "अड़तालीस", "उनचास", "पचास", "इक्यावन", "बावन", "तिरपन", "चौवन", "पचपन", "छप्पन", "सत्तावन", "अट्ठावन",
    "उनसठ", "साठ", "इकसठ", "बासठ", "तिरसठ", "चौंसठ", "पैंसठ", "छियासठ", "सड़सठ", "अड़सठ", "उनहत्तर", "सत्तर",
    "इकहत्तर", "बहत्तर", "तिहत्तर", "चौहत्तर", "पचहत्तर", "छिहत्तर", "सतहत्तर", "अठहत्तर", "उन्यासी", "अस्सी",
    "इक्यासी", "बयासी", "तिरासी", "चौरासी", "पचासी", "छियासी", "सत्तासी", "अट्ठासी", "नवासी", "नब्बे",
    "इक्यानवे", "बानवे", "तिरानवे", "चौरानवे", "पचानवे", "छियानवे", "सत्तानवे", "अट्ठानवे", "निन्यानवे",
]  # fmt: skip
DEVANAGARI_NUMBERS = {word: number for number, word in enumerate(_NUMBERS, 1)} | {
    "छः": 6, "छे": 6, "छै": 6, "उन्तीस": 29, "चवालीस": 44, "अठाईस": 28, "अठाइस": 28,
}  # fmt: skip
DEVANAGARI = {
    "लिए": "liye", "लोग": "people", "लोगों": "people", "जन": "people", "जने": "people", "आदमी": "people",
    "व्यक्ति": "people", "यात्री": "people", "बंदे": "people", "सदस्य": "members", "वयस्क": "adults", "बड़े": "adults",
    "बड़ा": "adult", "बच्चे": "children", "बच्चा": "child", "बच्ची": "child", "बच्चों": "children", "मेहमान": "guests",
    "दोस्त": "friends", "दोस्तों": "friends", "दिन": "days", "दिनों": "days", "रात": "raat", "रातें": "nights",
    "रातों": "nights", "हफ्ते": "weeks", "हफ्तों": "weeks", "हफ्ता": "week", "सप्ताह": "weeks", "महीने": "months",
    "महीनों": "months", "महीना": "month", "घंटे": "hours", "घंटा": "hour", "घंटों": "hours", "मिनट": "minutes",
    "बजे": "baje", "बजकर": "baje", "तारीख": "tarikh", "रुपये": "rupees", "रुपए": "rupees", "रुपयों": "rupees",
    "रुपया": "rupee", "डॉलर": "dollars", "यूरो": "euros", "लाख": "lakh", "करोड़": "crore", "सौ": "hundred",
    "हज़ार": "thousand", "आधा": "half", "आधे": "half", "दर्जन": "dozen", "डेढ़": "dedh", "ढाई": "dhai", "साढ़े": "sadhe",
    "सवा": "sava", "पौने": "paune", "पौन": "paune", "आज": "today", "कल": "kal", "परसों": "parson", "अगले": "next",
    "अगला": "next", "अगली": "next", "इस": "this", "पिछले": "last", "पिछला": "last", "पिछली": "last", "आने": "aane",
    "वाला": "wala", "वाले": "wala", "वाली": "wala", "बीता": "beeta", "बीते": "beeta", "हुआ": "hua", "सुबह": "subah",
    "सवेरे": "subah", "शाम": "shaam", "दोपहर": "dopahar", "को": "ko", "के": "ke", "का": "ka", "की": "ki", "और": "and",
    "से": "se", "तक": "tak", "में": "mein", "हम": "hum", "मैं": "main", "मेरी": "my", "मेरा": "my", "मेरे": "my",
    "पत्नी": "wife", "बीवी": "wife", "पति": "husband", "अकेला": "alone", "अकेले": "alone", "अकेली": "alone",
    "सिर्फ": "only", "बहन": "sister", "भाई": "brother", "माँ": "mother", "मम्मी": "mother", "माता": "mother",
    "पिता": "father", "पापा": "father", "बेटा": "son", "बेटी": "daughter", "बेटे": "sons", "चाचा": "uncle",
    "मामा": "uncle", "चाची": "aunt", "केवल": "only", "बस": "only", "कुल": "total", "लगभग": "around", "करीब": "around",
    "दोनों": "both", "परिवार": "family", "या": "or", "बाद": "baad", "पहले": "pehle", "पहला": "pehle", "पहली": "pehle",
    "दूसरे": "second", "दूसरा": "second", "तीसरे": "third", "आखिरी": "last", "शुरुआत": "shuruaat", "शुरू": "shuruaat",
    "अंत": "ant", "आखिर": "ant", "जन्मदिन": "birthday", "जन्म": "born", "जन्मतिथि": "birthday", "सवाल": "questions",
    "जनवरी": "january", "फरवरी": "february", "मार्च": "march", "अप्रैल": "april", "मई": "may", "जून": "june",
    "जुलाई": "july", "अगस्त": "august", "सितंबर": "september", "अक्टूबर": "october", "अक्तूबर": "october",
    "नवंबर": "november", "दिसंबर": "december", "सोमवार": "monday", "मंगलवार": "tuesday", "बुधवार": "wednesday",
    "गुरुवार": "thursday", "बृहस्पतिवार": "thursday", "शुक्रवार": "friday", "शनिवार": "saturday", "रविवार": "sunday",
    "इतवार": "sunday", "क्रिसमस": "christmas", "साथ": "saath", "छोटा": "small", "छोटे": "small",
    "छोटी": "small", "जन॰": "january", "फ़र॰": "february", "अप्रै॰": "april", "जुल॰": "july", "अग॰": "august",
    "सित॰": "september", "अक्तू॰": "october", "अक्टू॰": "october", "नव॰": "november", "दिस॰": "december", "घं॰": "hours",
    "मि॰": "minutes", "अपराह्न": "pm", "पूर्वाह्न": "am", "भारतीय": "indian", "वीकेंड": "weekend",
}  # fmt: skip

LATIN_NUMBERS = {
    "ek": 1, "do": 2, "teen": 3, "tin": 3, "char": 4, "chaar": 4, "paanch": 5, "panch": 5, "pach": 5, "chhe": 6,
    "cheh": 6, "che": 6, "chhah": 6, "chah": 6, "saat": 7, "sat": 7, "aath": 8, "aat": 8, "nau": 9, "das": 10,
    "dus": 10, "gyarah": 11, "gyara": 11, "barah": 12, "baarah": 12, "bara": 12, "terah": 13, "chaudah": 14,
    "pandrah": 15, "pandra": 15, "solah": 16, "satrah": 17, "atharah": 18, "athara": 18, "unnis": 19, "bees": 20,
    "bis": 20, "ikkis": 21, "bais": 22, "baees": 22, "teis": 23, "chaubis": 24, "pachis": 25, "pachees": 25,
    "pacchis": 25, "pachchis": 25, "chabbis": 26, "sattais": 27, "atthais": 28, "untis": 29, "tees": 30, "tis": 30,
    "ikattis": 31, "battis": 32, "paintis": 35, "chalis": 40, "chaalis": 40, "paintalis": 45, "pachas": 50,
    "pachaas": 50, "saath": 60, "sattar": 70, "assi": 80, "nabbe": 90,
}  # fmt: skip
ALSO_ENGLISH = frozenset({"do", "tin", "char", "teen", "sat", "bees", "bis", "das", "pach", "saath", "tis", "aat",
                          "bara", "che", "bais"})  # fmt: skip
"""Numbers that look like other words: believed beside a word that is counted, or as the whole text."""
COUNTED = frozenset(
    [
        "log", "logo", "logon", "jan", "jane", "jana", "janaa", "janaako", "aadmi", "admi", "bande", "bache",
        "bachche", "bacche", "bachcha", "baccha", "bacha", "bade", "yatri", "din", "dino", "dinon", "raat", "raatein",
        "raten", "hafte", "hafta", "haftay", "hapta", "mahine", "mahina", "maheene", "ghante", "ghanta", "ghanton",
        "minat", "minet", "baje", "bje", "bajkar", "rupaye", "rupay", "rupee", "rupees", "rupaiye", "rupaiya", "lakh",
        "lac", "crore", "vyakti", "mehman", "dost", "sathi", "people", "persons", "adults", "baar", "kamre", "kotha",
        "saal", "tarikh", "tareekh", "sau", "say", "saya", "hazaar", "hazar", "hajar", "hajaar", "december", "january",
        "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "ya", "wa",
    ]
)  # fmt: skip
BEFORE = frozenset({"hum", "ham", "hami", "sirf", "bas", "kul", "keval", "jamma", "sadhe", "saadhe", "saade", "sade",
                    "sava", "sawa", "paune", "pone"})  # fmt: skip
LATIN = {
    "log": "people", "logon": "people", "logo": "people", "jan": "jan", "jane": "people", "bande": "people",
    "aadmi": "people", "admi": "people", "vyakti": "people", "yatri": "people", "mehman": "guests",
    "dost": "friends", "doston": "friends", "bade": "adults", "bache": "children", "bachche": "children",
    "bacche": "children", "bachcha": "child", "baccha": "child", "bacha": "child", "bachon": "children",
    "din": "days", "dino": "days", "dinon": "days", "raat": "raat", "raatein": "nights", "raten": "nights",
    "hafte": "weeks", "haftay": "weeks", "hafta": "week", "mahine": "months", "mahina": "month", "maheene": "months",
    "ghante": "hours", "ghanta": "hour", "ghanton": "hours", "minat": "minutes", "rupaye": "rupees",
    "rupay": "rupees", "rupaiye": "rupees", "sau": "hundred", "hazaar": "thousand", "hazar": "thousand",
    "hajar": "thousand", "hajaar": "thousand", "lac": "lakh", "lacs": "lakh", "lakhs": "lakh", "crores": "crore",
    "saadhe": "sadhe", "saade": "sadhe", "sade": "sadhe", "sawa": "sava", "pone": "paune", "dedh": "dedh",
    "derh": "dedh",
    "dhaai": "dhai", "adhai": "dhai", "aadha": "half", "adha": "half", "aadhe": "half", "darjan": "dozen",
    "bje": "baje", "aaj": "today", "parso": "parson", "tareekh": "tarikh", "taarikh": "tarikh", "somvar": "monday",
    "somwar": "monday", "mangalvar": "tuesday", "mangalwar": "tuesday", "budhvar": "wednesday",
    "budhwar": "wednesday", "guruvar": "thursday", "guruwar": "thursday", "shukravar": "friday",
    "shukrawar": "friday", "shukrvar": "friday", "shanivar": "saturday", "shaniwar": "saturday", "ravivar": "sunday",
    "raviwar": "sunday", "itvar": "sunday", "itwar": "sunday", "agle": "next", "agla": "next", "agli": "next",
    "pichle": "last", "pichhle": "last", "pichla": "last", "beeta": "beeta", "bita": "beeta", "subah": "subah",
    "savere": "subah", "sham": "shaam", "dopahar": "dopahar", "dopeher": "dopahar", "janvari": "january",
    "janwari": "january", "farvari": "february", "farwari": "february", "julai": "july", "agast": "august",
    "sitambar": "september", "oktobar": "october", "aktubar": "october", "navambar": "november",
    "disambar": "december", "disamber": "december", "patni": "wife", "biwi": "wife", "pati": "husband",
    "akela": "alone", "akele": "alone", "akeli": "alone", "sirf": "only", "keval": "only", "kul": "total",
    "lagbhag": "around", "kareeb": "around", "karib": "around", "dono": "both", "donon": "both", "mera": "my",
    "meri": "my", "pehla": "pehle", "pehli": "pehle", "pahle": "pehle", "pahla": "pehle", "shuruat": "shuruaat",
    "behan": "sister", "behen": "sister", "bhai": "brother", "maa": "mother", "mummy": "mother", "pitaji": "father",
    "beta": "son", "beti": "daughter", "bete": "sons", "mere": "my", "ya": "or", "janamdin": "birthday",
    "janmdin": "birthday", "janam": "born", "parivar": "family", "mataji": "mother",
    "chota": "small", "chote": "small", "choti": "small",
}  # fmt: skip
"""Words that mean the same in every sentence; numbers, and `DOUBTFUL`, need company."""
LATIN |= {word[:-2] + "aar": day for word, day in LATIN.items() if day.endswith("day") and word[-2:] == "ar"}
DOUBTFUL = frozenset(
    {"ya", "kul", "pati", "sade", "bade", "pone", "jane", "logo", "mere", "bhai", "maa", "beta", "bete"}
)
"""Also words of other languages: believed among other words of Hindi or Nepali."""
