"""Which flow a message starts, and what goes on when a run has been dealt with."""

from bot.core.compiled import CompiledFlow
from bot.core.cursor import Cursor, Said
from bot.core.effects import Handoff
from bot.core.moving import begin, climb, put_back, repeat, state_of
from bot.core.stack import Stack
from bot.core.understanding import decide

UNMATCHED = "unmatched"
"""Key in the contact's scope: how many messages in a row nothing could be made of, outside any question."""
DIGRESSION = 0.6
"""Score from which a message that does not answer the open question may start another flow."""
MAX_FRAMES = 5
"""Runs on a stack; beyond it, no digression is begun."""


class Starting(Stack):
    """Starting runs, and finishing what a turn did to one."""

    def begin(self, flow: CompiledFlow, said: Said | None, reason: str | None = None) -> None:
        """Start a run of a flow on top of everything."""
        cursor = self.push(flow)
        if reason:
            cursor.extra["reason"] = reason
        begin(cursor, said)
        self.done(cursor)

    def start_by_intent(self, said: Said, threshold: float) -> bool:
        """Start the flow for what the message seems to want. False when it seems to want nothing we know."""
        turn = self.turn
        if len(turn.frames) >= MAX_FRAMES:
            return False
        for role in turn.contact.roles:
            scored = self.book.understanding(role).understand(said.text)
            chosen = decide(scored)
            tried = [{"intent": one.intent, "score": one.score, "because": one.because} for one in scored[:3]]
            turn.note("understand", role=role, chosen=chosen.intent if chosen else None, tried=tried)
            flow = self.book.started_by(role, chosen.intent) if chosen and chosen.score >= threshold else None
            if flow is None or any(frame.flow == flow.name for frame in turn.frames):
                continue
            turn.remember(UNMATCHED, None)
            self.begin(flow, said)
            return True
        return False

    def not_understood(self, said: Said) -> None:
        """Nothing open, and nothing we know: say what we can do; the third time in a row, find a person."""
        turn = self.turn
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
        unmatched, cursor.unmatched = cursor.unmatched, None
        if unmatched is None:
            return False
        state = state_of(cursor)
        if unmatched.text and (state is None or state.digress):
            put_back(self.turn, cursor)
            if self.start_by_intent(self.turn.said(unmatched.text), DIGRESSION):
                return True
        cursor.unmatched = unmatched
        climb(cursor)
        return False

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
