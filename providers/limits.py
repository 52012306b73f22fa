"""Limits of a number as providers write them: `TIER_2K`, `TIER_UNLIMITED`, -1, `10K Customers/24hr`, `HIGH`."""

import re
from typing import Any

ANY_NUMBER = -1

THROUGHPUTS = {"STANDARD": 80, "HIGH": 1000}
"""Messages per second of Meta's levels, in and out together. Source: Meta, "Throughput", 2026."""

_TIER = re.compile(r"(?:TIER_)?(\d{1,9})(K|M)?(?:\s+customers.*)?", re.IGNORECASE)
_TIMES = {"": 1, "K": 1000, "M": 1_000_000}


def read_reach(told: Any) -> int | None:
    """How many people may be written to in a day: `ANY_NUMBER` for any, None when it does not say."""
    if isinstance(told, int) and not isinstance(told, bool):
        return ANY_NUMBER if told < 0 else min(told, 2**31 - 1)
    if not isinstance(told, str):
        return None
    if told.strip().upper() in ("TIER_UNLIMITED", "UNLIMITED", "-1"):
        return ANY_NUMBER
    found = _TIER.fullmatch(told.strip())
    return min(int(found[1]) * _TIMES[(found[2] or "").upper()], 2**31 - 1) if found else None
