"""The encoder's graph, rewritten so that products are computed in the 8 bits that its weights are kept in.

The model as it comes keeps weights as `int8` and widens them to floats before anything is computed: four times the
memory to read for each message, and that is what a message waits for. Here, each

    MatMul(x, Mul(Cast(weights), scale))    becomes    DynamicQuantizeMatMul(x, weights, scale)

which rounds `x` to 8 bits as well; and of a table of embeddings, the rows that are wanted are widened, not the table.

The steps that `x` is rounded in are as wide as its whole range wants, and a few directions of this model (`_LOUD`,
`_LOUD_WITHIN`) carry values up to thirty times those of the others. What these contribute is computed apart, in floats:

    Add(DynamicQuantizeMatMul(x without them, weights, scale), MatMul(these of x, their rows of the weights))

Sentences are so 8 times nearer to what floats make of them (0.0007 instead of 0.0055 from a likeness of 1, on 60
messages), and the loud directions take 6 % of the time.

A model is a protocol buffer (github.com/onnx/onnx, onnx.proto): messages of numbered fields, some of them messages
again. What is not named here is copied as it is.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_GRAPH, _OPSETS = 7, 8  # of a model
_NODE, _INITIALIZER, _RESULT = 1, 5, 12  # of a graph
_INPUT, _OUTPUT, _OPERATION, _ATTRIBUTE, _DOMAIN = 1, 2, 4, 5, 7  # of a node
_DIMENSION, _KIND, _NAME, _RAW = 1, 2, 8, 9  # of a tensor
_KINDS = {np.dtype(np.float32): 1, np.dtype(np.int64): 7}
_RUNTIME_DOMAIN, _RUNTIME_VERSION = b"com.microsoft", 1
_MIDDLE = b"layer_norm_8"
_LOUD = (99, 223)
"""Directions of what is between the layers, found by looking at 60 messages."""
_LOUD_WITHIN = {b"gelu": (856,), b"gelu_1": (607,), b"gelu_2": (218, 1004), b"gelu_3": (358,)}
"""Of what is within a layer, by its name."""
_LAST_AXIS = bytes([1 << 3 | 2, 4, *b"axis", 3 << 3, 2, 0xA0, 0x01, 2])
"""An attribute of a node: `axis` is 2, and that is an integer."""
_BYTES = 2
"""The wire type of what has a length; of the others, the graph's parts have only numbers (0) and floats (5)."""


@dataclass(frozen=True, slots=True)
class _Node:
    """One operation, without its name and what else says nothing to who computes it."""

    operation: bytes
    inputs: Sequence[bytes]
    outputs: Sequence[bytes]
    attributes: Sequence[bytes] = ()
    domain: bytes = b""

    @classmethod
    def of(cls, message: bytes) -> "_Node":
        parts: dict[int, list[bytes]] = defaultdict(list)
        for number, value, _ in _fields(message):
            parts[number].append(value)
        return cls(parts[_OPERATION][0], parts[_INPUT], parts[_OUTPUT], parts[_ATTRIBUTE])

    def written(self) -> bytes:
        names = [(_INPUT, name) for name in self.inputs] + [(_OUTPUT, name) for name in self.outputs]
        rest = [(_OPERATION, self.operation), *((_ATTRIBUTE, one) for one in self.attributes), (_DOMAIN, self.domain)]
        return b"".join(_field(number, value) for number, value in [*names, *rest])


def with_middle(model: bytes) -> bytes:
    """The model, giving what its fourth of six layers makes of each piece as well.

    Parts of the same message that follow each other are one, so the second result is simply written behind.
    """
    floats = _field(2, _field(1, bytes([1 << 3, _KINDS[np.dtype(np.float32)]])))
    return model + _field(_GRAPH, _field(_RESULT, _field(1, _MIDDLE) + floats))


def in_eight_bits(model: bytes) -> bytes:
    """The model, computing in 8 bits.

    Raises:
        ValueError, IndexError, KeyError: It is not of the form we know.
    """
    parts = list(_fields(model))
    graph = next(value for number, value, _ in parts if number == _GRAPH)
    operators = _field(1, _RUNTIME_DOMAIN) + bytes([_BYTES << 3, _RUNTIME_VERSION])
    kept = b"".join(raw for number, _, raw in parts if number != _GRAPH)
    return kept + _field(_OPSETS, operators) + _field(_GRAPH, _rewritten(graph))


def _rewritten(graph: bytes) -> bytes:
    parts = list(_fields(graph))
    nodes = [_Node.of(value) for number, value, _ in parts if number == _NODE]
    products = _Products({_name(value): value for number, value, _ in parts if number == _INITIALIZER})
    normalised = {node.outputs[0] for node in nodes if node.operation == b"LayerNormalization"}
    widened = _widened(nodes)
    rest: set[bytes] = set()
    """What is computed for the products and look-ups themselves, and by no other node needed."""
    made: list[_Node] = []
    for node in nodes:
        place = {b"MatMul": 1, b"Gather": 0}.get(node.operation)
        cast, scale, wide = widened.get(node.inputs[place], (None, b"", b"")) if place is not None else (None, b"", b"")
        if cast is None:
            made.append(node)
            continue
        rest |= {wide, cast.outputs[0]}
        if place:
            given = node.inputs[0]
            loud = _LOUD if given in normalised else _LOUD_WITHIN.get(given, ())
            made += products.made(node, cast.inputs[0], scale, loud)
        else:
            made += _looked_up(node, cast, scale)
    unused = {node.outputs[0] for node in made} & rest
    kept = [_field(_NODE, node.written()) for node in made if node.outputs[0] not in unused]
    tensors = [_field(_INITIALIZER, tensor) for tensor in products.tensors.values()]
    return b"".join([*kept, *tensors, *(raw for number, _, raw in parts if number not in {_NODE, _INITIALIZER})])


class _Products:
    """Products in 8 bits. `tensors` are those of the graph, by name, and more the more is made."""

    def __init__(self, tensors: Mapping[bytes, bytes]) -> None:
        self.tensors = dict(tensors)
        self._parted: set[bytes] = set()

    def made(self, node: _Node, weights: bytes, scale: bytes, loud: Sequence[int]) -> list[_Node]:
        """What takes the place of a product.

        Args:
            node: The product.
            weights: The name of its weights.
            scale: The name of their scales, one for each column.
            loud: The directions of what is given that are computed apart.
        """
        scales = _numbers(self.tensors[scale], np.float32)
        self.tensors[scale] = _tensor(scale, scales)
        given, (result,) = node.inputs[0], node.outputs
        if not loud:
            return [_in_bits(given, weights, scale, result)]
        quiet, few, rows, sums = (name + end for name, end in zip(
            (given, given, weights, result), (b"_quiet", b"_loud", b"_loud", b"_loud"), strict=True
        ))  # fmt: skip
        table = _numbers(self.tensors[weights], np.int8).reshape(-1, len(scales))
        self.tensors[rows] = _tensor(rows, table[list(loud)] * scales)
        return [
            *self._parts(given, quiet, few, len(table), loud),
            _in_bits(quiet, weights, scale, result + b"_quiet"),
            _Node(b"MatMul", (few, rows), (sums,)),
            _Node(b"Add", (result + b"_quiet", sums), (result,)),
        ]

    def _parts(self, given: bytes, quiet: bytes, few: bytes, width: int, loud: Sequence[int]) -> list[_Node]:
        """What is given without its loud directions, and these alone; once for all products it is given to."""
        if given in self._parted:
            return []
        self._parted.add(given)
        kept = np.ones(width, np.float32)
        kept[list(loud)] = 0
        mask, places = given + b"_mask", given + b"_places"
        self.tensors |= {mask: _tensor(mask, kept), places: _tensor(places, np.array(loud, np.int64))}
        return [_Node(b"Mul", (given, mask), (quiet,)), _Node(b"Gather", (given, places), (few,), (_LAST_AXIS,))]


def _in_bits(given: bytes, weights: bytes, scale: bytes, result: bytes) -> _Node:
    return _Node(b"DynamicQuantizeMatMul", (given, weights, scale), (result,), domain=_RUNTIME_DOMAIN)


def _widened(nodes: Sequence[_Node]) -> Mapping[bytes, tuple[_Node, bytes, bytes]]:
    """What is weights times their scale: its name → how the weights are widened, the scale's name, its own name."""
    casts = {node.outputs[0]: node for node in nodes if node.operation == b"Cast" and node.inputs[0].endswith(b"_q")}
    return {
        node.outputs[0]: (casts[node.inputs[0]], node.inputs[1], node.outputs[0])
        for node in nodes
        if node.operation == b"Mul" and node.inputs[0] in casts
    }


def _looked_up(node: _Node, cast: _Node, scale: bytes) -> list[_Node]:
    """Rows of a table, widened after they are taken."""
    rows, lengths, wide = (node.outputs[0] + end for end in (b"_rows", b"_scales", b"_wide"))
    return [
        _Node(b"Gather", (cast.inputs[0], node.inputs[1]), (rows,), node.attributes),
        _Node(b"Gather", (scale, node.inputs[1]), (lengths,), node.attributes),
        _Node(b"Cast", (rows,), (wide,), cast.attributes),
        _Node(b"Mul", (wide, lengths), node.outputs),
    ]


def _name(tensor: bytes) -> bytes:
    return next(value for number, value, _ in _fields(tensor) if number == _NAME)


def _numbers(tensor: bytes, kind: Any) -> npt.NDArray[Any]:
    """The numbers of a tensor, in one row."""
    return np.frombuffer(next(value for number, value, _ in _fields(tensor) if number == _RAW), kind)


def _tensor(name: bytes, numbers: npt.NDArray[Any]) -> bytes:
    lengths = b"".join(bytes([_DIMENSION << 3]) + _written(length) for length in numbers.shape)
    kind = bytes([_KIND << 3, _KINDS[numbers.dtype]])
    return lengths + kind + _field(_NAME, name) + _field(_RAW, numbers.tobytes())


# --- The wire format (protobuf.dev/programming-guides/encoding) -------------------------------------------------------


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, content (empty where it has no length), and the whole as it is written."""
    place = 0
    while place < len(message):
        begin = place
        key, place = _number(message, place)
        value = b""
        match key & 7:
            case 0:
                _, place = _number(message, place)
            case 1:
                place += 8
            case 2:
                length, place = _number(message, place)
                value = message[place : place + length]
                place += length
            case 5:
                place += 4
            case _:
                raise ValueError("not a model")
        yield key >> 3, value, message[begin:place]


def _number(message: bytes, place: int) -> tuple[int, int]:
    """A number, and where it ends: seven bits a byte, the lowest first."""
    number = shift = 0
    while True:
        byte = message[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return number, place


def _written(number: int) -> bytes:
    """The other way round."""
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _field(number: int, value: bytes) -> bytes:
    """A field with a length; nothing for the empty text, which is what a missing field means."""
    return bytes([number << 3 | _BYTES]) + _written(len(value)) + value if value else b""
