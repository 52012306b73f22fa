"""What providers' error codes mean: tables (`errors.csv` beside each provider), read once.

A row says what kind of refusal a code is (`fault`, which decides whether the message is tried again), what else is to
be done (`effect`), and what to tell the operator. Decisions hang on the code alone: words change, and the HTTP status
is no guide (Meta answers throttling with 400).
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from providers.base import Effect, Fault, Problem

MAX_DETAIL = 300

# Message ids (base64 with the number in them), Twilio's sids, business-scoped ids, and phone numbers with their
# separators; but not "(#131009) 20 characters".
_PEOPLE = re.compile(
    r"wamid\.[\w+/=-]+|\b(?:SM|MM)[0-9a-f]{32}\b|\b[A-Z]{2}\.(?:ENT\.)?\w{6,}|(?<![#\d])\+?\d(?:[ ().-]{0,2}\d){6,}"
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an error code says: `fault` and `effect` for the sender, `text` for the operator, `source` for doubters."""

    fault: Fault
    text: str
    source: str
    effect: Effect = Effect.NONE


NEW_REFUSAL = Meaning(Fault.REQUEST, "A code we do not know. Look it up in the provider's list.", "our caution")
NEW_TROUBLE = Meaning(Fault.TRANSIENT, "A code we do not know, marked as temporary.", "our caution")


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """A provider's error codes.

    Attributes:
        meanings: By code.
        ranges: Codes that share a meaning: first, last, meaning. Looked at when the code itself is not known.
    """

    meanings: Mapping[int, Meaning]
    ranges: Sequence[tuple[int, int, Meaning]] = ()

    def meaning(self, code: int | None, *, temporary: bool = False) -> Meaning:
        """Say what an error code means.

        Args:
            code: The provider's code; None when the error has none.
            temporary: Whether the answer looks temporary (HTTP 5xx). Decides for unknown codes only.
        """
        if code is not None:
            if known := self.meanings.get(code):
                return known
            for first, last, shared in self.ranges:
                if first <= code <= last:
                    return shared
        return NEW_TROUBLE if temporary else NEW_REFUSAL

    def problem(self, code: int | None, detail: str = "", *, temporary: bool = False) -> Problem:
        """The problem that a code stands for; `detail` has no personal data in it (see `without_people`)."""
        meaning = self.meaning(code, temporary=temporary)
        kept = code if code is not None and abs(code) < 2**31 else None
        return Problem(fault=meaning.fault, code=kept, detail=detail, effect=meaning.effect)


def read_table(path: Path, sources: Mapping[str, str]) -> dict[int, Meaning]:
    """Read a table of meanings; `sources` spells out what its last column but one abbreviates."""
    with path.open(encoding="utf-8", newline="") as file:
        return {
            int(row["code"]): Meaning(Fault(row["fault"]), row["text"], sources[row["source"]], Effect(row["effect"]))
            for row in csv.DictReader(file)
        }


def without_people(text: str) -> str:
    """Blot out phone numbers, business-scoped ids and message ids: this goes to logs and screens."""
    return _PEOPLE.sub("…", text)
