"""A coder's pixels without torch: the small residual network of `methods.coder`, run by onnxruntime.

Its weights are those of the run's model.safetensors, under the names that torch gives them; nothing else is kept. A
network of another kind is for torch (`networks.instant`).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..onnx_session import session_of
from .onnx_graph import OnnxGraph
from .resizing import resizing_matrix

if TYPE_CHECKING:
    from .config import NetworkConfig

F32 = NDArray[np.float32]
Scale = NDArray[np.floating] | float

LOUDEST = 6.0
"""Logits beyond which a coder's pixels say no more: on faces unlike those they learned from they are too sure."""
BACKBONE = "resnet10t"
_EPSILON = 1e-5  # of torch's batch normalisation
_LAYERS = 4
_AT_ONCE = 64
_COUNTERS = "num_batches_tracked"


def runs_without_torch(config: "NetworkConfig") -> bool:
    """Say whether the pixels of a coder with this network can be run by `Pixels`."""
    return config.backbone == BACKBONE and set(config.options) <= {"channels"}


class PixelModel(Protocol):
    """A coder's pixels, run by whatever can."""

    config: "NetworkConfig"
    said: int

    @property
    def weights(self) -> dict[str, NDArray[Any]]:
        """The network's weights by the names that torch gives them."""

    def __call__(self, faces_BHWC: NDArray[np.uint8]) -> F32:
        """Return what the pixels of stored faces (B, size, size, 3) say, (B, said), within ±LOUDEST."""


def said_of(
    pixels: Callable[[NDArray[np.uint8]], F32], face: Callable[[int], NDArray[np.uint8]], rows: NDArray[np.int64]
) -> Iterator[F32]:
    """Yield what pixels say of the faces of rows, in order, some at a time (B, said); face: row → its face."""
    for first in range(0, len(rows), _AT_ONCE):
        yield pixels(np.stack([face(row) for row in rows[first : first + _AT_ONCE].tolist()]))


class Pixels:
    """Aligned faces → what a coder's pixels say of them, by onnxruntime on the CPU, in float32.

    weights: of the network, under torch's names. threads: cores of one call; None: all but one, which landmarks need
    meanwhile. Raises KeyError or ValueError where weights are missing, too many, or of another shape.
    """

    def __init__(self, weights: Mapping[str, F32], config: "NetworkConfig", threads: int | None = None) -> None:
        self._weights, self.config = dict(weights), config
        self.said = len(weights["head.bias"])
        self._session: Any = session_of(_model(weights, config), threads)

    @property
    def weights(self) -> dict[str, NDArray[Any]]:
        """The network's weights by the names that torch gives them."""
        return self._weights

    def __call__(self, faces_BHWC: NDArray[np.uint8]) -> F32:
        """Return what the pixels of stored faces (B, size, size, 3) say, (B, said), within ±LOUDEST."""
        found: F32 = self._session.run(None, {"faces": network_input(faces_BHWC, self.config)})[0]
        return np.clip(found, -LOUDEST, LOUDEST)


def network_input(faces_BHWC: NDArray[np.uint8], config: "NetworkConfig") -> F32:
    """Return what a network sees of stored faces, (B, input_size, input_size, 3) in 0–255.

    Of a cropped face it is the middle. The same as `networks.answers.network_input`, without torch.
    """
    side = faces_BHWC.shape[1]
    kept = round(side * config.crop)
    first = (side - kept) // 2
    image = faces_BHWC[:, first : first + kept, first : first + kept].astype(np.float32)
    if kept == config.input_size:
        return image
    weights = resizing_matrix(kept, config.input_size).astype(np.float32)
    seen: F32 = np.einsum("ih,bhwc,jw->bijc", weights, image, weights, optimize=True).astype(np.float32)
    return seen


def _model(weights: Mapping[str, F32], config: "NetworkConfig") -> bytes:
    """Return the network as an ONNX model (B, S, S, 3) → (B, said); each normalisation is part of its convolution."""
    used: set[str] = set()

    def take(name: str) -> F32:
        used.add(name)
        return weights[name]

    graph = OnnxGraph("faces", (config.input_size, config.input_size, 3))

    def convolved(given: str, name: str, normalised: str, stride: int = 1, scale: Scale = 1.0) -> str:
        kernel = take(f"{name}.weight").astype(np.float64) * scale
        gain, shift, mean, spread = (take(f"{normalised}.{each}").astype(np.float64) for each in _NORMALISATION)
        factor = gain / np.sqrt(spread + _EPSILON)
        parts = (graph.weight(kernel * factor[:, None, None, None]), graph.weight(shift - mean * factor))
        pad = kernel.shape[-1] // 2
        return graph.node("Conv", given, *parts, strides=(stride, stride), pads=(pad,) * 4)

    def block(given: str, name: str, stride: int) -> str:
        inner = graph.node("Relu", convolved(given, f"{name}.conv1", f"{name}.bn1", stride))
        inner = convolved(inner, f"{name}.conv2", f"{name}.bn2")
        if f"{name}.downsample.1.weight" in weights:
            if stride > 1:
                given = graph.node("AveragePool", given, kernel_shape=(2, 2), strides=(stride, stride), ceil_mode=1)
            given = convolved(given, f"{name}.downsample.1", f"{name}.downsample.2")
        return graph.node("Relu", graph.node("Add", inner, given))

    # the constant is subtracted before the borders are padded with zeros; the factor belongs to the first convolution
    at = graph.node("Transpose", "faces", perm=(0, 3, 1, 2))
    at = graph.node("Sub", at, graph.weight(255 * take("mean").astype(np.float64)))
    scale = 1 / (255 * take("deviation").astype(np.float64))
    for name, normalised, stride in _STEM:
        by = scale if name == "conv1.0" else 1.0
        at = graph.node("Relu", convolved(at, f"backbone.{name}", f"backbone.{normalised}", stride, by))
    at = graph.node("MaxPool", at, kernel_shape=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1))
    for layer in range(1, _LAYERS + 1):
        at = block(at, f"backbone.layer{layer}.0", 1 if layer == 1 else 2)
    if config.pool == "mean":
        at = graph.node("GlobalAveragePool", at)
    last = graph.weight(take("head.weight")), graph.weight(take("head.bias"))
    said = graph.node("Gemm", graph.node("Flatten", at, axis=1), *last, transB=1)
    if odd := [name for name in weights if name not in used and not name.endswith(_COUNTERS)]:
        raise ValueError(f"weights of another network: {odd[0]}")
    return graph.content(said, len(weights["head.bias"]))


_NORMALISATION = ("weight", "bias", "running_mean", "running_var")
_STEM = (("conv1.0", "conv1.1", 2), ("conv1.3", "conv1.4", 1), ("conv1.6", "bn1", 1))
