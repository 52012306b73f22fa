"""Message templates that WhatsApp approves: the only thing that may be sent outside the 24-hour window.

Rules and limits are Meta's (Cloud API reference, message templates, 2026): names, lengths, how variables are called and
where they may stand, which buttons go together. They are checked here, because Meta takes hours to refuse a template.
What Meta only *may* refuse is told by `cautions`.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from bot.core.headers import HeaderMedia, read_header, sample_mistake, shown
from bot.core.messages import TemplateOut
from bot.core.parts import Part

MAX_BODY = 1024
MAX_HEADER = 60
MAX_FOOTER = 60
MAX_QUICK_REPLY_TITLE = 20
"""Meta takes 25 characters; Twilio's quick replies 20."""

SENDABLE = frozenset({"APPROVED", "FLAGGED", "REINSTATED", "UNARCHIVED"})
"""Statuses in which a template may be sent. FLAGGED: still, but WhatsApp is about to limit it."""

_OTHER_NAMES = {
    "SUBMITTED": "PENDING", "RECEIVED": "PENDING", "UNSUBMITTED": "DRAFT", "REINSTATED": "APPROVED",
    "UNARCHIVED": "APPROVED", "UNPAUSED": "APPROVED",
}  # fmt: skip
_OLD_CATEGORIES = {"OTP": "AUTHENTICATION"} | dict.fromkeys(
    (
        "TRANSACTIONAL", "ACCOUNT_UPDATE", "ALERT_UPDATE", "APPOINTMENT_UPDATE", "AUTO_REPLY", "ISSUE_RESOLUTION",
        "PAYMENT_UPDATE", "PERSONAL_FINANCE_UPDATE", "RESERVATION_UPDATE", "SHIPPING_UPDATE", "TICKET_UPDATE",
        "TRANSPORTATION_UPDATE",
    ),
    "UTILITY",
)  # fmt: skip
_TTL = {"UTILITY": (30, 43_200), "MARKETING": (43_200, 2_592_000), "AUTHENTICATION": (30, 900)}
_MOST_OF = {"url": 2, "phone_number": 1, "copy_code": 1}
_VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_NAMED = re.compile(r"[a-z][a-z0-9_]*")
_UNSENDABLE = re.compile(r"[\n\t]| {5,}")


def normal_status(word: str) -> str:
    """A provider's word for a template's status, as we keep it: upper case, and one word for one thing."""
    upper = word.strip().upper()
    return _OTHER_NAMES.get(upper, upper)


def sendable(status: str) -> bool:
    """Whether a template with this status may be sent. Statuses that nobody knows yet may not."""
    return normal_status(status) in SENDABLE


def current_category(word: str) -> str:
    """Today's name of a category: TRANSACTIONAL is UTILITY, and so are the older tags."""
    return _OLD_CATEGORIES.get(word.upper(), word.upper())


def variables_in(text: str) -> list[str]:
    """What stands between {{ and }}, in order."""
    return _VARIABLE.findall(text)


def parameter_mistake(value: str) -> str | None:
    """Why WhatsApp would refuse a value for a template's variable, or None."""
    if not value.strip():
        return "is empty"
    if _UNSENDABLE.search(value):
        return "has a line break, a tab or more than four spaces in a row"
    return None


def button_kinds(types: Sequence[str], parts: Sequence[str]) -> tuple[str, ...]:
    """The kinds of buttons, where a part of one is no address."""
    return tuple(types) if any(part and kind == "copy_code" for kind, part in zip(types, parts, strict=True)) else ()


class Button(Part):
    """A button of a template. The variable of a `url` may only be its end: `https://pay.example.com/{{1}}`."""

    type: Literal["quick_reply", "url", "phone_number", "copy_code"]
    text: Annotated[str, StringConstraints(min_length=1, max_length=25)] = "Copy code"
    url: Annotated[str, StringConstraints(max_length=2000)] | None = None
    phone_number: Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{3,19}$")] | None = None
    example: str | None = None

    @field_validator("type", mode="before")
    @classmethod
    def _in_lower_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> "Button":
        if self.type != "copy_code" and "text" not in self.model_fields_set:
            raise ValueError("This button has no `text:`; write what stands on it")
        if variables_in(self.text):
            raise ValueError("A button's text may have no variables; take them out")
        if (self.phone_number is not None) != (self.type == "phone_number"):
            raise ValueError(
                "A phone button needs `phone_number:`, and no other has one; write it, or `type: phone_number`"
            )
        if (self.url is not None) != (self.type == "url"):
            raise ValueError("A URL button has a `url:`, and no other has one; write an https address, or `type: url`")
        if self.type == "copy_code" and (not self.example or len(self.example) > 15):
            raise ValueError(
                "A button that copies a code has no `example:` of at most 15 characters; write one, such as TREK10"
            )
        return self if self.url is None else self._with_url(self.url)

    def _with_url(self, url: str) -> "Button":
        if not url.startswith(("https://", "http://")):
            raise ValueError(
                "A URL button needs a `url:` that begins with https://; write it out, only its end may be a variable"
            )
        names = variables_in(url)
        if names and (names != ["1"] or not url.endswith("}}")):
            raise ValueError(
                "A button's URL has a variable elsewhere than at its end; write one, {{1}}, at its very end"
            )
        if names and not self.example:
            raise ValueError(
                "A button with a variable has no `example:`, which WhatsApp's reviewers see; write a whole address"
            )
        if names and self.example and not self.example.startswith(_VARIABLE.sub("", url)):
            raise ValueError(
                f"The button's `example:` is no address of its `url:`; write a whole one, {_VARIABLE.sub('', url)}…"
            )
        return self

    @property
    def takes_parameter(self) -> bool:
        """Whether a send must say something for this button."""
        return self.type == "copy_code" or bool(self.url and variables_in(self.url))


class WhatsAppTemplate(Part):
    """One template in one language. `examples` are for the reviewers, one for each variable of the body.

    Variables are {{1}}, {{2}}… with a list of examples, or have names, {{trip}}, with a mapping. Above the body stands
    a line of words (`header`), or what each send brings along (`header_media`).
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,512}$")]
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(_[A-Z]{2,3})?$")] = "en"
    category: Literal["UTILITY", "MARKETING", "AUTHENTICATION"]
    header: Annotated[str, StringConstraints(min_length=1, max_length=MAX_HEADER)] | None = None
    header_media: HeaderMedia | None = None
    header_example: str | None = None
    body: Annotated[str, StringConstraints(min_length=1, max_length=MAX_BODY)]
    footer: Annotated[str, StringConstraints(min_length=1, max_length=MAX_FOOTER)] | None = None
    buttons: list[Button] = Field(default_factory=list, max_length=10)
    examples: list[str] | dict[str, str] = Field(default_factory=list)
    ttl_seconds: int | None = None

    @field_validator("category", mode="before")
    @classmethod
    def _today_s_category(cls, value: Any) -> Any:
        return current_category(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _as_meta_wants_it(self) -> "WhatsAppTemplate":
        if self.category == "AUTHENTICATION":
            raise ValueError(
                "WhatsApp writes AUTHENTICATION templates itself; write `category: UTILITY` or `MARKETING`"
            )
        self._check_body()
        self._check_examples()
        self._check_header()
        if self.footer and variables_in(self.footer):
            raise ValueError("The footer may have no variables; take them out")
        self._check_buttons()
        least, most = _TTL[self.category]
        if self.ttl_seconds is not None and not least <= self.ttl_seconds <= most:
            raise ValueError(f"A {self.category} template cannot have this `ttl_seconds:`; write {least} to {most}")
        return self

    def _check_body(self) -> None:
        names = self.parameter_names
        if self.named:
            wrong = [name for name in names if not _NAMED.fullmatch(name)]
            if wrong:
                raise ValueError(
                    f"The body's variables must be {{{{1}}}}, {{{{2}}}}… in order of appearance, or all have names in "
                    f"lower case: `{wrong[0]}` is neither; number them all, or name them all"
                )
        elif names != [str(place) for place in range(1, len(names) + 1)]:
            raise ValueError("The body's variables are not {{1}}, {{2}}… in order of appearance; count them through")
        if names and (self.body.strip().startswith("{{") or self.body.strip().endswith("}}")):
            raise ValueError("The body may neither begin nor end with a variable; put words around it")
        if re.search(r"\}\}\s*\{\{", self.body):
            raise ValueError("Two variables may not stand side by side; put words between them")
        if len(names) > self._words:
            raise ValueError(
                "The body has more variables than words, which WhatsApp refuses; write more words around them"
            )

    def _check_examples(self) -> None:
        names = self.parameter_names
        if len(self.examples) != len(names):
            raise ValueError(f"The body has {len(names)} variables, but not so many `examples:`; write {len(names)}")
        if isinstance(self.examples, dict) != self.named and names:
            how = "a mapping, since variables have names" if self.named else "a list, since variables are numbered"
            raise ValueError(f"`examples:` has another form than the variables; write {how}")
        missing = [name for name in names if isinstance(self.examples, dict) and name not in self.examples]
        if missing:
            raise ValueError(f"`examples:` has nothing for `{missing[0]}`; write what might stand there")
        for name, value in zip(names, self.example_values, strict=True):
            if mistake := parameter_mistake(value):
                raise ValueError(f"The example for `{name}` {mistake}; write it on one line, in a few words")
        if len(self.filled(self.example_values)) > MAX_BODY:
            raise ValueError(
                f"The body is longer than {MAX_BODY} characters once the examples are filled in; shorten it"
            )

    def _check_header(self) -> None:
        if self.header_media is not None:
            if self.header:
                raise ValueError("A header is words or a file, not both; leave out `header:` or `header_media:`")
            if mistake := sample_mistake(self.header_media, self.header_example):
                raise ValueError(mistake)
            return
        names = variables_in(self.header or "")
        if len(names) > 1 or (names and not self.header_example):
            raise ValueError(
                "The header may have one variable, with a `header_example:`; write that, or take variables out"
            )
        if names and not self.named and names != ["1"]:
            raise ValueError("The header's variable is counted by itself; write {{1}}")
        if self.header and "\n" in self.header.strip():
            raise ValueError("The header is one line; put the rest into the body")

    def _check_buttons(self) -> None:
        kinds: list[str] = [button.type for button in self.buttons]
        for kind, most in _MOST_OF.items():
            if kinds.count(kind) > most:
                what = kind.replace("_", " ").replace("url", "URL").replace("phone number", "phone")
                raise ValueError(
                    f"A template may have {'two' if most == 2 else 'one'} {what} buttons at most; remove one"
                )
        if [quick for quick, _ in groupby(kind == "quick_reply" for kind in kinds)].count(True) > 1:
            raise ValueError("Quick replies do not stand together; put them before or after all other buttons")
        texts = [button.text for button in self.buttons]
        if len(set(texts)) < len(texts):
            raise ValueError("Two buttons of a template have the same text; change one of them")

    @property
    def _words(self) -> int:
        return len([word for word in _VARIABLE.sub(" ", self.body).split() if any(map(str.isalnum, word))])

    @property
    def named(self) -> bool:
        """Whether variables have names; else they are numbered from 1."""
        return not all(name.isdecimal() for name in variables_in(f"{self.header or ''} {self.body}"))

    @property
    def parameter_names(self) -> list[str]:
        """The body's variables, in order of appearance."""
        return list(dict.fromkeys(variables_in(self.body)))

    @property
    def parameter_count(self) -> int:
        """How many parameters the body takes."""
        return len(self.parameter_names)

    @property
    def header_names(self) -> list[str]:
        """The header's variable, if it has one."""
        return variables_in(self.header or "")

    @property
    def value_count(self) -> int:
        """How many values a send must give: the body's, then the header's, then those of the buttons."""
        header = len(self.header_names) + (self.header_media is not None)
        return self.parameter_count + header + sum(button.takes_parameter for button in self.buttons)

    def message(self, values: Sequence[str], language: str) -> TemplateOut:
        """The template as a message.

        Args:
            values: `value_count` of them: the body's variables in order of appearance, the header's, the buttons'.
            language: In which it is sent, if it is there in that.

        Raises:
            ValueError: What is to stand in the header is no file or place.
        """
        count, head = self.parameter_count, len(self.header_names)
        above = self.header_media is not None
        header = read_header(self.header_media, next(iter(values[count:]), "")) if self.header_media else None
        rest = iter(values[count + head + above :])
        parts = [next(rest, "") if button.takes_parameter else "" for button in self.buttons]
        return TemplateOut(
            name=self.name,
            language=language,
            parameters=tuple(values[:count]),
            names=tuple(self.parameter_names) if self.named and count else (),
            header_parameters=tuple(values[count : count + head]),
            header_names=tuple(self.header_names) if self.named else (),
            header_media=header.media if header is not None else None,
            header_location=header.location if header is not None else None,
            button_parameters=tuple(parts) if any(parts) else (),
            button_kinds=button_kinds([button.type for button in self.buttons], parts),
        )

    @property
    def signature(self) -> tuple[object, ...]:
        """What a send must fill in, whatever the language."""
        names = self.parameter_names if self.named else []
        buttons = tuple((button.type, button.takes_parameter) for button in self.buttons)
        header = self.header_media or bool(variables_in(self.header or ""))
        return self.parameter_count, frozenset(names), header, buttons

    @property
    def example_values(self) -> list[str]:
        """The examples, in the order of `parameter_names`."""
        if isinstance(self.examples, dict):
            return [self.examples[name] for name in self.parameter_names]
        return self.examples

    def cautions(self) -> list[str]:
        """What WhatsApp may refuse or show badly, though no rule forbids it; one sentence each."""
        found = []
        count = self.parameter_count
        if count and self._words < 2 * count + 1:
            found.append("The body has few words for its variables; WhatsApp may refuse it (2388293).")
        if any(len(button.text) > MAX_QUICK_REPLY_TITLE for button in self.buttons if button.type == "quick_reply"):
            found.append(f"Twilio takes quick replies of at most {MAX_QUICK_REPLY_TITLE} characters.")
        if self.header_media == "location":
            found.append("Twilio has no templates with a place above the body.")
        if re.search(r"\n\s*\n\s*\n| {5,}", self.body):
            found.append("The body has several empty lines or many spaces in a row.")
        if any(button.url and button.url.startswith("http://") for button in self.buttons):
            found.append("A button's address is not encrypted: write https://.")
        return found

    def filled(self, parameters: Sequence[str]) -> str:
        """The body with parameters in the order of `parameter_names`."""
        values: Mapping[str, str] = dict(zip(self.parameter_names, parameters, strict=False))
        return _VARIABLE.sub(lambda match: values.get(match[1], ""), self.body)

    def fill(self, parameters: Sequence[str]) -> str:
        """The template as text, for people who are inside the window anyway. Takes what `message` takes."""
        title = next(iter(parameters[self.parameter_count :]), "") if self.header_names or self.header_media else ""
        head = f"*{_VARIABLE.sub(lambda _: title, self.header).strip()}*\n" if self.header else ""
        if self.header_media and (above := shown(self.header_media, title)):
            head = above + "\n"
        return head + self.filled(parameters) + (f"\n_{self.footer}_" if self.footer else "")
