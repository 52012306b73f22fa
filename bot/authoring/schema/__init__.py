"""JSON Schemas (draft 2020-12) of everything authors write in YAML, with the project's own names in them.

Made from the very models that read the files, so an editor knows every key, what it is for, and which actions, slots,
blocks, roles and intents there are. A schema says less than `bot check` does, never more: what loads is valid.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bot.authoring.schema.docstrings import attribute, lineage, summary
from bot.authoring.schema.generating import schema_of
from bot.authoring.schema.hover import HOVER
from bot.authoring.schema.vocabulary import Vocabulary, add_names, vocabulary_of
from bot.authoring.testing.spec import ConversationSpec, SharedSpec
from bot.core.actions import Actions
from bot.core.flow import FlowSpec, ProjectSpec
from bot.core.intents import IntentFile
from bot.core.whatsapp import WhatsAppTemplate

__all__ = ["MODELS", "SUFFIX", "schemas", "vscode_settings"]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
SUFFIX = ".schema.json"
MODELS: Mapping[str, tuple[type[BaseModel], tuple[str, ...]]] = {
    "flow": (FlowSpec, ("flows/**/*.yaml", "!tests/flows/**/*.yaml")),
    "intents": (IntentFile, ("intents/**/*.yaml",)),
    "whatsapp": (WhatsAppTemplate, ("templates/whatsapp/**/*.yaml",)),
    "project": (ProjectSpec, ("project.yaml",)),
    "test": (ConversationSpec, ("tests/**/*.yaml", "!tests/**/shared.yaml")),
    "shared": (SharedSpec, ("tests/**/shared.yaml",)),
}
"""Each kind of file: its model, and where such files are. The YAML language server looks for `flows/` at any depth."""


def schemas(root: Path, actions: Actions) -> dict[str, dict[str, Any]]:
    """The schemas by kind of file.

    Args:
        root: Holds `flows/`, `intents/` and `templates/`; their names are offered.
        actions: What flows may call.

    Raises:
        ContentErrors: Something in the folder is wrong; see `bot check`.
    """
    words = vocabulary_of(root, actions)
    return {kind: _schema(kind, model, words) for kind, (model, _) in MODELS.items()}


def _schema(kind: str, model: type[BaseModel], words: Vocabulary) -> dict[str, Any]:
    schema = schema_of(model)
    for name, definition in schema["$defs"].items():
        if "description" in definition:
            definition["description"] = summary(definition["description"])
        for key, value in definition.get("properties", {}).items():
            told = next((HOVER[place] for one in lineage(name) if (place := f"{one}.{key}") in HOVER), "")
            text = told or attribute(name, key) or _about(value, schema["$defs"])
            definition["properties"][key] = _described(value, text)
    add_names(schema, words)
    return {"$schema": DRAFT, "title": f"Sirdar: {kind}", **schema}


def _described(schema: dict[str, Any], text: str) -> dict[str, Any]:
    return (
        {"description": text, **{key: value for key, value in schema.items() if key != "description"}}
        if text
        else schema
    )


def _about(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """What a key without a sentence of its own says: what its block is."""
    if isinstance(schema.get("description"), str):
        return str(schema["description"])
    names = [one.get("$ref", "") for one in (schema, *schema.get("anyOf", ()))]
    found = (definitions.get(name.removeprefix("#/$defs/"), {}).get("description", "") for name in names)
    return next(filter(None, found), "")


def vscode_settings(folder: str) -> str:
    """What to put into `.vscode/settings.json`.

    Args:
        folder: Where the schemas are, from the folder that is opened in VS Code.
    """
    mapping = {f"./{folder}/{kind}{SUFFIX}": list(patterns) for kind, (_, patterns) in MODELS.items()}
    settings = {"yaml.schemas": mapping, "yaml.yamlVersion": "1.2", "files.associations": {"*.j2": "jinja"}}
    return json.dumps(settings, indent=2) + "\n"
