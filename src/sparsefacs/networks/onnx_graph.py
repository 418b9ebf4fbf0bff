"""A network of a few layers as an ONNX model in memory, weights and all: what onnxruntime needs to run it, no more.

Written by the field numbers of ONNX's own onnx.proto3, so that neither torch nor onnx is needed to code a face.
"""

import numpy as np
from numpy.typing import NDArray

from ..wire import field

_IR, _OPSET = 9, 17
_FLOAT = 1  # TensorProto.DataType
_INT, _INTS = 2, 7  # AttributeProto.AttributeType


class OnnxGraph:
    """Layers one after the other, from input `given` (B, *shape) float32 to the output that `content` names."""

    def __init__(self, given: str, shape: tuple[int, ...]) -> None:
        self._input = field(11, _value(given, shape))
        self._nodes: list[bytes] = []
        self._weights: list[bytes] = []

    def weight(self, values: NDArray[np.floating]) -> str:
        """Add a constant, as float32, and return its name."""
        name = f"w{len(self._weights)}"
        dims = b"".join(field(1, size) for size in values.shape)
        content = field(9, np.ascontiguousarray(values, "<f4").tobytes())
        self._weights.append(field(5, dims + field(2, _FLOAT) + field(8, name.encode()) + content))
        return name

    def node(self, kind: str, *inputs: str, **attributes: int | tuple[int, ...]) -> str:
        """Add an operator of ONNX and return the name of its output."""
        name = f"n{len(self._nodes)}"
        told = b"".join(field(1, each.encode()) for each in inputs)
        told += field(2, name.encode()) + field(4, kind.encode())
        for key, value in attributes.items():
            if isinstance(value, int):
                content = field(3, value) + field(20, _INT)
            else:
                content = b"".join(field(8, each) for each in value) + field(20, _INTS)
            told += field(5, field(1, key.encode()) + content)
        self._nodes.append(field(1, told))
        return name

    def content(self, output: str, width: int) -> bytes:
        """Return the model, whose answer is `output` (B, width)."""
        graph = [*self._nodes, field(2, b"faces"), *self._weights, self._input, field(12, _value(output, (width,)))]
        return field(1, _IR) + field(8, field(2, _OPSET)) + field(7, b"".join(graph))


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    """Return what a model says of an input or output (B, *shape) float32."""
    sizes = [field(1, field(2, b"B")), *(field(1, field(1, size)) for size in shape)]
    tensor = field(1, _FLOAT) + field(2, b"".join(sizes))
    return field(1, name.encode()) + field(2, field(1, tensor))
