"""What Jinja's parser complains about, in the words of somebody who does not know it."""

import re
from collections.abc import Iterable

from bot.core.report import did_you_mean, one_of

_TAGS = ("block", "endblock", "if", "elif", "else", "endif", "for", "endfor")
_UNCLOSED = re.compile(r"innermost block that needs to be closed is '(\w+)'")
_UNKNOWN = re.compile(r"Encountered unknown tag '(\w+)'")
_FILTER = re.compile(r"there is no filter `(\w+)`|No filter named '(\w+)'")
_EXPECTED = re.compile(r"expected token '(.+?)', got '(.+?)'", re.DOTALL)
_TEST = re.compile(r"there is no test `(\w+)`|No test named '(\w+)'")
_LOUD = re.compile(r"\b(AND|OR|NOT|IN|IS)\b")
_SIGN = re.compile(r"unexpected char '(.)'")
_TWICE = re.compile(r"block '(\w+)' defined twice")
_REFUSED = re.compile(r"`(.+?)` is not allowed here")
_WITHOUT = {"**": "multiply by hand, or let an action work it out"}
_INSTEAD = {"&": "Write `and`.", "!": "Write `not`, or `!=`.", "?": "Write `yes if so else no`.", "$": "Leave it out."}


def in_template(message: str, filters: Iterable[str]) -> tuple[str, str]:
    """A complaint about a template, as a sentence and a remedy."""
    if (unknown := _UNKNOWN.search(message)) is not None:
        tag, open_tag = unknown[1], _UNCLOSED.search(message)
        if open_tag is not None and tag.startswith("end"):
            return f"`{{% {open_tag[1]} %}}` is not closed.", f"Add `{{% end{open_tag[1]} %}}`."
        near = did_you_mean(tag, _TAGS)
        told = f"There is no tag `{{% {tag} %}}` here."
        return told, near if "mean" in near else f"{near} A value stands in two braces: `{{{{ {tag} }}}}`."
    if (open_tag := _UNCLOSED.search(message)) is not None:
        return f"`{{% {open_tag[1]} %}}` is not closed.", f"Add `{{% end{open_tag[1]} %}}`."
    if (named := _FILTER.search(message)) is not None:
        name = named[1] or named[2]
        return f"There is no filter `{name}`.", did_you_mean(name, filters) or one_of(sorted(filters))
    if (token := _EXPECTED.search(message)) is not None and token[1] in {"end of print statement", ","}:
        return f"`{token[2]}` is not possible here.", "A value is a name, then filters: `{{ trek.name | upper }}`."
    if (sign := _SIGN.search(message)) is not None:
        return f"`{sign[1]}` is not possible here.", _INSTEAD.get(
            sign[1], "Remove it, or put the text around it in quotes."
        )
    if message == "unexpected '}'":
        return "A value is closed with one brace.", "Close it with two: `{{ … }}`."
    if token is not None and token[1] == "end of statement block":
        hint = "Write `{% elif … %}`." if token[2] == "if" else "A tag ends with `%}`."
        return f"`{token[2]}` is not possible here.", hint
    if (twice := _TWICE.fullmatch(message)) is not None:
        return f"Block `{twice[1]}` is here twice.", "Remove one of them, or give it another name."
    return f"{message[:1].upper()}{message[1:].rstrip('.')}.", (
        "Blocks hold text, `{{ values }}`, `{% if %}` and simple `{% for %}` loops."
    )


def in_expression(source: str, message: str, filters: Iterable[str]) -> str:
    """A complaint about an expression; behind `; ` what to do."""
    if not source:
        return "There is no expression here; write what has to hold, such as `people > 3`"
    return f"`{source}` is not a valid expression: {_reason(source, message, filters)}"


def _reason(source: str, message: str, filters: Iterable[str]) -> str:
    if "{{" in source or "{%" in source:
        return "it is one already; leave out the `{{` and `}}`"
    if (named := _FILTER.search(message)) is not None:
        name = named[1] or named[2]
        return f"there is no filter `{name}`; {did_you_mean(name, filters) or one_of(sorted(filters))}"
    if (turned := re.search(r"=([<>])", source)) is not None:
        return f"`={turned[1]}` compares nothing; write `{turned[1]}=`"
    if re.search(r"(?<![=!<>])=(?!=)", source):
        return "`=` compares nothing; write `==`"
    if "||" in source or "&&" in source:
        return "`&&` and `||` mean nothing here; write `and` and `or`"
    if "===" in source:
        return "`===` compares nothing; write `==`"
    if (loud := _LOUD.search(source)) is not None and message.startswith("expected token"):
        return f"`{loud[0]}` means nothing here; write `{loud[0].lower()}`"
    if (named := _TEST.search(message)) is not None:
        return f"there is no test `{named[1] or named[2]}`; write for example `is none`, `is defined`, or `==` a value"
    if (sign := _SIGN.search(message)) is not None:
        return f"`{sign[1]}` is not possible here; {_INSTEAD.get(sign[1], 'remove it, or put text in quotes')}"
    if message in {"unexpected ')'", "unexpected 'end of template'", "unexpected end of template"}:
        return "something is missing at its end; write it out, such as `people > 3`"
    if (refused := _REFUSED.match(message)) is not None:
        return f"{message.rstrip('.')}; {_WITHOUT.get(refused[1], 'compare values, or let an action work it out')}"
    return f"{message.rstrip('.')}; write it like `people > 3 and trek.name == 'EBC'`"
