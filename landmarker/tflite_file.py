"""Reads a network from a .tflite file: its operators, shapes and constants."""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CODES = {
    **{0: "ADD", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 6: "DEQUANTIZE", 14: "LOGISTIC"},
    **{17: "MAX_POOL_2D", 18: "MUL", 19: "RELU", 22: "RESHAPE", 34: "PAD", 39: "TRANSPOSE", 40: "MEAN", 41: "SUB"},
    **{42: "DIV", 45: "STRIDED_SLICE", 54: "PRELU", 59: "NEG", 74: "SUM", 75: "SQRT", 76: "RSQRT"},
    99: "SQUARED_DIFFERENCE",
}
"""TFLite's numbers of the operators that are known here."""
KINDS = {0: np.float32, 1: np.float16, 2: np.int32}  # of a tensor's numbers


class Table:
    """A table of a FlatBuffers file, whose fields are asked for by their number in TFLite's schema."""

    def __init__(self, content: bytes, at: int) -> None:
        self._content, self._at = content, at
        self._fields = at - self._number("<i", at)

    def _number(self, form: str, at: int) -> int:
        return int(struct.unpack_from(form, self._content, at)[0])

    def _place(self, field: int) -> int:
        """Return where a field lies; 0 where it is left out."""
        at = 4 + 2 * field
        shift = self._number("<H", self._fields + at) if at < self._number("<H", self._fields) else 0
        return self._at + shift if shift else 0

    def number(self, field: int, form: str = "<i", default: int = 0) -> int:
        """Return a number."""
        at = self._place(field)
        return self._number(form, at) if at else default

    def numbers(self, field: int, kind: type) -> NDArray[Any]:
        """Return a vector of numbers, empty where it is left out."""
        if not (at := self._place(field)):
            return np.empty(0, kind)
        at += self._number("<I", at)
        return np.frombuffer(self._content, kind, self._number("<I", at), at + 4)

    def table(self, field: int) -> "Table | None":
        """Return a table in this one."""
        at = self._place(field)
        return Table(self._content, at + self._number("<I", at)) if at else None

    def tables(self, field: int) -> "list[Table]":
        """Return a vector of tables."""
        if not (at := self._place(field)):
            return []
        at += self._number("<I", at)
        places = [at + 4 + 4 * n for n in range(self._number("<I", at))]
        return [Table(self._content, place + self._number("<I", place)) for place in places]


@dataclass(frozen=True)
class Operator:
    """An operator: its name, the tensors that go in, the one that comes out, and its options."""

    name: str
    given: list[int]
    out: int
    options: Table | None

    def option(self, field: int, form: str = "<i", default: int = 0) -> int:
        """Return an option by its number in the schema."""
        return default if self.options is None else self.options.number(field, form, default)


class Network:
    """A network as its .tflite file has it."""

    def __init__(self, content: bytes) -> None:
        model = Table(content, struct.unpack_from("<I", content)[0])
        codes = [max(code.number(0, "<b"), code.number(3)) for code in model.tables(1)]
        (graph,) = model.tables(2)
        tensors, buffers = graph.tables(0), model.tables(4)
        self.shapes = [tuple(tensor.numbers(0, np.int32).tolist()) for tensor in tensors]
        self.names = [tensor.numbers(3, np.uint8).tobytes().decode() for tensor in tensors]
        self.constants: dict[int, NDArray[Any]] = {}
        for n, tensor in enumerate(tensors):
            if len(values := buffers[tensor.number(2, "<I")].numbers(0, np.uint8)):
                self.constants[n] = values.view(KINDS[tensor.number(1, "<b")]).reshape(self.shapes[n])
        (self.given,) = graph.numbers(1, np.int32).tolist()
        self.outputs = graph.numbers(2, np.int32).tolist()
        self.operators = []
        for each in graph.tables(3):
            given, (out,) = (each.numbers(field, np.int32).tolist() for field in (1, 2))
            name = CODES[codes[each.number(0, "<I")]]
            if name == "DEQUANTIZE":
                self.constants[out] = self.constants[given[0]].astype(np.float32)
            else:
                self.operators.append(Operator(name, given, out, each.table(4)))

    def users(self, tensor: int) -> list[Operator]:
        """Return the operators that a tensor goes into."""
        return [operator for operator in self.operators if tensor in operator.given]
