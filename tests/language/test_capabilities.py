"""Every capability of the flow language is walked in a conversation, on every way through the small flows here."""

from pathlib import Path

from bot.authoring.testing.coverage import measure
from bot.authoring.testing.suite import Broken, files_among, open_suite
from bot.operations import standard_actions

HERE = Path(__file__).parent
CAPABILITIES = {
    "typed slots, and what will not do": ("slot_types", "slot_types_in_hindi", "one_message"),
    "rules across slots": ("rules",),
    "nested states": ("nested_states",),
    "called flows with typed inputs and outputs": ("called_flow",),
    "digression, and where it is switched off": ("digress",),
    "universals: help, back, cancel, restart, repeat": ("universals",),
    "going back past a receipt": ("receipts",),
    "typed labels, numbers, synonyms, typing mistakes": ("typed_labels",),
    "paging": ("pages",),
    "numbers for who never taps": ("never_taps",),
    "late taps": ("late_taps",),
    "quiet hours": ("quiet_hours", "quiet_elsewhere"),
    "overdue timers after an outage": ("outage",),
    "STOP and START": ("stop_and_start", "stop_in_hindi"),
    "words outside of the 24-hour window": ("held",),
    "a language for each person, with fallback": ("language_fallback",),
    "wordings tried against each other": ("variants",),
    "receipts, duplicates and crashes": ("receipts",),
    "actions that refuse": ("refused",),
    "telling everybody with a role": ("notify",),
    "business objects, commands, files and events": ("business_events",),
    "versions and migrations": ("migrations", "migrations_orphans", "migrations_beside"),
}


def test_every_capability_has_its_conversations() -> None:
    named = {name for names in CAPABILITIES.values() for name in names}
    assert named == {path.stem for path in (HERE / "tests").glob("*.yaml")} - {"shared"}


def test_the_conversations_take_every_way_through_the_flows() -> None:
    suite = open_suite(HERE, standard_actions(), HERE / "tests")
    outcomes = [suite.play(path) for path in files_among(suite, [])]
    taken = {hit for one in outcomes if not isinstance(one, Broken) for hit in one.hits}
    covers = measure(suite.project.book, suite.files, taken)
    missing = [f"{edge.at}: {edge.source} → {edge.to} on {edge.trigger}" for one in covers for edge in one.missing]
    assert not missing, "\n".join(missing)
