"""What authors write is read as it is meant or refused in a sentence: times, commands, patterns, expressions.

And what is decided from it alone: which wording somebody gets, and in which language.
"""

import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bot.core.commands import parse_command, read_command
from bot.core.conversation import Contact
from bot.core.flow import SlotSpec
from bot.core.ids import ContactId
from bot.core.ops import choose_variant
from bot.core.parts import parse_duration
from bot.core.patterns import compile_pattern
from bot.core.report import Report
from bot.core.sandbox import MAX_RENDERED, RAISES, Expression, ExpressionError, Value
from bot.core.slots import AnySlot
from bot.core.slots.compiling import compile_slot
from bot.core.templates import Texts, compile_file

T = TypeVar("T")
MANY = settings(max_examples=150)


def tried(read: Callable[[str], T], source: str, refusal: type[Exception] = ValueError) -> tuple[T | None, str]:
    """What was read; or None and the sentence that says why not. Whatever else is raised is a bug."""
    try:
        return read(source), ""
    except refusal as mistake:
        return None, str(mistake)


# --- Lengths of time --------------------------------------------------------------------------------------------------

UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


@MANY
@given(st.dictionaries(st.sampled_from("dhms"), st.integers(0, 9999), min_size=1))
def test_a_length_of_time_is_the_sum_of_its_parts(parts: dict[str, int]) -> None:
    text = "".join(f"{parts[unit]}{unit}" for unit in UNITS if unit in parts)
    length = timedelta(seconds=sum(parts.get(unit, 0) * size for unit, size in UNITS.items()))
    if timedelta(0) < length <= timedelta(days=366):
        assert parse_duration(text) == length
    else:
        with pytest.raises(ValueError, match=f"`{text}`"):
            parse_duration(text)


@MANY
@given(st.text(max_size=12) | st.text("0123456789dhms .-", max_size=12))
def test_what_is_no_length_of_time_is_refused_in_a_sentence(text: str) -> None:
    known = re.fullmatch(r"(\d+d)?(\d+h)?(\d+m)?(\d+s)?", text)
    length, why = tried(parse_duration, text)
    if length is None:
        assert f"`{text}`" in why
    else:
        assert known
        assert timedelta(0) < length <= timedelta(days=366)


# --- Commands ---------------------------------------------------------------------------------------------------------


SPEC: TypeAdapter[Any] = TypeAdapter(SlotSpec)


def slots(**specs: Any) -> dict[str, AnySlot]:
    return {name: compile_slot(name, SPEC.validate_python(spec), Report()) for name, spec in specs.items()}


VERBS = st.sampled_from(["ISSUE", "RESOLVED", "CHECK IN", "TRIP-DONE"])
CODES = st.integers(0, 99_999).map(lambda number: f"TRP{number}")
NOTES = st.lists(
    st.sampled_from(["the", "bus", "broke", "down", "near", "Namche", "at", "noon", "टायर", "4x4"]), min_size=1
).map(" ".join)
EDGES = st.sampled_from([" ", "  ", "\n", ": ", ", ", " - "])


@MANY
@given(VERBS, CODES, NOTES | st.none(), st.booleans(), EDGES, EDGES)
def test_a_command_is_read_whatever_its_case_and_spaces(
    verb: str, code: str, note: str | None, lower: bool, first: str, second: str
) -> None:
    command = parse_command(f"{verb} {{trip}} {{note?}}")
    known = slots(trip={"type": "ref", "lookup": "x", "pattern": r"TRP\d+"}, note={"type": "text"})
    text = first.join([verb, code]) + (f"{second}{note}" if note else "")
    read = read_command(command, text.lower() if lower else text, known)
    assert read is not None
    assert read.exact
    assert read.raw["trip"] == code
    said = read.raw.get("note")
    assert said is None if note is None else said is not None and said.lower() == note.lower()


@MANY
@given(VERBS, CODES, st.data())
def test_a_slip_in_a_verb_is_forgiven_before_a_code_and_nowhere_else(verb: str, code: str, data: st.DataObject) -> None:
    command = parse_command(f"{verb} {{trip}}")
    known = slots(trip={"type": "ref", "lookup": "x", "pattern": r"TRP\d+"})
    place = data.draw(st.integers(0, len(verb) - 1))
    slip = data.draw(st.sampled_from([verb[:place] + verb[place + 1 :], verb[:place] + "Q" + verb[place + 1 :]]))
    assume(len(slip.split()) == len(verb.split()) and slip not in (verb, verb[:-1] + "-"))
    assume(slip.strip("-") == slip)
    before = read_command(command, f"{slip} {code}", known)
    assert before is not None
    assert not before.exact
    assert before.raw == {"trip": code}
    assert read_command(command, f"{slip} with my boots", known) is None
    assert read_command(command, slip, known) is None


@MANY
@given(VERBS, st.text(max_size=80), st.sampled_from(["{trip} {note?}", "{note}", "{count} {note?}", ""]))
def test_any_text_is_a_command_or_none(verb: str, text: str, arguments: str) -> None:
    command = parse_command(f"{verb} {arguments}".strip())
    known = slots(
        trip={"type": "ref", "lookup": "x", "pattern": r"TRP\d+"}, note={"type": "text"}, count={"type": "integer"}
    )
    for said in (text, f"{verb} {text}"):
        read = read_command(command, said, known)
        if read is not None:
            assert set(read.raw) <= {argument.slot for argument in command.arguments}
            assert all(words.strip() for words in read.raw.values())
    assert (
        read_command(command, f"{verb} {text}", known) is not None
        or not verb.split()[-1:]
        or text[:1].isalnum() is False
    )


@MANY
@given(st.text(max_size=40) | st.from_regex(r"[A-Z]{2,6}( [{}a-z?A-Z]{1,9}){0,3}", fullmatch=True))
def test_what_an_author_writes_as_a_command_is_one_or_refused_in_a_sentence(source: str) -> None:
    command, why = tried(parse_command, source)
    if command is None:
        assert "`" in why
    else:
        assert command.verb
        assert all(re.fullmatch(r"[a-z][a-z0-9_]*", argument.slot) for argument in command.arguments)


# --- Patterns ---------------------------------------------------------------------------------------------------------

ATOMS = st.sampled_from(["a", "b", "ab", "[ab]", "[^a]", r"\d", r"\w", "x", "(?:ab|b)", "TRP", "."])
PATTERNS = st.lists(
    st.tuples(ATOMS, st.sampled_from(["", "+", "?", "*", "{2}", "{1,3}"])).map("".join), min_size=1, max_size=5
).map("".join)


@MANY
@given(PATTERNS, st.text("abx1TRP9 ", max_size=12))
def test_patterns_mean_what_they_mean_elsewhere(source: str, text: str) -> None:
    elsewhere = re.compile(source, re.IGNORECASE)
    try:
        pattern = compile_pattern(source)
    except ValueError:
        assert elsewhere.fullmatch(""), "only what matches nothing is refused among these"
        return
    assert (pattern.fullmatch(text) is not None) == (elsewhere.fullmatch(text) is not None)
    found, theirs = pattern.search(text), elsewhere.search(text)
    assert (found is None) == (theirs is None)
    if found is not None and theirs is not None:
        assert found.start == theirs.start()
        assert text[found.start : found.end] == found.found


@MANY
@given(st.text(max_size=30) | st.text(r"ab\d()[]{}*+?|^$.<>P=!:-,1", max_size=25))
def test_any_pattern_compiles_or_is_refused_and_takes_no_time(source: str) -> None:
    pattern, why = tried(compile_pattern, source)
    if pattern is None:
        assert why
        return
    for text in ("", "a" * 20_000 + "!", "1" * 5_000, "TRP123 नमस्ते"):
        match = pattern.search(text)
        assert match is None or text[match.start : match.end] == match.found


# --- Expressions ------------------------------------------------------------------------------------------------------

DATA: dict[str, Any] = {
    "people": 4, "month": "2026-12", "trek": {"id": 1, "name": "EBC", "items": [1, 2]}, "text": "x" * 3000,
    "nothing": None, "contact": Contact(contact_id=ContactId(1), name="Asha"),
}  # fmt: skip
LEAVES = st.sampled_from(
    ["people", "month", "trek", "trek.name", "trek['id']", "text", "nothing", "contact", "contact.name", "nobody", "7",
     "0", "-3", "1.5", "'a'", "''", "[1, 2]", "{'a': 1}", "true", "none", "999999999999999", "'%s'", "'{}'"]
)  # fmt: skip


def _deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.sampled_from(["+", "-", "*", "/", "//", "%", "~", "and", "or", "in", "not in", "==", "<", ">=", "**"])
    after = st.sampled_from(
        ["| length", "| upper", "| list", "| sum", "| join('ab')", "| first", "| sort", "| int", "| string", "| date",
         "| money('USD')", "| plural('a')", "| human_list", "| round(3)", "| attr('name')", "| map('upper') | list",
         "is none", "is defined", "is callable", ".__class__", ".mro", ".format(people)", "[0]", "['__class__']",
         "[people]", ".items()", ".lower()", ".split()", "()", "| batch(3)", "| pprint", "| tojson", "| safe"]
    )  # fmt: skip
    return st.one_of(
        st.tuples(inner, binary, inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(inner, after).map(lambda parts: f"({parts[0]}) {parts[1]}"),
        st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} if {parts[1]} else {parts[2]})"),
    )


SOURCES = st.recursive(LEAVES, _deeper, max_leaves=8)


@settings(max_examples=250)
@given(SOURCES | st.text(max_size=30))
def test_any_expression_is_refused_fails_as_expected_or_gives_a_modest_value(source: str) -> None:
    expression, why = tried(Expression, source, ExpressionError)
    if expression is None:
        assert why
        return
    before = repr(DATA)
    try:
        value = expression(DATA)
    except RAISES:
        return
    finally:
        assert repr(DATA) == before, "an expression changes nothing"
    assert len(str(value)) <= 20 * MAX_RENDERED
    assert not isinstance(value, type)
    assert not callable(value)
    assert expression(DATA) == value or value != value  # NaN is the one value that is not itself


@MANY
@given(st.dictionaries(st.sampled_from(["people", "month"]), st.text(max_size=30), min_size=1))
def test_what_people_wrote_is_never_an_expression(said: dict[str, str]) -> None:
    for name, text in said.items():
        assert Value(f"{{{{ {name} }}}}")(said) == text
        assert Value(f"x{{{{ {name} }}}}y")(said) == f"x{text}y"
        block = compile_file("x.j2", "{% block a %}<{{ " + name + " }}>{% endblock %}").blocks["a"]
        assert block.render(said) == f"<{text}>"


# --- Wordings ---------------------------------------------------------------------------------------------------------

WEIGHTS = st.dictionaries(st.sampled_from(["warm", "short", "plain", "long"]), st.integers(1, 100), min_size=2)


def falls_to(contact: int, flow: str, weights: dict[str, int], kept: str | None = None) -> str:
    turn = SimpleNamespace(contact=SimpleNamespace(contact_id=contact), note=lambda *given, **named: None)
    cursor = SimpleNamespace(turn=turn, flow=SimpleNamespace(name=flow), data={} if kept is None else {"variant": kept})
    choose_variant(cursor, weights)  # type: ignore[arg-type]
    chosen = cursor.data["variant"]
    assert isinstance(chosen, str)
    return chosen


@MANY
@given(st.integers(1, 10**12), st.text(min_size=1, max_size=20), WEIGHTS)
def test_a_person_always_falls_to_the_same_wording(contact: int, flow: str, weights: dict[str, int]) -> None:
    chosen = falls_to(contact, flow, weights)
    assert chosen in weights
    assert falls_to(contact, flow, weights) == chosen
    for kept in weights:
        assert falls_to(contact, flow, weights, kept) == kept, "a run keeps what it has"
    assert falls_to(contact, flow, weights, "gone") == chosen


@settings(max_examples=20)
@given(st.text("abcdefgh_", min_size=1, max_size=12), WEIGHTS)
def test_wordings_are_spread_by_their_weights(flow: str, weights: dict[str, int]) -> None:
    people = 2_000
    counted = Counter(falls_to(contact, flow, weights) for contact in range(people))
    for name, weight in weights.items():
        share = weight / sum(weights.values())
        spread = (share * (1 - share) / people) ** 0.5
        assert abs(counted[name] / people - share) < 5 * spread + 1 / people


# --- Languages --------------------------------------------------------------------------------------------------------

CODES_OF = ["en", "hi", "pt", "pt_BR", "es"]
FILES = st.dictionaries(
    st.sampled_from(CODES_OF), st.sets(st.sampled_from(["hello", "bye"])), max_size=len(CODES_OF)
)  # fmt: skip


def written(files: dict[str, set[str]], kind: str) -> Any:
    return {
        language: compile_file(
            f"templates/{language}/{kind}.j2",
            "".join(f"{{% block {name} %}}{kind} {language} {name}{{% endblock %}}\n" for name in sorted(names)),
        )
        for language, names in files.items()
    }


@MANY
@given(FILES, FILES, st.sampled_from([*CODES_OF, "pt-BR", "hi_IN", "zz"]), st.sampled_from(CODES_OF), st.booleans())
def test_words_are_in_the_nearest_language_there_is_and_the_flows_own_before_those_of_all(
    own: dict[str, set[str]], common: dict[str, set[str]], language: str, flows: str, twice: bool
) -> None:
    texts = Texts(own=written(own, "own"), common=written(common, "common"), language=flows)
    if twice:
        texts.block("hello", language)
    short = re.split("[-_]", language)[0]
    order = [
        f"{kind} {code} hello"
        for kind, files in (("own", own), ("common", common))
        for code in (language, short, flows, "en")
        if "hello" in files.get(code, ())
    ]
    found = texts.block("hello", language)
    assert (found.static if found is not None else None) == (order[0] if order else None)
    assert texts.has("hello", language) == bool(order)
