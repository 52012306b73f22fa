"""The command line. Each command's module is imported only when it runs, so that `bot --help` answers at once."""

import os
import sys
from importlib.metadata import version

from cyclopts import App

from bot.core.errors import ConfigError, ContentErrors, SirdarError

app = App(
    name="bot",
    help="Sirdar: WhatsApp operations bots from YAML flows.",
    help_format="plaintext",  # Markdown would double the time to start
    version=lambda: version("sirdar"),
    version_flags=["--version"],
)

_WHERE = "Settings come from the environment and .env; docs/operations.md describes each."

_COMMANDS = {
    "new": ("bot.cli.new:new", "Make a project of your own, with flows, actions and tests to begin with."),
    "serve": ("bot.cli.serve:serve", "Run the server: web, worker, sender and clock in one process, or any of them."),
    "demo": ("bot.cli.demo:demo", "Start everything, with phones in the browser and nothing to set up."),
    "simulate": ("bot.cli.simulate:simulate", "Chat with the flows in this terminal; no server needed."),
    "check": ("bot.cli.check:check", "Check flows, intents and templates; says what is wrong, where, and what to do."),
    "plan": ("bot.cli.plan:show_plan", "Show what these flows would do to the conversations under way."),
    "test": ("bot.cli.test:play", "Play conversation tests; says what was said instead, and what no test covers."),
    "graph": ("bot.cli.graph:graph", "Draw flows as SVG or Mermaid, or all of them on one page to search and zoom."),
    "schema": ("bot.cli.schema:schema", "Write JSON Schemas, with which editors complete and check what you write."),
    "explain": ("bot.cli.explain:explain", "Show why a message was answered as it was, and what became of it."),
    "unread": ("bot.cli.unread:unread", "Show webhooks that nothing was made of."),
    "doctor": ("bot.cli.doctor:doctor", "Check settings, database, provider and webhook; says what to do."),
}
for _name, (_target, _help) in _COMMANDS.items():
    app.command(_target, name=_name, help=_help)

database = App(name="db", help="Look after the database.")
database.command("bot.cli.database:upgrade_database", name="upgrade", help="Bring the schema up to date.")
app.command(database)

templates = App(name="templates", help="Check, hand in and follow message templates.")
templates.command("bot.cli.templates:check", name="check", help="Check the files against WhatsApp's rules.")
templates.command("bot.cli.templates:hand_in", name="push", help="Hand in what the provider does not have.")
templates.command("bot.cli.templates:ask", name="sync", help="Ask the provider, and record what it says.")
templates.command("bot.cli.templates:status", name="status", help="Show what is known, and which flows need it.")
app.command(templates)

app.command("bot.cli.act:act", name="act", help="Do what the desk does: send a quote, follow an incident up.")

staff = App(name="staff", help="Say who is more than a customer.")
staff.command("bot.cli.staff:add", name="add", help="Give somebody a role.")
staff.command("bot.cli.staff:invite", name="invite", help="Make a code that gives a role to whoever texts it.")
app.command(staff)

contact = App(name="contact", help="Hand out, erase or join what is kept about a person.")
contact.command("bot.cli.contact:export", name="export", help="Write everything kept about a person.")
contact.command("bot.cli.contact:erase", name="erase", help="Erase a person, for good.")
contact.command("bot.cli.contact:merge", name="merge", help="Make one person of two contacts.")
contact.command("bot.cli.contact:merges", name="merges", help="Show which contacts were made one.")
contact.command("bot.cli.contact:unmerge", name="unmerge", help="Make two contacts of one again.")
app.command(contact)

webhooks = App(name="webhooks", help="Say which programs are told of what happens.")
webhooks.command("bot.cli.webhooks:add", name="add", help="Have a URL told; shows the secret that signs, once.")
webhooks.command("bot.cli.webhooks:show", name="list", help="List who is told, and what was given up.")
webhooks.command("bot.cli.webhooks:remove", name="remove", help="Tell a URL no more.")
webhooks.command("bot.cli.webhooks:replay", name="replay", help="Try again what was given up.")
app.command(webhooks)

dead = App(name="dead", help="Look at events that failed for good, and try them again.")
dead.command("bot.cli.dead:show", name="list", help="List what was put aside, and why.")
dead.command("bot.cli.dead:retry", name="retry", help="Process it again.")
app.command(dead)

tenants = App(name="tenants", help="Say who is served: many businesses, each with its own numbers.")
tenants.command("bot.cli.tenants:add", name="add", help="Serve another business, or another number of one.")
tenants.command("bot.cli.tenants:show_all", name="list", help="List them.")
tenants.command("bot.cli.tenants:show", name="show", help="Show one, but for its secrets.")
tenants.command("bot.cli.tenants:change", name="set", help="Change its settings.")
tenants.command("bot.cli.tenants:disable", name="disable", help="Stop serving it.")
tenants.command("bot.cli.tenants:enable", name="enable", help="Serve it again.")
tenants.command("bot.cli.tenants:rotate_secret", name="rotate-secret", help="Replace one of its secrets.")
app.command(tenants)

token = App(name="token", help="Say who may use the JSON API.")
token.command("bot.cli.token:create", name="create", help="Make a token and show it, once.")
token.command("bot.cli.token:show", name="list", help="List tokens, also those that are over.")
token.command("bot.cli.token:revoke", name="revoke", help="End a token.")
app.command(token)

broadcast = App(name="broadcast", help="Write to many people, once each.")
for _name, _help in {
    "draft": "Prepare one, and show how many people it would go to.",
    "start": "Send it, now or later.",
    "pause": "Stop handing on.",
    "resume": "Go on where it paused.",
    "cancel": "End it.",
    "retry": "Try again with those whose message failed.",
    "status": "Show how far it is, or the latest ones.",
}.items():
    broadcast.command(f"bot.cli.broadcast:{_name}", name=_name, help=_help)
app.command(broadcast)

understanding = App(name="nlu", help="Try, measure and improve how messages are understood.")
understanding.command("bot.cli.nlu:attempt", name="try", help="Show what a message is taken for, and why.")
understanding.command("bot.cli.nlu:evaluate", name="eval", help="Measure it, on a file or on the own examples.")
understanding.command(
    "bot.cli.unmatched:unmatched", name="unmatched", help="Show what was not understood, alike messages together."
)
understanding.command("bot.cli.nlu:add", name="add", help="Make a message an example, with a test.")
app.command(understanding)

keys = App(name="keys", help="Replace the secret key while everything runs.")
keys.command("bot.cli.keys:rotate", name="rotate", help="Put the next key in the place of the current one.")
keys.command("bot.cli.keys:status", name="status", help="Show which keys there are, and how far replacing one is.")
app.command(keys)

audit = App(name="audit", help="Look after the audit log.")
audit.command("bot.cli.audit:verify", name="verify", help="Find out whether anybody has changed the audit log.")
app.command(audit)


def main() -> None:
    """Run the command line; errors of ours, and files that cannot be read or written, end it without a traceback."""
    try:
        result = app(sys.argv[1:])
    except ConfigError as error:
        _fail("The settings cannot be used:", error.problems, _WHERE)
    except ContentErrors as error:
        _fail("The content cannot be used (try `bot check`):", [str(problem) for problem in error.errors])
    except SirdarError as error:
        _fail(str(error), [])
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output has read enough: `bot check | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains once more at its end
        sys.exit(141)
    except OSError as error:
        if error.filename is None:  # no file of the author's: a fault of ours or the network's
            raise
        _fail(f"{error.filename}: {error.strerror}.", [])
    sys.exit(result if isinstance(result, int) else 0)


def _fail(headline: str, problems: list[str], footer: str = "") -> None:
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(headline, style="bold red", markup=False)
    for problem in problems:
        console.print(f"  • {problem}", markup=False)
    if footer:
        console.print(footer, style="dim")
    sys.exit(2)
