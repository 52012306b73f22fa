"""What YAML's parser complains about, in the words of somebody who does not know YAML."""

import yaml

from bot.core.errors import FlowError, Mark

_INDENT = "Lines of one block begin in the same column; what belongs to a key is indented below it."
_QUOTES = "Put the whole text in quotes."


def told(mistake: yaml.YAMLError | ValueError, text: str, file: str) -> FlowError:
    """The parser's complaint as a mistake with place, reason and remedy."""
    if isinstance(mistake, yaml.reader.ReaderError):
        row = text.count("\n", 0, mistake.position) + 1
        column = mistake.position - (text.rfind("\n", 0, mistake.position) + 1) + 1
        code = f"U+{ord(mistake.character):04X}" if isinstance(mistake.character, str) else f"{mistake.character:#x}"
        return FlowError(
            f"There is a control character here, {code}.", at=Mark(file, row, column), hint="Remove it, or save the "
            "file as plain text in UTF-8.",
        )  # fmt: skip
    if not isinstance(mistake, yaml.MarkedYAMLError):
        return FlowError(f"This is not YAML: {mistake}.", at=Mark(file, 1, 1))
    problem, at = mistake.problem or "something is wrong", mistake.problem_mark or mistake.context_mark
    place = (at.line, at.column) if at is not None else (0, 0)
    opened = mistake.context_mark
    lines = text.split("\n")
    line = lines[place[0]] if place[0] < len(lines) else ""
    here = line[place[1] : place[1] + 1]
    message, hint = _found(problem, mistake.context or "", line, here)
    if problem in _FROM_THE_OPENING and opened is not None:
        place = (opened.line, opened.column)
    return FlowError(message, at=Mark(file, place[0] + 1, place[1] + 1), hint=hint)


_FROM_THE_OPENING = frozenset(
    {
        "did not find expected ',' or '}'", "did not find expected ',' or ']'", "found unexpected end of stream",
        "could not find expected ':'",
    }
)  # fmt: skip
"""Complaints that come where the parser gave up; the author has to look where it began."""
_TAB = "A line is indented with a tab.", "Use spaces: two for each level."
_BRACKET = "After this bracket a `{0}` or a comma is missing.", "Close it with `{0}`."
_TWO = "A file holds one flow, or one of whatever it holds.", "Remove `---` or `...`; make two files of it."
_WORDS = {
    "found a tab character that violates indentation": _TAB,
    "did not find expected '-' indicator": (
        "A list has a line that does not begin with `- `.", "Begin it with `- `, or indent it less.",
    ),
    "did not find expected ',' or '}'": tuple(one.format("}") for one in _BRACKET),
    "did not find expected ',' or ']'": tuple(one.format("]") for one in _BRACKET),
    "found unexpected end of stream": ("This quote is never closed.", "Close it with the same kind of quote."),
    "could not find expected ':'": (
        "This line has no colon.", "Write `key: value`, or indent it if it goes on with the line before.",
    ),
    "found unknown escape character": (
        "This is none of the signs that may follow a backslash in double quotes.",
        "Use single quotes, in which a backslash is only itself: '\\d+'.",
    ),
    "did not find expected comment or line break": (
        "After `|` or `>` the text begins on the next line.", "Or put the whole text in quotes.",
    ),
    "but found another document": _TWO,
    "did not find expected <document start>": _TWO,
    "second occurrence": ("Names such as `&x` are not allowed.", "Write it out."),
}  # fmt: skip


def _found(problem: str, context: str, line: str, here: str) -> tuple[str, str]:
    """Message and hint."""
    if problem in _WORDS:
        message, hint = _WORDS[problem]
        return message, hint
    match problem:
        case "found character that cannot start any token":
            tab = "\t" in line[: len(line) - len(line.lstrip())]
            return _TAB if tab else (f"A text cannot begin with `{here}`.", _QUOTES)
        case "mapping values are not allowed in this context":
            if line.count(":") == 1 and not line.split(":")[1].startswith(" ") and line.split(":")[1]:
                return "A colon needs a space after it.", "Write `key: value`."
            return "There is a colon where none can be.", f"{_INDENT} A text with `: ` in it needs quotes."
        case "did not find expected key":
            return _no_key(line)
        case "found undefined alias" | "did not find expected alphabetic or numeric character":
            return f"A text cannot begin with `{'*' if 'alias' in problem + context else '&'}`.", _QUOTES
    return f"This is not YAML: {problem.rstrip('.')}.", "Check indentation, colons and quotes."


def _no_key(line: str) -> tuple[str, str]:
    """Why a line is neither the next key of its block nor the end of it."""
    if "}}" in line:
        return "Text goes on after `{{ … }}` without quotes.", 'Write for example `with: "{{ trip.code }} and more"`.'
    if line.partition(":")[2].strip()[:1] in {'"', "'"}:
        return "Something stands after a text in quotes.", "Put the whole text in one pair of quotes."
    return "This line is not indented like those around it.", _INDENT
