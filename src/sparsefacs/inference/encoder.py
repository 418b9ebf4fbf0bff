"""A run folder as an encoder: faces in, a representation out, for probes, neighbours and maps."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.joined import AnyStore
from ..data.people import SeenPeople
from ..engine.run import RunFolder
from ..errors import InputError
from ..evidence.vectors import VECTOR_WIDTH
from ..faces.alignment import FaceRecipe
from ..networks.answers import device_of, network_input, placed
from ..networks.config import NAMED_STARTS, NetworkConfig
from ..networks.trunk import Trunk
from ..records import as_settings, read_record
from ..run_records import EncoderRecord, PeopleRecord
from .model import load_network

if TYPE_CHECKING:
    from torch import nn

_GRID = 32
_AGAIN = "Pre-train again with `sparsefacs pretrain`"


@dataclass
class Encoder:
    """Features of aligned faces, in float32; `width` of them a face. seen: whose faces it was trained on.

    person: whether evidence is compared with the person's reference; None: it sees pixels alone.
    """

    name: str
    recipe: FaceRecipe
    seen: SeenPeople
    sees: NetworkConfig
    width: int
    network: Any
    person: bool | None = None

    def features(
        self,
        faces_BHWC: NDArray[np.uint8],
        landmarks_BPC: NDArray[np.float32],
        evidence_BE: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Return features (B, width) of aligned RGB faces (B, S, S, 3) with landmarks (B, 68, 2) in their pixels.

        evidence_BE: as of `evidence.linear.evidence_of`, where `person` is not None.
        """
        import torch

        device = device_of(self.network)
        with torch.inference_mode():
            image, landmarks = network_input(faces_BHWC, landmarks_BPC, self.sees, device)
            given = () if self.person is None else (placed(evidence_BE, device),)
            return np.asarray(self.network.features(image, landmarks, *given).float().cpu().numpy())


def load_encoder(run: str | Path, *, regions: bool | None = None, start: str | None = None) -> Encoder:
    """Load the encoder of a pre-training's or training's run folder.

    regions: features by facial area (True) or pooled over the face (False); None: as the run learned them. start:
    judge the same network with other weights instead, `none` (random) or `imagenet`. Raises InputError when a file is
    missing or does not fit, or a trained AU network has no choice of regions.
    """
    folder = RunFolder(run)
    if not folder.encoder.exists():
        return _of_training(folder, regions, start)
    told = {"what": "the encoder's description", "remedy": _AGAIN}
    described = read_record(folder.encoder, EncoderRecord, **told)
    folder.require(folder.encoder_weights, "the encoder's weights")
    config = as_settings(NetworkConfig, described["network"], folder.encoder, **told)
    init = str(folder.path) if start is None else start
    if start is not None and start not in NAMED_STARTS and not Path(start).is_file():
        raise InputError(f"{start} is no start", remedy=f"Choose {', '.join(NAMED_STARTS)} or a .safetensors file")
    by_area = bool(described["regions"]) if regions is None else regions
    network = _features_of(Trunk(config.model_copy(update={"init": init}), described["level"]), by_area)
    nobody = SeenPeople(frozenset())
    seen = SeenPeople.of_plan(read_record(folder.protocol, PeopleRecord, what="its protocol", remedy=_AGAIN))
    name = str(described["pretraining"]).partition("/")[2] if start is None else {"none": "random"}.get(start, start)
    trunk = network.trunk
    return Encoder(
        name=f"{name} ({'areas' if by_area else 'whole face'})",
        recipe=FaceRecipe(**described["recipe"]),
        seen=seen if start is None else nobody,
        sees=config,
        width=8 * trunk.area_width if by_area else trunk.channels,
        network=_placed(network),
    )


def pixel_encoder(store: AnyStore) -> Encoder:
    """Return what has a face's pixels for features, averaged over a grid of 32 × 32, to be seen beside a network."""
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F

    class Pixels(nn.Module):
        middle: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("middle", torch.tensor(0.5))

        def features(self, image: Tensor, landmarks: Tensor) -> Tensor:
            del landmarks
            return F.adaptive_avg_pool2d(image - self.middle, _GRID).flatten(1)

    recipe = FaceRecipe(**store.info.recipe)
    sees = NetworkConfig(input_size=recipe.size)
    nobody = SeenPeople(frozenset())
    return Encoder("the faces themselves", recipe, nobody, sees, 3 * _GRID**2, _placed(Pixels()))


def _of_training(folder: RunFolder, regions: bool | None, start: str | None) -> Encoder:
    if regions is not None or start is not None:
        raise InputError("is a trained AU network: its features are what they are", path=folder.path, remedy=_AGAIN)
    coder = load_network(folder.path)
    plan = read_record(folder.protocol, PeopleRecord, what="the run's protocol", remedy="Train again")
    blank = np.zeros((1, coder.recipe.size, coder.recipe.size, 3), np.uint8)
    encoder = Encoder(
        name=str(folder.read_model()["method"]),
        recipe=coder.recipe,
        seen=SeenPeople.of_plan(plan),
        sees=coder.sees,
        width=0,
        network=coder.network,
        person=coder.person if coder.known else None,
    )
    landmarks = np.zeros((1, 68, 2), np.float32)
    nothing = None if encoder.person is None else np.zeros((1, 2 * VECTOR_WIDTH + 1), np.float32)
    encoder.width = int(encoder.features(blank, landmarks, nothing).shape[1])
    return encoder


def _features_of(trunk: Trunk, by_area: bool) -> Any:
    from torch import Tensor, nn

    class Features(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = trunk

        def features(self, image: Tensor, landmarks: Tensor) -> Tensor:
            return self.trunk.by_area(image, landmarks).flatten(1) if by_area else self.trunk.pooled(image)

    return Features()


def _placed(network: "nn.Module") -> "nn.Module":
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return network.eval().to(device).to(memory_format=torch.channels_last)
