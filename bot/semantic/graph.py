"""The encoder's graph, rewritten so that products are computed in the 8 bits that its weights are kept in.

The model as it comes keeps weights as `int8` and widens them to floats before anything is computed: four times the
memory to read for each message, and that is what a message waits for. Here, each

    MatMul(x, Mul(Cast(weights), scale))    becomes    DynamicQuantizeMatMul(x, weights, scale)

which rounds `x` to 8 bits as well; and of a table of embeddings, the rows that are wanted are widened, not the table.

A model is a protocol buffer (github.com/onnx/onnx, onnx.proto): messages of numbered fields, some of them messages
again. What is not named here is copied as it is.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_GRAPH, _OPSETS = 7, 8  # of a model
_NODE, _INITIALIZER = 1, 5  # of a graph
_INPUT, _OUTPUT, _OPERATION, _ATTRIBUTE, _DOMAIN = 1, 2, 4, 5, 7  # of a node
_DIMENSION, _NAME = 1, 8  # of a tensor
_RUNTIME_DOMAIN, _RUNTIME_VERSION = b"com.microsoft", 1
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
    widened = _widened(nodes)
    scales: set[bytes] = set()
    rest: set[bytes] = set()
    """What is computed for the products and look-ups themselves, and by no other node needed."""
    written: list[bytes] = []
    for node in nodes:
        place = {b"MatMul": 1, b"Gather": 0}.get(node.operation)
        cast, scale, made = widened.get(node.inputs[place], (None, b"", b"")) if place is not None else (None, b"", b"")
        if cast is None:
            written.append(node.written())
        elif place:
            scales.add(scale)
            rest |= {made, cast.outputs[0]}
            inputs = (node.inputs[0], cast.inputs[0], scale)
            written.append(_Node(b"DynamicQuantizeMatMul", inputs, node.outputs, domain=_RUNTIME_DOMAIN).written())
        else:
            rest |= {made, cast.outputs[0]}
            written += _looked_up(node, cast, scale)
    unused = {_Node.of(one).outputs[0] for one in written} & rest
    kept = [one for one in written if _Node.of(one).outputs[0] not in unused]
    others = [
        _field(_INITIALIZER, _in_one_row(value)) if number == _INITIALIZER and _name(value) in scales else raw
        for number, value, raw in parts
        if number != _NODE
    ]
    return b"".join([*(_field(_NODE, one) for one in kept), *others])


def _widened(nodes: Sequence[_Node]) -> Mapping[bytes, tuple[_Node, bytes, bytes]]:
    """What is weights times their scale: its name → how the weights are widened, the scale's name, its own name."""
    casts = {node.outputs[0]: node for node in nodes if node.operation == b"Cast" and node.inputs[0].endswith(b"_q")}
    return {
        node.outputs[0]: (casts[node.inputs[0]], node.inputs[1], node.outputs[0])
        for node in nodes
        if node.operation == b"Mul" and node.inputs[0] in casts
    }


def _looked_up(node: _Node, cast: _Node, scale: bytes) -> list[bytes]:
    """Rows of a table, widened after they are taken."""
    rows, lengths, wide = (node.outputs[0] + end for end in (b"_rows", b"_scales", b"_wide"))
    steps = (
        _Node(b"Gather", (cast.inputs[0], node.inputs[1]), (rows,), node.attributes),
        _Node(b"Gather", (scale, node.inputs[1]), (lengths,), node.attributes),
        _Node(b"Cast", (rows,), (wide,), cast.attributes),
        _Node(b"Mul", (wide, lengths), node.outputs),
    )
    return [step.written() for step in steps]


def _name(tensor: bytes) -> bytes:
    return next(value for number, value, _ in _fields(tensor) if number == _NAME)


def _in_one_row(tensor: bytes) -> bytes:
    """A tensor of 1 × n as one of n."""
    parts = list(_fields(tensor))
    packed = any(number == _DIMENSION and value for number, value, _ in parts)
    if packed:
        return b"".join(
            _field(number, value[1:]) if number == _DIMENSION else raw for number, value, raw in parts
        )  # 1 is one byte
    first = next(place for place, (number, _, _) in enumerate(parts) if number == _DIMENSION)
    return b"".join(raw for place, (_, _, raw) in enumerate(parts) if place != first)


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


def _field(number: int, value: bytes) -> bytes:
    """A field with a length; nothing for the empty text, which is what a missing field means."""
    if not value:
        return b""
    length, rest = bytearray(), len(value)
    while rest >= 0x80:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    length.append(rest)
    return bytes([number << 3 | _BYTES]) + bytes(length) + value
