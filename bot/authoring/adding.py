"""Writing an example into an intents file, and a conversation test beside it; all else stays as its author wrote it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from bot.core.errors import ConfigError

_PLAIN = re.compile(r"[^\W\d_][\w '’?!.]*", re.UNICODE)
_WORDS_OF_YAML = frozenset({"yes", "no", "on", "off", "true", "false", "null", "y", "n"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What was written: the file's new text, and the line the example is in, from 1."""

    text: str
    line: int


def scalar(text: str) -> str:
    """A text as YAML: as it is when nothing in it means anything to YAML, else in quotes."""
    plain = _PLAIN.fullmatch(text) and text.casefold() not in _WORDS_OF_YAML and text == text.strip()
    return text if plain else json.dumps(text, ensure_ascii=False)


def with_example(source: str, intent: str, text: str, language: str | None = None) -> Added:
    """Add an example after the last one of an intent.

    Args:
        source: The intents file.
        intent: An intent in it.
        text: What somebody wrote.
        language: For examples by language.

    Raises:
        ConfigError: There is no such intent or list of examples in the file.
    """
    document = yaml.compose(source, Loader=yaml.SafeLoader)
    node = _child(_child(_child(document, "intents"), intent), "examples")
    if isinstance(node, yaml.MappingNode):
        node = _child(node, language) if language else None
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        where = f" in `{language}`" if language else ""
        raise ConfigError([f"Intent `{intent}` has no examples{where} to add to. Write the first one by hand."])
    last = node.value[-1]
    if node.flow_style:
        place = last.end_mark.index
        return Added(text=f"{source[:place]}, {scalar(text)}{source[place:]}", line=last.end_mark.line + 1)
    lines = source.splitlines(keepends=True)
    indent = " " * node.start_mark.column
    after = last.end_mark.line + (1 if last.end_mark.column else 0)
    if after and not lines[after - 1].endswith("\n"):
        lines[after - 1] += "\n"
    lines.insert(after, f"{indent}- {scalar(text)}\n")
    return Added(text="".join(lines), line=after + 1)


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """The value of a key, or None."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return value  # type: ignore[no-any-return]
    return None


def conversation_test(text: str, flow: str, role: str) -> str:
    """A test that this message begins this flow."""
    return (
        f"test: {json.dumps(f'“{text}” begins {flow}', ensure_ascii=False)}\n"
        f"flow: {flow}\n"
        f"phones: {{anna: {{role: {role}, name: Anna Rai}}}}\n"
        "steps:\n"
        f"  - anna: {json.dumps(text, ensure_ascii=False)}\n"
        f"    expect: {{flow: {flow}}}\n"
    )


def path_of_test(root: Path, intent: str, text: str) -> Path:
    """Where that test goes: a name of its own."""
    words = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")[:40] or "message"
    folder = root / "tests" / "flows" if (root / "tests" / "flows").is_dir() else root / "tests"
    path = folder / f"says_{intent}_{words}.yaml"
    number = 2
    while path.exists():
        path = folder / f"says_{intent}_{words}_{number}.yaml"
        number += 1
    return path
