"""Outside of the 24-hour window a template says what words may not."""

from datetime import timedelta
from pathlib import Path

from talking import AT, Talk, fake_actions, write_content

from bot.authoring.content import load_content
from bot.core.effects import Send
from bot.core.messages import TemplateOut, TextOut
from bot.core.policy import said

FLOW = """
flow: test
role: customer
start: {universals: [help]}
slots: {name: {type: text}}
states:
  who: {form: [name], next: a}
  a:
    ask: q
    choices: {x: X, y: Y}
    events: {incident.updated: news}
    after: {26h: {say: nudge, template: {name: reminder, with: ["{{ name }}"]}}}
    next: end
  news: {say: news, template: plain, next: a}
  end: {end: done}
"""
FILES = {
    "flows/customer/test.yaml": FLOW,
    "templates/en/customer/test.j2": (
        "{% block q %}X or Y?{% endblock %}{% block nudge %}Well, {{ name }}?{% endblock %}"
        "{% block news %}There is news.{% endblock %}"
    ),
    "templates/whatsapp/reminder.yaml": (
        'name: reminder\ncategory: UTILITY\nbody: "Dear {{1}}, we wait for you."\nexamples: [Asha]\n'
    ),
    "templates/whatsapp/plain.yaml": "name: plain\ncategory: UTILITY\nbody: There is news for you.\n",
}


def test_words_have_a_template_to_stand_for_them(tmp_path: Path) -> None:
    person = Talk(load_content(write_content(tmp_path, FILES), fake_actions()).book, language="hi")
    person.text("help")
    person.text("Asha")
    person.wait(hours=26)
    (late,) = [effect for effect in person.effects if isinstance(effect, Send)]
    template = TemplateOut(name="reminder", language="hi", parameters=("Asha",))
    assert late == Send(content=TextOut(body="Well, Asha?"), instead=template)
    assert said(late, AT, AT + timedelta(hours=1)) == (TextOut(body="Well, Asha?"), True)
    assert said(late, AT, AT + timedelta(hours=26)) == (template, True)
    assert said(Send(content=TextOut(body="x")), AT, AT + timedelta(hours=26)) == (TextOut(body="x"), False)
