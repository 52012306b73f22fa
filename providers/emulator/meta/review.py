"""The life of a template over HTTP: handed in, reviewed, edited, paused, archived, deleted; the bot hears each step."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from providers.emulator.exchange import Exchange
from providers.emulator.meta.errors import GraphError, refusal_error
from providers.emulator.meta.events import MetaEvents
from providers.emulator.meta.fields import Field
from providers.emulator.meta.templates import CATEGORIES, STATUSES, Template, Templates
from providers.emulator.phones import EmulatorError
from providers.emulator.webhooks import Letter, Webhook

_HOUR = timedelta(hours=1)
CREATIONS_PER_HOUR = 100
SCORES = ("GREEN", "YELLOW", "RED", "UNKNOWN")
_EDITABLE = ("APPROVED", "REJECTED", "PAUSED")


class ReviewDesk:
    """Reviewers, who approve at once or after a while, and whatever else happens to templates."""

    def __init__(self, exchange: Exchange, events: MetaEvents, templates: Templates) -> None:
        self._exchange = exchange
        self._events = events
        self._templates = templates
        self.verdicts: dict[str, tuple[str, str]] = {}

    def admit(self) -> None:
        """Let a call about templates pass, unless a fault or a limit is in its way."""
        refusal = self._exchange.faults.take_refusal("templates")
        if refusal is not None:
            raise refusal_error(refusal)
        if self._exchange.limits.full("management", self._exchange.settings.management_limit, _HOUR):
            raise GraphError(80007, "The WhatsApp Business Account has reached its rate limit.")

    def create(self, body: Field) -> Template:
        """Take a template in; its verdict comes later by webhook."""
        if self._exchange.limits.full("creations", CREATIONS_PER_HOUR, _HOUR):
            raise GraphError(80008, f"At most {CREATIONS_PER_HOUR} templates can be created per hour.")
        template = self._templates.create(body, str(self._exchange.chance.randrange(10**14, 10**15)))
        template.scored_at = self._exchange.clock.now()
        self._review(template)
        return template

    def edit(self, template: Template, body: Field) -> None:
        """Change a template, which sends it back to the reviewers."""
        if template.status not in _EDITABLE:
            raise GraphError(100, f"A template can be edited when it is {', '.join(_EDITABLE)}", subcode=2593002)
        wanted = body.get("category")
        if wanted is not None and template.status == "APPROVED" and wanted.value != template.category:
            raise GraphError(100, "The category of an approved template cannot change", subcode=2593002)
        within = timedelta(hours=24)
        if template.status == "APPROVED" and self._exchange.limits.full(f"edits {template.id}", 1, within):
            raise GraphError(100, "An approved template can be edited once in 24 hours", subcode=2593002)
        self._templates.edit(template, body)
        template.status = "PENDING"
        self._tell(self._events.template_components(template.json(), self._exchange.clock.now()), template)
        self._review(template)

    def unpause(self, template: Template) -> dict[str, Any]:
        """End a pause early."""
        if template.status != "PAUSED":
            return {"success": False, "reason": "The template is not paused"}
        self.move([template], "APPROVED")
        return {"success": True}

    def delete(self, doomed: Iterable[Template]) -> None:
        """Delete templates; approved ones go through PENDING_DELETION."""
        for template in doomed:
            self._templates.remove(template)
            if template.status == "APPROVED":
                self._announce(template, "PENDING_DELETION", after=timedelta(0))

    def control(self, name: str, wanted: dict[str, Any]) -> None:
        """Do what a test asks: `status` (with `reason`), `quality`, `category`; or `verdict` of the next review.

        Raises:
            EmulatorError: There is no such template, status, score or category.
        """
        reason = str(wanted.get("reason", ""))
        if not wanted.keys() & {"status", "quality", "category", "verdict"}:
            raise EmulatorError("a template gets a status, quality, category or verdict")
        if "verdict" in wanted:
            self.verdicts[name] = (_one_of(wanted["verdict"], STATUSES), reason)
        if "status" in wanted:
            status = str(wanted["status"])
            self.move(self._templates.named(name, status), status, reason=reason)
        if "quality" in wanted:
            self._set_quality(name, _one_of(wanted["quality"], SCORES))
        if "category" in wanted:
            self._set_category(name, _one_of(wanted["category"], CATEGORIES))

    def _set_quality(self, name: str, score: str) -> None:
        for template in self._found(name):
            before, template.quality = template.quality, score
            template.scored_at = self._exchange.clock.now()
            self._tell(self._events.template_quality(template.json(), before, score, template.scored_at), template)

    def _set_category(self, name: str, category: str) -> None:
        for template in self._found(name):
            before, template.category = template.category, category
            self._tell(
                self._events.template_category(template.json(), before, category, self._exchange.clock.now()), template
            )

    def move(self, templates: Iterable[Template], status: str, *, reason: str = "") -> None:
        """Give templates a status at once."""
        for template in templates:
            template.rejected_reason = reason or "NONE"
            self._announce(template, status, after=timedelta(0))

    def _found(self, name: str) -> list[Template]:
        found = self._templates.chosen(name=name)
        if not found:
            raise EmulatorError(f"no template is called {name!r}")
        return found

    def _review(self, template: Template) -> None:
        status, reason = self.verdicts.get(template.name, ("APPROVED", ""))
        template.rejected_reason = reason or "NONE"
        if status != "PENDING":
            self._announce(template, status, after=self._exchange.settings.approval_delay)

    def _announce(self, template: Template, status: str, *, after: timedelta) -> None:
        def write() -> Webhook:
            template.status = status
            return self._events.template_status(template.json(), status, self._exchange.clock.now())

        if not after:
            template.status = status
        self._exchange.courier.post(f"template {template.id}", Letter(write=write, after=after))

    def _tell(self, webhook: Webhook, template: Template) -> None:
        self._exchange.courier.post(f"template {template.id}", Letter(write=lambda: webhook))


def _one_of(value: object, allowed: Iterable[str]) -> str:
    words = tuple(allowed)
    if value not in words:
        raise EmulatorError(f"{value!r} is not one of {', '.join(words)}")
    return str(value)
