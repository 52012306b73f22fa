"""What `bot check` says about intents: examples that two share, intents that are told apart badly, gaps.

How well intents are told apart is not guessed: each example is put to a model that has not learnt it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bot.authoring.reader import Document
from bot.core.actions import Actions
from bot.core.book import ANY
from bot.core.flow import LANGUAGE, SLOT_TYPES, FlowSpec
from bot.core.intents import EntitySpec, IntentFile, IntentSpec, by_language, marks, plain
from bot.core.messages import MAX_BUTTON_TITLE
from bot.core.patterns import compile_pattern
from bot.core.report import Path, Report, did_you_mean, one_of
from bot.core.tongues import TOLD, likeliest
from bot.core.understanding import IntentUnderstanding
from bot.core.words import normalise

ENOUGH = 5
"""Examples from which an intent is learnt well enough; ten are better."""
_CLOSE, _CLOSE_SHARE = 2, 0.3
"""Examples, and share of all, that have to be taken for another intent before the two are called close."""
_SHOWN = 3


_DEVANAGARI = {"hi", "ne"}
"""Short texts in these letters may be either."""
_DEVANAGARI_LETTER = re.compile("[\u0904-\u0939]")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentsRead:
    """An intents file that was read."""

    document: Document
    file: IntentFile


def check_file(file: IntentFile, actions: Actions, report: Report) -> None:
    """What is wrong with a file in itself. `actions`: what there is to look things up."""
    for name, entity in file.entities.items():
        if entity.type is not None and entity.type not in SLOT_TYPES:
            report(("entities", name, "type"), f"There is no type `{entity.type}`.", code="unknown",
                   hint=did_you_mean(entity.type, SLOT_TYPES) or f"It is one of {', '.join(SLOT_TYPES)}.")  # fmt: skip
        if entity.lookup is not None:
            _check_lookup(("entities", name, "lookup"), entity.lookup, actions, report)
        for place, source in enumerate(entity.patterns):
            _check_pattern(("entities", name, "patterns", place), source, report)
    for name, intent in file.intents.items():
        path: Path = ("intents", name)
        if not (intent.examples or intent.keywords or intent.patterns):
            report(path, f"Nobody could ever mean intent `{name}`.", hint="Give it `examples:`.")
        for place, source in enumerate(intent.patterns):
            _check_pattern((*path, "patterns", place), source, report)
        _check_languages(path, intent, report)
        for language, place, text in by_language(intent.examples):
            where = (*path, "examples", *([language] if language else []), place)
            _check_example(where, text, file.entities, report)


def _check_languages(path: Path, intent: IntentSpec, report: Report) -> None:
    for word, told in (("examples", intent.examples), ("keywords", intent.keywords), ("label", intent.label)):
        for language in told if isinstance(told, dict) else ():
            if not LANGUAGE.fullmatch(language):
                report((*path, word, language), f"`{language}` is no language.", code="translation",
                       hint="Write for example en, hi or pt_BR.")  # fmt: skip


def _check_example(path: Path, text: str, entities: Mapping[str, EntitySpec], report: Report) -> None:
    for _, name in marks(text):
        if name not in entities:
            report(path, f"There is no entity `{name}`.", code="unknown",
                   hint=did_you_mean(name, entities) or "List it under `entities:`.")  # fmt: skip
    if not text.strip():
        report(path, "This example is empty.", hint="Write what people say, or remove it.")
    elif "](" in plain(text):
        report(path, "Something is marked in this example, and the mark has another form.",
               hint="Write `[words](entity)`, the entity in small letters.")  # fmt: skip


def _check_lookup(path: Path, name: str, actions: Actions, report: Report) -> None:
    known = actions.names("lookup")
    if name not in known:
        report(
            path,
            f"There is no lookup `{name}`.",
            code="unknown",
            hint=did_you_mean(name, known) or one_of(sorted(known)),
        )
    elif known[name].things is None:
        report(path, f"Lookup `{name}` does not tell what there is, so the entity has no names of the business.",
               severity="warning", code="unknown",
               hint="Give the lookup `things=`, or this entity `values:`.")  # fmt: skip


def _check_pattern(path: Path, source: str, report: Report) -> None:
    try:
        compile_pattern(source)
    except ValueError as mistake:
        report.wrong(path, mistake, code="pattern")


def check_groups(flow: FlowSpec, intent: IntentSpec | None, path: Path, report: Report) -> None:
    """Warn of named groups that fill no slot of the flow that the intent starts."""
    for source in intent.patterns if intent is not None else ():
        try:
            groups = compile_pattern(source).groups
        except ValueError:
            continue  # reported where it stands
        for name in groups:
            if name not in flow.slots:
                report(path, f"The pattern `{source}` picks out `{name}`, and flow `{flow.flow}` has no such slot.",
                       severity="warning", code="unknown",
                       hint=did_you_mean(name, flow.slots) or "Name a slot, or write `(?:…)`.")  # fmt: skip


def check_together(
    files: Iterable[IntentsRead], languages: Iterable[str], spoken: Iterable[str] = ()
) -> Iterator[tuple[Document, Report]]:
    """What only all intents together show: warnings, for each file.

    Args:
        files: All that were read.
        languages: Those the replies are written in.
        spoken: Those the project says it speaks.
    """
    reports = [(one, Report()) for one in files]
    for one, report in reports:
        for name, intent in one.file.intents.items():
            _check_gaps(("intents", name), name, intent, sorted(languages), report)
            _check_sound(("intents", name), name, intent, sorted(spoken), report)
    for role in sorted({role for one, _ in reports for role in one.file.roles if role != ANY} or {ANY}):
        _check_role(role, [(one, report) for one, report in reports if {role, ANY} & set(one.file.roles)])
    yield from ((one.document, report) for one, report in reports)


def _check_gaps(path: Path, name: str, intent: IntentSpec, languages: list[str], report: Report) -> None:
    count = len(intent.texts)
    if 0 < count < ENOUGH and not intent.patterns:
        report(path, f"Intent `{name}` has too few examples: {count}.", severity="warning", code="few",
               hint=f"Give it {ENOUGH} or more, as people really write.")  # fmt: skip
    if isinstance(intent.examples, dict):
        missing = [language for language in languages if language not in intent.examples]
        if missing:
            said = ", ".join(f"`{language}`" for language in missing)
            report(path, f"Intent `{name}` has no examples in {said}.", severity="warning", code="translation",
                   hint="People who write in this language will not be understood.")  # fmt: skip
    labels = intent.label.values() if isinstance(intent.label, dict) else [intent.label]
    for label in labels:
        if len(label) > MAX_BUTTON_TITLE:
            report((*path, "label"), f"`{label}` is longer than a button, {MAX_BUTTON_TITLE} characters.",
                   severity="warning", code="limit", hint="Shorten it, or it becomes a list.")  # fmt: skip


def _check_sound(path: Path, name: str, intent: IntentSpec, spoken: list[str], report: Report) -> None:
    """Examples in one list: whether any sounds like each language that the project speaks, as far as we can tell."""
    if isinstance(intent.examples, dict) or not intent.examples:
        return
    heard: set[str] = set()
    for text in map(normalise, intent.texts):
        heard |= {likeliest(text)} | (_DEVANAGARI if _DEVANAGARI_LETTER.search(text) else set())
    missing = [language for language in spoken if language in TOLD and language not in heard]
    if missing:
        said = ", ".join(f"`{language}`" for language in missing)
        report(path, f"No example of intent `{name}` sounds like {said}.", severity="warning", code="translation",
               hint="Add some, or list all by language: `examples: {en: […], …}`.")  # fmt: skip


def _check_role(role: str, files: list[tuple[IntentsRead, Report]]) -> None:
    intents: dict[str, IntentSpec] = {}
    entities: dict[str, EntitySpec] = {}
    reports: dict[str, Report] = {}
    said_by: dict[str, str] = {}
    for one, report in files:
        entities |= one.file.entities
        for name, intent in one.file.intents.items():
            intents[name], reports[name] = intent, report
            for language, place, text in by_language(intent.examples):
                other = said_by.setdefault(normalise(plain(text)), name)
                if other != name:
                    where: Path = ("intents", name, "examples", *([language] if language else []), place)
                    report(where, f"“{plain(text)}” is an example of intent `{other}` as well.", severity="warning",
                           code="examples", hint="Only one of them can be meant: remove it here or there.")  # fmt: skip
    for (name, other), texts in _confused(intents, entities).items():
        shown = ", ".join(f"“{text}” (like “{near}”)" if near else f"“{text}”" for text, near in texts[:_SHOWN])
        more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
        reports[name](("intents", name),
                      f"As {role}, intent `{name}` is close to `{other}`: {shown}{more} would be taken for it.",
                      severity="warning", code="close",
                      hint="Add examples that tell them apart, move these, or make one intent of both.")  # fmt: skip


def _confused(
    intents: Mapping[str, IntentSpec], entities: Mapping[str, EntitySpec]
) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Pairs of intents, with the examples of the first that would be taken for the second had they not been learnt.

    With each is the example of the second that it is most like, as far as there is any.
    """
    if len(intents) < 2:
        return {}
    understanding = IntentUnderstanding(intents, entities)
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in understanding.classifier.mistaken:
        text, own = understanding.examples[one.example]
        pairs[own, one.intent].append(text)
    return {
        (name, other): [(text, _nearest(understanding, text, other)) for text in texts]
        for (name, other), texts in sorted(pairs.items())
        if len(texts) >= max(_CLOSE, _CLOSE_SHARE * len(intents[name].texts))
    }


def _nearest(understanding: IntentUnderstanding, text: str, intent: str) -> str:
    """The example of an intent that a text is most like."""
    guesses = understanding.classifier.guesses(text, len(understanding.classifier.intents))
    place = next((one.nearest for one in guesses if one.intent == intent), None)
    return understanding.examples[place][0] if place is not None else ""
