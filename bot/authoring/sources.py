"""What a flow version is made of, as text: to tell whether it has changed, and to compile it again later."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from bot.authoring.mistakes import Finding
from bot.authoring.reader import Document
from bot.core.compiled import CompiledFlow
from bot.core.templates import TemplateFile

Files = Mapping[str, str]
"""Texts by their path in the content folder."""
_File = TypeVar("_File")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The files of one flow version: its own, its replies, common ones, the WhatsApp templates it names.

    Attributes:
        path: The flow's own file.
        files: All of them.
        fingerprint: Differs when any of them does.
    """

    path: str
    files: Files
    fingerprint: str

    @classmethod
    def of(cls, path: str, files: Files) -> "Source":
        """Take the fingerprint."""
        document = json.dumps(dict(sorted(files.items())), ensure_ascii=False)
        return cls(path=path, files=files, fingerprint=hashlib.sha256(document.encode()).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Known(Generic[_File]):
    """A flow that compiled, with what was found on the way."""

    file: _File
    flow: CompiledFlow
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class Memory(Generic[_File]):
    """What was read, by what it was read from: flows by fingerprint, templates and YAML by path and text."""

    flows: dict[str, Known[_File]] = field(default_factory=dict)
    templates: dict[tuple[str, str], TemplateFile] = field(default_factory=dict)
    documents: dict[tuple[str, str], Document] = field(default_factory=dict)

    def keep(self, source: Source, file: _File, flow: CompiledFlow, findings: Sequence[Finding]) -> None:
        """Remember a flow."""
        self.flows[source.fingerprint] = Known(file=file, flow=flow, findings=tuple(findings))

    def become(self, other: "Memory[_File]") -> None:
        """Remember what the other does, and nothing else."""
        self.flows, self.templates, self.documents = other.flows, other.templates, other.documents


def in_folder(files: Files, folder: str, suffix: str) -> list[str]:
    """The paths below a folder, in order."""
    return sorted(name for name in files if name.startswith(f"{folder}/") and name.endswith(suffix))
