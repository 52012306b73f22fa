"""Message templates as Meta keeps them: creation rules, review, and what a template send must carry."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from providers.emulator.meta.errors import GraphError
from providers.emulator.meta.fields import Field
from providers.emulator.meta.head import Head
from providers.emulator.meta.interactive import read_attachment
from providers.emulator.phones import Attachment, Bubble, Button, EmulatorError

CATEGORIES = ("MARKETING", "UTILITY", "AUTHENTICATION")
STATUSES = ("APPROVED", "PENDING", "REJECTED", "PAUSED", "DISABLED", "FLAGGED", "ARCHIVED", "IN_APPEAL", "LOCKED")
SENDABLE = ("APPROVED", "FLAGGED")
BUTTONS_MOST = {"URL": 2, "PHONE_NUMBER": 1, "COPY_CODE": 1}
BODY_MOST = 1024
CODE_MOST = 20
TEMPLATES_MOST = 6000

_NAME = re.compile(r"[a-z0-9_]{1,512}")
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_BAD_PARAMETER = re.compile(r"[\n\t]| {5,}")
_TTL_SECONDS = {"AUTHENTICATION": (30, 900), "UTILITY": (30, 43_200), "MARKETING": (43_200, 2_592_000)}
_MEDIA_FORMATS = {"IMAGE": "image", "VIDEO": "video", "DOCUMENT": "document"}


@dataclass(slots=True, kw_only=True)
class Template:
    """One language of one template."""

    id: str
    name: str
    language: str
    category: str
    named: bool
    components: list[dict[str, Any]] = field(default_factory=list)
    status: str = "PENDING"
    rejected_reason: str = "NONE"
    quality: str = "UNKNOWN"
    scored_at: datetime | None = None  # since when its quality is what it is
    ttl_seconds: int | None = None

    def json(self) -> dict[str, Any]:
        """As `GET /{WABA}/message_templates` lists it."""
        return {
            "name": self.name,
            "parameter_format": "NAMED" if self.named else "POSITIONAL",
            "components": self.components,
            "language": self.language,
            "status": self.status,
            "category": self.category,
            "id": self.id,
            "rejected_reason": self.rejected_reason,
            "quality_score": {
                "score": self.quality,
                "date": int(self.scored_at.timestamp()) if self.scored_at else 0,
            },
            **({} if self.ttl_seconds is None else {"message_send_ttl_seconds": self.ttl_seconds}),
        }

    def component(self, kind: str) -> dict[str, Any]:
        """The component of this type; empty when the template has none."""
        return next((part for part in self.components if part["type"] == kind), {})


class Templates:
    """The templates of one business account.

    Args:
        knows_sample: Whether a text names a sample file: at Meta a handle that was given out, at 360dialog a link.
    """

    def __init__(self, knows_sample: Callable[[str], bool]) -> None:
        self._all: list[Template] = []
        self._knows_sample = knows_sample

    def create(self, request: Field, template_id: str) -> Template:
        """Register a template, still to be approved.

        Raises:
            GraphError: Meta's creation rules refuse it.
        """
        name = request.need("name").text(code=100)
        if not _NAME.fullmatch(name):
            raise request.need("name").wrong("may hold lower-case letters, digits and underscores, 512 at most", 100)
        language = request.need("language").text(20, code=100)
        category = request.need("category").one_of(CATEGORIES, code=100)
        if self._find(name, language) is not None:
            raise GraphError(100, f"There is already {language} content for this template", subcode=2388024)
        template = Template(
            id=template_id,
            name=name,
            language=language,
            category=category,
            named=request.text_of("parameter_format").upper() == "NAMED",
            components=self._checked(request, category),
            ttl_seconds=_ttl(request, category),
        )
        _check_variables(template)
        self._all.append(template)
        return template

    def edit(self, template: Template, request: Field) -> None:
        """Change a template's components, category or life span.

        Raises:
            GraphError: Meta's rules refuse the change; nothing was changed.
        """
        wanted = request.get("category")
        category = wanted.one_of(CATEGORIES, code=100) if wanted else template.category
        parts = self._checked(request, category) if request.get("components") else template.components
        ttl_seconds = _ttl(request, category)
        _check_variables(replace(template, components=parts, category=category))
        template.category, template.components = category, parts
        template.ttl_seconds = ttl_seconds if ttl_seconds is not None else template.ttl_seconds

    def by_id(self, template_id: str) -> Template | None:
        """The template with this id."""
        return next((template for template in self._all if template.id == template_id), None)

    def select(self, **wanted: str) -> list[Template]:
        """Templates that satisfy every filter.

        Args:
            wanted: `name`, `content` and `name_or_content` are parts of texts (a whole `name` finds only itself, when
                there is one); `status`, `language`, `category` and `quality_score` are values, several with commas.
        """
        found = [one for one in self._all if all(_matches(one, key, value) for key, value in wanted.items())]
        exact = [one for one in found if one.name == wanted.get("name")]
        return exact or found

    def chosen(self, *, name: str, template_ids: Sequence[str] = ()) -> list[Template]:
        """Every language of a name, or those of them with the ids."""
        return [
            one
            for one in self._all
            if (one.name == name or not name) and (one.id in template_ids if template_ids else bool(name))
        ]

    def summary(self) -> dict[str, Any]:
        """Counts, as `?summary=` asks for them."""
        count = len({one.name for one in self._all})
        return {
            "total_count": len(self._all),
            "message_template_count": count,
            "message_template_limit": TEMPLATES_MOST,
            "are_translations_complete": True,
        }

    def remove(self, template: Template) -> None:
        """Forget a template."""
        self._all.remove(template)

    def named(self, name: str, status: str) -> list[Template]:
        """Every language of a name, which is about to get a status.

        Raises:
            EmulatorError: There is no such template or no such status.
        """
        if status not in STATUSES:
            raise EmulatorError(f"{status!r} is not one of {', '.join(STATUSES)}")
        found = [one for one in self._all if one.name == name]
        if not found:
            raise EmulatorError(f"no template is called {name!r}")
        return found

    def read_send(self, request: Field, head: Head) -> tuple[Template, Bubble]:
        """Check a template send and fill the template in.

        Raises:
            GraphError: Unknown or unusable template (132001, 132015, 132016), wrong parameters (132000, 132012,
                132018) or a text that became too long (132005).
        """
        wanted = request.need("template")
        name, language = wanted.need("name").text(), wanted.need("language").need("code").text()
        template = self._find(name, language)
        if template is not None and template.status == "PAUSED":
            raise GraphError(132015, f"template {name} is paused")
        if template is not None and template.status == "DISABLED":
            raise GraphError(132016, f"template {name} is disabled")
        if template is None or template.status not in SENDABLE:
            details = f"template name ({name}) does not exist in {language}"
            raise GraphError(132001, details, status=404)
        return template, _fill(template, wanted.get("components"), head)

    def _checked(self, request: Field, category: str) -> list[dict[str, Any]]:
        parts = _checked(request, category)
        for part in parts:
            if part["type"] == "HEADER" and str(part.get("format")).upper() in _MEDIA_FORMATS:
                handles = Field(part).get("example")
                sample = handles.get("header_handle") if handles else None
                named = sample.items(1, 1, code=100)[0].text(code=100) if sample else ""
                if not self._knows_sample(named):
                    raise GraphError(100, "A media header needs a sample in example.header_handle", subcode=2388273)
        return parts

    def _find(self, name: str, language: str) -> Template | None:
        return next((one for one in self._all if (one.name, one.language) == (name, language)), None)


def _matches(template: Template, key: str, value: str) -> bool:
    text = str(template.component("BODY").get("text", ""))
    match key:
        case "name":
            return value in template.name
        case "content":
            return value.casefold() in text.casefold()
        case "name_or_content":
            return value in template.name or value.casefold() in text.casefold()
        case "quality_score":
            return template.quality in value.split(",")
        case _:
            return getattr(template, key) in value.split(",")


def _checked(request: Field, category: str) -> list[dict[str, Any]]:
    parts = request.need("components").items(1, 10, code=100)
    for part in parts:
        _check_component(part, lenient=category == "AUTHENTICATION")
    read = [part.value | {"type": part.value["type"].upper()} for part in parts]
    for part in read:
        # The text of an authentication template is Meta's own, in every language.
        if category == "AUTHENTICATION" and part["type"] == "BODY" and not part.get("text"):
            part["text"] = "*{{1}}* is your verification code." + (
                " For your security, do not share this code." if part.get("add_security_recommendation") else ""
            )
    return read


def _check_variables(template: Template) -> None:
    variables = _VARIABLE.findall("".join(str(part.get("text", "")) for part in template.components))
    if not template.named and not all(variable.isdecimal() for variable in variables):
        raise GraphError(100, "Named variables need parameter_format NAMED", subcode=2388072)
    if template.component("BODY") == {} and template.category != "AUTHENTICATION":
        raise GraphError(100, "A template needs a BODY component", subcode=2388072)


def _ttl(request: Field, category: str) -> int | None:
    """`message_send_ttl_seconds` within the bounds of the category; -1 is the usual 30 days."""
    wanted = request.get("message_send_ttl_seconds")
    if wanted is None:
        return None
    least, most = _TTL_SECONDS[category]
    seconds = wanted.value
    if not isinstance(seconds, int) or (seconds != -1 and not least <= seconds <= most):
        raise wanted.wrong(f"must be -1 or lie between {least} and {most} for {category}", 100)
    return seconds


def _check_component(part: Field, *, lenient: bool) -> None:
    kind = part.need("type").text(code=100).upper()
    match kind:
        case "HEADER":
            _check_header(part)
        case "BODY":
            if part.get("text") is not None or not lenient:
                _check_body(part.text_of("text"))
        case "FOOTER":
            text = part.text_of("text") if lenient else part.need("text").text(code=100)
            if len(text) > 60 or _VARIABLE.search(text):
                raise GraphError(100, "A footer has at most 60 characters and no variables", subcode=2388073)
        case "BUTTONS":
            _check_buttons(part.need("buttons").items(1, 10, code=100))
        case "CAROUSEL":
            for card in part.need("cards").items(1, 10, code=100):
                for inner in card.need("components").items(1, 10, code=100):
                    _check_component(inner, lenient=lenient)
        case "LIMITED_TIME_OFFER" | "CALL_PERMISSION_REQUEST":
            pass
        case _:
            raise part.need("type").wrong("must be one of {HEADER, BODY, FOOTER, BUTTONS, CAROUSEL}", 100)


def _check_header(part: Field) -> None:
    shape = part.need("format").text(code=100).upper()
    if shape == "TEXT" and (len(part.need("text").text()) > 60 or len(_VARIABLE.findall(part.value["text"])) > 1):
        raise GraphError(100, "A text header has at most 60 characters and one variable", subcode=2388047)
    if shape != "TEXT" and shape not in (*_MEDIA_FORMATS, "LOCATION"):
        raise GraphError(100, f"Header format {shape} is unknown", subcode=2388047)


def _check_buttons(buttons: list[Field]) -> None:
    kinds = [button.need("type").text(code=100).upper() for button in buttons]
    for button in buttons:
        button.text_of("text", 25)
        button.text_of("url", 2000)
        button.text_of("phone_number", 20)
    for kind, most in BUTTONS_MOST.items():
        if kinds.count(kind) > most:
            raise GraphError(100, f"A template has at most {most} {kind} button(s)", subcode=2388019)
    replies = [kind == "QUICK_REPLY" for kind in kinds]
    if replies != sorted(replies) and replies != sorted(replies, reverse=True):
        raise GraphError(100, "Quick replies stand together, before or after the other buttons", subcode=2388019)


def _check_body(text: str) -> None:
    if len(text) > BODY_MOST:
        raise GraphError(100, f"A body has at most {BODY_MOST} characters", subcode=2388072)
    stripped = text.strip()
    if re.match(_VARIABLE, stripped) or stripped.endswith("}}"):
        raise GraphError(100, "A body must not start or end with a variable", subcode=2388299)
    numbers = [int(name) for name in dict.fromkeys(_VARIABLE.findall(text)) if name.isdecimal()]
    if sorted(numbers) != list(range(1, len(numbers) + 1)):
        raise GraphError(100, "Variables are numbered from {{1}} without gaps", subcode=2388072)


def _fill(template: Template, components: Field | None, head: Head) -> Bubble:
    given: dict[str, list[Field]] = {"header": [], "body": []}
    button_parameters: dict[int, tuple[str, Field]] = {}
    for part in components.items(0, 20) if components else []:
        kind = str(part.need("type").value).lower()
        if kind in ("carousel", "limited_time_offer"):
            continue
        Field(kind, part.need("type").path).one_of(["header", "body", "button"])
        parameters = part.get("parameters")
        values = parameters.items(0, 100) if parameters else []
        if kind != "button":
            given[kind] = values
        elif values:
            button_parameters[_index(part)] = (part.need("sub_type").text().lower(), values[0])
    header, media = _fill_header(template, given["header"])
    body = _fill_text(template.component("BODY").get("text", ""), given["body"], "body", template.named)
    if len(body) > BODY_MOST:
        raise GraphError(132005, f"body: the text has {len(body)} characters, {BODY_MOST} at most")
    buttons = [
        _fill_button(place, button, button_parameters.pop(place, None))
        for place, button in enumerate(template.component("BUTTONS").get("buttons", []))
    ]
    if button_parameters:
        raise GraphError(132000, f"buttons: there is no button with index {min(button_parameters)}")
    return head.bubble(
        "template",
        text=body,
        header=header,
        footer=template.component("FOOTER").get("text", ""),
        buttons=tuple(buttons),
        media=media,
    )


def _index(part: Field) -> int:
    index = part.need("index")
    try:
        return int(index.value)
    except (TypeError, ValueError):
        raise index.wrong("must be the button's position") from None


def _fill_header(template: Template, given: list[Field]) -> tuple[str, Attachment | None]:
    header = template.component("HEADER")
    shape = str(header.get("format", "TEXT")).upper()
    if shape == "TEXT":
        return _fill_text(header.get("text", ""), given, "header", template.named), None
    if len(given) != 1:
        raise GraphError(132012, f"header: format mismatch, expected {shape}, received {len(given)} parameters")
    if shape == "LOCATION":
        place = given[0].need("location")
        return place.text_of("name"), None
    kind = _MEDIA_FORMATS[shape]
    if given[0].need("type").value != kind:
        raise GraphError(132012, f"header: format mismatch, expected {shape}")
    file = given[0].need(kind)
    return "", read_attachment(file, filename=file.text_of("filename"))


def _fill_text(text: str, given: list[Field], where: str, named: bool) -> str:
    names = list(dict.fromkeys(_VARIABLE.findall(text)))
    if len(names) != len(given):
        raise GraphError(132000, f"{where}: {len(given)} parameter(s) given, {len(names)} expected")
    if not named:
        names.sort(key=int)
    values: dict[str, str] = {}
    for place, parameter in enumerate(given):
        name = parameter.need("parameter_name").text() if named else names[place]
        values[name] = _parameter_text(parameter)
    missing = [name for name in names if name not in values]
    if missing:
        raise GraphError(100, f"{where}: parameter name {missing[0]} is missing")
    return _VARIABLE.sub(lambda match: values[match[1]], text)


def _parameter_text(parameter: Field) -> str:
    kind = parameter.need("type").one_of(["text", "currency", "date_time"])
    if kind != "text":
        return parameter.need(kind).need("fallback_value").text()
    text = parameter.need("text").text()
    if _BAD_PARAMETER.search(text):
        raise GraphError(132018, f"Param {parameter.path} has a new line, a tab or more than 4 consecutive spaces")
    return text


def _fill_button(place: int, button: dict[str, Any], given: tuple[str, Field] | None) -> Button:
    kind, title = str(button["type"]).upper(), str(button.get("text", "Copy code"))
    if given is not None and given[0].upper() != ("URL" if kind == "OTP" else kind):
        raise GraphError(132012, f"button {place}: the template has {kind}, the send has {given[0]}")
    if kind == "QUICK_REPLY":
        payload = given[1].need("payload").text(256) if given is not None else title
        return Button(id=payload, title=title)
    if kind == "URL":
        url = str(button.get("url", ""))
        if bool(_VARIABLE.search(url)) != (given is not None):
            raise GraphError(132000, f"button {place}: the number of parameters does not match the URL")
        suffix = given[1].need("text").text(2000) if given is not None else ""
        return Button(id="", title=title, url=_VARIABLE.sub(lambda _: suffix, url))
    if kind == "COPY_CODE":
        if given is None:
            raise GraphError(132000, f"button {place}: the code to copy is missing")
        given[1].need("coupon_code").text(CODE_MOST)
    if kind == "PHONE_NUMBER":
        return Button(id="", title=title, url=f"tel:{button.get('phone_number', '')}")
    return Button(id="", title=title, url="")
