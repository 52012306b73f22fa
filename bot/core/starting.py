"""Which flow a message starts, and what goes on when a run has been dealt with."""

from collections.abc import Mapping, Sequence

from bot.core.choices import Option, match_exactly, present
from bot.core.compiled import CompiledFlow
from bot.core.cursor import Cursor, Said
from bot.core.effects import Handoff
from bot.core.events import BusinessChanged
from bot.core.moving import NO_MATCH, begin, climb, give_up, put_back, repeat, settle, state_of
from bot.core.order import Tried
from bot.core.resuming import begin_with
from bot.core.stack import Stack
from bot.core.understanding import Scored, decide, to_offer
from bot.core.words import yes_no_words

UNMATCHED = "unmatched"
"""Key in the contact's scope: how many messages in a row nothing could be made of, outside any question."""
OFFERED = "offered"
"""Key in the contact's scope: the intents we asked about last, and the message they were found in."""
INTENT = "intent!"
"""Begins the choices of that question; no author's choice has a `!`."""
MAX_FRAMES = 5
"""Runs on a stack; beyond it, no digression is begun."""


class Starting(Stack):
    """Starting runs, and finishing what a turn did to one."""

    def begin(
        self, flow: CompiledFlow, said: Said | None, reason: str | None = None, named: Mapping[str, str] | None = None
    ) -> None:
        """Start a run of a flow on top of everything. `named`: words that the message's form gives to slots."""
        cursor = self.push(flow)
        if reason:
            cursor.extra["reason"] = reason
        values = {name: words for name, words in named.items() if name in flow.slots} if named else {}
        if said is not None and values:
            begin_with(cursor, said, values)
        else:
            begin(cursor, said)
        self.done(cursor)

    def begin_with(self, flow: CompiledFlow, event: BusinessChanged) -> None:
        """Start a run of a flow with something that happened in the business."""
        cursor = self.push(flow)
        cursor.extra["event"] = {**event.data, "name": event.name}
        kept = flow.events[event.name]
        if kept is not None:
            cursor.data[kept] = dict(event.data)
        begin(cursor, None)
        self.done(cursor, quietly=True)

    def start_by_intent(self, said: Said, *, ask: bool) -> bool:
        """Start the flow for what the message seems to want. False when it seems to want nothing we know.

        Args:
            said: The message.
            ask: Whether to offer what is likely, when nothing is sure.
        """
        turn = self.turn
        if len(turn.frames) >= MAX_FRAMES:
            return False
        turn.tried = Tried.EXAMPLE
        likely: dict[str, Scored] = {}
        for role in turn.contact.roles:
            scored = self.book.understanding(role).understand(said.text, said.normal)
            chosen = decide(scored)
            if chosen is None or chosen.how not in {"example", "pattern"}:
                turn.tried = Tried.CLASSIFIER
            tried = [
                {"intent": one.intent, "score": one.score, "because": one.because, "how": one.how} for one in scored[:3]
            ]
            turn.note("understand", role=role, chosen=chosen.intent if chosen else None, tried=tried)
            flow = self.book.started_by(role, chosen.intent) if chosen else None
            if flow is None or flow.name in [frame.flow for frame in turn.frames]:
                likely |= {one.intent: one for one in to_offer(scored) if one.intent not in likely}
                continue
            turn.remember(UNMATCHED, None)
            self.begin(flow, said, named=chosen.values if chosen else None)
            return True
        return ask and self._ask_about(said, to_offer(likely.values()))

    # --- Did you mean… ------------------------------------------------------------------------------------------------

    def _ask_about(self, said: Said, likely: Sequence[Scored]) -> bool:
        """Ask which of some intents is meant. False when there is nothing to ask, or no words for it."""
        turn = self.turn
        options = self._offered([one.intent for one in likely])
        if not options or not self.book.texts.has("did_you_mean", turn.contact.language):
            return False
        turn.note("route", rule="did_you_mean", intents=[one.intent for one in likely])
        body = turn.render(self.book.texts, "did_you_mean", self.variables)
        turn.remember(OFFERED, {"intents": [one.intent for one in likely], "text": said.text})
        turn.send(*present(body, options, turn.new_run(), 0, "…"), block="did_you_mean")
        return True

    def _offered(self, intents: Sequence[str]) -> list[Option]:
        """What the intents are called. Those that are not of this person's roles any more are left out."""
        language = self.turn.contact.language
        options: list[Option] = []
        for intent in intents:
            for role in self.turn.contact.roles:
                spec = self.book.intents_of(role).get(intent)
                if spec is not None and self.book.started_by(role, intent) is not None:
                    options.append(Option.named(INTENT + intent, spec.name(intent, language)))
                    break
        return options

    def take_offer(self, choice: str) -> bool:
        """Start the flow of an intent that was offered and tapped, now or long ago. False when nobody can any more."""
        turn = self.turn
        intent = choice.removeprefix(INTENT)
        offered = turn.scope.get(OFFERED) or {}
        if len(turn.frames) >= MAX_FRAMES:
            return False
        for role in turn.contact.roles:
            flow = self.book.started_by(role, intent)
            if flow is None or any(frame.flow == flow.name for frame in turn.frames):
                continue
            turn.note("route", rule="offer", intent=intent)
            turn.remember(UNMATCHED, None)
            turn.remember(OFFERED, None)
            known = intent in offered.get("intents", ())
            self.begin(flow, turn.said(str(offered["text"])) if known else None)
            return True
        return False

    def typed_offer(self, said: Said) -> bool:
        """Take the words or the number on one of our buttons. Anything else closes the question."""
        offered = self.turn.scope.get(OFFERED)
        if not offered:
            return False
        language = self.turn.contact.language
        options = self._offered(offered.get("intents", ()))
        key = match_exactly(said.normal, options, language)
        if key is None and len(options) == 1 and yes_no_words(language).get(said.normal) == "yes":
            key = options[0].key
        if key is not None and self.take_offer(key):
            return True
        self.turn.remember(OFFERED, None)
        return False

    # --- The ladder ---------------------------------------------------------------------------------------------------

    def not_understood(self, said: Said) -> None:
        """Nothing open, and nothing we know: say what we can do; the third time in a row, find a person."""
        turn = self.turn
        turn.tried = Tried.LADDER
        count = int(turn.scope.get(UNMATCHED, 0)) + 1
        turn.note("route", rule="not_understood", count=count)
        turn.remember(UNMATCHED, count)
        if count >= 3 and self.started_by(lambda role: self.book.universal(role, "agent")) is not None:
            turn.remember(UNMATCHED, None)
            self.help_or_agent("agent", said, reason="not_understood")
        else:
            turn.say(self.book.texts, "not_understood" if count == 1 else "not_understood_again", self.variables)

    def help_or_agent(self, word: str, said: Said | None, reason: str = "asked") -> None:
        """Outside of any flow: the flow that this word starts, or our own answer."""
        flow = self.started_by(lambda role: self.book.universal(role, word))
        if flow is not None:
            self.begin(flow, said, reason)
        elif word == "help":
            self.turn.say(self.book.texts, "help", self.variables)
        else:
            self._hand_over(reason)

    def _hand_over(self, reason: str) -> None:
        """Give the conversation to operations, when no flow says to whom."""
        turn = self.turn
        turn.say(self.book.texts, "handoff", lambda: self.variables(reason=reason))
        turn.effects.append(Handoff(run=turn.new_run(), role="operations", reason=reason))
        turn.owner = "role:operations"

    # --- Afterwards ---------------------------------------------------------------------------------------------------

    def done(self, cursor: Cursor, *, quietly: bool = False) -> None:
        """Put a run back, and see to what follows from what it did.

        Words that meant nothing to it may start another flow, or take the next rung of its ladder. A flow that it calls
        is started; a run that it was called by goes on when it has ended; so does what lies beneath a digression,
        unless `quietly`: then the person has not said anything.
        """
        turn = self.turn
        if cursor.unmatched is not None and self._digress(cursor):
            return
        put_back(turn, cursor)
        if cursor.outcome is None:
            self.drop_orphans()
            if cursor.calling is not None:
                called = self.call(cursor)
                self.done(called or cursor, quietly=quietly)
            return
        caller = self.caller_of(cursor)
        if caller is not None:
            self.give_back(caller, cursor.outcome, self.result_of(cursor))
            self.done(caller, quietly=quietly)
            return
        self.drop_orphans()
        if not quietly and turn.owner == "bot":
            self.resume_beneath()

    def _digress(self, cursor: Cursor) -> bool:
        """Make something else of words that meant nothing here; True when they started another flow."""
        turn = self.turn
        unmatched, cursor.unmatched = cursor.unmatched, None
        if unmatched is None:
            return False
        state = state_of(cursor)
        if unmatched.text and (state is None or state.digress):
            put_back(turn, cursor)
            if self.start_by_intent(turn.said(unmatched.text), ask=False):
                return True
        cursor.unmatched = unmatched
        turn.tried = Tried.LADDER
        if climb(cursor):
            return False
        return self._none_left(cursor)

    def _none_left(self, cursor: Cursor) -> bool:
        """The ladder has no rung left, and nobody is asked the same for ever: to a person, or the run ends.

        True when something else goes on.
        """
        if self.to_agent(cursor, "not_understood"):
            return True
        flow = self.started_by(lambda role: self.book.universal(role, "agent"))
        if flow is None or flow.name in [frame.flow for frame in self.turn.frames]:
            give_up(cursor)
            return False
        cursor.counters = {name: count for name, count in cursor.counters.items() if name != NO_MATCH}
        put_back(self.turn, cursor)
        self.begin(flow, None, "not_understood")
        return True

    def to_agent(self, cursor: Cursor, reason: str) -> bool:
        """Lead to the `agent` state of the flow, or of the nearest caller that has one. False when none has."""
        chain = self.chain(cursor)
        able = next((run for run in chain if run.flow.can("agent", run.state)), None)
        if able is None:
            return False
        for run in chain[: chain.index(able)]:
            run.end_run("left")
            put_back(self.turn, run)
        able.trigger = "agent"
        able.extra["reason"] = reason
        settle(able)
        self.done(able)
        return True

    def resume_beneath(self) -> None:
        """Tell the person where they were, and ask the open question again."""
        beneath = self.top()
        if beneath is None or beneath.pending is not None:
            return
        state = state_of(beneath)
        if state is None or state.question is None:
            return
        self.turn.note("route", rule="resume", flow=beneath.flow.name, state=beneath.state, silent=not state.resumes)
        if state.resumes:
            repeat(beneath, beneath.render("resume"))
