"""Commands that are never heard, since what everybody may say comes before them: *help*, *cancel*, STOP."""

from bot.core.commands import parse_command
from bot.core.flow import UNIVERSALS, CommandRule, FlowSpec
from bot.core.report import Report
from bot.core.words import CONSENT_WORDS, universal_in

_AT_ANY_TIME = frozenset({"help", "agent", "restart", "back"})
"""Universals that are taken where nothing is going on, too; the others need a run."""


def check_commands(spec: FlowSpec, report: Report) -> None:
    """Every command can be heard somewhere. One that takes arguments can: with them, it is more than the word alone."""
    for source, rules in spec.commands.items():
        try:
            command = parse_command(source)
        except ValueError:  # the compiler has said so
            continue
        said = " ".join(command.verb)
        if command.arguments:
            continue
        if said in CONSENT_WORDS:
            report(("commands", source), f"`{source}` is never heard: everywhere it says whether messages are wanted.",
                   hint="Use another word.", code="unheard")  # fmt: skip
            continue
        word = universal_in(said, spec.language)
        if word is not None and not any(_heard(spec, rule, word) for rule in rules):
            like = "" if said == word else f" `{word}`,"
            hint = f"Use another word, or take `{word}` out of `universals:` where the command counts."
            report(("commands", source), f"`{source}` is never heard: it is{like} a word that everybody may say here.",
                   hint=hint, code="unheard")  # fmt: skip


def _heard(spec: FlowSpec, rule: CommandRule, word: str) -> bool:
    """Whether a rule counts somewhere where the universal does not."""
    if rule.origins is None and word not in _AT_ANY_TIME:
        return True
    states = [spec.states[name] for name in rule.origins or spec.states if name in spec.states]
    return any(word not in (UNIVERSALS if one.universals is None else one.universals or ()) for one in states)
