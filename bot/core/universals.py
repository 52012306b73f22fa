"""The words that everybody may say at any question: help, back, cancel, restart, repeat, agent.

On a stack of runs they mean what a person means by them. *Cancel* and *back* at the first question of a digression lead
back to what lies beneath. In a called flow, *back* at its first question goes to the question before the call, *cancel*
cancels the caller too unless it asks about the outcome, *restart* begins with the outermost caller, and *agent* takes
the nearest `agent` state.
"""

from bot.core.choices import Option, match_exactly, present
from bot.core.cursor import Cursor, Said
from bot.core.effects import RecordConsent
from bot.core.moving import STOPPED, put_back, repeat, settle, state_of
from bot.core.starting import Starting
from bot.core.trail import done_in, take_back, way_back
from bot.core.words import MAYBE_STOP

CONFIRM = "confirm!"
"""Begins the choices of our own question whether to go back; no author's choice has a `!`."""


class Universals(Starting):
    """Taking universals, and words of consent."""

    def consent(self, word: str, said: Said) -> None:
        """Record that the person allows or forbids messages, and confirm what that means."""
        turn = self.turn
        allowed = word == "start"
        turn.note("route", rule="consent", word=word)
        turn.effects.append(RecordConsent(allowed=allowed, words=said.text[:200]))
        if (STOPPED in turn.scope) == allowed:
            turn.remember(STOPPED, None if allowed else True)
        turn.say(self.book.texts, "consent_given" if allowed else "consent_withdrawn", self.variables)
        if allowed and turn.owner == "bot":
            self.resume_beneath()

    def universal(self, cursor: Cursor | None, word: str, said: Said) -> bool:
        """Take help, back, cancel, restart, repeat and agent. False when it is not allowed here."""
        state = state_of(cursor) if cursor is not None else None
        if cursor is None or state is None:
            if said.normal in MAYBE_STOP:
                self.turn.note("route", rule="universal", word=word)
                self.turn.say(self.book.texts, "consent_unsure", self.variables)
                return True
            if word not in {"help", "agent", "restart", "back"}:
                return False
            self.turn.note("route", rule="universal", word=word)
            self.help_or_agent("agent" if word == "agent" else "help", said)  # nothing to begin anew or go back from
            return True
        if word not in state.universals:
            return False
        self.turn.note("route", rule="universal", word=word)
        match word:
            case "help":
                self._help(cursor)
            case "repeat":
                repeat(cursor)
            case "back":
                self._back(cursor)
                return True
            case "cancel":
                cursor.say("cancelled")
                cursor.end_run("cancelled")
            case "restart":
                self._restart(cursor)
                return True
            case _:
                self._agent(cursor, said)
                return True
        self.done(cursor)
        return True

    def _help(self, cursor: Cursor) -> None:
        """Help with the open question: the state's own, the flow's own, or what one can do."""
        names = (f"help_{cursor.state.replace('/', '_')}", "help")
        own = [name for name in names if cursor.flow.texts.has_own(name)]
        before = cursor.render(own[0] if own else "help_here", capabilities=self.capabilities())
        repeat(cursor, before)

    # --- Back ---------------------------------------------------------------------------------------------------------

    def _back(self, cursor: Cursor, *, confirmed: bool = False) -> None:
        """To the question before this one, in this run or in one that called it, or to what lies beneath."""
        chain = self.chain(cursor)
        ways = [way_back(run) for run in chain]
        able = next((place for place, way in enumerate(ways) if way is not None), None)
        if able is None and len(self.turn.frames) == len(chain):
            repeat(cursor, cursor.render("cannot_go_back"))
            self.done(cursor)
            return
        left = chain if able is None else chain[:able]
        way = ways[able] if able is not None else None
        stays = [(run, state) for run in left for state in done_in(run.trail)]
        stays += [(chain[able], state) for state in way.passed] if able is not None and way is not None else []
        if stays and not confirmed:
            self._ask_to_confirm(cursor, [self._done_words(run, state) for run, state in stays])
            return
        for run in left:
            run.end_run("left")
            put_back(self.turn, run)
        if able is None or way is None:
            self.resume_beneath()
            return
        take_back(chain[able], way)
        settle(chain[able])
        self.done(chain[able])

    def _ask_to_confirm(self, cursor: Cursor, stays: list[str]) -> None:
        """Say what stays done, and ask whether to go back all the same."""
        cursor.confirming = "back"
        body = cursor.render("confirm_back", stays=stays)
        options = [Option(key=CONFIRM + one.key, label=one.label) for one in self._yes_no(cursor)]
        self.turn.send(*present(body, options, cursor.run, cursor.epoch, ""), block="confirm_back")
        self.done(cursor)

    def close_question(self, cursor: Cursor | None) -> None:
        """Close our own question: something else was said."""
        if cursor is not None and cursor.confirming is not None:
            cursor.confirming = None
            put_back(self.turn, cursor)

    def confirm(self, cursor: Cursor, normal: str) -> bool:
        """Take the answer to our own question. Anything but an answer closes it, and counts as what it is."""
        if cursor.confirming is None:
            return False
        key = match_exactly(normal, self._yes_no(cursor), self.turn.contact.language)
        cursor.confirming = None
        put_back(self.turn, cursor)
        if key == "yes":
            self._back(cursor, confirmed=True)
        elif key == "no":
            repeat(cursor)
            self.done(cursor)
        return key is not None

    @staticmethod
    def _yes_no(cursor: Cursor) -> list[Option]:
        return [Option.named("yes", cursor.render("label_back")), Option.named("no", cursor.render("label_stay"))]

    @staticmethod
    def _done_words(run: Cursor, state: str) -> str:
        """What an action has done, in the author's words when there are any."""
        own = f"done_{state.replace('/', '_')}"
        return run.render(own) if run.flow.texts.has_own(own) else state.rpartition("/")[2].replace("_", " ")

    def _restart(self, cursor: Cursor) -> None:
        chain = self.chain(cursor)
        flow = self.book.latest.get(chain[-1].flow.name, chain[-1].flow)
        for run in chain:
            run.end_run("restarted")
            put_back(self.turn, run)
        self.begin(flow, None)

    def _agent(self, cursor: Cursor, said: Said) -> None:
        """Lead to the flow's `agent` state, that of a caller, or to the role's flow for it."""
        if not self.to_agent(cursor, "asked"):
            put_back(self.turn, cursor)
            self.help_or_agent("agent", said)
