"""What states do: one small class for each operation. `bot.core.asking` and `bot.core.forms` have those that ask."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import blake2b
from typing import Any

from bot.core.conversation import Pending
from bot.core.cursor import Cursor
from bot.core.effects import Handoff, Notify, SetLanguage
from bot.core.errors import EngineError
from bot.core.events import ActionFailed
from bot.core.flow import LANGUAGE
from bot.core.messages import TemplateOut
from bot.core.parts import ANY_LANGUAGE, by_language
from bot.core.sandbox import Value
from bot.core.tongues import SPEECH
from bot.core.whatsapp import WhatsAppTemplate


def as_error(refusal: ActionFailed) -> dict[str, Any]:
    """A refusal as expressions and replies know it."""
    return {"code": refusal.code, "message": refusal.message, "facts": dict(refusal.facts)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A WhatsApp template with what fills its variables, each by language."""

    template: WhatsAppTemplate
    parameters: tuple[Mapping[str, Value], ...]

    def values(self, cursor: Cursor, language: str | None = None) -> tuple[str, ...]:
        """The parameters for this run, as WhatsApp takes them: one line each, never empty.

        Words, dates and the like are in the language given, or the person's.
        """
        what = f"`template: {self.template.name}`"
        spoken = [by_language(one, language or cursor.turn.contact.language) for one in self.parameters]
        found = (str(cursor.evaluate(value, what, language)) for value in spoken if value is not None)
        return tuple(" ".join(value.split())[:900] or "–" for value in found)

    def message(self, cursor: Cursor) -> TemplateOut | None:
        """As a message to the person in the conversation; None when its values do not fit the data of this run.

        Then only the words are there: what an event lacks must not keep the rest of the turn from happening.
        """
        try:
            return self.template.message(self.values(cursor), cursor.turn.contact.language)
        except (EngineError, ValueError) as error:
            cursor.turn.note("error", template=self.template.name, error=str(error))
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Send a block as a message of its own; outside of the person's 24-hour window the template `instead`."""

    block: str
    instead: Filled | None = None

    def run(self, cursor: Cursor, step: int) -> bool:
        """Send, and go on."""
        cursor.say(self.block, instead=self.instead.message(cursor) if self.instead is not None else None)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """Run an action. Its result may be saved; its refusal is the machine event `error`, when the state has one."""

    action: str
    arguments: Mapping[str, Value]
    once: Value | None
    save: str | None

    def run(self, cursor: Cursor, step: int) -> bool:
        """Stop until the action has answered."""
        what = f"`do: {self.action}`"
        arguments = {name: cursor.evaluate(value, what) for name, value in self.arguments.items()}
        receipt = str(cursor.evaluate(self.once, "`once:`"))[:500] if self.once is not None else None
        cursor.invoke(self.action, arguments, Pending(name=self.action, step=step), receipt)
        return False

    def done(self, cursor: Cursor, result: Any) -> None:
        """Keep the result under its name."""
        if self.save is not None:
            cursor.data[self.save] = result
        if self.once is not None:
            cursor.leave_mark()

    def failed(self, cursor: Cursor, refusal: ActionFailed) -> None:
        """Take the state's way out, or say sorry and end the run: going on would pretend it had worked."""
        cursor.extra["error"] = as_error(refusal)
        if cursor.flow.can("error", cursor.state):
            cursor.trigger = "error"
            return
        cursor.say("action_failed")
        cursor.end_run("failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyRole:
    """Tell everybody with a role, as text inside their window and by WhatsApp template outside it."""

    role: str
    notice: Filled

    def run(self, cursor: Cursor, step: int) -> bool:
        """Tell them, and go on."""
        template = self.notice.template
        # Not in the language of the person who causes it, which colleagues may not read.
        parameters = self.notice.values(cursor, template.language)
        others = {language for one in self.notice.parameters for language in one} - {ANY_LANGUAGE, template.language}
        try:
            text, content = template.fill(parameters), template.message(parameters, template.language)
            translations = {one: template.message(self.notice.values(cursor, one), one) for one in sorted(others)}
        except ValueError as error:
            raise EngineError(f"`template: {template.name}`: {error}.") from error
        cursor.turn.effects.append(
            Notify(
                role=self.role, text=text, template=template.name, parameters=parameters, content=content,
                translations=translations,
            )
        )  # fmt: skip
        cursor.turn.note("send", notify=self.role, template=template.name)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Empty slots, so that a form asks for them again."""

    slots: tuple[str, ...]

    def run(self, cursor: Cursor, step: int) -> bool:
        """Empty them, and go on."""
        for name in self.slots:
            cursor.slots.pop(name, None)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Choose one of several wordings for this person: blocks `name__warm` and `name__short`, say."""

    weights: Mapping[str, int]

    def run(self, cursor: Cursor, step: int) -> bool:
        """Choose, and go on."""
        choose_variant(cursor, self.weights)
        return True


def choose_variant(cursor: Cursor, weights: Mapping[str, int]) -> None:
    """Keep the variant the run has, else take the one that contact and flow fall to: always the same one."""
    if cursor.data.get("variant") in weights:
        return
    key = f"{cursor.turn.contact.contact_id}:{cursor.flow.name}".encode()
    place = int.from_bytes(blake2b(key, digest_size=8).digest(), "big") % sum(weights.values())
    for name, weight in weights.items():
        if place < weight:
            cursor.data["variant"] = name
            cursor.turn.note("variant", chosen=name, among=dict(weights))
            return
        place -= weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Speak:
    """Change the person's language, at once and for good."""

    language: Value

    def run(self, cursor: Cursor, step: int) -> bool:
        """Change it, and go on. What is no language changes nothing."""
        turn = cursor.turn
        language = str(cursor.evaluate(self.language, "`language:`"))
        if not LANGUAGE.fullmatch(language):
            turn.note("error", language=language[:40], error="this is no language, such as `en` or `pt_BR`")
            return True
        turn.contact = replace(turn.contact, language=language)
        turn.effects.append(SetLanguage(language=language))
        turn.remember(SPEECH, {"chosen": True})
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """Nothing to wait for: on to the next state."""

    def run(self, cursor: Cursor, step: int) -> bool:
        """Fire `next`."""
        cursor.trigger = "next"
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Wait for commands, events, files and timers, asking nobody anything."""

    def run(self, cursor: Cursor, step: int) -> bool:
        """Wait."""
        cursor.job = None
        cursor.turn.text = None
        cursor.wait()
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Give the conversation to a person. Until `handoff.returned` the bot keeps quiet."""

    role: str
    sla: timedelta | None
    block: str | None

    def run(self, cursor: Cursor, step: int) -> bool:
        """Tell the person, hand over, and wait."""
        cursor.job = None
        cursor.turn.text = None
        reason = str(cursor.extra.get("reason") or "asked")
        if self.block:
            cursor.say(self.block, reason=reason)
        cursor.turn.effects.append(Handoff(run=cursor.run, role=self.role, reason=reason, sla=self.sla))
        cursor.turn.owner = f"role:{self.role}"
        cursor.wait()
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The run is over."""

    outcome: str

    def run(self, cursor: Cursor, step: int) -> bool:
        """End it."""
        cursor.end_run(self.outcome)
        return False
