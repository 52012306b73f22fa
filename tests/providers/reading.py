"""Items of a webhook as JSON for a person to read."""

import json
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any


def plain(value: Any) -> Any:
    """An item as JSON for a person to read: its type, then its fields; empty ones left out."""
    if is_dataclass(value):
        filled = {f.name: plain(getattr(value, f.name)) for f in fields(value)}
        return {"": type(value).__name__, **{k: v for k, v in filled.items() if v not in (None, "", False)}}
    match value:
        case Enum():
            return value.value
        case datetime():
            return value.isoformat()
        case Decimal():
            return str(value)
        case bytes():
            return json.loads(value)
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
    return value
