"""A content folder, read, checked and compiled: `flows/`, `intents/` and `templates/`.

- `project.yaml`: what holds for all flows, if there is anything
- `flows/<role>/<name>.yaml`: a flow
- `templates/<language>/<role>/<name>.j2`: its replies, in each language
- `templates/<language>/common.j2`: what everybody says
- `templates/whatsapp/*.yaml`: message templates for WhatsApp's approval
- `intents/*.yaml`: how people say what they want
"""

import contextlib
import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import BaseModel

from bot.authoring import rules
from bot.authoring.calls import Written, check_across
from bot.authoring.examples import IntentsRead, check_file
from bot.authoring.folder import FlowFile as FlowFile
from bot.authoring.folder import Folder
from bot.authoring.pruning import believed, pruned
from bot.authoring.reader import Document
from bot.authoring.sources import Files, Memory, Source
from bot.authoring.translations import check_labels
from bot.core.actions import Actions
from bot.core.book import FlowBook
from bot.core.compiled import CompiledFlow
from bot.core.compiler import compile_flow
from bot.core.errors import ContentErrors, Mark, TemplateError
from bot.core.expanding import expand
from bot.core.flow import LANGUAGE, FlowSpec, ProjectSpec
from bot.core.intents import EntitySpec, IntentFile, IntentSpec
from bot.core.planning import WHATSAPP_TEMPLATE
from bot.core.report import Path, Report, did_you_mean
from bot.core.templates import FALLBACK, TemplateFile, Texts, compile_file, outline
from bot.core.whatsapp import WhatsAppTemplate

COMMON = "common"
WHATSAPP = "whatsapp"
PROJECT = "project.yaml"
_ALMOST = {".yaml": (".yml", ".YAML", ".yaml.txt"), ".j2": (".jinja", ".jinja2", ".j2.txt", ".html")}
"""How names end that were meant otherwise."""
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """All that authors wrote, ready to run: `whatsapp_templates` by (name, language), `sources` by flow, version."""

    book: FlowBook
    whatsapp_templates: Mapping[tuple[str, str], WhatsAppTemplate]
    sources: Mapping[tuple[str, int], Source] = field(default_factory=dict)


@dataclass(slots=True)
class Loader(Folder):
    """Reads a content folder; `findings` collects every mistake in it. `actions` is what flows may call."""

    actions: Actions
    templates: dict[str, dict[str, TemplateFile]] = field(default_factory=dict)
    whatsapp: dict[tuple[str, str], WhatsAppTemplate] = field(default_factory=dict)
    whatsapp_files: dict[tuple[str, str], str] = field(default_factory=dict)
    intents: dict[str, dict[str, IntentSpec]] = field(default_factory=dict)
    intent_files: list[IntentsRead] = field(default_factory=list)
    entities: dict[str, dict[str, EntitySpec]] = field(default_factory=dict)
    flow_files: list[FlowFile] = field(default_factory=list)
    project: ProjectSpec = field(default_factory=ProjectSpec)
    unreadable: set[str] = field(default_factory=set)
    lacks_intents: bool = False
    paths: list[tuple[str, FilePath]] = field(default_factory=list)
    others: list[Written] = field(default_factory=list)
    _replies: dict[str, dict[str, tuple[str, FilePath]]] = field(default_factory=dict)

    def read(self) -> list[CompiledFlow]:
        """Read and check all of it; returns the flows that compile."""
        with collecting_later():
            self.begin()
            compiled = self.take(range(len(self.paths)))
            self.finish()
        return compiled

    def begin(self) -> None:
        """Read all but the flows and their replies; `paths` are those of the flows then."""
        self._begin()
        self._misnamed()
        self._intents()

    def take(self, places: Iterable[int]) -> list[CompiledFlow]:
        """Read, check and compile the flows at some places of `paths`; returns those that compile."""
        return list(self._compiled(places))

    def finish(self) -> None:
        """Check what all flows together show: those taken here, and `others`, which were taken elsewhere."""
        written = self._each_once()
        for document, report in check_across(
            written, self.intents, self.unreadable, all_intents=not self.lacks_intents
        ):
            self.report(document, report)
        self._without_flow(written)

    def load(self) -> Content | None:
        """Read and check all of it; None when anything is wrong."""
        compiled = self.read()
        if any(finding.severity == "error" for finding in self.findings):
            return None
        return Content(
            book=FlowBook(compiled, self.intents, Texts(common=self._common()), self.entities),
            whatsapp_templates=self.whatsapp,
            sources={(file.spec.flow, file.spec.version): file.source for file in self.flow_files},
        )

    def read_intents(self) -> list[IntentsRead]:
        """Read the intents alone."""
        self._intents()
        return self.intent_files

    def load_flows(self) -> list[CompiledFlow]:
        """Compile flows on their own, without the others they call and the intents that start them."""
        self._begin()
        return self.take(range(len(self.paths)))

    def _begin(self) -> None:
        self._templates()
        self._whatsapp()
        self._project()

    def _compiled(self, places: Iterable[int]) -> Iterable[CompiledFlow]:
        """Every flow that compiles, with what `known` has taken from there."""
        for place in places:
            file = self._flow_file(*self.paths[place])
            if file is None:
                continue
            self.flow_files.append(file)
            before = self.known.flows.get(file.source.fingerprint)
            if before is not None:
                self.made.flows[file.source.fingerprint] = before
                self.findings += before.findings
                yield before.flow
                continue
            seen = len(self.findings)
            flow = self._compile(file)
            if flow is not None:
                self.made.keep(file.source, file, flow, self.findings[seen:])
                yield flow

    def _each_once(self) -> list[Written]:
        """All flow files in order; of those that are the same version of a flow, the first."""
        written: dict[tuple[str, int], Written] = {}
        for file in sorted([*self.flow_files, *self.others], key=lambda one: FilePath(one.document.file).parts):
            key, name = (file.spec.flow, file.spec.version), file.document.file
            if key not in written:
                written[key] = file
                continue
            self.flow_files = [one for one in self.flow_files if one is not file]
            self.others = [one for one in self.others if one is not file]
            own = {name, *(path for path, _ in self._replies.get(_rest(name), {}).values())}
            self.findings = [one for one in self.findings if one.file not in own or one.code in {"template", "file"}]
            self.finding(
                file.document.mark(("flow",)),
                f"Flow `{key[0]}` version {key[1]} exists already, in {written[key].document.file}.",
                "Give it another name, or raise `version:`.", "error", "duplicate",
            )  # fmt: skip
        return list(written.values())

    def _without_flow(self, written: Sequence[Written]) -> None:
        """Files that nothing is made of."""
        if not written and not self.findings:
            hint = "Write one: flows/<role>/<name>.yaml."
            self.finding(Mark("flows", 1, 1), "There is no flow.", hint, "error", "file")
        paths = {_rest(file.document.file) for file in written}
        broken = {finding.file for finding in self.findings if finding.file.startswith("flows/")}
        for rest, languages in self.templates.items():
            if rest != COMMON and rest not in paths and f"flows/{rest}.yaml" not in broken:
                for file in languages.values():
                    message = f"There is no flow flows/{rest}.yaml for this file."
                    hint = did_you_mean(rest, paths) or "Remove it, or write the flow."
                    self.finding(Mark(file.path, 1, 1), message, hint, "warning", "unused")

    def _misnamed(self) -> None:
        """What would be passed over: files where folders belong, endings that are others, languages that are none."""
        for folder in ("flows", "intents", "templates") if self.given is None else ():
            if (self.root / folder).is_file():
                told = f"`{folder}` is a file, and a folder belongs here."
                self.finding(
                    Mark(folder, 1, 1), told, f"Make a folder `{folder}`, with this file in it.", "error", "file"
                )
        for folder, suffix in (("flows", ".yaml"), ("intents", ".yaml"), ("templates", ".j2")):
            for other in _ALMOST[suffix]:
                for name, _ in self._files(folder, other):
                    told, hint = f"Nobody reads a file that ends in `{other}`.", f"Let its name end in `{suffix}`."
                    self.finding(Mark(name, 1, 1), told, hint, "error", "file")
        for language in sorted({language for files in self._replies.values() for language in files}):
            if not LANGUAGE.fullmatch(language):
                name, _ = next(files[language] for files in self._replies.values() if language in files)
                told = f"`{language}` is no language, so nobody would ever be spoken to in it."
                self.finding(Mark(name, 1, 1), told, "Name the folder en, hi or pt_BR, say.", "error", "translation")
                for listed in self._replies.values():
                    listed.pop(language, None)
                for compiled in self.templates.values():
                    compiled.pop(language, None)

    # --- Templates ----------------------------------------------------------------------------------------------------

    def _templates(self) -> None:
        """Find every `.j2`, by path without language, then by language; those of a flow are read with it."""
        self.paths = list(self._files("flows", ".yaml"))
        for name, path in self._files("templates", ".j2"):
            language, _, rest = name.removeprefix("templates/").partition("/")
            if rest:
                self._replies.setdefault(rest.removesuffix(".j2"), {})[language] = (name, path)
        flows = {_rest(name) for name, _ in self.paths}
        for rest in self._replies:
            if rest not in flows:
                self._compile_replies(rest)

    def _compile_replies(self, rest: str) -> None:
        for language, (name, path) in self._replies.get(rest, {}).items():
            source = self._read_text(name, path)
            if source is None:
                continue
            try:
                compiled = self.known.templates.get((name, source)) or compile_file(name, source)
            except TemplateError as mistake:
                self.add(mistake, "template")
                compiled = outline(name, source)
            else:
                self.made.templates[name, source] = compiled
            self.templates.setdefault(rest, {})[language] = compiled

    def _common(self) -> dict[str, TemplateFile]:
        return self.templates.get(COMMON, {})

    def _whatsapp(self) -> None:
        for name, path in self._files(f"templates/{WHATSAPP}", ".yaml"):
            document = self._document(name, path)
            template = self._model(document, WhatsAppTemplate) if document is not None else None
            if template is None or document is None:
                self.broken.add((WHATSAPP_TEMPLATE, _name_of(name, document)))
                continue
            key = (template.name, template.language)
            if key in self.whatsapp:
                self.finding(document.mark(("name",)), f"Template `{key[0]}` exists in `{key[1]}` already.",
                             "Change its name or language.", "error", "duplicate")  # fmt: skip
            self._compare_translation(template, document)
            self.whatsapp[key] = template
            self.whatsapp_files[key] = name

    def _compare_translation(self, template: WhatsAppTemplate, document: Document) -> None:
        """Refuse a translation that takes other parameters: whoever sends it does not know in which language."""
        other = next((one for (name, _), one in self.whatsapp.items() if name == template.name), None)
        if other is not None and other.signature != template.signature:
            self.finding(
                document.mark(("body",)),
                f"In `{template.language}`, template `{template.name}` takes other parameters than in "
                f"`{other.language}`.",
                "Translations have the same variables and kinds of buttons.", "error", "translation",
            )  # fmt: skip

    def _whatsapp_by_name(self) -> dict[str, WhatsAppTemplate]:
        """One version of each template, in the fallback language where there is one."""
        order = sorted(self.whatsapp.items(), key=lambda item: item[0][1].split("_")[0] == FALLBACK)
        return {name: template for (name, _), template in order}

    # --- Intents ------------------------------------------------------------------------------------------------------

    def _intents(self) -> None:
        for name, path in self._files("intents", ".yaml"):
            document = self._document(name, path)
            file = self._model(document, IntentFile) if document is not None else None
            if file is None or document is None:
                self.lacks_intents = True
                continue
            report = Report()
            check_file(file, self.actions, report)
            self.report(document, report)
            labels = Report()
            check_labels(file, tuple(self.project.languages), labels)
            self.report(document, labels)
            if any(mistake.severity == "error" for mistake in report.mistakes):
                self.lacks_intents = True
            else:
                self.intent_files.append(IntentsRead(document=document, file=file))
                for role in file.roles:
                    self.intents.setdefault(role, {}).update(file.intents)
                    self.entities.setdefault(role, {}).update(file.entities)

    # --- Flows --------------------------------------------------------------------------------------------------------

    def _flow_file(self, name: str, path: FilePath) -> FlowFile | None:
        self._compile_replies(_rest(name))
        text = self._read_text(name, path)
        if text is None:
            return None
        source = Source.of(name, self._files_of(name, text))
        if (known := self.known.flows.get(source.fingerprint)) is not None:
            return known.file
        document = self._parsed(name, text)
        if document is None:
            return None
        seen = len(self.findings)
        spec = self._model(document, FlowSpec)
        if spec is None:
            self._check_the_rest(name, document, seen)
            return None
        return self._file_of(name, document, spec, source)

    def _file_of(self, name: str, document: Document, spec: FlowSpec, source: Source) -> FlowFile:
        own = self.templates.get(_rest(name), {})
        report = Report()
        _check_empty(document.value, (), report)
        spec = expand(self._with_defaults(spec), report)
        texts = Texts(own=own, common=self._common(), language=spec.language)
        return FlowFile(document=document, report=report, spec=spec, texts=texts, source=source)

    def _check_the_rest(self, name: str, document: Document, seen: int) -> None:
        """Of a flow whose shape is wrong, check what is left without that."""
        if isinstance(document.value, dict):
            self.unreadable.add(str(document.value.get("flow")))
        places = {(one.line, one.column) for one in self.findings[seen:]}
        paths = [
            path for marks in (document.keys, document.values) for path, mark in marks.items()
            if path and (mark.line, mark.column) in places
        ]  # fmt: skip
        found = pruned(document.value, paths)
        if found is None:
            return
        spec, cut = found
        file = self._file_of(name, document, spec, Source(path=name, files={}, fingerprint=""))
        flow = compile_flow(file.spec, file.texts, self._whatsapp_by_name(), file.report)
        rules.check(rules.Subject.of(file.spec, flow, file.texts, self.actions, ()), file.report)
        self.report(document, Report(mistakes=believed(file.report.mistakes, cut)))

    def _files_of(self, name: str, text: str) -> Files:
        """The files without which a flow would not be what it is."""
        rest = _rest(name)
        names = [file.path for file in (*self.templates.get(rest, {}).values(), *self._common().values())]
        names += [self.whatsapp_files[key] for key in self.whatsapp if key[0] in text]
        if PROJECT in self.files:
            names.append(PROJECT)
        return {name: text} | {one: self.files[one] for one in names}

    def _with_defaults(self, spec: FlowSpec) -> FlowSpec:
        """A flow with what `project.yaml` says, where it does not say otherwise itself."""
        given = self.project.model_fields_set - spec.model_fields_set - {"languages"}
        return spec.model_copy(update={word: getattr(self.project, word) for word in given})

    def _project(self) -> None:
        path = self.root / PROJECT
        exists = PROJECT in self.given if self.given is not None else path.exists() or path.is_symlink()
        document = self._document(PROJECT, path) if exists else None
        self.project = (self._model(document, ProjectSpec) if document is not None else None) or ProjectSpec()

    def _compile(self, file: FlowFile) -> CompiledFlow | None:
        report = file.report
        flow = compile_flow(file.spec, file.texts, self._whatsapp_by_name(), report)
        languages = tuple(self.project.languages)
        rules.check(rules.Subject.of(file.spec, flow, file.texts, self.actions, languages), report)
        self.report(file.document, report)
        for template in file.texts.own.values():
            for block, message, hint in rules.template_mistakes(template, file.spec):
                self.finding(Mark(template.path, block.line, 1), message, hint, "error", "template")
        return flow


def _rest(name: str) -> str:
    """A flow file's path as its replies have it."""
    return name.removeprefix("flows/").removesuffix(".yaml")


def _name_of(path: str, document: Document | None) -> str:
    """What a WhatsApp template with mistakes is called: by itself where that can be read, else by its file."""
    inside = document.value.get("name") if document is not None and isinstance(document.value, dict) else None
    return inside if isinstance(inside, str) else FilePath(path).name.partition(".")[0]


def _check_empty(value: Any, path: Path, report: Report) -> None:
    """Words of a state behind whose colon nothing stands: they would be passed over."""
    states = value.get("states") if isinstance(value, dict) else None
    for name, state in states.items() if isinstance(states, dict) else ():
        inside = state if isinstance(state, dict) else {}
        for word in [word for word, given in inside.items() if given is None]:
            report((*path, "states", name, word), f"`{word}:` is empty.",
                   hint="Write behind the colon what is meant, or remove it.")  # fmt: skip
        if "states" in inside:
            _check_empty(inside, (*path, "states", name), report)


@contextlib.contextmanager
def collecting_later() -> Iterator[None]:
    """Hold the garbage collector: reading makes many objects, nearly all of them to stay."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def load_content(root: FilePath, actions: Actions, memory: "Memory[FlowFile] | None" = None) -> Content:
    """Read, check and compile a content folder.

    Args:
        root: Holds `flows/`, `intents/` and `templates/`.
        actions: What flows may call.
        memory: What was compiled the last time, for the same actions; files that are as they were then are not
            compiled again. Afterwards it holds what was compiled this time.

    Raises:
        ContentErrors: With every mistake there is.
    """
    loader = Loader(root, actions, known=memory or Memory())
    content = loader.load()
    if memory is not None:
        memory.become(loader.made)
    if content is None:
        raise _errors(loader)
    return content


def compile_source(files: Files, actions: Actions) -> CompiledFlow:
    """Compile one flow from the files it was made of (`Source.files`).

    Raises:
        ContentErrors: This version of the code does not take them.
    """
    loader = Loader(FilePath(), actions, given=files)
    flows = loader.load_flows()
    if len(flows) != 1 or any(finding.severity == "error" for finding in loader.findings):
        raise _errors(loader)
    return flows[0]


def _errors(loader: Loader) -> ContentErrors:
    return ContentErrors([finding.error() for finding in loader.findings if finding.severity == "error"])
