"""`bot nlu`: try what messages are taken for, measure it, and learn from what was not understood."""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from bot.authoring.adding import conversation_test, path_of_test, with_example
from bot.authoring.content import load_content
from bot.cli.labelled import labelled
from bot.cli.wording import told
from bot.config import load_database_settings
from bot.core.book import FlowBook
from bot.core.conversation import Contact, Conversation
from bot.core.errors import ConfigError
from bot.core.events import MessageReceived
from bot.core.ids import ContactId, ConversationId, EventId, MessageId
from bot.core.intents import by_language, plain
from bot.core.messages import TextIn
from bot.core.nlu import ACT, OFFER, Classifier
from bot.core.report import did_you_mean
from bot.core.tongues import likeliest
from bot.core.turn import advance
from bot.core.understanding import IntentUnderstanding, Scored, decide, to_offer
from bot.core.words import normalise
from bot.runtime.project import content_dir, keep_models, project_actions

FOLDS = 5
_SHOWN = 12

Row = tuple[str, str]


def attempt(
    text: Annotated[str, Parameter(help="What somebody writes")],
    *,
    role: Annotated[str, Parameter(help="Who writes it")] = "customer",
) -> None:
    """Show what a message is taken for: all candidates, and why."""
    book = the_book()
    check_role(book, role)
    understanding = book.understanding(role)
    scored = understanding.understand(text)
    console = Console(highlight=False)
    chosen, offered = decide(scored), to_offer(scored)
    for decision in _decisions(book, role, text):
        label, sentence = told(decision)
        console.print(f"{label:<11}{sentence}", style="dim", markup=False, soft_wrap=True)
    if chosen is not None:
        flow = book.started_by(role, chosen.intent)
        console.print(f"[bold green]{chosen.intent}[/] begins {flow.name if flow else 'nothing'}")
    elif offered:
        console.print(f"[bold yellow]Did you mean…[/] {', '.join(one.intent for one in offered)}")
    else:
        console.print("[bold red]No intent is understood[/]")
    if isinstance(understanding, IntentUnderstanding) and understanding.examples:
        read = " ".join(understanding.classifier.corrected(text))
        if read != normalise(text):
            console.print(f"read as: {read}", style="dim", markup=False)
    table = Table(box=None, pad_edge=False)
    for head in ("intent", "confidence", "", "because"):
        table.add_column(head)
    for one in scored:
        table.add_row(one.intent, f"{one.score:.2f}", "█" * round(one.score * 20), _because(one))
    console.print(table)


def _decisions(book: FlowBook, role: str, text: str) -> list[dict[str, Any]]:
    """How it is decided who hears a message, for somebody with whom nothing has been talked about yet."""
    nobody = Conversation(
        conversation_id=ConversationId(1), contact=Contact(contact_id=ContactId(1), name="", roles=(role,))
    )
    said = MessageReceived(
        event_id=EventId(1), at=datetime.now(UTC), message_id=MessageId(1), content=TextIn(body=text)
    )
    step = advance(book, nobody, said)
    return [{"kind": one.kind, **one.detail} for one in step.trace if one.kind in {"order", "pass", "route"}]


_HOW = {
    "example": "exactly", "pattern": "of the form", "keyword": "says", "classifier": "like",
    "encoder": "means the same as",
}  # fmt: skip


def _because(one: Scored) -> str:
    return f"{_HOW[one.how]} “{one.because}”" if one.because else "its words"


def evaluate(
    file: Annotated[Path | None, Parameter(help="A CSV with text and intent; none: the role's own examples")] = None,
    *,
    role: Annotated[str, Parameter(help="Whose intents")] = "customer",
) -> None:
    """Measure how well intents are told apart: on a file, or on the own examples, each by a model that lacks it."""
    book = the_book()
    check_role(book, role)
    understanding = book.understanding(role)
    if not isinstance(understanding, IntentUnderstanding) or not understanding.examples:
        raise ConfigError([f"Role {role} has no intents with examples."])
    if file is None:
        answers = cross_validated(list(understanding.examples), understanding)
    else:
        intents = set(understanding.classifier.intents)
        rows = labelled(file, intents)
        if others := sorted({intent for _, intent in rows} - intents):
            Console(highlight=False).print(f"{role} has no intent {', '.join(others[:_SHOWN])}.", style="yellow")
        answers = [(text, intent, best_of(understanding.understand(text))) for text, intent in rows]
    written = {
        plain(text): language
        for spec in book.intents_of(role).values()
        for language, _, text in by_language(spec.examples)
        if language
    }
    _report(answers, written, Console(highlight=False))


Answer = tuple[str, str, tuple[str, float]]


def best_of(scored: Sequence[Scored]) -> tuple[str, float]:
    """The likeliest intent and how sure that is; an empty name when there is none."""
    return (scored[0].intent, scored[0].score) if scored else ("", 0.0)


def cross_validated(rows: list[Row], understanding: IntentUnderstanding, folds: int = FOLDS) -> list[Answer]:
    """Each example as it is understood by a model that was trained without its fold."""
    places = list(range(len(rows)))
    random.Random(1).shuffle(places)  # noqa: S311  which example is in which fold is no secret
    answers: list[Answer] = []
    for fold in range(min(folds, len(rows))):
        held = set(places[fold::folds])
        model = Classifier.of([row for place, row in enumerate(rows) if place not in held], mask=understanding.mask)
        answers += [(*rows[place], model.decide(rows[place][0]) or ("", 0.0)) for place in sorted(held)]
    return answers


def _report(answers: Sequence[Answer], told_languages: Mapping[str, str], console: Console) -> None:
    """Print the figures. `told_languages`: texts whose language the author tells; that of others is heard."""
    bands = Counter(
        "acted on" if sure >= ACT else "asked about" if sure >= OFFER else "refused" for *_, (_, sure) in answers
    )
    right = sum(intent == best for _, intent, (best, _) in answers)
    console.print(f"[bold]{right} of {len(answers)}[/] have the right intent first: {right / max(len(answers), 1):.1%}")
    acted = [intent == best for _, intent, (best, sure) in answers if sure >= ACT]
    console.print(f"{bands['acted on']} acted on, {sum(acted)} of these rightly; {bands['asked about']} asked about; "
                  f"{bands['refused']} refused")  # fmt: skip
    languages: dict[str, list[bool]] = defaultdict(list)
    for text, intent, (best, _) in answers:
        languages[told_languages.get(text) or likeliest(normalise(text))].append(intent == best)
    if len(languages) > 1:
        shares = (f"{name} {sum(hits)} of {len(hits)}" for name, hits in sorted(languages.items()))
        console.print(f"By language: {'; '.join(shares)}")
    confused = Counter((intent, best or "nothing") for _, intent, (best, _) in answers if intent != best)
    if not confused:
        return
    table = Table(box=None, pad_edge=False, title="Taken for something else", title_justify="left")
    for head in ("intent", "taken for", "times", "for example"):
        table.add_column(head)
    for (intent, best), count in confused.most_common(_SHOWN):
        example = next(text for text, own, (other, _) in answers if (own, other or "nothing") == (intent, best))
        table.add_row(intent, best, str(count), example)
    console.print(table)


def add(
    text: Annotated[str, Parameter(help="What somebody wrote")],
    intent: Annotated[str, Parameter(help="What it means")],
    *,
    role: Annotated[str, Parameter(help="Who writes it")] = "customer",
    language: Annotated[str | None, Parameter(help="For intents whose examples are by language")] = None,
) -> None:
    """Make a message an example of an intent, and write a conversation test for it."""
    settings = load_database_settings()
    root = content_dir(settings)
    book = the_book()
    check_role(book, role)
    known = book.intents_of(role)
    if intent not in known:
        raise ConfigError([f"Role {role} has no intent `{intent}`. {did_you_mean(intent, known)}"])
    if any(normalise(one) == normalise(text) for one in known[intent].texts):
        raise ConfigError([f"That is an example of `{intent}` already."])
    if language is None:
        language = _language_of(text, known[intent].examples)
    for path in sorted((root / "intents").rglob("*.yaml")):
        source = path.read_text(encoding="utf-8")
        if f"{intent}:" not in source:
            continue
        try:
            added = with_example(source, intent, text, language)
        except ConfigError:
            continue
        path.write_text(added.text, encoding="utf-8")
        console = Console(highlight=False)
        tongue = f" in {language}" if language else ""
        console.print(f"{path.relative_to(root)}:{added.line}  an example more{tongue}", style="green")
        flow = book.started_by(role, intent)
        if flow is not None:
            test = path_of_test(root, intent, text)
            test.parent.mkdir(parents=True, exist_ok=True)
            test.write_text(conversation_test(text, flow.name, role), encoding="utf-8")
            console.print(f"{test.relative_to(root)}  a test that it begins {flow.name}", style="green")
        return
    raise ConfigError(
        [f"No file has a list of examples of `{intent}` to add to{f' in {language}' if language else ''}."]
    )


def _language_of(text: str, examples: Sequence[str] | Mapping[str, Any]) -> str | None:
    """Among which examples a message belongs, where they are by language; None where they are not.

    Raises:
        ConfigError: It sounds like none of these languages.
    """
    if not isinstance(examples, Mapping):
        return None
    sounds = likeliest(normalise(text))
    if sounds not in examples:
        raise ConfigError([f"This sounds like `{sounds}`. Say where it belongs: --language {'|'.join(examples)}."])
    return sounds


def the_book() -> FlowBook:
    """The flows of the project, with models that are kept."""
    settings = load_database_settings()
    root = content_dir(settings)
    keep_models(settings)
    return load_content(root, project_actions(settings, root)).book


def check_role(book: FlowBook, role: str) -> None:
    """Refuse a role that nobody has.

    Raises:
        ConfigError: There is none; the text says which was meant.
    """
    roles = sorted({role for flow in book.flows() for role in flow.roles} | set(book.intents))
    if role not in roles:
        raise ConfigError([f"Nobody has the role `{role}`. {did_you_mean(role, roles)}"])
