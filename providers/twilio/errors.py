"""Twilio's error codes: `errors.csv` says what each one means.

Two kinds of source stand behind its rows: `docs` (Twilio, "Error and warning dictionary", as of 2026, and the texts
in nyaruka/courier), `partner` (other people's pages only).
"""

from pathlib import Path

from providers.errors import MAX_DETAIL, Catalogue, read_table, without_people
from providers.fields import clean

DOCS = "https://www.twilio.com/docs/api/errors"
PARTNER = "partners' documentation"

CATALOGUE = Catalogue(
    meanings=read_table(Path(__file__).with_name("errors.csv"), {"docs": DOCS, "partner": PARTNER}),
)


def words(text: str) -> str:
    """What Twilio says, short and without personal data."""
    return without_people(clean(" ".join(text[: 4 * MAX_DETAIL].split())))[:MAX_DETAIL]
