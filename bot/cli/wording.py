"""Traces and messages in plain words, for people at a terminal."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.core.cursor import START
from bot.core.languages import name_of

Decision = Mapping[str, Any]
"""One entry of a why-trace: `kind`, and what bot/core noted beside it."""

_KINDS = {
    "order": "tried",
    "pass": "passed",
    "route": "heard",
    "understand": "understood",
    "slot": "noted",
    "guard": "checked",
    "transition": "moved",
    "enter": "entered",
    "send": "said",
    "timer": "timer",
    "invoke": "called",
    "variant": "drew",
    "ignore": "ignored",
    "language": "language",
    "error": "error",
}
_MOST_VALUE = 100  # characters of a value worth showing


def told(decision: Decision) -> tuple[str, str]:
    """A decision as a short label and a sentence."""
    kind = str(decision.get("kind"))
    if "rule" in decision or "why" in decision:  # their detail may have a `kind` of its own: that of the message
        kind = "route" if "rule" in decision else "ignore"
    words = _WORDS.get(kind, _anything)
    label = "answered" if kind == "invoke" and "ok" in decision else _KINDS.get(kind, kind)
    return label, words(decision)


def value(found: Any) -> str:
    """A slot's or argument's value, short: what people call a thing, else its JSON look."""
    if isinstance(found, Mapping):
        names = [str(found[key]) for key in ("code", "name") if found.get(key)]
        text = " ".join(names) if names else ", ".join(f"{key} {value(inner)}" for key, inner in found.items())
    elif isinstance(found, list | tuple):
        text = ", ".join(map(value, found))
    elif found is None:
        text = "nothing"
    elif isinstance(found, bool):
        text = "yes" if found else "no"
    else:
        text = str(found)
    return text if len(text) <= _MOST_VALUE else f"{text[: _MOST_VALUE - 1]}…"


def moment(at: datetime) -> str:
    """A time, UTC, to the second."""
    return f"{at.astimezone(UTC):%d %b %Y %H:%M:%S} UTC"


def clock(at: datetime) -> str:
    """A time of day, UTC, to the millisecond."""
    return f"{at.astimezone(UTC):%H:%M:%S.%f}"[:-3]


def span(length: timedelta) -> str:
    """A length of time in its two largest units: `1 d 2 h`, `14 min`, `3.2 s`."""
    seconds = abs(length.total_seconds())
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    found = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(int(seconds), size)
        if count:
            found.append(f"{count} {unit}")
    return " ".join(found[:2])


def content(message: Mapping[str, Any]) -> str:
    """What a stored message says (bot/core/messages.py, as JSON)."""
    match message.get("kind"):
        case "text":
            return str(message.get("body", ""))
        case "choice":
            return f"tapped “{message.get('title')}”"
        case "buttons":
            return f"{message.get('body')}\n{choices(message.get('buttons', ()))}"
        case "list":
            return f"{message.get('body')}\n{message.get('label')}: {choices(message.get('rows', ()))}"
        case "template":
            return f"template {message.get('name')} ({', '.join(message.get('parameters', ()))})"
        case "media":
            caption = message.get("caption")
            return f"{message.get('media')}{f' “{caption}”' if caption else ''}"
        case "location":
            name = message.get("name")
            return f"location {message.get('latitude')}, {message.get('longitude')}{f' “{name}”' if name else ''}"
        case "reaction":
            return f"reacted {message.get('emoji') or 'no more'}"
        case other:
            return str(other)


def choices(items: Any) -> str:
    """Buttons or rows, side by side."""
    return "  ".join(f"[{item['title']}]" for item in items)


# --- Decisions --------------------------------------------------------------------------------------------------------


_ROUTES = {
    "consent": "“{word}”: a word of consent, which no flow answers",
    "choice": "exactly one of the choices on offer",
    "universal": "“{word}”, which is understood everywhere",
    "tap": "a tapped choice of run {run}, question {epoch}",
    "collect": "a {what} that the flow collects",
    "answer": "an answer to what {flow}.{state} asks",
    "did_you_mean": "nothing is sure, so we ask: {intents}",
    "offer": "{intent}, which we had asked about",
    "language": "an answer to whether to go on in another language",
    "not_understood": "nothing we know; {count} in a row",
    "ladder": "not an answer ({reason}), time {count}: {rung}",
    "business": "news from the business: {event}",
    "resume": "back to {flow}.{state}, which still waits for an answer",
    "confirm": "yes or no to what was understood",
    "call": "{caller} asks {flow} to find out, and waits for it",
    "return": "back in {flow}, with the outcome {outcome}",
    "migrated": "{flow} has a new version; the run went on in it",
    "instance": "{instance} has a run already, {run}: it goes on there",
}


_STEPS = {
    "owner": "who has the conversation",
    "consent": "words of consent",
    "universal": "universals",
    "command": "commands",
    "payload": "a tap",
    "expected": "what is expected now",
    "example": "examples and patterns",
    "classifier": "the classifier",
    "ladder": "the ladder",
}


def _order(d: Decision) -> str:
    *before, last = [_STEPS.get(str(step), str(step)) for step in d.get("tried", ())] or [""]
    return f"{' · '.join(before)} · {last}, which took it" if before else f"{last}, and nothing else"


def _pass(d: Decision) -> str:
    return f"{_plain(d.get('step'))} “{d.get('word')}”: {d.get('because')}"


def _route(d: Decision) -> str:
    if d.get("rule") == "command":
        said = ", ".join(f"{name} “{value(raw)}”" for name, raw in d.get("raw", {}).items())
        typo = "" if d.get("exact", True) else " (with a typing mistake)"
        return f"the command {d.get('command')}{typo}{f': {said}' if said else ''}"
    form = _ROUTES.get(str(d.get("rule")))
    if form is None:
        return _anything(d)
    return form.format_map(defaultdict(str, {key: _plain(found) for key, found in d.items()}))


def _understand(d: Decision) -> str:
    if "tried" not in d:
        return f"the choice {d.get('choice')}" if "choice" in d else _anything(d)
    tried = [f"{one['intent']} {one['score']:.2f}{_because(one)}" for one in d["tried"]]
    candidates = "; ".join(tried) or "no candidates"
    return f"{d.get('chosen') or 'no intent'}, as {d.get('role')}: {candidates}"


_HOW = {"example": " (exactly “{}”)", "pattern": " (of the form {})", "keyword": " (says “{}”)",
        "encoder": " (means the same as “{}”)"}  # fmt: skip


def _because(one: Decision) -> str:
    """What speaks for an intent."""
    found = one.get("because")
    return _HOW.get(str(one.get("how")), " (like “{}”)").format(value(found)) if found else ""


def _slot(d: Decision) -> str:
    name = d.get("slot")
    if "candidates" in d:
        return f"{name}: {d['candidates']} could be meant"
    if d.get("reason"):
        return f"{name}: refused, {_plain(d['reason'])}"
    return f"{name} = {value(d.get('value'))}{' (corrected)' if d.get('corrected') else ''}"


def _guard(d: Decision) -> str:
    return f"{d.get('condition')} is {'true' if d.get('value') else 'false'}, the way to {_place(d.get('to'))}"


def _transition(d: Decision) -> str:
    return f"{_place(d.get('source'))} → {_place(d.get('to'))} on {_plain(d.get('event'))}"


def _enter(d: Decision) -> str:
    return f"{d.get('flow')}.{d.get('state')}"


def _send(d: Decision) -> str:
    if "notify" in d:
        return f"to everybody with the role {d['notify']}: {d.get('template')}"
    count = d.get("messages", 1)
    return f"{d.get('block') or 'a message'}{f' ({count} messages)' if count != 1 else ''}"


def _timer(d: Decision) -> str:
    if d.get("fired"):
        return f"{d.get('name')} is over"
    return f"after {', '.join(d.get('started', ()))} without an answer"


def _invoke(d: Decision) -> str:
    name = d.get("name")
    if "ok" in d:
        return f"{name}: {'done' if d['ok'] else 'refused, ' + str(d.get('code'))}"
    arguments = ", ".join(f"{key} {value(given)}" for key, given in d.get("arguments", {}).items())
    receipt = f"; once, by receipt {d['receipt']}" if d.get("receipt") else ""
    return f"{name}({arguments}){receipt}"


def _variant(d: Decision) -> str:
    among = ", ".join(f"{name} {weight}" for name, weight in d.get("among", {}).items())
    return f"the variant {d.get('chosen')}{f', among {among}' if among else ''}"


def _ignore(d: Decision) -> str:
    rest = {key: given for key, given in d.items() if key not in {"kind", "why"}}
    return f"{d.get('why')}{f' ({_pairs(rest)})' if rest else ''}"


def _language(d: Decision) -> str:
    if "chosen" in d:
        return f"from now on in {name_of(str(d['chosen']))}"
    return f"sounds like {d.get('heard')}, weight {d.get('weight')}; {d.get('evidence')} so far"


def _anything(d: Decision) -> str:
    return _pairs({key: given for key, given in d.items() if key != "kind"})


def _pairs(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{_plain(key)} {value(given)}" for key, given in found.items() if given is not None)


def _place(state: Any) -> str:
    return "the beginning" if state == START else str(state)


def _plain(name: Any) -> str:
    return str(name).replace("_", " ")


_WORDS: dict[str, Callable[[Decision], str]] = {
    "order": _order,
    "pass": _pass,
    "route": _route,
    "understand": _understand,
    "slot": _slot,
    "guard": _guard,
    "transition": _transition,
    "enter": _enter,
    "send": _send,
    "timer": _timer,
    "invoke": _invoke,
    "variant": _variant,
    "ignore": _ignore,
    "language": _language,
}
