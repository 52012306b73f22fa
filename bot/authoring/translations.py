"""That nothing is missing in any language: replies, labels of choices, WhatsApp templates, common words.

Which languages a project speaks, `project.yaml` says under `languages:`; then whatever is missing is an error. Without
it, a language counts where somebody has begun to translate, and what is missing is a warning.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from jinja2 import nodes
from jinja2.exceptions import TemplateSyntaxError

from bot.authoring.limits import options_of
from bot.core.flow import FlowSpec, NotifySpec, TemplateUse
from bot.core.intents import IntentFile
from bot.core.report import Path, Report, Severity
from bot.core.sandbox import ENVIRONMENT
from bot.core.templates import FALLBACK, TemplateFile, Texts

_ADDRESS = re.compile(r"[/|@]")
_WORD = re.compile(r"[^\W\d_]{2,}")


def check_translations(
    spec: FlowSpec,
    texts: Texts,
    said: Iterable[tuple[Path, str]],
    idle: Collection[str],
    languages: tuple[str, ...],
    report: Report,
) -> None:
    """Every block and label of a flow is there in every language.

    Args:
        spec: The flow.
        texts: What it can say.
        said: The blocks it names, with their places.
        idle: Those nobody says, which need no translation.
        languages: Those the project speaks; empty: those the flow has files in.
        report: Takes what is missing.
    """
    severity: Severity = "error" if languages else "warning"
    own = {name for file in texts.own.values() for name in file.blocks}
    places: dict[str, Path] = {}
    for path, block in said:
        places.setdefault(block, path)
    for language in languages or sorted(texts.own):
        file = texts.own.get(language)
        if file is None:
            if own:
                report(("flow",), f"Flow `{spec.flow}` is not translated into `{language}`.", severity=severity,
                       code="translation", hint=f"Write {_beside(texts, language)}.")  # fmt: skip
            continue
        for block in sorted(own - set(file.blocks) - set(idle)):
            if not block.startswith("choice_") and not block.startswith("command_"):
                report(places.get(block, ("flow",)), f"Block `{block}` is not translated into `{language}`.",
                       severity=severity, code="translation", hint=f"Add it to {file.path}.")  # fmt: skip
        if languages and language != spec.language:
            _labels(spec, texts, language, file, report)
        _slots(spec, language, severity, report)
        _descriptions(spec, language, severity, report)
        _parameters(spec, language, severity, report)


def _parameters(spec: FlowSpec, language: str, severity: Severity, report: Report) -> None:
    """What WhatsApp templates are filled with, where it has words of its own: a default such as `guest`, say."""
    for path, use in templates_of(spec):
        for place, given in enumerate(use.parameters):
            known = given if isinstance(given, dict) else {spec.language: str(given)}
            if {language, language.split("_")[0]} & known.keys():
                continue
            words = next((words for text in known.values() if (words := _own_words(text))), "")
            if words or isinstance(given, dict):
                first, text = next(iter(known.items()))
                report((*path, "with", place), f"“{words or text}”, for WhatsApp template `{_name_of(use)}`, is not "
                       f"there in `{language}`.", severity=severity, code="translation",
                       hint=f"Write `{{{first}: {_quoted(text)}, {language}: …}}`.")  # fmt: skip


def templates_of(spec: FlowSpec) -> Iterator[tuple[Path, TemplateUse | NotifySpec]]:
    """All WhatsApp templates that a flow fills in, with their places."""
    for name, state in spec.states.items():
        places: list[tuple[Path, TemplateUse | NotifySpec | None]] = [
            (("template",), state.template), (("notify",), state.notify),
            *((("enter", place, "template"), op.template) for place, op in enumerate(state.enter)),
            *((("enter", place, "notify"), op.notify) for place, op in enumerate(state.enter)),
            *((("after", delay, "template"), timer.template) for delay, timer in state.after.items()),
            *((("no_input", place, "template"), rung.template) for place, rung in enumerate(state.no_input or ())),
        ]  # fmt: skip
        for path, use in places:
            if use is not None:
                yield ("states", name, *path), use


def _name_of(use: TemplateUse | NotifySpec) -> str:
    return use.template if isinstance(use, NotifySpec) else use.name


def _quoted(text: str) -> str:
    return f'"{text}"' if "{" in text else text


def _own_words(source: str) -> str | None:
    """Words that an expression says itself, and not what it is given; None where it asks for the language, too."""
    try:
        tree = ENVIRONMENT.parse(source)
    except TemplateSyntaxError:
        return None
    if any(node.attr == "language" for node in tree.find_all(nodes.Getattr)):
        return None
    said: list[nodes.Node] = [node for output in tree.find_all(nodes.Output) for node in output.nodes]
    for node in tree.find_all((nodes.Or, nodes.CondExpr, nodes.Filter)):
        match node:
            case nodes.Or():
                said.append(node.right)
            case nodes.CondExpr():
                said += [node.expr1, *([node.expr2] if node.expr2 is not None else [])]
            case nodes.Filter(name="default" | "d"):
                said += node.args
    texts = [node.data if isinstance(node, nodes.TemplateData) else node.value for node in said
             if isinstance(node, nodes.TemplateData | nodes.Const)]  # fmt: skip
    return next((text.strip() for text in texts if isinstance(text, str) and _is_of_a_language(text)), None)


def _is_of_a_language(text: str) -> bool:
    """Whether it is more than a code, a number, an address or a place."""
    return not _ADDRESS.search(text) and any(not word.isupper() for word in _WORD.findall(text))


def _descriptions(spec: FlowSpec, language: str, severity: Severity, report: Report) -> None:
    for path, choices in options_of(spec):
        for key, option in choices.items():
            told = option.description
            known = told if isinstance(told, dict) else {spec.language: told}
            if told and language not in known:
                first, text = next(iter(known.items()))
                report((*path, key, "description"), f"What describes choice `{option.label}` is not there in "
                       f"`{language}`.", severity=severity, code="translation",
                       hint=f"Write `description: {{{first}: {text}, {language}: …}}`.")  # fmt: skip


def check_labels(file: IntentFile, languages: tuple[str, ...], report: Report) -> None:
    """What each intent is called, "Did you mean…", is there in every language.

    Args:
        file: The intents.
        languages: Those the project speaks; empty: each label is held to the languages it has.
        report: Takes what is missing.
    """
    for name, intent in file.intents.items():
        label = intent.label
        known = label if isinstance(label, dict) else {FALLBACK: label or intent.name(name, FALLBACK)}
        first, text = next(iter(known.items()))
        for language in languages:
            if language not in known:
                report(("intents", name, *(["label"] if label else [])),
                       f"Intent `{name}`, “{text}” on a button, has no label in `{language}`.", code="translation",
                       hint=f"Write `label: {{{first}: {text}, {language}: …}}`.")  # fmt: skip


def _slots(spec: FlowSpec, language: str, severity: Severity, report: Report) -> None:
    for name, slot in spec.slots.items():
        label = slot.label if isinstance(slot.label, dict) else {spec.language: slot.label}
        if slot.label and language not in label:
            told = next(iter(label.values()))
            report(("slots", name, "label"), f"Slot `{name}`, “{told}”, has no label in `{language}`.",
                   severity=severity, code="translation",
                   hint=f"Write `label: {{{next(iter(label))}: {told}, {language}: …}}`.")  # fmt: skip


def _labels(spec: FlowSpec, texts: Texts, language: str, file: TemplateFile, report: Report) -> None:
    common = texts.common.get(language)
    for path, choices in options_of(spec):
        for key, option in choices.items():
            block = f"choice_{key}"
            if block not in file.blocks and (common is None or block not in common.blocks):
                report((*path, key), f"Choice `{option.label}` has no label in `{language}`.", code="translation",
                       hint=f"Add block `{block}` to {file.path}.")  # fmt: skip


def _beside(texts: Texts, language: str) -> str:
    """The path of the file that a language lacks."""
    path = next(iter(texts.own.values())).path
    return "/".join(["templates", language, *path.split("/")[2:]])


def missing_templates(names: Iterable[tuple[str, str]], languages: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """WhatsApp templates, with the language each lacks. A regional one, `en_US`, will do for its language."""
    found: dict[str, set[str]] = {}
    for name, language in names:
        found.setdefault(name, set()).update({language, language.split("_")[0]})
    for name, known in sorted(found.items()):
        for language in languages:
            if language not in known:
                yield name, language


def missing_common(files: Mapping[str, TemplateFile], languages: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """Each language, with the common blocks it lacks."""
    base = files.get(FALLBACK)
    for language in languages or sorted(files):
        known = set(files[language].blocks) if language in files else set()
        missing = sorted(set(base.blocks) - known) if base is not None and language != FALLBACK else []
        if missing:
            yield language, missing


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names as a list that is not too long to be read."""
    shown = ", ".join(f"`{name}`" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
