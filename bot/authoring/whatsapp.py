"""Message templates among the rest of the content: who needs them, and what is wrong with them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bot.authoring.content import COMMON, WHATSAPP, Content, Loader
from bot.authoring.mistakes import Finding
from bot.core.actions import Actions
from bot.core.headers import content_mistake, is_link
from bot.core.whatsapp import WhatsAppTemplate


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedTemplates:
    """The templates of a content folder that are usable, and what was found in those files."""

    templates: dict[tuple[str, str], WhatsAppTemplate]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings stop a template from being handed in."""
        return sum(one.severity == "error" for one in self.findings)


def check_templates(root: Path, actions: Actions) -> CheckedTemplates:
    """Check the message templates of a content folder; other mistakes in it do not matter."""
    loader = Loader(root, actions)
    loader.load()
    findings = [one for one in loader.findings if one.file.startswith(f"templates/{WHATSAPP}/")]
    return CheckedTemplates(
        templates=loader.whatsapp, findings=(*findings, *_samples(root, loader), *_cautions(loader))
    )


def _samples(root: Path, loader: Loader) -> Iterator[Finding]:
    """Samples that lie beside their templates must be there, and be what their names say."""
    for (name, language), template in sorted(loader.whatsapp.items()):
        kind, where = template.header_media, template.header_example
        if kind is None or kind == "location" or not where or is_link(where):
            continue
        try:
            mistake = content_mistake(kind, where, (root / "templates" / WHATSAPP / where).read_bytes())
        except OSError:
            mistake = f"There is no sample {where} in templates/{WHATSAPP}/."
        if mistake:
            yield replace(
                _warning(loader.whatsapp_files[name, language], "sample", mistake, "WhatsApp's reviewers look at it."),
                severity="error",
            )


def _cautions(loader: Loader) -> Iterator[Finding]:
    languages = set(loader.project.languages or loader.templates.get(COMMON, {}))
    for (name, language), template in sorted(loader.whatsapp.items()):
        file = loader.whatsapp_files[name, language]
        for told in template.cautions():
            yield _warning(file, "caution", told, "")
        others = {code.split("_")[0] for one, code in loader.whatsapp if one == name}
        missing = sorted(languages - others)
        first = min(code for one, code in loader.whatsapp if one == name)
        if missing and language == first:
            hint = f"Write one: templates/{WHATSAPP}/{name}.{missing[0]}.yaml with `language: {missing[0]}`."
            yield _warning(file, "translation", f"Template `{name}` is not there in {', '.join(missing)}.", hint)


def _warning(file: str, code: str, message: str, hint: str) -> Finding:
    return Finding(severity="warning", file=file, line=1, column=1, code=code, message=message, hint=hint)


def users_of(content: Content, name: str) -> list[str]:
    """The flows that name a template, in any version."""
    named = (key for key, source in content.sources.items() if name in source.files[source.path])
    return list(dict.fromkeys(flow for flow, _ in named))
