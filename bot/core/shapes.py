"""How values fill a template of which only its components are known, in Meta's form: no file of ours describes it.

The order is the same as for our own: the body's variables, the header's, then those of the buttons.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.core.headers import SAMPLE_TYPES, read_header
from bot.core.messages import TemplateOut
from bot.core.whatsapp import button_kinds, variables_in


def filled(components: Sequence[Mapping[str, Any]], name: str, language: str, values: Sequence[str]) -> TemplateOut:
    """A template as a message.

    Args:
        components: What the template is made of; without a body it is not known, and all values are the body's.
        name: Its name.
        language: In which it is sent, if it is there in that.
        values: The body's variables in order of appearance, the header's, the buttons'.

    Raises:
        ValueError: There are too many or too few values, or what is to stand in the header is no file or place.
    """
    parts = {str(part.get("type")).upper(): part for part in components}
    if "BODY" not in parts:
        return TemplateOut(name=name, language=language, parameters=tuple(values))
    body = _variables(parts["BODY"])
    header, shape = parts.get("HEADER", {}), str(parts.get("HEADER", {}).get("format") or "TEXT").lower()
    above = _variables(header)
    buttons = parts.get("BUTTONS", {}).get("buttons") or []
    taking = [_takes(button) for button in buttons]
    kind = next((one for one in SAMPLE_TYPES if one == shape), None)
    wanted = len(body) + len(above) + (kind is not None) + sum(taking)
    if len(values) != wanted:
        raise ValueError(f"Template {name} takes {wanted} values, and {len(values)} are given")
    given = iter(values)
    named = not all(one.isdecimal() for one in (*body, *above))
    parameters = tuple(next(given) for _ in body)
    titles = tuple(next(given) for _ in above)
    top = read_header(kind, next(given)) if kind is not None else None
    ends = tuple(next(given) if takes else "" for takes in taking)
    return TemplateOut(
        name=name,
        language=language,
        parameters=parameters,
        names=tuple(body) if named and body else (),
        header_parameters=titles,
        header_names=tuple(above) if named else (),
        header_media=top.media if top is not None else None,
        header_location=top.location if top is not None else None,
        button_parameters=ends if any(ends) else (),
        button_kinds=button_kinds([str(one.get("type")).lower() for one in buttons], ends),
    )


def _variables(part: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(variables_in(str(part.get("text") or ""))))


def _takes(button: Mapping[str, Any]) -> bool:
    kind = str(button.get("type")).upper()
    return kind == "COPY_CODE" or (kind == "URL" and bool(variables_in(str(button.get("url") or ""))))
