"""`bot explain`: why a message was answered as it was, and what became of it."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from bot.cli import wording
from bot.cli.bubbles import formatted
from bot.cli.running import run
from bot.config import load_database_settings
from bot.core.errors import ConfigError, SirdarError
from bot.core.ids import ConversationId, TenantId
from bot.runtime.foundation import Foundation
from bot.runtime.opening import open_foundation
from providers.meanings import meaning, remedy
from storage.postgres.explain import Explanation
from storage.postgres.explain import explain as look_up
from storage.postgres.inspection import Inspection

LATEST = "latest"

_STATUS_STYLES = {
    "RECEIVED": "green", "DEAD": "bold red", "QUEUED": "yellow", "HELD": "yellow", "UNKNOWN": "yellow",
    "ACCEPTED": "cyan", "SENT": "cyan", "DELIVERED": "green", "READ": "green", "PLAYED": "green", "FAILED": "bold red",
}  # fmt: skip
_KIND_STYLES = {
    "error": "bold red",
    "ignored": "yellow",
    "said": "green",
    "called": "magenta",
    "answered": "magenta",
    "moved": "cyan",
}
_OUTCOMES = {
    "ACCEPTED": "accepted by the provider",
    "REFUSED": "refused",
    "NOT_SENT": "not sent, the provider could not be reached",
    "UNKNOWN": "no answer: nobody knows whether it went out",
    "LATE": "the answer came after another attempt had begun",
}


def explain(
    message: Annotated[str, Parameter(name="MESSAGE_ID", help="Our number, the provider's id (wamid…), or: latest")],
    /,
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), help="Everything that is known, as JSON")] = False,
) -> int:
    """Show why a message was answered as it was, and what became of it."""
    settings = load_database_settings()
    if settings.bot_database_url is not None and settings.bot_secret_key is None:
        raise ConfigError(["BOT_SECRET_KEY is missing: messages are found by keys made with it."])

    async def main() -> "Story | None":
        async with open_foundation(settings, connections=1) as foundation:
            tenant = await Inspection(foundation.database).tenant(settings.bot_tenant)
            if tenant is None:
                raise SirdarError(
                    f"There is no number of tenant {settings.bot_tenant} yet: `bot serve` enters it when it starts."
                )
            return await tell_story(foundation, tenant, message)

    story = run(main())
    if story is None:
        what = "No message has come in yet" if message == LATEST else f"There is no message {message}"
        Console(stderr=True, highlight=False).print(
            f"{what} in tenant {settings.bot_tenant}. It may be older than what is kept, or another tenant's.",
            style="red",
            markup=False,
        )
        return 1
    if as_json:
        sys.stdout.write(json.dumps(story.as_dict(), default=str, ensure_ascii=False, indent=2) + "\n")
    else:
        Console(highlight=False).print(story.tree())
    return 0


async def tell_story(foundation: Foundation, tenant: TenantId, message: str) -> "Story | None":
    """Gather all that is known of a message and of its answers; None when it is not known."""
    inspection = Inspection(foundation.database)
    if message == LATEST:
        latest = await inspection.latest_message(tenant)
        if latest is None:
            return None
        message = str(latest)
    found = await look_up(foundation.database, foundation.vault, tenant, message)
    if found is None:
        return None
    conversation = ConversationId(found.message["conversation_id"])
    name, roles = await inspection.writer(tenant, conversation)
    numbers = [str(answer["message_id"]) for answer in found.answers]
    stories = [await look_up(foundation.database, foundation.vault, tenant, number) for number in numbers]
    answers = [story for story in stories if story is not None]
    before = None
    if found.message["direction"] == "OUTBOUND":
        before = await inspection.message_before(tenant, conversation, found.message["created_at"])
    return Story(found, answers, name, roles or ["customer"], before)


class Story:
    """One message, what was made of it, and what became of the answers.

    Args:
        found: The message itself.
        answers: What was said to it in the same conversation.
        name: Of the person in the conversation.
        roles: Of that person.
        before: For a message of ours: what the person had written last.
    """

    def __init__(
        self, found: Explanation, answers: list[Explanation], name: str, roles: list[str], before: int | None
    ) -> None:
        self.found = found
        self.answers = answers
        self.name = name
        self.roles = roles
        self.before = before

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: all values as stored."""
        return {
            **asdict(self.found),
            "turns": [{"at": at, "decisions": decisions} for at, decisions in self.found.turns],
            "answers": [asdict(answer) for answer in self.answers],
            "person": {"name": self.name, "roles": self.roles},
            "before": self.before,
        }

    def tree(self) -> Tree:
        """For a terminal."""
        message = self.found.message
        tree = Tree(self._headline(), guide_style="dim")
        tree.add(formatted(wording.content(message["content"])))
        if self.found.file is not None:
            tree.add(_file_line(self.found.file))
        if self.before is not None:
            tree.add(
                Text(f"The person had written message {self.before} before: bot explain {self.before}", style="dim")
            )
        for at, decisions in self.found.turns:
            after = wording.span(at - message["created_at"])
            turn = tree.add(Text.assemble(("Turn ", "bold"), (f"at {wording.clock(at)}, {after} after it came", "dim")))
            for decision in decisions:
                turn.add(decided(decision))
        if message["direction"] == "OUTBOUND":
            _add_fate(tree, self.found)
        for answer in self.answers:
            _add_fate(tree.add(_answer_line(answer)), answer)
        self._add_ending(tree)
        return tree

    def _headline(self) -> Text:
        message = self.found.message
        inbound = message["direction"] == "INBOUND"
        who = f"{'from' if inbound else 'to'} {self.name or 'somebody'} ({', '.join(self.roles)})"
        return Text.assemble(
            (f"Message {message['message_id']}", "bold"), f" · {message['kind']} {who} · ",
            wording.moment(message["created_at"]), " · ", _status(message["status"]),
        )  # fmt: skip

    def _add_ending(self, tree: Tree) -> None:
        """Where it waits, or why it died."""
        found = self.found
        if found.dead is not None:
            ending = tree.add(
                Text(f"Put aside after {found.dead['attempts']} attempts: {found.dead['error']}", "bold red")
            )
            ending.add(Text("Mend the flow or action it names; what the person wrote afterwards was answered.", "dim"))
        if (waiting := found.waiting) is not None:
            line = f"Waits to be processed, due {wording.moment(waiting['due_at'])}"
            ending = tree.add(Text(line, "yellow"))
            if waiting["attempts"]:
                ending.add(Text(f"It failed {waiting['attempts']} times: {waiting['last_error']}", "red"))
            else:
                ending.add(Text("Is a worker running? bot doctor", "dim"))
        if found.message["direction"] == "INBOUND" and not (found.turns or found.dead or found.waiting):
            tree.add(Text("Processed; the trace of its turn is no longer kept.", "dim"))
        elif found.turns and not self.answers:
            tree.add(Text("Nothing was said in this conversation.", "dim"))


def decided(decision: wording.Decision) -> Text:
    """One decision of a turn, on a line."""
    label, sentence = wording.told(decision)
    return Text.assemble((f"{label:<11}", _KIND_STYLES.get(label, "blue")), sentence)


def _file_line(file: dict[str, Any]) -> Text:
    """What became of the file that somebody sent."""
    words = {
        "STORED": "is kept",
        "FAILED": "could not be had",
        "EXPIRED": "was deleted",
        "REFERENCED": "is not here yet",
    }
    style = {"STORED": "green", "FAILED": "bold red"}.get(file["status"], "yellow")
    size = f", {file['size_bytes']} bytes" if file["size_bytes"] is not None else ""
    line = Text.assemble(("File ", "bold"), f"{file['media_id']} · {file['mime_type']}{size} · ",
                         (words.get(file["status"], "is not here yet"), style))  # fmt: skip
    if file["reason"]:
        line.append(f": {file['reason']}", style)
    if file["status"] == "REFERENCED" and file["due_at"] is not None:
        line.append(f" Tried {file['attempts']} times, next {wording.moment(file['due_at'])}.", "dim")
    return line


def _answer_line(answer: Explanation) -> Text:
    message = answer.message
    return Text.assemble(
        ("Answer ", "bold"), f"message {message['message_id']} · {message['kind']} · ", _status(message["status"]),
        "\n", formatted(wording.content(message["content"])),
    )  # fmt: skip


def _add_fate(branch: Tree, found: Explanation) -> None:
    """What became of a message of ours: attempts, where it waits, how far it came."""
    message = found.message
    for attempt in found.attempts:
        outcome = _OUTCOMES.get(attempt["outcome"], attempt["outcome"].lower())
        line = branch.add(f"attempt {attempt['attempt']} at {wording.clock(attempt['finished_at'])}: {outcome}")
        if (said := _refusal(attempt["http_status"], attempt["error_code"], attempt["detail"])) is not None:
            line.add(said)
    if (queued := found.queued) is not None:
        where = {"READY": "waits to be sent", "SENDING": "is being sent", "UNKNOWN": "waits for a status to tell"}
        line = branch.add(Text(f"{where[queued['state']]}, due {wording.moment(queued['due_at'])}", "yellow"))
        if (held := _held_up(queued)) is not None:
            line.add(held)
    steps = [(name, message[f"{name}_at"]) for name in ("sent", "delivered", "read", "failed") if message[f"{name}_at"]]
    if steps:
        branch.add(Text(" · ".join(f"{name} {wording.clock(at)}" for name, at in steps), "dim"))
    code, detail = message["error_code"], message["error_detail"]
    told = any(one["detail"] == detail or (code and one["error_code"] == code) for one in found.attempts)
    if detail and not told:
        branch.add(_refusal(None, code, detail) or Text(detail))


def _held_up(queued: dict[str, Any]) -> Text | None:
    """What keeps the number itself from sending, if anything does."""
    if alarm := queued["alarm"]:
        return Text.assemble((f"The number has an alarm: {alarm}", "bold red"), f"\n{remedy(alarm)}")
    paused = queued["paused_until"]
    if paused is None or paused <= datetime.now(UTC):
        return None
    return Text(f"The number sends nothing until {wording.moment(paused)}, and by itself then.")


def _refusal(http_status: int | None, code: int | None, detail: str | None) -> Text | None:
    """What the provider said, and what its code means."""
    if http_status is None and code is None and not detail:
        return None
    numbers = [f"HTTP {http_status}" if http_status else "", f"code {code}" if code is not None else ""]
    words = Text(", ".join(filter(None, numbers)))
    if detail:
        words.append(f"{': ' if words else ''}{detail}")
    if code is not None:
        words.append(f"\n{meaning(code).text}", "yellow")
    return words


def _status(status: str) -> tuple[str, str]:
    return status.lower(), _STATUS_STYLES.get(status, "")
