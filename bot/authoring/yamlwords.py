"""What YAML's parser complains about, in the words of somebody who does not know YAML.

The parser gives up at the first thing it cannot read. So that an author need not mend a file mistake by mistake, each
complaint says how the file could be read on: with the line as it was probably meant, or without what it begins.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import yaml

from bot.core.errors import FlowError, Mark

MOST = 20
"""Mistakes that are told of a file; more than that is no flow but something else."""
_INDENT = "Lines of one block begin in the same column; what belongs to a key is indented below it."
_QUOTES = "Put the whole text in quotes."
_TAB = "A line is indented with a tab.", "Use spaces: two for each level."
_BRACKET = "After this bracket a `{0}` or a comma is missing.", "Close it with `{0}`."
_APOSTROPHE = "This apostrophe ends the text in single quotes.", "Use double quotes around it, or write it twice."
_BEHIND = "Something stands after a text in quotes.", "Put the whole text in one pair of quotes."
_BELOW = "This line is indented below a text."
_TWO = "A file holds one flow, or one of whatever it holds.", "Remove `---` or `...`; make two files of it."
_KEY = re.compile(r"(?P<indent>\s*)(?:- +)?(?P<key>[\w{}?/ .-]+?)(?P<colon>\s*[:：])")
_OTHER_SPACES = re.compile(
    "^( *)[\u00a0\u2000-\u200a\u202f\u3000]+(?=[ \u00a0\u2000-\u200a\u202f\u3000]*[\\w{-])", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Complaint:
    """A mistake, and how to read on: `line` (from 0) says `instead`, or, with None, is left out with what it begins."""

    error: FlowError
    line: int
    instead: str | None = None


Compose = Callable[[str], yaml.Node | None]


def composed(text: str, file: str, compose: Compose) -> tuple[yaml.Node | None, list[FlowError]]:
    """The tree of a file as far as it can be read, and what the parser complains about.

    The tree is good for finding more mistakes of the same kind, and for nothing else when there were complaints.
    """
    found: list[FlowError] = []
    mended: set[int] = set()
    for match in _OTHER_SPACES.finditer(text):
        row = text.count("\n", 0, match.start())
        found.append(FlowError("A line is indented with spaces that are none to YAML.",
                               at=Mark(file, row + 1, len(match[1]) + 1), hint="Type them anew."))  # fmt: skip
    text = _OTHER_SPACES.sub(lambda match: " " * len(match[0]), text)
    while len(found) < MOST:
        try:
            return compose(text), found
        except (yaml.YAMLError, ValueError) as mistake:
            one = complaint(mistake, text, file)
        if one.line not in mended:  # else it follows from what we have made of the line
            found.append(one.error)
        changed = _mended(text, one, leave_out=one.line in mended)
        mended |= {row for row, (old, new) in enumerate(zip(text.split("\n"), changed.split("\n"), strict=True))
                   if old != new}  # fmt: skip
        if changed == text:
            break
        text = changed
    return None, found


def _mended(text: str, one: Complaint, *, leave_out: bool) -> str:
    lines = text.split("\n")
    if one.instead is not None and not leave_out:
        if one.error.message == _TAB[0]:  # whoever indents with tabs does so in many lines, and is told once
            return "\n".join(re.sub(r"^[ \t]+", lambda match: match[0].replace("\t", "  "), line) for line in lines)
        lines[one.line] = one.instead
        return "\n".join(lines)
    if one.error.message == _TWO[0]:
        return "\n".join(lines[row] if row < one.line else "" for row in range(len(lines)))
    indent = _indent(lines[one.line])
    same = one.error.hint == _INDENT or one.error.message in {
        _BELOW,
        _WORDS[_DASH][0],
    }  # its neighbours are where it is
    lines[one.line] = ""
    for row in range(one.line + 1, len(lines)):
        if lines[row].strip() and _indent(lines[row]) + same <= indent:
            break
        lines[row] = ""
    return "\n".join(lines)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def complaint(mistake: yaml.YAMLError | ValueError, text: str, file: str) -> Complaint:
    """The parser's complaint as a mistake with place, reason and remedy."""
    lines = text.split("\n")
    if isinstance(mistake, yaml.reader.ReaderError):
        row = text.count("\n", 0, mistake.position)
        column = mistake.position - (text.rfind("\n", 0, mistake.position) + 1)
        code = f"U+{ord(mistake.character):04X}" if isinstance(mistake.character, str) else f"{mistake.character:#x}"
        words = f"There is a control character here, {code}.", "Remove it, or save the file as plain text in UTF-8."
        return _complaint(words, file, row, column, lines[row][:column] + " " + lines[row][column + 1 :])
    if not isinstance(mistake, yaml.MarkedYAMLError):
        return _complaint((f"This is not YAML: {mistake}.", ""), file, 0, 0)
    problem, at = mistake.problem or "something is wrong", mistake.problem_mark or mistake.context_mark
    row, column = (min(at.line, len(lines) - 1), at.column) if at is not None else (0, 0)
    if problem == "mapping values are not allowed in this context":
        return _colon(lines, file, row, column)
    if problem == _NOTHING and at is not None and not text[at.index :].strip():
        open_at = max(text.rfind("["), text.rfind("{"))
        row, column = text.count("\n", 0, open_at), open_at - text.rfind("\n", 0, open_at) - 1
        closing = "]" if text[open_at] == "[" else "}"
        message, hint = _WORDS[f"did not find expected ',' or '{closing}'"]
        return _complaint((message, hint), file, row, column)
    quote = _runaway(problem, text, row)
    if quote is not None:
        words = "This quote is not closed on its line.", f"Close it; the next one is on line {row + 1}."
        return _complaint(words, file, quote[0], quote[1])
    opened = mistake.context_mark
    if problem == "could not find expected ':'" and opened is not None:
        return _no_colon(lines, file, opened.line)
    words, instead = _found(problem, mistake.context or "", lines[row], column)
    if words == _APOSTROPHE:
        column -= 1
    elif problem in _FROM_THE_OPENING and opened is not None and words != _BEHIND:
        row, column = opened.line, opened.column
    return _complaint(words, file, row, column, instead)


def _complaint(words: tuple[str, str], file: str, row: int, column: int, instead: str | None = None) -> Complaint:
    return Complaint(FlowError(words[0], at=Mark(file, row + 1, column + 1), hint=words[1]), row, instead)


_FROM_THE_OPENING = frozenset(
    {
        "did not find expected ',' or '}'", "did not find expected ',' or ']'", "found unexpected end of stream",
    }
)  # fmt: skip
"""Complaints that come where the parser gave up; the author has to look where it began."""
_NOTHING = "did not find expected node content"
_DASH = "did not find expected '-' indicator"
_WORDS = {
    _DASH: (
        "A list has a line that does not begin with `- `.",
        "Begin it with `- `, or indent it less; if these are keys, take the `- ` before the first of them away.",
    ),
    "did not find expected ',' or '}'": tuple(one.format("}") for one in _BRACKET),
    "did not find expected ',' or ']'": tuple(one.format("]") for one in _BRACKET),
    "found unexpected end of stream": ("This quote is never closed.", "Close it with the same kind of quote."),
    "found unknown escape character": (
        "This is none of the signs that may follow a backslash in double quotes.",
        "Use single quotes, in which a backslash is only itself: '\\d+'.",
    ),
    "did not find expected comment or line break": (
        "After `|` or `>` the text begins on the next line.", "Or put the whole text in quotes.",
    ),
    _NOTHING: (
        "Between two commas or brackets nothing stands.", "Remove a comma, or write what is missing.",
    ),
    "found unexpected non-alphabetical character": ("A line cannot begin with `%`.", _QUOTES),
    "but found another document": _TWO,
    "did not find expected <document start>": _TWO,
    "second occurrence": ("Names such as `&x` are not allowed.", "Write it out."),
}  # fmt: skip


def _found(problem: str, context: str, line: str, column: int) -> tuple[tuple[str, str], str | None]:
    """Message and hint, and the line as it was probably meant."""
    here, before = line[column : column + 1], line[column - 1 : column]
    if problem.startswith("did not find expected ',' or") and before in {'"', "'"} and (here.isalnum() or here == "_"):
        return _after_quote(line, column), None
    if problem in _WORDS:
        message, hint = _WORDS[problem]
        return (message, hint), None
    match problem:
        case "found a tab character that violates indentation":
            return _TAB, line
        case "found character that cannot start any token":
            tab = "\t" in line[: _indent(line)]
            return (_TAB, line) if tab else ((f"A text cannot begin with `{here}`.", _QUOTES), None)
        case "did not find expected key":
            return _no_key(line, column)
        case "found undefined alias" | "did not find expected alphabetic or numeric character":
            return (f"A text cannot begin with `{'*' if 'alias' in problem + context else '&'}`.", _QUOTES), None
    return (f"This is not YAML: {problem.rstrip('.')}.", "Check indentation, colons and quotes."), None


def _no_key(line: str, column: int) -> tuple[tuple[str, str], str | None]:
    """Why a line is neither the next key of its block nor the end of it."""
    before, here, rest = line[:column], line[column : column + 1], line[column + 1 :]
    if "{{" in before and "}}" in line:
        words = "Text goes on after `{{ … }}` without quotes.", 'Write for example `with: "{{ trip.code }} and more"`.'
        return words, None
    if before.strip() and here in {"}", "]"}:
        return (f"This `{here}` closes nothing.", "Remove it, or open it before."), before + rest
    if before.strip() and here == ",":
        return ("Outside of brackets no comma parts one key from the next.", "Remove it."), before + rest
    if not before.strip() and line.strip().startswith("- "):
        return ("This item of a list stands among keys.", "Put it below a key of its own, or make it one."), None
    if line.partition(":")[2].strip()[:1] in {'"', "'"}:
        return _after_quote(line, column), None
    return ("This line is not indented like those around it.", _INDENT), None


def _after_quote(line: str, column: int) -> tuple[str, str]:
    """Words behind a text in quotes: an apostrophe ended it, or there are two texts."""
    here = line[column - 1 : column + 1]
    return _APOSTROPHE if len(here) == 2 and here[0] == "'" and here[1].isalpha() else _BEHIND


def _colon(lines: list[str], file: str, row: int, column: int) -> Complaint:
    """A colon where none can be: often the line before is to blame, which is then no key."""
    line = lines[row]
    own = _KEY.match(line)
    last = next((one for one in range(row - 1, -1, -1) if lines[one].strip() and lines[one].strip()[0] != "#"), None)
    if own is None or own.end("colon") <= column or last is None:
        return _complaint(("There is a colon where none can be.", _TEXT_WITH_COLON), file, row, column)
    before = lines[last]
    key = _KEY.match(before)
    if key is None or before[key.end() - 1] == "：" or before[key.end() : key.end() + 1].strip():
        return _no_colon(lines, file, last)
    if _indent(line) > _indent(before):
        hint = f"`{key['key'].strip()}:` has a value on its own line: end that line after the colon, or indent less."
        return _complaint((_BELOW, hint), file, row, _indent(line))
    return _complaint(("There is a colon where none can be.", _TEXT_WITH_COLON), file, row, column)


def _no_colon(lines: list[str], file: str, row: int) -> Complaint:
    """A line that ought to be a key, and has no colon that makes it one."""
    line = lines[row]
    key = _KEY.match(line)
    if key is None:
        words = "This line has no colon.", "Write `key: value`, or indent it if it goes on with the line before."
        return _complaint(words, file, row, _indent(line), line.rstrip() + ":")
    place = key.end()
    mended = line[:place].rstrip(" :：") + ": " + line[place:].lstrip()
    if line[place - 1] == "：":
        words = "This colon is not the one of the keyboard.", "Write `:` and a space."
    else:
        words = "A colon needs a space after it.", "Write `key: value`."
    return _complaint(words, file, row, place - 1, mended)


_TEXT_WITH_COLON = f"{_INDENT} A text with `: ` in it needs quotes."


def _runaway(problem: str, text: str, row: int) -> tuple[int, int] | None:
    """Where the quote was opened that the next quote closed, lines later."""
    if problem != "did not find expected key" and not problem.startswith("did not find expected ',' or"):
        return None
    last: yaml.Token | None = None
    try:
        for token in yaml.scan(text, Loader=yaml.CSafeLoader):
            if token.start_mark.line > row:
                break
            if isinstance(token, yaml.ScalarToken) and token.style in {"'", '"'} and token.end_mark.line == row:
                last = token if token.start_mark.line < row else last
    except yaml.YAMLError:
        pass
    return (last.start_mark.line, last.start_mark.column) if last is not None else None
