"""`bot check`: everything that can be proved about a content folder before it is deployed."""

from collections.abc import Iterable
from pathlib import Path

from bot.authoring import rules
from bot.authoring.content import COMMON, Loader
from bot.authoring.mistakes import Finding
from bot.core.actions import Actions
from bot.core.templates import FALLBACK, TemplateFile

__all__ = ["Finding", "check"]


def check(content_root: Path, actions: Actions) -> list[Finding]:
    """Check a content folder.

    Args:
        content_root: Holds `flows/`, `intents/` and `templates/`.
        actions: What flows may call.

    Returns:
        Errors, which stop a deploy, and warnings, in the order of files and lines.
    """
    return inspect(Loader(content_root, actions))


def inspect(loader: Loader) -> list[Finding]:
    """Let a loader read its content folder, and check that, as `check` does."""
    loader.read()
    findings = [*loader.findings, *_common(loader), *_unused(loader)]
    return sorted(findings, key=lambda one: (one.file, one.line, one.column, one.message))


def _common(loader: Loader) -> Iterable[Finding]:
    """The blocks the engine itself says exist, and say nothing but what they are given."""
    languages = loader.templates.get(COMMON, {})
    path = f"templates/{FALLBACK}/{COMMON}.j2"
    file = languages.get(FALLBACK, TemplateFile(path=path, blocks={}))
    missing = sorted(rules.COMMON_BLOCKS - set(file.blocks))
    if missing:
        message = f"Blocks the engine says itself are missing: `{'`, `'.join(missing)}`."
        yield _finding(file, 1, "error", "unknown", message, "Without them it keeps silent.")
    for language, translated in sorted(languages.items()):
        if language == FALLBACK:
            continue
        for name in sorted(set(file.blocks) - set(translated.blocks)):
            yield _finding(
                translated, 1, "warning", "translation", f"Block `{name}` is not translated into `{language}`."
            )


def _unused(loader: Loader) -> Iterable[Finding]:
    """Blocks nobody says."""
    for flow_file in loader.flow_files:
        for file in flow_file.texts.own.values():
            for block in rules.unused_blocks(file, flow_file.spec):
                yield _finding(
                    file, block.line, "warning", "unused", f"Nobody says block `{block.name}`.", "Remove it."
                )


def _finding(file: TemplateFile, line: int, severity: str, code: str, message: str, hint: str = "") -> Finding:
    return Finding(
        severity="error" if severity == "error" else "warning", file=file.path, line=line, column=1, code=code,
        message=message, hint=hint,
    )  # fmt: skip
