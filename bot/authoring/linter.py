"""`bot check`: everything that can be proved about a content folder before it is deployed."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from bot.authoring import rules
from bot.authoring.beside import Elsewhere, Other, Parts, Share, worth_it
from bot.authoring.carriers import USUAL, Carrier
from bot.authoring.content import COMMON, Loader, collecting_later
from bot.authoring.examples import check_together
from bot.authoring.limits import SHOWN_ON, check_carrier, too_long, too_long_for_all
from bot.authoring.mistakes import Finding
from bot.authoring.placeholders import lost
from bot.authoring.translations import listed, missing_common, missing_templates
from bot.core.actions import Actions
from bot.core.book import ANY
from bot.core.planning import WHATSAPP_TEMPLATE
from bot.core.report import Report
from bot.core.templates import FALLBACK, TemplateFile

__all__ = ["Finding", "check"]


def check(content_root: Path, actions: Actions, carrier: Carrier = USUAL) -> list[Finding]:
    """Check a content folder.

    Args:
        content_root: Holds `flows/`, `intents/` and `templates/`.
        actions: What flows may call.
        carrier: Who carries the messages.

    Returns:
        Errors, which stop a deploy, and warnings, in the order of files and lines.
    """
    return inspect(Loader(content_root, actions), carrier)


def inspect(loader: Loader, carrier: Carrier = USUAL, *, beside: bool = False) -> list[Finding]:
    """Let a loader read its content folder, and check that, as `check` does.

    `beside` lets another process do half of it, where that is of use; the flows it takes are not in `flow_files`.
    """
    with collecting_later():
        loader.begin()
        if beside and worth_it(len(loader.paths)):
            _halves(loader, carrier)
        else:
            _check_intents(loader)
            loader.take(range(len(loader.paths)))
            _check_each(loader, carrier)
        loader.finish()
        _check_roles(loader)
        common = [*_common(loader), *_common_lengths(loader, carrier), *_lost(loader.templates.get(COMMON, {}))]
        findings = [*loader.findings, *common, *_templates(loader)]
        return sorted(findings, key=lambda one: (one.file, one.line, one.column, one.message))


def _halves(loader: Loader, carrier: Carrier) -> None:
    """Take the flows together with another process, which looks at the intents as well."""

    def work(parts: Parts) -> Share:
        loader.findings = []
        _check_intents(loader)
        loader.take(parts)
        _check_each(loader, carrier)
        files = [
            Elsewhere(name := one.document.file, loader.files[name], one.spec, one.report.places)
            for one in loader.flow_files
        ]
        return Share(findings=loader.findings, files=files, unreadable=loader.unreadable)

    with contextlib.closing(Parts(len(loader.paths))) as parts, contextlib.closing(Other(work, parts)) as other:
        loader.take(parts)
        share = other.share()
        if share is None:
            _check_intents(loader)
            loader.take(parts.others())
        _check_each(loader, carrier)
        if share is not None:
            loader.findings += share.findings
            loader.others += share.files
            loader.unreadable |= share.unreadable


def _check_intents(loader: Loader) -> None:
    """What all intents together show."""
    for document, report in check_together(
        loader.intent_files, loader.project.languages or loader.templates.get(COMMON, {}), loader.project.languages
    ):
        loader.report(document, report)


def _check_each(loader: Loader, carrier: Carrier) -> None:
    """What the carrier cannot show, and words that nobody says, of the flows that were read here."""
    for flow_file in loader.flow_files:
        if carrier.lacks:
            report = Report(places=flow_file.report.places)
            check_carrier(flow_file.spec, carrier, report)
            loader.report(flow_file.document, report)
    loader.findings += _words(loader, carrier)


def _check_roles(loader: Loader) -> None:
    """Whose intents they are, there is somebody."""
    files = [*loader.flow_files, *loader.others]
    roles = rules.roles_of(loader.actions) | {role for one in files for role in one.spec.roles}
    for read in loader.intent_files:
        report = Report()
        for role in read.file.roles:
            if role not in roles and role != ANY:
                report.unknown(("role",), "role", role, roles)
        loader.report(read.document, report)


def _common(loader: Loader) -> Iterable[Finding]:
    """The blocks the engine itself says exist, and say nothing but what they are given."""
    languages = loader.templates.get(COMMON, {})
    path = f"templates/{FALLBACK}/{COMMON}.j2"
    file = languages.get(FALLBACK, TemplateFile(path=path, blocks={}))
    missing = sorted(rules.COMMON_BLOCKS - set(file.blocks))
    if missing:
        message = f"Blocks the engine says itself are missing: {listed(missing)}."
        yield _finding(file, 1, "error", "unknown", message, "Without them it keeps silent.")
    wanted = tuple(loader.project.languages)
    for language, names in missing_common(languages, wanted):
        here = languages.get(language) or TemplateFile(path=path, blocks={})
        message = f"Common blocks are not translated into `{language}`: {listed(names)}."
        severity = "error" if wanted else "warning"
        yield _finding(here, 1, severity, "translation", message, f"Add them to templates/{language}/{COMMON}.j2.")


def _templates(loader: Loader) -> Iterable[Finding]:
    """WhatsApp templates are there in every language."""
    for name, language in missing_templates(loader.whatsapp, tuple(loader.project.languages)):
        if (WHATSAPP_TEMPLATE, name) in loader.broken:
            continue
        path = next(path for key, path in loader.whatsapp_files.items() if key[0] == name)
        yield _finding(
            TemplateFile(path=path, blocks={}), 1, "error", "translation",
            f"WhatsApp template `{name}` is not there in `{language}`.", "Write it, in a file of its own.",
        )  # fmt: skip


def _common_lengths(loader: Loader, carrier: Carrier) -> Iterable[Finding]:
    """Words that all flows share, and that are too long for where they are shown."""
    for file in loader.templates.get(COMMON, {}).values():
        for block, message in too_long_for_all(file, carrier):
            hint = "Shorten it."
            yield _finding(file, block.line, "error" if block.name in SHOWN_ON else "warning", "limit", message, hint)


def _words(loader: Loader, carrier: Carrier) -> Iterable[Finding]:
    """Blocks nobody says, and those that are too long for one message."""
    for flow_file in loader.flow_files:
        for file in flow_file.texts.own.values():
            for block, message in too_long(file, flow_file.spec, carrier):
                yield _finding(file, block.line, "warning", "limit", message, "Shorten it, or say it in two blocks.")
        yield from _lost(flow_file.texts.own, flow_file.spec.language)
        for file, block in rules.unused_blocks(flow_file.texts, flow_file.spec):
            yield _finding(file, block.line, "warning", "unused", f"Nobody says block `{block.name}`.", "Remove it.")


def _lost(files: Mapping[str, TemplateFile], own: str = FALLBACK) -> Iterable[Finding]:
    """What translations keep from their readers, of what the original says."""
    original = files.get(own, TemplateFile(path="", blocks={}))
    for language, file in files.items():
        for block, values in lost(original, file):
            message = f"Block `{block.name}` does not tell {listed(values)} in `{language}`, as it does in `{own}`."
            hint = f"Put `{{{{ {values[0].replace('[]', '')} }}}}` where it belongs."
            yield _finding(file, block.line, "warning", "translation", message, hint)


def _finding(file: TemplateFile, line: int, severity: str, code: str, message: str, hint: str = "") -> Finding:
    return Finding(
        severity="error" if severity == "error" else "warning", file=file.path, line=line, column=1, code=code,
        message=message, hint=hint,
    )  # fmt: skip
