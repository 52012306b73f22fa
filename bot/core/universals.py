"""The words that everybody may say at any question: help, back, cancel, restart, repeat, agent.

On a stack of runs they mean what a person means by them. *Cancel* and *back* at the first question of a digression lead
back to what lies beneath. In a called flow, *back* at its first question goes to the question before the call, *cancel*
cancels the caller too unless it asks about the outcome, *restart* begins with the outermost caller, and *agent* takes
the nearest `agent` state.
"""

from bot.core.cursor import Cursor, Said
from bot.core.moving import can_go_back, go_back, put_back, repeat, settle, state_of
from bot.core.starting import Starting
from bot.core.words import universal_in


class Universals(Starting):
    """Taking universals."""

    def universal(self, cursor: Cursor | None, said: Said) -> bool:
        """Take help, back, cancel, restart, repeat and agent. False when it is none, or not allowed here."""
        word = universal_in(said.normal, self.turn.contact.language)
        if word is None:
            return False
        state = state_of(cursor) if cursor is not None else None
        if cursor is None or state is None:
            if word not in {"help", "agent"}:
                return False
            self.turn.note("route", rule="universal", word=word)
            self.help_or_agent(word, said)
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

    def _back(self, cursor: Cursor) -> None:
        """To the question before this one, in this run or in one that called it, or to what lies beneath."""
        chain = self.chain(cursor)
        able = next((one for one in chain if can_go_back(one)), None)
        beneath = len(self.turn.frames) > len(chain)
        if able is None and not beneath:
            repeat(cursor, cursor.render("cannot_go_back"))
            self.done(cursor)
            return
        for run in chain[: chain.index(able) if able is not None else len(chain)]:
            run.end_run("left")
            put_back(self.turn, run)
        if able is None:
            self.resume_beneath()
            return
        go_back(able)
        self.done(able)

    def _restart(self, cursor: Cursor) -> None:
        chain = self.chain(cursor)
        flow = self.book.latest.get(chain[-1].flow.name, chain[-1].flow)
        for run in chain:
            run.end_run("restarted")
            put_back(self.turn, run)
        self.begin(flow, None)

    def _agent(self, cursor: Cursor, said: Said) -> None:
        """Lead to the flow's `agent` state, that of a caller, or to the role's flow for it."""
        chain = self.chain(cursor)
        able = next((run for run in chain if run.flow.can("agent", run.state)), None)
        if able is None:
            put_back(self.turn, cursor)
            self.help_or_agent("agent", said)
            return
        for run in chain[: chain.index(able)]:
            run.end_run("left")
            put_back(self.turn, run)
        able.trigger = "agent"
        able.extra["reason"] = "asked"
        settle(able)
        self.done(able)
