"""Message templates that WhatsApp approves: the only thing that may be sent outside the 24-hour window.

Rules and limits are Meta's (Cloud API reference, message templates, 2026): names, lengths, numbering of variables,
and where a variable may stand. They are checked here, because Meta takes hours to refuse a template.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from bot.core.flow import Part

_VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_OLD_CATEGORIES = {"TRANSACTIONAL": "UTILITY", "OTP": "AUTHENTICATION"}


def variables_in(text: str) -> list[str]:
    """What stands between {{ and }}, in order."""
    return _VARIABLE.findall(text)


class Button(Part):
    """A button of a template. The variable of a `url` may only be its end: `https://pay.example.com/{{1}}`."""

    type: Literal["quick_reply", "url", "phone_number"]
    text: Annotated[str, StringConstraints(min_length=1, max_length=25)]
    url: Annotated[str, StringConstraints(max_length=2000)] | None = None
    phone_number: Annotated[str, StringConstraints(max_length=20)] | None = None
    example: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Button":
        if self.type == "phone_number" and not self.phone_number:
            raise ValueError("A phone button needs `phone_number:`")
        if self.type == "url":
            if not self.url or not self.url.startswith(("https://", "http://")):
                raise ValueError("A URL button needs `url:` that begins with https://; only its end may be a variable")
            names = variables_in(self.url)
            if names and (names != ["1"] or not self.url.endswith("}}")):
                raise ValueError("A button's URL may have one variable, {{1}}, at its very end")
            if names and not self.example:
                raise ValueError("A button with a variable needs an `example:`, which WhatsApp's reviewers see")
        return self


class WhatsAppTemplate(Part):
    """One template in one language. `examples` are for the reviewers, one for each variable of the body."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,512}$")]
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$")] = "en"
    category: Literal["UTILITY", "MARKETING", "AUTHENTICATION"]
    header: Annotated[str, StringConstraints(min_length=1, max_length=60)] | None = None
    header_example: str | None = None
    body: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    footer: Annotated[str, StringConstraints(min_length=1, max_length=60)] | None = None
    buttons: list[Button] = Field(default_factory=list, max_length=10)
    examples: list[str] = Field(default_factory=list)

    @field_validator("category", mode="before")
    @classmethod
    def _today_s_category(cls, value: Any) -> Any:
        if isinstance(value, str) and value.upper() in _OLD_CATEGORIES:
            raise PydanticCustomError(
                "old_category",
                "WhatsApp no longer has category {old}; it is {new} now.",
                {"old": value.upper(), "new": _OLD_CATEGORIES[value.upper()]},
            )
        return value

    @model_validator(mode="after")
    def _as_meta_wants_it(self) -> "WhatsAppTemplate":
        names = variables_in(self.body)
        numbers = list(dict.fromkeys(names))
        if numbers != [str(place) for place in range(1, len(numbers) + 1)]:
            raise ValueError("The body's variables must be {{1}}, {{2}}… in order of appearance")
        if names and (self.body.strip().startswith("{{") or self.body.strip().endswith("}}")):
            raise ValueError("The body may neither begin nor end with a variable; put words around it")
        if re.search(r"\}\}\s*\{\{", self.body):
            raise ValueError("Two variables may not stand side by side; put words between them")
        if len(self.examples) != len(numbers):
            raise ValueError(f"The body has {len(numbers)} variables, so `examples:` needs {len(numbers)} entries")
        if (
            self.header
            and variables_in(self.header)
            and (len(variables_in(self.header)) > 1 or not self.header_example)
        ):
            raise ValueError("The header may have one variable, with a `header_example:`")
        if self.footer and variables_in(self.footer):
            raise ValueError("The footer may have no variables")
        if sum(button.type == "url" for button in self.buttons) > 2:
            raise ValueError("A template may have two URL buttons at most")
        if sum(button.type == "phone_number" for button in self.buttons) > 1:
            raise ValueError("A template may have one phone button at most")
        return self

    @property
    def parameter_count(self) -> int:
        """How many parameters the body takes."""
        return len(set(variables_in(self.body)))

    def fill(self, parameters: Sequence[str]) -> str:
        """The template as text, for people who are inside the window anyway."""
        values: Mapping[str, str] = {str(place): value for place, value in enumerate(parameters, 1)}
        body = _VARIABLE.sub(lambda match: values.get(match[1], ""), self.body)
        head = f"*{_VARIABLE.sub('', self.header).strip()}*\n" if self.header else ""
        return head + body + (f"\n_{self.footer}_" if self.footer else "")
