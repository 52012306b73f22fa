"""Choices: how they are shown within WhatsApp's limits, and every way people make them.

Tapping a button, tapping a list row, typing the number, the label, a synonym or the label with a typing mistake all
mean the same choice. Ids carry run, epoch and choice, so that a tap on an old button is recognised for what it is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from bot.core.flow import ChoiceOption
from bot.core.messages import (
    MAX_BUTTON_BODY,
    MAX_BUTTON_TITLE,
    MAX_BUTTONS,
    MAX_CHOICE_ID,
    MAX_LIST_LABEL,
    MAX_ROW_DESCRIPTION,
    MAX_ROW_TITLE,
    MAX_ROWS,
    ButtonsOut,
    Choice,
    ListOut,
    Outgoing,
    TextOut,
)
from bot.core.parts import ANY_LANGUAGE, Label, label_in
from bot.core.splitting import boundaries, split_text
from bot.core.words import normalise, place_in, yes_no_in

CLOSE_ENOUGH = 80
"""rapidfuzz ratio from which a typed label counts, if no other label comes within `MARGIN`."""
MARGIN = 10
PAGE = MAX_ROWS - 1
"""Choices on a page of a longer list; the last row leads to the next page."""
PAGE_TAP = "page!"
"""Begins the id of that row; no author's choice has a `!`."""
_TAP = re.compile(r"(r[0-9]{1,20}(?:-[0-9]{1,6})?)\.([0-9]{1,9})\.(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One choice. `phrases` are normalised, and mean it besides its number; the description may be by language."""

    key: str
    label: str
    description: Label | None = None
    phrases: tuple[str, ...] = ()

    @classmethod
    def of(cls, key: str, spec: ChoiceOption) -> "Option":
        """From what the author wrote."""
        return cls.named(key, spec.label, spec.description, spec.synonyms)

    @classmethod
    def named(cls, key: str, label: str, description: Label | None = None, synonyms: Sequence[str] = ()) -> "Option":
        """With the phrases worked out from label, key and synonyms."""
        phrases = dict.fromkeys(normalise(phrase) for phrase in (label, key.replace("_", " "), *synonyms))
        return cls(key=key, label=label, description=description, phrases=tuple(p for p in phrases if p))

    def called(self, label: str) -> "Option":
        """The same choice under another label; what it was called before is understood as well."""
        return Option.named(self.key, label, self.description, self.phrases)


@dataclass(frozen=True, slots=True)
class Tap:
    """What a button's id says."""

    run: str
    epoch: int
    choice: str


def tap_id(run: str, epoch: int, choice: str) -> str:
    """The id for a button or row: `run.epoch.choice`."""
    return f"{run}.{epoch}.{choice}"[:MAX_CHOICE_ID]


def read_tap(text: str) -> Tap | None:
    """Take an id apart again; None when it is not one of ours (a template's quick reply, say)."""
    match = _TAP.fullmatch(text)
    return Tap(match[1], int(match[2]), match[3]) if match else None


def match_option(text: str, options: Sequence[Option], language: str) -> str | None:
    """The key a typed text chooses, or None.

    Yes and no in any of our languages choose options with the key `yes` or `no`.
    """
    return match_normal(normalise(text), options, language)


def match_normal(normal: str, options: Sequence[Option], language: str) -> str | None:
    """As `match_option`, for text that is normalised already."""
    exact = match_exactly(normal, options, language)
    if exact is not None or len(normal) < 3 or normal.isdigit():
        return exact
    scores = sorted(((_closeness(normal, option), option.key) for option in options), reverse=True)
    best = scores[0]
    if best[0] < CLOSE_ENOUGH or (len(scores) > 1 and best[0] - scores[1][0] < MARGIN):
        return None
    return best[1]


def match_exactly(normal: str, options: Sequence[Option], language: str) -> str | None:
    """The key that a number, label, synonym or yes/no chooses without any guessing."""
    for option in options:
        if normal in option.phrases:
            return option.key
    number = normal.removeprefix("option ").removeprefix("number ").removeprefix("no ")
    if number.isascii() and number.isdigit() and len(number) <= 3:
        position = int(number)
        return options[position - 1].key if 1 <= position <= len(options) else None
    place = place_in(normal)
    if place is not None and options and place <= len(options):
        return options[place - 1 if place > 0 else place].key
    meaning = yes_no_in(normal, language)
    if meaning is not None and any(option.key == meaning for option in options):
        return meaning
    return None


def _closeness(normal: str, option: Option) -> float:
    best = 0.0
    for phrase in option.phrases:
        best = max(best, fuzz.ratio(normal, phrase))
        if len(normal) >= 4 and f" {phrase} ".find(f" {normal} ") >= 0:
            best = max(best, 90.0)  # one whole word of a label: "everest" for "Everest Base Camp"
        if len(phrase) >= 4 and f" {normal} ".find(f" {phrase} ") >= 0:
            best = max(best, 95.0)  # the label inside a sentence: "please send quote now"
    return best


def present(
    body: str, options: Sequence[Option], run: str, epoch: int, label: str, *, style: str = "buttons", page: int = 0,
    more: str = "…",
) -> list[Outgoing]:  # fmt: skip
    """Show a question with its choices.

    Up to 3 become buttons if their labels fit, up to 10 a list (opened by a button named `label`), more a list with
    pages, whose last row `more` leads to the next one. Those whose titles would look the same once they are cut to
    size, which WhatsApp refuses, become numbered text. A body that is too long for buttons is sent as text before them.
    `style` `numbers` sends numbered text only, `both` writes the numbers as well.
    """
    as_buttons = len(options) <= MAX_BUTTONS and all(len(option.label) <= MAX_BUTTON_TITLE for option in options)
    limit = MAX_BUTTON_TITLE if as_buttons else MAX_ROW_TITLE
    titles = [shorten(option.label, limit) for option in options]
    as_text = len(set(titles)) < len(titles) or style == "numbers"
    if as_text or style == "both":
        lines = "\n".join(f"{number}. {option.label}" for number, option in enumerate(options, 1))
        body = f"{body}\n\n{lines}"
    if as_text:
        return [TextOut(body=part) for part in split_text(body)]
    before: list[Outgoing] = []
    if len(body) > MAX_BUTTON_BODY:
        *whole, body = split_text(body, MAX_BUTTON_BODY)
        before = [TextOut(body=part) for part in split_text("\n\n".join(whole))]
    if as_buttons:
        buttons = tuple(
            Choice(id=tap_id(run, epoch, option.key), title=title)
            for option, title in zip(options, titles, strict=True)
        )
        return [*before, ButtonsOut(body=body, buttons=buttons)]
    rows = [
        Choice(
            id=tap_id(run, epoch, option.key),
            title=title,
            description=_row_description(option),
        )
        for option, title in zip(options, titles, strict=True)
    ]
    if len(rows) > MAX_ROWS:
        page %= -(-len(rows) // PAGE)
        following = Choice(id=tap_id(run, epoch, f"{PAGE_TAP}{page + 1}"), title=shorten(more, MAX_ROW_TITLE))
        rows = [*rows[page * PAGE : (page + 1) * PAGE], following]
    return [*before, ListOut(body=body, label=shorten(label, MAX_LIST_LABEL), rows=tuple(rows))]


def _row_description(option: Option) -> str | None:
    """The author's; or the whole label, when the title had to be cut."""
    text = label_in(option.description or "", ANY_LANGUAGE) or (
        option.label if len(option.label) > MAX_ROW_TITLE else None
    )
    return shorten(text, MAX_ROW_DESCRIPTION) if text else None


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters on one line, cut at a word when that loses little, and never inside a letter."""
    text = " ".join(text.split()) or "…"
    if len(text) <= limit:
        return text
    cut = text[: max(boundaries(text[: 2 * limit], limit - 1), default=limit - 1)]
    space = cut.rfind(" ")
    return (cut[:space] if space > limit * 2 // 3 else cut).rstrip() + "…"
