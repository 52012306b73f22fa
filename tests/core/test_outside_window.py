"""Outside of the 24-hour window a template says what words may not."""

from datetime import timedelta
from pathlib import Path

from talking import AT, Talk, fake_actions, write_content

from bot.authoring.content import load_content
from bot.core.effects import Notify, Send
from bot.core.messages import TemplateOut, TextOut
from bot.core.policy import said, told

FLOW = """
flow: test
role: customer
start: {universals: [help]}
slots: {name: {type: text}}
states:
  who: {form: [name], next: a}
  a:
    ask: q
    template: none
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


ASKED = """
flow: test
role: customer
start: {universals: [help]}
slots: {name: {type: text}}
states:
  rest: {say: news, events: {trip.notice: a, trip.cancelled: who}, after: {1h: {to: end}}}
  a: {ask: q, template: plain, choices: {x: X, y: Y}, next: told}
  who: {form: [name], template: {name: reminder, with: ["{{ contact.name }}"]}, next: told}
  told: {say: news, handoff: sales, back: later}
  later: {say: nudge, template: none, next: end}
  end: {end: done}
"""


def asked(root: Path) -> Talk:
    person = Talk(load_content(write_content(root, FILES | {"flows/customer/test.yaml": ASKED}), fake_actions()).book)
    person.text("help")
    return person


def test_a_question_has_a_template_to_stand_for_it(tmp_path: Path) -> None:
    person = asked(tmp_path)
    person.change("trip.notice")
    (question,) = person.of(Send)
    assert question.content.kind == "buttons"
    assert question.instead == TemplateOut(name="plain", language="en", parameters=())
    person.text("something else")
    assert [one.instead for one in person.of(Send)] == [None], "whoever has just written reads the words"
    other = asked(tmp_path)
    other.change("trip.cancelled")
    (question,) = other.of(Send)
    assert question.instead == TemplateOut(name="reminder", language="en", parameters=("Asha Rai",))


def test_words_without_a_template_may_wait(tmp_path: Path) -> None:
    person = asked(tmp_path)
    person.change("trip.notice")
    person.tap("X")
    person.change("handoff.returned")
    (words,) = person.of(Send)
    assert words.instead is None
    assert said(words, AT, AT + timedelta(hours=30)) == (words.content, False)


SPOKEN_FLOW = """
flow: test
role: customer
start: {universals: [help]}
states:
  rest: {say: news, template: none, events: {trip.notice: late}, after: {1h: {to: end}}}
  late:
    say: news
    template: {name: reminder, with: [{en: "{{ event.who or 'guest' }}", hi: "{{ event.who or 'अतिथि' }}"}]}
    notify:
      {role: sales, template: reminder, with: [{en: "{{ event.who or 'guest' }}", hi: "{{ event.who or 'अतिथि' }}"}]}
    next: rest
  end: {end: done}
"""
SPOKEN = {
    "flows/customer/test.yaml": SPOKEN_FLOW,
    "templates/en/customer/test.j2": "{% block news %}News.{% endblock %}",
}


def test_what_fills_a_template_is_in_the_language_of_whoever_reads_it(tmp_path: Path) -> None:
    book = load_content(write_content(tmp_path, FILES | SPOKEN), fake_actions()).book
    filled = {"en": "guest", "en_US": "guest", "hi": "अतिथि", "ne": "guest"}
    for language, word in filled.items():
        person = Talk(book, language=language)
        person.text("help")
        person.change("trip.notice", who=None)
        late = person.of(Send)[0]
        assert late.instead == TemplateOut(name="reminder", language=language, parameters=(word,))
        (notice,) = person.of(Notify)
        for read, expected in filled.items():
            content = told(notice, read, None, AT)
            assert content == TemplateOut(name="reminder", language=read, parameters=(expected,)), "not the customer's"
        assert told(notice, "hi", AT, AT) == TextOut(body="Dear guest, we wait for you.")
    person.change("trip.notice", who="Asha")
    assert person.of(Send)[0].instead == TemplateOut(name="reminder", language="ne", parameters=("Asha",))
