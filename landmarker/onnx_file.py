"""Writes a network as ONNX, in the form that onnxruntime runs fast.

Convolutions are written in its order (channels first), and so is PReLU, which it has no fast way for: y + (1 − a)
relu(−y), two passes of one weight a channel. Where a PReLU lies between two convolutions of few channels, these keep
relu(y) and relu(−y) in twice as many.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from tflite_file import Network, Operator

GIVEN = "given"
"""The name of what goes into a network."""
FEW = 8
"""Channels of a convolution that can be doubled at no cost: onnxruntime computes 16 at a time."""
NORMALISED = ["MEAN", "NEG", "SQUARED_DIFFERENCE", "MEAN", "ADD", "RSQRT", "MUL", "MUL", "MUL", "ADD"]
RELU, SAME = 1, 0  # what is fused to a convolution; how its edges are padded


class Writer:
    """Writes a network as ONNX, an operator after the other."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}

    def model(self, outputs: tuple[str, ...]) -> bytes:
        """Return the model with the outputs of these names."""
        network = self.network
        left = network.operators
        while left:
            if [operator.name for operator in left[: len(NORMALISED)]] == NORMALISED:
                self.normalised(left[: len(NORMALISED)])
                left = left[len(NORMALISED) :]
            else:
                self.write(left[0])
                left = left[1:]
        told = []
        for tensor in network.outputs:
            if (name := network.names[tensor]) in outputs:
                self.node("Identity", self.as_given(tensor), out=name)
                told.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, network.shapes[tensor]))
        shape = self.given_shape()
        given = helper.make_tensor_value_info(GIVEN, onnx.TensorProto.FLOAT, shape)
        graph = helper.make_graph(self._needed(outputs), "network", [given], told)
        used = {name for node in graph.node for name in node.input}
        graph.initializer.extend(tensor for name, tensor in self.weights.items() if name in used)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        model.producer_name = "sparsefacs landmarker"
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))

    def _needed(self, outputs: tuple[str, ...]) -> list[onnx.NodeProto]:
        needed, kept = set(outputs), []
        for node in reversed(self.nodes):
            if node.output[0] in needed:
                kept.append(node)
                needed.update(node.input)
        return kept[::-1]

    def node(self, kind: str, *given: str, out: str = "", **attributes: Any) -> str:
        """Add an operator of ONNX; return the name of what comes out."""
        out = out or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(given), [out], **attributes))
        return out

    def constant(self, values: NDArray[Any]) -> str:
        """Add a constant, in half precision where that holds it to the last digit; return its name."""
        name, values = f"w{len(self.weights)}", np.array(values, order="C")
        half = values.astype(np.float16) if values.dtype == np.float32 else None
        if half is None or not np.array_equal(half.astype(np.float32), values):
            self.weights[name] = numpy_helper.from_array(values, name)
            return name
        self.weights[name] = numpy_helper.from_array(half, name)
        return self.node("Cast", name, to=onnx.TensorProto.FLOAT)

    def value(self, tensor: int) -> str:
        """Return the name of a tensor."""
        if tensor in self.network.constants:
            return self.constant(self.network.constants[tensor])
        return GIVEN if tensor == self.network.given else f"t{tensor}"

    def given_shape(self) -> tuple[int, ...]:
        """Return the shape of what goes in."""
        return self.network.shapes[self.network.given]

    def as_given(self, tensor: int) -> str:
        """Return the name of a tensor that lies as TFLite has it."""
        return self.value(tensor)

    def write(self, operator: Operator) -> None:
        """Add what an operator does. Raises KeyError for one that is not known."""
        one: dict[str, str] = {"RELU": "Relu", "LOGISTIC": "Sigmoid", "NEG": "Neg", "SQRT": "Sqrt"}
        two = {"ADD": "Add", "MUL": "Mul", "SUB": "Sub", "DIV": "Div"}
        out = f"t{operator.out}"
        if kind := one.get(operator.name) or two.get(operator.name):
            assert not operator.option(0, "<b"), "nothing is fused to sums"
            self.node(kind, *map(self.value, operator.given), out=out)
            return
        further: dict[str, Callable[[Operator, str], None]] = {
            "CONV_2D": self.convolution,
            "CONCATENATION": self.joined,
            "RESHAPE": self.reshaped,
            "TRANSPOSE": self.transposed,
            "MEAN": self.reduced,
            "SUM": self.reduced,
            "RSQRT": self.root,
            "SQUARED_DIFFERENCE": self.apart,
            "STRIDED_SLICE": self.part,
        }
        further[operator.name](operator, out)

    def convolution(self, operator: Operator, out: str) -> None:
        """Add a convolution of one pixel: a product of matrices."""
        weight, bias = (self.network.constants[n] for n in operator.given[1:])
        assert weight.shape[1:3] == (1, 1) and self.option_strides(operator) == [1, 1]
        product = self.node("MatMul", self.value(operator.given[0]), self.constant(weight[:, 0, 0].T))
        fused = operator.option(3, "<b")
        added = self.node("Add", product, self.constant(bias), out="" if fused else out)
        if fused:
            assert fused == RELU
            self.node("Relu", added, out=out)

    def normalised(self, operators: list[Operator]) -> None:
        """Add what ten operators do together: numbers of mean 0 and variance 1, times a scale."""
        (given, _), small, scale = operators[0].given, operators[4].given[1], operators[6].given[1]
        assert [operators[7].given[0], operators[9].out] == [given, operators[-1].out]
        value, epsilon = self.value(given), float(self.network.constants[small])
        scaled = self.constant(self.network.constants[scale])
        out = f"t{operators[-1].out}"
        self.node("LayerNormalization", value, scaled, out=out, axis=-1, epsilon=epsilon)

    def option_strides(self, operator: Operator) -> list[int]:
        """Return the strides of a convolution or of pooling, height and width."""
        return [operator.option(2), operator.option(1)]

    def joined(self, operator: Operator, out: str) -> None:
        """Add tensors one after the other."""
        self.node("Concat", *map(self.as_given, operator.given), out=out, axis=operator.option(0))

    def reshaped(self, operator: Operator, out: str) -> None:
        """Add another shape."""
        shape = np.array(self.network.shapes[operator.out], np.int64)
        self.node("Reshape", self.as_given(operator.given[0]), self.constant(shape), out=out)

    def transposed(self, operator: Operator, out: str) -> None:
        """Add another order of axes."""
        order = self.network.constants[operator.given[1]].tolist()
        self.node("Transpose", self.value(operator.given[0]), out=out, perm=order)

    def reduced(self, operator: Operator, out: str) -> None:
        """Add a mean or a sum over axes."""
        axes = np.ravel(self.network.constants[operator.given[1]]).astype(np.int64)
        kept, value = operator.option(0, "<b"), self.value(operator.given[0])
        if operator.name == "MEAN":
            self.node("ReduceMean", value, out=out, axes=axes.tolist(), keepdims=kept)
        else:
            self.node("ReduceSum", value, self.constant(axes), out=out, keepdims=kept)

    def root(self, operator: Operator, out: str) -> None:
        """Add 1 / √x."""
        self.node("Reciprocal", self.node("Sqrt", self.value(operator.given[0])), out=out)

    def apart(self, operator: Operator, out: str) -> None:
        """Add (x − y)²."""
        difference = self.node("Sub", *map(self.value, operator.given))
        self.node("Mul", difference, difference, out=out)

    def part(self, operator: Operator, out: str) -> None:
        """Add a part of a tensor."""
        first, last, step = (self.network.constants[n].astype(np.int64) for n in operator.given[1:])
        begin, end, *others, shrunk = (operator.option(n) for n in range(5))
        assert not any(others)
        size = self.network.shapes[operator.given[0]]
        axes = range(len(size))
        first = np.array([0 if begin >> n & 1 else first[n] for n in axes])
        last = np.array([size[n] if end >> n & 1 else last[n] for n in axes])
        last = np.array([first[n] + 1 if shrunk >> n & 1 else last[n] for n in axes])
        bounds = [self.constant(each) for each in (first, last, np.arange(len(size)), step)]
        sliced = self.node("Slice", self.value(operator.given[0]), *bounds)
        self.node("Reshape", sliced, self.constant(np.array(self.network.shapes[operator.out], np.int64)), out=out)


class PictureWriter(Writer):
    """Writes a network that sees a picture, with channels before height and width."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.doubled = self._doubled()

    def given_shape(self) -> tuple[int, ...]:
        """Return the shape of what goes in."""
        batch, height, width, channels = super().given_shape()
        return batch, channels, height, width

    def as_given(self, tensor: int) -> str:
        """Return the name of a tensor that lies as TFLite has it."""
        if len(self.network.shapes[tensor]) < 4:
            return self.value(tensor)
        return self.node("Transpose", self.value(tensor), perm=[0, 2, 3, 1])

    def write(self, operator: Operator) -> None:
        """Add what an operator does. Raises KeyError for one that is not known."""
        out = f"t{operator.out}"
        further: dict[str, Callable[[Operator, str], None]] = {
            "CONV_2D": self.convolution,
            "DEPTHWISE_CONV_2D": self.convolution,
            "PRELU": self.slope,
            "MAX_POOL_2D": self.pooled,
            "PAD": self.padded,
        }
        if operator.name in further:
            further[operator.name](operator, out)
        else:
            super().write(operator)

    def _doubled(self) -> dict[int, str]:
        """Return tensor → its part where a PReLU between convolutions of few channels becomes part of these."""
        found: dict[int, str] = {}
        makers = {operator.out: operator for operator in self.network.operators}
        for operator in self.network.operators:
            if operator.name != "PRELU" or self.network.shapes[operator.out][-1] > FEW:
                continue
            first = makers[operator.given[0]]
            chain = [first, operator]
            while len(chain) < 4 and len(users := self.network.users(chain[-1].out)) == 1:
                chain.append(users[0])
            names = [each.name for each in chain]
            if (
                names == ["CONV_2D", "PRELU", "DEPTHWISE_CONV_2D", "CONV_2D"]
                and len(self.network.users(first.out)) == 1
            ):
                found |= dict(zip((each.out for each in chain), ("first", "slope", "each", "last"), strict=True))
        return found

    def convolution(self, operator: Operator, out: str) -> None:
        """Add a convolution, dense or of each channel."""
        weight, bias = (self.network.constants[n] for n in operator.given[1:])
        each = operator.name == "DEPTHWISE_CONV_2D"
        assert not operator.option(4 if each else 3, "<b"), "nothing is fused to convolutions"
        assert all(operator.option(field, default=1) == 1 for field in ((5, 6) if each else (4, 5))), "no dilation"
        weight = weight.transpose((3, 0, 1, 2) if each else (0, 3, 1, 2))
        part = self.doubled.get(operator.out)
        if part == "first":
            weight, bias = np.concatenate([weight, -weight]), np.concatenate([bias, -bias])
        elif part == "each":
            (prelu,) = (one for one in self.network.operators if one.out == operator.given[0])
            slope = self.network.constants[prelu.given[1]].reshape(-1, 1, 1, 1)
            weight, bias = np.concatenate([weight, -slope * weight]), np.concatenate([bias, 0 * bias])
        elif part == "last":
            weight = np.concatenate([weight, weight], axis=1)
        self.node(
            "Conv",
            self.value(operator.given[0]),
            self.constant(weight),
            self.constant(bias),
            out=out,
            group=len(weight) if each else 1,
            strides=self.option_strides(operator),
            pads=self.edges(operator, weight.shape[2:]),
        )

    def edges(self, operator: Operator, sides: tuple[int, ...]) -> list[int]:
        """Return how much is put round a tensor that something `sides` large goes over."""
        if operator.option(0, "<b") != SAME:
            return [0, 0, 0, 0]
        low, high = [], []
        for size, side, step in zip(
            self.network.shapes[operator.given[0]][1:3], sides, self.option_strides(operator), strict=True
        ):
            whole = max((-(-size // step) - 1) * step + side - size, 0)
            low.append(whole // 2)
            high.append(whole - whole // 2)
        return low + high

    def _each(self, value: str, weight_C: NDArray[np.float32], out: str = "") -> str:
        """Add a product with one weight a channel, as a convolution: onnxruntime fuses it with what is round it."""
        return self.node("Conv", value, self.constant(weight_C.reshape(-1, 1, 1, 1)), out=out, group=len(weight_C))

    def slope(self, operator: Operator, out: str) -> None:
        """Add PReLU."""
        value, slope_C = self.value(operator.given[0]), self.network.constants[operator.given[1]].ravel()
        if operator.out in self.doubled:
            self.node("Relu", value, out=out)
            return
        below = self.node("Relu", self._each(value, np.full_like(slope_C, -1)))
        self.node("Add", value, self._each(below, 1 - slope_C), out=out)

    def pooled(self, operator: Operator, out: str) -> None:
        """Add the largest of each square."""
        sides = operator.option(4), operator.option(3)
        strides, pads = self.option_strides(operator), self.edges(operator, sides)
        self.node("MaxPool", self.value(operator.given[0]), out=out, kernel_shape=sides, strides=strides, pads=pads)

    def padded(self, operator: Operator, out: str) -> None:
        """Add zeros round a tensor; channels of zeros by a convolution, which is fused with the sum that follows."""
        around = self.network.constants[operator.given[1]][[0, 3, 1, 2]].astype(np.int64)
        value = self.value(operator.given[0])
        if around[1].any():
            assert around.sum() == around[1, 1]
            channels = (self.network.shapes[n][3] for n in (operator.out, operator.given[0]))
            self.node("Conv", value, self.constant(np.eye(*channels, dtype=np.float32)[:, :, None, None]), out=out)
        else:
            self.node("Pad", value, self.constant(around.T.ravel()), out=out)
