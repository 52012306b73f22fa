"""JSON Schema of what authors may *write*, which is more than what the models hold.

The models take short forms: `next: thanks` for `next: [{to: thanks}]`, `after: 2h` for a length of time. Pydantic knows
that a function runs before such a value is checked, not what it accepts. So the function is tried: what it makes of a
word, a number, nothing, a list or a block tells which short forms there are. New short forms of the language are found
without a change here.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticCustomError, PydanticKnownError, core_schema

from bot.core.parts import WHOSE

DURATION = r"^(?=.)(\d+d)?(\d+h)?(\d+m)?(\d+s)?$"
_WORD = "x"
_SAMPLES = ("15m", "21:00", "2026-11-22T09:00:00Z", "27.98 86.92")
_YES_NO = r"^([yYnNtTfF01]|[yY][eE][sS]|[nN][oO]|[oO][nN]|[oO][fF][fF]|[tT][rR][uU][eE]|[fF][aA][lL][sS][eE])$"
_NUMBER = r"^[ ]*[-+]?[0-9][0-9_]*(\.[0-9]*)?[ ]*$"
_ROLE, _ROLES = (str(name) for name in WHOSE.choices)
_SHORT = "x-short-for"
"""Marks a short form on the way: "what the property of this name takes"; resolved when all models are known."""


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a model's file, with its parts under `$defs`."""
    schema = model.model_json_schema(by_alias=True, schema_generator=_Generator, mode="validation")
    definitions = schema.setdefault("$defs", {})
    name = model.__name__
    if "$ref" not in schema:  # the model itself is not used by its parts
        definitions[name] = {key: value for key, value in schema.items() if key != "$defs"}
    _resolve(schema, definitions)
    _tidy(definitions)
    for definition in definitions.values():
        _other_names(definition)
    return {"$ref": f"#/$defs/{name}", "$defs": dict(sorted(definitions.items()))}


class _Generator(GenerateJsonSchema):
    """Pydantic's, with the short forms."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        inner = self.generate_inner(schema["schema"])
        if schema["function"]["type"] != "no-info":
            return inner
        return _with_short_forms(inner, schema["function"]["function"])

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return {**super().int_schema(schema), "type": ["integer", "string"], "pattern": _NUMBER}

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return {**super().float_schema(schema), "type": ["number", "string"], "pattern": _NUMBER}

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        return {"type": ["boolean", "string"], "pattern": _YES_NO}

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value  # keys stay in the author's order: editors offer them in it


# --- Short forms ------------------------------------------------------------------------------------------------------


class _Refused:
    """What trying gave: an error."""


def _with_short_forms(inner: JsonSchemaValue, function: Callable[[Any], Any]) -> JsonSchemaValue:
    found = [inner]
    word = _tried(function, _WORD)
    if isinstance(word, _Refused):
        return _of_texts(inner, function)
    items = _items(inner)
    if isinstance(word, list) and word and items is not None:
        items = _element(items, word[0])
        found = [items, _with_items(inner, items)]
    elif isinstance(word, dict):
        found.append(_property(word, inner))
    listed = _tried(function, [_WORD])
    if isinstance(listed, list) and items is not None and listed != [_WORD]:
        items = _element(items, listed[0])
        found = [*found[:-1], _with_items(inner, items)]
    elif isinstance(listed, dict):
        found.append({"type": "array", "items": {"type": "string"}})
    found += _of_others(function, inner)
    by_key = _tried(function, {_WORD: _WORD})
    if isinstance(by_key, dict) and by_key.get(_WORD) == [_WORD]:
        found.append(_single_values(inner))
    return found[0] if len(found) == 1 else {"anyOf": _unique(found)}


def _of_others(function: Callable[[Any], Any], inner: JsonSchemaValue) -> Iterator[JsonSchemaValue]:
    """Numbers, nothing, and `true`, where they become a block."""
    for given, kind in ((1, {"type": "number"}), (None, {"type": "null"}), (True, {"const": True})):
        made = _tried(function, given)
        if isinstance(made, dict) and (made or given != 1):
            yield kind


def _of_texts(inner: JsonSchemaValue, function: Callable[[Any], Any]) -> JsonSchemaValue:
    """Texts of a form of their own, such as `2h`."""
    made = [_tried(function, sample) for sample in _SAMPLES]
    if any(isinstance(one, timedelta) for one in made):
        return {"type": ["string", "number"], "pattern": DURATION, "description": "For example 30s, 15m, 2h or 1d12h."}
    if inner.get("type") == "string":  # a time, which YAML knows as text
        return {"type": "string"}
    return {"anyOf": [{"type": "string"}, inner]}


def _tried(function: Callable[[Any], Any], value: Any) -> Any:
    try:
        return function(value)
    except (ValueError, TypeError, AttributeError, KeyError, ValidationError, PydanticCustomError, PydanticKnownError):
        return _Refused()


def _items(inner: JsonSchemaValue) -> JsonSchemaValue | None:
    """What the list takes that is, or is among, what a schema allows."""
    for one in (inner, *inner.get("anyOf", ())):
        if one.get("type") == "array":
            items: JsonSchemaValue = one.get("items", {})
            return items
    return None


def _with_items(inner: JsonSchemaValue, items: JsonSchemaValue) -> JsonSchemaValue:
    if inner.get("type") == "array":
        return {**inner, "items": items}
    return (
        {**inner, "anyOf": [_with_items(one, items) for one in inner.get("anyOf", ())]} if "anyOf" in inner else inner
    )


def _element(items: JsonSchemaValue, made: Any) -> JsonSchemaValue:
    """What may stand in a list, when a word in it becomes `made`."""
    if not isinstance(made, dict):
        return items
    short = _property(made, items)
    known = any(one.get(_SHORT) == short.get(_SHORT) for one in items.get("anyOf", ()))
    return items if known else {"anyOf": [short, items]}


def _property(made: Mapping[str, Any], whole: JsonSchemaValue) -> JsonSchemaValue:
    key = next(iter(made), "")
    return {"type": "string"} if key == _WORD or not key else {_SHORT: key, "of": whole}


def _single_values(inner: JsonSchemaValue) -> JsonSchemaValue:
    """A block whose lists may be single values."""
    block = next(one for one in (inner, *inner.get("anyOf", ())) if "additionalProperties" in one)
    values = block["additionalProperties"]
    return {**block, "additionalProperties": {"anyOf": [_items(values) or {}, values]}}


def _unique(schemas: list[JsonSchemaValue]) -> list[JsonSchemaValue]:
    return [one for place, one in enumerate(schemas) if one not in schemas[:place]]


def _resolve(node: Any, definitions: Mapping[str, Any]) -> None:
    """Put in place of every short form what it is short for; that may be short for something itself."""
    if isinstance(node, list):
        for item in node:
            _resolve(item, definitions)
    elif isinstance(node, dict):
        while _SHORT in node:
            key, whole = node.pop(_SHORT), node.pop("of")
            whole = definitions.get(whole.get("$ref", "").removeprefix("#/$defs/"), whole)
            node.update(whole.get("properties", {}).get(key, {"type": "string"}))
            node.pop("default", None)
        for value in list(node.values()):
            _resolve(value, definitions)


def _tidy(node: Any) -> None:
    """Make it short, and strict where pydantic is: no titles, no nested alternatives, no keys beside the named ones."""
    if isinstance(node, list):
        for item in node:
            _tidy(item)
    if not isinstance(node, dict):
        return
    for value in node.values():
        _tidy(value)
    if isinstance(node.get("title"), str):
        del node["title"]
    if "default" in node and node["default"] is None:
        del node["default"]
    if "patternProperties" in node:
        node.setdefault("additionalProperties", False)
    if isinstance(node.get("anyOf"), list):
        node["anyOf"] = _unique(
            [inner for one in node["anyOf"] for inner in (one["anyOf"] if set(one) == {"anyOf"} else [one])]
        )
        if {"type": "string"} in node["anyOf"]:  # a text may be anything already
            node["anyOf"] = _unique([_without_text(one) for one in node["anyOf"]])


def _other_names(definition: JsonSchemaValue) -> None:
    """A key that has two names may have either, and not both."""
    properties = definition.get("properties", {})
    if _ROLE not in properties:
        return
    named = properties[_ROLE]
    if not any(one.get("type") == "array" for one in named.get("anyOf", ())):
        return
    definition["properties"] = {
        name: found
        for key, value in properties.items()
        for name, found in ([(key, value), (_ROLES, value)] if key == _ROLE else [(key, value)])
    }
    needed = definition.get("required", [])
    if _ROLE in needed:
        definition["required"] = [key for key in needed if key != _ROLE]
        definition["oneOf"] = [{"required": [name]} for name in (_ROLE, _ROLES)]
    else:
        definition["not"] = {"required": [_ROLE, _ROLES]}


def _without_text(schema: JsonSchemaValue) -> JsonSchemaValue:
    kinds = schema.get("type")
    if isinstance(kinds, list) and "string" in kinds and len(kinds) == 2:
        rest = {key: value for key, value in schema.items() if key not in {"type", "pattern"}}
        return {"type": kinds[0], **rest}
    return schema
