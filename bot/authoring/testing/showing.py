"""Messages and values as people read them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import yaml

from bot.core.messages import ButtonsOut, ListOut, MediaOut, Outgoing, TemplateOut, TextOut
from bot.core.outspecs import MEDIA
from bot.core.plain import plain_text
from bot.core.whatsapp import WhatsAppTemplate

Templates = Mapping[tuple[str, str], WhatsAppTemplate]
Spoken = tuple[str, tuple[tuple[str, str], ...], str, str]


def spoken(content: Outgoing, templates: Templates) -> Spoken:
    """A message of ours: text, choices with descriptions, what opens them, and what else there is to know."""
    match content:
        case TextOut(body=body):
            return body, (), "", ""
        case ButtonsOut(body=body, buttons=buttons):
            return body, tuple((one.title, "") for one in buttons), "", ""
        case ListOut(body=body, rows=rows, label=label):
            return body, tuple((one.title, one.description or "") for one in rows), label, ""
        case TemplateOut(name=name, language=language, parameters=parameters):
            template = templates.get((name, language)) or templates.get((name, "en"))
            text = template.fill(parameters) if template is not None else ", ".join(parameters)
            return text, (), "", f"template {name}: outside of the 24-hour window"
        case _:
            return plain_text(content), (), "", (word_for(content) or content.kind).replace("_", " ")


_WORDS: Mapping[str, str] = {
    "location": "location", "contacts": "contacts", "url": "link", "location_request": "ask_location",
    "contact_request": "ask_number", "reaction": "reaction", "form": "form",
} | {kind: word for word, kind in MEDIA.items()}  # fmt: skip


def word_for(content: Outgoing) -> str:
    """What `send:` calls a message; empty for words, choices and templates."""
    return _WORDS.get(content.media if isinstance(content, MediaOut) else content.kind, "")


def carried(content: Outgoing) -> str:
    """Everything a message carries, in words."""
    if isinstance(content, MediaOut):
        parts = (content.caption, content.filename, content.link or content.media_id or content.file)
        return "\n".join(part for part in parts if part)
    return plain_text(content)


_ENDLESS = 1_000_000


class _Plain(yaml.SafeDumper):
    """Flow style, text in quotes only where YAML needs them: double ones, unless something would be escaped."""

    def choose_scalar_style(self) -> str:
        """Double quotes instead of single ones."""
        style: str = super().choose_scalar_style()
        text = self.event.value if isinstance(self.event, yaml.ScalarEvent) else ""
        return '"' if style == "'" and all(c not in '"\\' and "\x20" <= c <= "\ud7ff" for c in text) else style

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        return True


def inline(value: Any) -> str:
    """A JSON value as YAML on one line, as test files write it.

    Lengths of time are written as in flows.
    """
    listed = yaml.dump(
        [_jsonable(value)], Dumper=_Plain, default_flow_style=True, allow_unicode=True, width=_ENDLESS, sort_keys=False
    )  # in a list, so that what is plain at the top of a file but not within brackets gets its quotes
    return str(listed).strip()[1:-1]


def _jsonable(value: Any) -> Any:
    if isinstance(value, timedelta):
        return spelled(value)
    if isinstance(value, Mapping):
        return {str(key): _jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_jsonable(one) for one in value]
    return value


def spelled(length: timedelta) -> str:
    """A length of time as flows write it: `1d12h`."""
    seconds = int(length.total_seconds())
    found = ""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        found += f"{count}{unit}" if count else ""
    return found or "0s"
