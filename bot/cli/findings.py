"""What the checkups of `bot doctor` find."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warn", "fail"]

HTTP_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the list. `remedy` is what to do, where there is something to do."""

    group: str
    name: str
    verdict: Verdict
    told: str
    remedy: str = ""
