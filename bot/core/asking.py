"""The question for one of a few choices (`ask:` + `choices:`). `bot.core.forms` has the one for values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.core.choices import Option, match_exactly, match_normal, present
from bot.core.correcting import acknowledge, apply_if_allowed, find_correction, refuse
from bot.core.cursor import Cursor, Said, Unmatched
from bot.core.gathering import Job, gather, new_job
from bot.core.messages import MAX_ROWS, TemplateOut, TextOut
from bot.core.ops import Filled
from bot.core.parts import Label, label_in
from bot.core.splitting import split_text
from bot.core.templates import Texts

TYPED = "typed"
"""Key in the contact's scope: how many choices in a row were typed rather than tapped."""
PAGE_SHOWN = "page"
"""Counter of a question with more choices than a list has rows: which page is shown."""
NEVER_TAPS = 3
"""From so many on, choices are also written as numbers: the phone may show no buttons, or the person no liking."""
MAX_KEPT = 5000
"""Characters of a message kept while a lookup runs."""


def joined(before: str, body: str) -> str:
    """Two pieces of text as one message."""
    return f"{before}\n\n{body}" if before and body else before or body


def late(cursor: Cursor, instead: Filled | None) -> TemplateOut | None:
    """What stands for a question outside of the person's 24-hour window; whoever has just written is inside."""
    return instead.message(cursor) if instead is not None and not cursor.turn.heard else None


def send_question(
    cursor: Cursor, body: str, options: Sequence[Option], block: str, instead: TemplateOut | None = None
) -> None:
    """Send a question, with whatever there is to choose from; outside of the 24-hour window `instead`."""
    if not options:
        cursor.turn.send(*[TextOut(body=part) for part in split_text(body)], block=block, instead=instead)
        return
    label = cursor.render("choose") or "Choose"
    style = cursor.flow.states[cursor.state].choices_style
    if style == "auto":
        style = "both" if cursor.turn.scope.get(TYPED, 0) >= NEVER_TAPS else "buttons"
    more, page = "", 0
    if len(options) > MAX_ROWS:
        more, page = cursor.render("more") or "…", cursor.counters.get(PAGE_SHOWN, 0)
    shown = present(body or label, options, cursor.run, cursor.epoch, label, style=style, page=page, more=more)
    cursor.turn.send(*shown, block=block, instead=instead)


def count_typed(cursor: Cursor) -> None:
    """Remember that somebody typed what they could have tapped."""
    count = cursor.turn.scope.get(TYPED, 0)
    if count < NEVER_TAPS:
        cursor.turn.remember(TYPED, count + 1)


class Localised:
    """Options whose labels a language's templates may replace, block `choice_yes` for the choice `yes`.

    Their descriptions say by themselves what they are in each language. So do the labels of slots that are to be
    chosen from, which `slots` has by name.
    """

    __slots__ = ("_by_language", "options", "slots")

    def __init__(self, options: Sequence[Option], slots: Mapping[str, Label | None] | None = None) -> None:
        self.options = tuple(options)
        self.slots = slots or {}
        self._by_language: dict[str, tuple[Option, ...]] = {}

    def within(self, texts: Texts, language: str) -> tuple[Option, ...]:
        """The options in a person's language; the author's own labels are understood as well."""
        try:
            return self._by_language[language]
        except KeyError:
            found = tuple(self._translated(option, texts, language) for option in self.options)
            if len(self._by_language) < 100:
                self._by_language[language] = found
            return found

    def _translated(self, option: Option, texts: Texts, language: str) -> Option:
        if isinstance(option.description, dict):
            option = replace(option, description=label_in(option.description, language))
        block = texts.block(f"choice_{option.key}", language)
        if block is None or not block.static:
            label = self.slots.get(option.key)
            own = label_in(label, language) if isinstance(label, dict) else ""
            return option.called(own[:1].upper() + own[1:]) if own else option
        return Option.named(option.key, block.static, option.description, option.phrases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Ask for one of a few choices. `triggers` maps each to the machine event that follows."""

    block: str
    choices: Localised
    triggers: dict[str, str]
    instead: Filled | None = None

    def run(self, cursor: Cursor, step: int) -> bool:
        """Ask, and wait."""
        cursor.job = None
        cursor.turn.text = None
        cursor.new_question(None)
        self.put(cursor)
        cursor.wait()
        return False

    def put(self, cursor: Cursor, before: str = "") -> None:
        """Ask (again)."""
        body = joined(before, cursor.render(self.block))
        send_question(cursor, body, self._options(cursor), self.block, late(cursor, self.instead))

    def tap(self, cursor: Cursor, choice: str) -> bool:
        """Take a button of this epoch."""
        if choice not in self.triggers:
            return False
        self._choose(cursor, choice)
        return True

    def chosen(self, cursor: Cursor, said: Said) -> bool:
        """Take a label, number, synonym, yes or no."""
        key = match_exactly(said.normal, self._options(cursor), cursor.turn.contact.language)
        if key is not None:
            count_typed(cursor)
            self._choose(cursor, key)
        return key is not None

    def hear(self, cursor: Cursor, said: Said) -> None:
        """Take a correction of what was said before, or a choice with typing mistakes."""
        correction = find_correction(cursor, said, bold=True)
        if correction is not None and correction.changed:
            rule = apply_if_allowed(cursor, correction.changed, cursor.flow.rules)
            self._again(cursor, cursor.render(rule.say) if rule else acknowledge(cursor, list(correction.changed)))
            return
        key = match_normal(said.normal, self._options(cursor), cursor.turn.contact.language)
        if key is not None:
            count_typed(cursor)
            self._choose(cursor, key)
            return
        if correction is not None and correction.lookup is not None:
            name, words = correction.lookup
            cursor.job = new_job("correct", words, name)
            gather(cursor, [name])
            return
        if correction is not None and correction.refused is not None:
            self.put(cursor, refuse(cursor, *correction.refused))
            return
        cursor.unmatched = Unmatched(said.text)

    def correct(self, cursor: Cursor, job: Job) -> None:
        """Go on after the lookup of a corrected reference."""
        cursor.job = None
        if job["gained"]:
            self._again(cursor, acknowledge(cursor, job.get("corrected") or [job["asked"]]))
        else:
            cursor.unmatched = Unmatched(job["text"] or "")

    def _again(self, cursor: Cursor, before: str) -> None:
        """Put the question as it is now that something has changed."""
        cursor.renew_question()
        self.put(cursor, before)
        cursor.wait()

    def explain(self, cursor: Cursor, reason: str, *, fully: bool) -> None:
        """Say that the answer was not understood, and ask again."""
        own = f"explain_{cursor.state}"
        if fully and cursor.flow.texts.has_own(own):
            self.put(cursor, cursor.render(own, reason=reason))
        else:
            self.put(cursor, cursor.render("explain" if fully else "reprompt", reason=reason))

    def context(self, cursor: Cursor) -> dict[str, Any]:
        """What timers and help may mention."""
        return {"missing": [], "choices": [option.label for option in self._options(cursor)]}

    def _options(self, cursor: Cursor) -> tuple[Option, ...]:
        return self.choices.within(cursor.flow.texts, cursor.turn.contact.language)

    def _choose(self, cursor: Cursor, key: str) -> None:
        cursor.turn.note("understand", choice=key)
        cursor.extra["answer"] = key
        cursor.trigger = self.triggers[key]
