"""What a trained model is made of, as named arrays: so that it can be kept, and used again without training."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]
"""Names such as `features.seen`, and what they hold."""
_SIGNS = "surrogatepass"
_BETWEEN = "\n"


def packed(words: Iterable[str]) -> npt.NDArray[np.uint8]:
    """Words as one array; none of them has a line's end in it."""
    return np.frombuffer(_BETWEEN.join(words).encode("utf-8", _SIGNS), np.uint8)


def unpacked(array: npt.NDArray[Any]) -> list[str]:
    """The words of such an array. What stands for one empty word and for none is read as none."""
    text = array.astype(np.uint8, copy=False).tobytes().decode("utf-8", _SIGNS)
    return text.split(_BETWEEN) if text else []


def named(name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """The arrays of a part, with its name before theirs."""
    return {f"{name}.{own}": array for own, array in arrays.items()}


def part(name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """The other way round: the arrays of one part."""
    begin = f"{name}."
    return {own.removeprefix(begin): array for own, array in arrays.items() if own.startswith(begin)}
