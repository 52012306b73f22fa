"""A content folder as large as a big project's: 200 flows with 3,000 states, in two languages.

`python -m bench.content DIR` writes it, to look at or to try `bot check` on.
"""

import shutil
import sys
from pathlib import Path

FLOWS = 200
PARTS = 4
"""Each part of a flow has three states: a form, a question, an action. Three more are around them."""
ROLES = ("customer", "sales", "operations", "field_staff", "manager")
SHIPPED = Path(__file__).parent.parent
_COMMON = ("templates/en/common.j2", "templates/hi/common.j2")
_LANGUAGES = {
    "en": ("Please tell me", "Is that right", "Yes, go on", "Change it", "Thank you", "Still there", "ask for thing"),
    "hi": ("कृपया बताइए", "क्या यह सही है", "हाँ, आगे", "बदलिए", "धन्यवाद", "क्या आप यहाँ हैं", "सामान माँगिए"),
}
_WANTS = ("I want thing", "give me thing", "please order thing", "I need thing", "can I have thing", "send thing")
_ACTIONS = '''"""Actions of the large project."""

from typing import Any

from bot.core.actions import ActionCall, action, lookup


@lookup("things.find")
async def find(call: ActionCall, *, text: str) -> list[dict[str, Any]]:
    """The thing that is named."""
    return [{"id": 1, "name": text}]


@action("things.keep")
async def keep(call: ActionCall, *, thing: int, count: int, note: str | None = None) -> dict[str, Any]:
    """Keep so many of a thing."""
    return {"id": 1, "code": f"T{thing}", "count": count}
'''


def write(root: Path, flows: int = FLOWS) -> int:
    """Write the project; returns its number of states."""
    files = {name: (SHIPPED / name).read_text(encoding="utf-8") for name in _COMMON}
    files["actions.py"] = _ACTIONS
    for number in range(flows):
        role = ROLES[number % len(ROLES)]
        files[f"flows/{role}/flow_{number}.yaml"] = flow(number, role)
        for language in _LANGUAGES:
            files[f"templates/{language}/{role}/flow_{number}.j2"] = replies(number, language)
    for place, role in enumerate(ROLES):
        files[f"intents/{role}.yaml"] = intents(role, range(place, flows, len(ROLES)))
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return flows * (3 * PARTS + 3)


def flow(number: int, role: str) -> str:
    """One flow, with some of everything."""
    lines = [f"flow: flow_{number}", f"role: {role}", "version: 1", f"start: {{intents: [want_{number}]}}", "slots:"]
    for part in range(PARTS):
        lines += [
            f"  thing_{part}: {{type: ref, lookup: things.find}}",
            f"  count_{part}: {{type: integer, min: 1, max: 40, label: number of things}}",
            f"  day_{part}:   {{type: date, future: true}}",
        ]
    lines.append("states:")
    for part in range(PARTS):
        lines += _part(part)
    return "\n".join([*lines, _LAST, ""])


_LAST = """\
  thanks: {say: thanks, template: none, end: done}
  agent: {handoff: manager, sla: 15m, back: thanks}
  abandoned: {end: dropped}"""


def _part(part: int) -> list[str]:
    after = f"details_{part + 1}" if part + 1 < PARTS else "thanks"
    return f"""\
  details_{part}:
    form: [thing_{part}, count_{part}, day_{part}]
    no_match: [reprompt, explain, {{to: agent, reason: stuck}}]
    after:
      2h:  {{say: nudge_{part}}}
      22h: {{to: abandoned}}
    next: review_{part}
  review_{part}:
    ask: review_{part}
    choices:
      yes:  {{label: "Yes, go on", synonyms: [sure, fine]}}
      edit: Change it
    when:
      yes:
        - {{if: count_{part} >= 30, to: agent, reason: many}}
        - keep_{part}
      edit: {{call: common/correct, with: [thing_{part}, count_{part}], to: review_{part}}}
    after: {{22h: {{to: abandoned}}}}
  keep_{part}:
    do: things.keep
    with: {{thing: "{{{{ thing_{part}.id }}}}", count: "{{{{ count_{part} }}}}", note: "for {{{{ contact.name }}}}"}}
    once: "thing:{part}:{{{{ run.id }}}}"
    save: kept_{part}
    error: {{to: agent, reason: refused}}
    next: {after}""".split("\n")


def replies(number: int, language: str) -> str:
    """What a flow says, in a language."""
    tell, right, yes, edit, thanks, there, about = _LANGUAGES[language]
    blocks = {
        "about": f"{about} {number}",
        "thanks": f"{thanks}{{% if contact.first_name %}}, {{{{ contact.first_name }}}}{{% endif %}}! ({number})",
        "choice_yes": yes,
        "choice_edit": edit,
    }
    for part in range(PARTS):
        blocks |= {
            f"ask_thing_{part}": f"{tell}: {number}, {part}?",
            f"ask_count_{part}": f"*{{{{ thing_{part}.name }}}}*: {tell}.",
            f"nudge_{part}": f"{there}? {{{{ missing | human_list }}}}",
            f"review_{part}": f"*{{{{ thing_{part}.name }}}}*, {{{{ count_{part} | plural('thing') }}}}, "
            f"{{{{ day_{part} | date }}}}\n{right}?",
        }
    return "".join(f"{{% block {name} %}}{text}{{% endblock %}}\n" for name, text in blocks.items())


def intents(role: str, numbers: range) -> str:
    """How people ask for the flows of a role."""
    lines = [f"role: {role}", "intents:"]
    for number in numbers:
        lines += [f"  want_{number}:", "    examples:"]
        lines += [f"      - {words} number {number}" for words in _WANTS]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    print(f"{write(target)} states in {target}")
