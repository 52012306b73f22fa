"""A content folder as files: read, parsed, and what is wrong with them collected."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from bot.authoring.mistakes import Finding, explain
from bot.authoring.reader import Document, read
from bot.authoring.sources import Files, Memory, Source, in_folder
from bot.core.errors import ContentError, FlowError, Mark
from bot.core.flow import FlowSpec
from bot.core.report import Report, Severity
from bot.core.templates import Texts

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFile:
    """A flow file on the way to being compiled. `spec` has plain states only; `report` knows where they stand."""

    document: Document
    report: Report
    spec: FlowSpec
    texts: Texts
    source: Source


@dataclass(slots=True)
class Folder:
    """Reads the files of a content folder; `findings` collects every mistake in them.

    Attributes:
        root: The folder.
        given: Read these instead of the folder.
        broken: What is there, but with mistakes of its own, by kind and name: that it is missing is not said as well.
        known: What was compiled an earlier time: files that are as they were then are not compiled again.
        made: The same, of this time.
        files: The texts that were read, by path.
    """

    root: FilePath
    given: Files | None = field(default=None, kw_only=True)
    broken: set[tuple[str, str]] = field(default_factory=set, kw_only=True)
    known: Memory[FlowFile] = field(default_factory=Memory, kw_only=True)
    made: Memory[FlowFile] = field(default_factory=Memory, kw_only=True)
    files: dict[str, str] = field(default_factory=dict, kw_only=True)
    findings: list[Finding] = field(default_factory=list, kw_only=True)

    def _files(self, folder: str, suffix: str) -> Iterable[tuple[str, FilePath]]:
        """Files below a folder in order of name, with the path authors know them by."""
        if self.given is not None:
            yield from ((name, FilePath(name)) for name in in_folder(self.given, folder, suffix))
            return
        for path in sorted((self.root / folder).rglob(f"*{suffix}")):
            yield path.relative_to(self.root).as_posix(), path

    def _read_text(self, name: str, path: FilePath) -> str | None:
        try:
            self.files[name] = self.given[name] if self.given is not None else path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as mistake:
            told, hint = f"The file is not UTF-8: {mistake.reason}.", "Save it as UTF-8."
        except OSError as mistake:
            told, hint = f"The file cannot be read: {mistake.strerror or mistake}.", "Remove it, or make it readable."
        else:
            return self.files[name]
        self.add(FlowError(told, at=Mark(name, 1, 1), hint=hint))
        return None

    def _document(self, name: str, path: FilePath) -> Document | None:
        text = self._read_text(name, path)
        return self._parsed(name, text) if text is not None else None

    def _parsed(self, name: str, text: str) -> Document | None:
        try:
            document = self.known.documents.get((name, text)) or read(text, name)
        except ContentError as mistake:
            self.add(mistake)
            return None
        self.made.documents[name, text] = document
        return document

    def _model(self, document: Document, model: type[_Model]) -> _Model | None:
        try:
            return model.model_validate(document.value)
        except ValidationError as mistakes:
            self.findings += explain(mistakes, document, model)
        return None

    def add(self, mistake: ContentError, code: str = "file") -> None:
        """Take an error as a finding, and those found with it."""
        self.findings += [Finding.of(one, code) for one in (mistake, *mistake.others)]

    def report(self, document: Document, report: Report) -> None:
        """Take a report, turning paths into places."""
        for one in report.mistakes:
            if one.missing in self.broken:
                continue
            self.finding(document.mark(one.path), one.message, one.hint, one.severity, one.code)

    def finding(self, at: Mark, message: str, hint: str, severity: Severity, code: str) -> None:
        """Add one."""
        self.findings.append(
            Finding(
                severity=severity, file=at.file, line=at.line, column=at.column, code=code, message=message, hint=hint
            )
        )
