"""Nepali, in Devanagari and in Latin letters, in words of the canonical vocabulary.

Nepali writes its postpositions onto the word ("डिसेम्बरमा", "४ जनाको"): `SUFFIXES` are taken off what is not known whole.
"""

_NUMBERS = [
    "एक", "दुई", "तीन", "चार", "पाँच", "छ", "सात", "आठ", "नौ", "दश", "एघार", "बाह्र", "तेह्र", "चौध", "पन्ध्र",
    "सोह्र", "सत्र", "अठार", "उन्नाइस", "बीस", "एक्काइस", "बाइस", "तेइस", "चौबीस", "पच्चीस", "छब्बीस",
    "सत्ताइस", "अट्ठाइस", "उनन्तीस", "तीस", "एकतीस", "बत्तीस", "तेत्तीस", "चौंतीस", "पैंतीस", "छत्तीस",
    "सैंतीस", "अठतीस", "उनन्चालीस", "चालीस", "एकचालीस", "बयालीस", "त्रिचालीस", "चवालीस", "पैंतालीस", "छयालीस",
    "सतचालीस", "अठचालीस", "उनन्चास", "पचास",
]  # fmt: skip
DEVANAGARI_NUMBERS = {word: number for number, word in enumerate(_NUMBERS, 1) if word != "छ"} | {
    "एउटा": 1, "एउटी": 1, "दुइ": 2, "दुईटा": 2, "तीनटा": 3, "छवटा": 6, "चौधौं": 14, "साठी": 60, "सत्तरी": 70, "असी": 80,
    "नब्बे": 90,
}  # fmt: skip
SIX = "छ"
"""Six, and the commonest verb: "there is". It is a number only before something that is counted, or alone."""
MAY = "मे"
"""May; in Hindi, a common misspelling of "in"."""
DEVANAGARI = {
    "जना": "people", "मान्छे": "people", "जनाले": "people", "यात्रु": "people", "वयस्क": "adults", "बच्चा": "child",
    "बालबालिका": "children", "केटाकेटी": "children", "साथी": "friends", "साथीहरू": "friends", "पाहुना": "guests",
    "दिन": "days", "रात": "raat", "हप्ता": "week", "साता": "week", "महिना": "month", "घण्टा": "hours",
    "मिनेट": "minutes", "मिनेटमा": "minutes", "रुपैयाँ": "rupaiyan", "रुपिया": "rupaiyan", "डलर": "dollars",
    "सय": "hundred", "हजार": "thousand", "डेढ": "dedh", "अढाई": "dhai", "साढे": "sadhe", "भोलि": "tomorrow",
    "पर्सि": "day after tomorrow", "हिजो": "yesterday", "अस्ति": "day before yesterday", "अर्को": "next",
    "आउने": "coming", "आउँदो": "coming", "गत": "last", "गएको": "last", "यो": "this", "यस": "this", "बिहान": "subah",
    "दिउँसो": "dopahar", "बेलुका": "shaam", "बेलुकी": "shaam", "साँझ": "shaam", "राति": "raat", "पछि": "baad",
    "अघि": "pehle", "अगाडि": "pehle", "देखि": "se", "सम्म": "tak", "बाट": "se", "वा": "or", "अथवा": "or", "र": "and",
    "अनि": "and", "हामी": "hum", "म": "main", "मेरो": "my", "मेरी": "my", "श्रीमती": "wife", "श्रीमान": "husband",
    "दिदी": "sister", "बहिनी": "sister", "दाइ": "brother", "दाजु": "brother", "भाइ": "brother", "आमा": "mother",
    "बुबा": "father", "बा": "father", "छोरा": "son", "छोरी": "daughter", "काका": "uncle", "बुढी": "wife",
    "बुढा": "husband", "एक्लै": "alone", "मात्र": "only", "मात्रै": "only", "जम्मा": "total", "करिब": "around",
    "दुवै": "both", "पहिलो": "pehle", "दोस्रो": "second", "तेस्रो": "third", "अन्तिम": "last", "सुरु": "shuruaat",
    "अन्त": "ant", "गते": "gatey", "सानो": "small", "साना": "small", "जन्मदिन": "birthday", "जन्म": "born",
    "जनवरी": "january", "फेब्रुअरी": "february", "फेब्रुवरी": "february", "मार्च": "march", "अप्रिल": "april",
    "जुन": "june", "जुलाई": "july", "अगस्ट": "august",
    "अगस्त": "august", "सेप्टेम्बर": "september", "सेप्टेंबर": "september", "अक्टोबर": "october", "नोभेम्बर": "november",
    "डिसेम्बर": "december", "आइतबार": "sunday", "सोमबार": "monday", "मंगलबार": "tuesday", "मङ्गलबार": "tuesday",
    "बुधबार": "wednesday", "बिहीबार": "thursday", "बिहिबार": "thursday", "शुक्रबार": "friday", "शनिबार": "saturday",
    "आइतवार": "sunday", "बिहीवार": "thursday", "सप्ताहान्त": "weekend",
}  # fmt: skip
SUFFIXES = {
    "हरूको": "ka", "हरु": "", "हरू": "", "मा": "mein", "को": "ka", "का": "ka", "की": "ki", "लाई": "ko", "देखि": "se",
    "बाट": "se", "सम्म": "tak", "पछि": "baad", "अघि": "pehle", "अगाडि": "pehle", "तिर": "", "ले": "", "जना": "people",
    "वटा": "", "ओटा": "", "टा": "", "भित्र": "mein", "नै": "", "जी": "", "ज्यू": "", "सँग": "saath", "सँगै": "saath",
}  # fmt: skip

_SAMVAT = {
    "baisakh": ("वैशाख", "बैशाख", "बैसाख", "baishakh", "vaishakh", "baisak"),
    "jestha": ("जेठ", "जेष्ठ", "ज्येष्ठ", "jeth", "jeshtha", "jesth"),
    "ashadh": ("असार", "आषाढ", "अषाढ", "asadh", "aashadh", "asaar"),
    "shrawan": ("साउन", "श्रावण", "shravan", "sawun", "saaun"),
    "bhadra": ("भदौ", "भाद्र", "bhadau", "bhado"),
    "ashoj": ("असोज", "आश्विन", "asoj", "aasoj"),
    "kartik": ("कार्तिक", "कात्तिक", "kattik", "kartick"),
    "mangsir": ("मंसिर", "मङ्सिर", "मार्ग", "mansir", "mangshir"),
    "poush": ("पुस", "पौष", "paush", "poos", "pous"),
    "magh": ("माघ",),
    "falgun": ("फागुन", "फाल्गुन", "phagun", "fagun", "phalgun", "faagun"),
    "chaitra": ("चैत", "चैत्र", "chaita"),
}
"""The months of Bikram Sambat (`bot.core.entities.samvat`), and how they are written."""
DEVANAGARI |= {word: month for month, words in _SAMVAT.items() for word in words if not word.isascii()}
LATIN_NUMBERS = {
    "dui": 2, "duita": 2, "duitaa": 2, "tinta": 3, "chha": 6, "eghara": 11, "bahra": 12, "barha": 12, "tehra": 13,
    "chaudha": 14, "pandhra": 15, "sohra": 16, "satra": 17, "unnais": 19, "ekkais": 21, "chaubis": 24, "euta": 1,
    "ekjana": 1, "dasa": 10, "dash": 10, "aatha": 8, "saata": 7, "pachchis": 25, "sathi": 60,
}  # fmt: skip
LATIN = {
    "jana": "people", "janaa": "people", "janako": "people ka", "manche": "people", "manchhe": "people",
    "manxe": "people", "hapta": "week", "haptaa": "week", "mahinaa": "month", "minet": "minutes",
    "rupaiya": "rupaiyan", "rupaiyan": "rupaiyan", "rupiya": "rupaiyan", "saya": "hundred", "bholi": "tomorrow",
    "voli": "tomorrow", "parsi": "day after tomorrow", "parsii": "day after tomorrow", "hijo": "yesterday",
    "asti": "day before yesterday", "aaja": "today", "aja": "today", "arko": "next", "aune": "coming",
    "aaune": "coming", "audo": "coming", "gata": "last", "bihana": "subah", "bihan": "subah", "diuso": "dopahar",
    "diunso": "dopahar", "beluka": "shaam", "belka": "shaam", "sanjha": "shaam", "saanjh": "shaam", "sanjh": "shaam",
    "saajh": "shaam", "rati": "raat", "raati": "raat", "pachi": "baad", "pachhi": "baad", "paxi": "baad",
    "aghi": "pehle", "agadi": "pehle", "agaadi": "pehle", "dekhi": "se", "samma": "tak", "sama": "tak",
    "srimati": "wife", "shrimati": "wife", "budhi": "wife", "srimaan": "husband", "shriman": "husband",
    "sriman": "husband", "mero": "my", "didi": "sister", "bahini": "sister", "dai": "brother", "daju": "brother",
    "aama": "mother", "buba": "father", "chora": "son", "chori": "daughter", "eklai": "alone", "matra": "only",
    "jamma": "total", "sathma": "saath", "saathma": "saath", "sanga": "saath",
    "hami": "hum", "haami": "hum", "saathi": "friends", "pahilo": "pehle", "suruma": "shuruaat",
    "suru": "shuruaat", "dosro": "second", "disember": "december", "disembar": "december", "nobhember": "november",
    "oktobar": "october", "september": "september", "aprail": "april", "febuari": "february", "janawari": "january",
    "aaitabar": "sunday", "aitabar": "sunday", "aaitbar": "sunday", "sombar": "monday", "mangalbar": "tuesday",
    "budhabar": "wednesday", "budhbar": "wednesday", "bihibar": "thursday", "sukrabar": "friday",
    "shukrabar": "friday", "sukrabaar": "friday", "sanibar": "saturday", "shanibar": "saturday",
}  # fmt: skip
LATIN |= {word: month for month, words in _SAMVAT.items() for word in words if word.isascii()}
DOUBTFUL = {"ra": "and", "wa": "or", "ma": "main", "yo": "this", "sathi": "friends", "gate": "gatey", "bhai": "brother"}
"""Words short enough to be anything: believed among other words of Nepali."""
TELLING = frozenset(LATIN) - {
    "suru",
    "aja",
    "gata",
    "rati",
    "september",
    "sama",
    "asti",
    "budhi",
    "matra",
    "didi",
    "dai",
    "chori",
    "aama",
}
"""Words that tell that a text is Nepali."""
