"""Offering people to go on in the language they write in. Never without asking, and never twice.

What is heard (see `bot.core.tongues`) adds up over messages, in the contact's scope. A setting comes first: whoever has
chosen a language, or was given another than the usual one, is not asked. The offer stands beside the open question; an
answer to that question is not an answer to the offer, unless it names one of its languages.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from bot.core.choices import shorten
from bot.core.cursor import Said
from bot.core.effects import Invoke, SetLanguage
from bot.core.entities.wording import skeleton
from bot.core.languages import locale_of
from bot.core.messages import MAX_BUTTON_TITLE, ButtonsOut, Choice
from bot.core.moving import STOPPED, put_back, repeat
from bot.core.starting import Starting
from bot.core.tongues import SPEECH, guess
from bot.core.words import normalise, yes_no_in

ENOUGH = 1.2
"""Evidence from which a language is offered; one message gives at most 1."""
MOST = 3.0
_USUAL = "en"
"""What everybody is spoken to in before anything is known of them."""
_TAP = "language!"
_KEEP = "keep"
_LONGEST = 40
"""Characters of a message that may name a language and nothing else."""
_BESIDE_NAMES = frozenset(
    {"in", "en", "me", "mein", "mai", "ma", "में", "मा", "please", "pls", "por", "favor", "yes", "si", "haan", "हाँ", "ji",
     "ok", "okay", "prefiero", "prefer", "i", "write", "speak", "continue", "का", "the", "with", "go", "let", "us"}
)  # fmt: skip


def name_of(language: str) -> str:
    """A language's own name for itself: `हिन्दी`, `Español`."""
    name = locale_of(language).get_language_name() or language
    return name[:1].upper() + name[1:]


@lru_cache(maxsize=256)
def _names(language: str, other: str) -> frozenset[str]:
    """What a language is called by those who speak it, in English, and in another language."""
    code = language.replace("_", "-").split("-")[0]
    told = (locale_of(tongue).languages.get(code) for tongue in (language, "en", other, "hi", "es", "ne"))
    return frozenset(_spelled(normalise(name)) for name in (name_of(language), *told) if name)


def _spelled(normal: str) -> str:
    """Words without what people leave out or confuse in Devanagari: हिंदी is हिन्दी."""
    return " ".join(map(skeleton, normal.split()))


def is_offer(tapped: str) -> bool:
    """Whether a button's id is one of an offer."""
    return tapped.startswith(_TAP)


class Offering(Starting):
    """Listening for languages, and what people answer to an offer."""

    @property
    def _speech(self) -> dict[str, Any]:
        """What is known of their language; of the snapshot, so not to be changed."""
        known = self.turn.scope.get(SPEECH)
        return known if isinstance(known, dict) else {}

    def listen(self, said: Said) -> None:
        """Add what a message says about its language to what was heard before."""
        turn = self.turn
        speech = self._speech
        if speech.get("chosen") or not _is_usual(turn.contact.language):
            return
        found = guess(said.normal)
        if found is None:
            return
        heard = {language: weight for language, weight in dict(speech.get("heard", {})).items() if weight >= 0.1}
        faded = {language: round(weight / 2, 3) for language, weight in heard.items() if language != found.language}
        if not _is_usual(found.language):
            faded[found.language] = min(MOST, round(heard.get(found.language, 0.0) + found.weight, 3))
            turn.note("language", heard=found.language, weight=found.weight, evidence=faded[found.language])
        if faded != heard:
            turn.remember(SPEECH, {**speech, "heard": faded})

    def offer_language(self) -> None:
        """After the reply: ask whether to go on in the language that was heard, if we speak it."""
        turn = self.turn
        speech = self._speech
        if speech.get("fresh"):  # an offer is fresh for one message
            speech = {name: value for name, value in speech.items() if name != "fresh"}
            turn.remember(SPEECH, speech)
        heard: dict[str, float] = dict(speech.get("heard", {}))
        if (
            not heard
            or turn.owner != "bot"
            or STOPPED in turn.scope
            or (turn.effects and isinstance(turn.effects[-1], Invoke))
        ):
            return
        language = max(heard, key=lambda one: heard[one])
        asked = list(speech.get("asked", ()))
        if heard[language] < ENOUGH or language in asked or language not in self.book.texts.common:
            return
        if speech.get("chosen") or not _is_usual(turn.contact.language):
            return
        body = self._in(language, "offer_language")
        if not body:
            return
        titles = [(language, name_of(language)), (_KEEP, name_of(turn.contact.language))]
        buttons = tuple(Choice(id=f"{_TAP}{key}", title=shorten(title, MAX_BUTTON_TITLE)) for key, title in titles)
        turn.send(ButtonsOut(body=body, buttons=buttons), block="offer_language")
        turn.remember(SPEECH, {**speech, "asked": [*asked, language], "offer": language, "fresh": True})

    def answer_offer(self, said: str) -> bool:
        """Take a tap on an offer's button, or a message that answers it. False when it is neither.

        Words answer when they name one of its languages, in whatever language, and right after it, where no question is
        open, a yes or no.
        """
        speech = self._speech
        if is_offer(said):
            key = said.removeprefix(_TAP)
        elif "offer" not in speech:
            return False
        else:
            meant = self._meant(said, str(speech["offer"]), fresh=bool(speech.get("fresh")))
            if meant is None:
                return False
            key = meant
        speech = {name: value for name, value in speech.items() if name not in {"offer", "fresh"}}
        if key != _KEEP and key in self.book.texts.common:
            self._speak(key)
            self.turn.remember(SPEECH, {"chosen": True})
            self._go_on("language_changed")
        else:
            self.turn.remember(SPEECH, {**speech, "heard": {}})
            self._go_on("language_kept")
        return True

    def _meant(self, said: str, offered: str, *, fresh: bool) -> str | None:
        """The language that words choose of an offer's, `keep` for the one they have; None when they choose neither."""
        own = self.turn.contact.language
        words = [word for word in normalise(said).split() if word not in _BESIDE_NAMES] if len(said) <= _LONGEST else []
        named = _spelled(" ".join(words))
        if named in _names(offered, own):
            return offered
        if named.removeprefix("no ") in _names(own, offered):
            return _KEEP
        if not fresh or self._question_is_open():
            return None
        answer = yes_no_in(said, offered)
        return {"yes": offered, "no": _KEEP}.get(answer or "")

    def _question_is_open(self) -> bool:
        top = self.top()
        return top is not None and (top.pending is not None or top.flow.states[top.state].question is not None)

    def _speak(self, language: str) -> None:
        turn = self.turn
        turn.note("language", chosen=language)
        turn.contact = replace(turn.contact, language=language)
        turn.effects.append(SetLanguage(language=language))

    def _go_on(self, block: str) -> None:
        """Say that we have understood, and put the open question, if there is one."""
        top = self.top()
        before = self._in(self.turn.contact.language, block)
        if top is None or top.pending is not None or not self._question_is_open():
            self.turn.say(self.book.texts, block, lambda: self._words(self.turn.contact.language))
            return
        repeat(top, before)
        put_back(self.turn, top)

    def _in(self, language: str, block: str) -> str:
        """A common block in a language, which need not be the person's."""
        found = self.book.texts.block(block, language)
        return found.render(self._words(language)) if found is not None else ""

    def _words(self, language: str) -> dict[str, Any]:
        return {**self.variables(), "language_name": name_of(language)}


def _is_usual(language: str) -> bool:
    return language == _USUAL or language.replace("_", "-").split("-")[0] == _USUAL
