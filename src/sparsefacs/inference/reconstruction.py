"""A run of `pretrain mae-face` as a restorer of hidden patches, for pictures and errors (MAE-Face, Figs 5 and 8)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.joined import AnyStore
from ..engine.run import RunFolder
from ..errors import InputError
from ..faces.alignment import FaceRecipe
from ..methods.contract import Setting
from ..methods.registry import pretraining_class
from ..networks.answers import network_input
from ..networks.autoencoder import unpatchify
from ..networks.backbone import load_weights, read_safetensors
from ..networks.config import NetworkConfig
from ..records import as_settings, check_sum, read_record
from ..run_records import EncoderRecord
from .batching import NETWORK_BATCH

Floats = NDArray[np.float32]

MASKED_AUTOENCODER = "pretrain/mae-face"
_AGAIN = "Pre-train again with `sparsefacs pretrain mae-face`"


@dataclass(frozen=True)
class Reconstructed:
    """B faces, RGB (B, S, S, 3) in 0–1: as they are, with hidden patches grey, and with hidden patches restored.

    flat: each hidden patch in one colour, its own true mean over pixels and channels: what a network that knows nothing
    restores where that mean is put back. hidden: (B, S, S), which pixels were hidden.
    """

    original: Floats
    masked: Floats
    restored: Floats
    flat: Floats
    hidden: NDArray[np.bool_]

    def errors(self) -> dict[str, NDArray[np.float64]]:
        """Return the mean absolute error of each face's hidden pixels, (B,), of `restored` and of `flat`."""

        def error(made: Floats) -> NDArray[np.float64]:
            off = np.abs(made - self.original).mean(axis=-1, dtype=np.float64)
            return np.asarray((off * self.hidden).sum(axis=(1, 2)) / self.hidden.sum(axis=(1, 2)), np.float64)

        return {"restored": error(self.restored), "patch_mean": error(self.flat)}


class Restorer:
    """Hides patches of faces and restores them by the autoencoder of a run, in float32."""

    def __init__(self, run: RunFolder) -> None:
        import torch

        described = described_encoder(run)
        if described["pretraining"] != MASKED_AUTOENCODER:
            raise InputError(
                f"is a run of {described['pretraining']}, which restores no faces", path=run.path, remedy=_AGAIN
            )
        self.run = run
        self.recipe = FaceRecipe(**described["recipe"])
        told = {"what": "the encoder's description", "remedy": _AGAIN}
        self.sees = as_settings(NetworkConfig, described["network"], run.encoder, **told)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        kind: Any = pretraining_class(MASKED_AUTOENCODER)
        self.config: Any = as_settings(
            kind.Config, run.read_config()["method"], run.config, what="the configuration", remedy=_AGAIN
        )
        with torch.random.fork_rng(devices=[]):
            self.method: Any = kind(self.config, Setting("occurrence", (), self.sees))
        for file, words in ((run.encoder_weights, "the encoder's weights"), (run.auxiliary, "the decoder")):
            check_sum(run.require(file, words), described.get("sha256", {}), remedy=_AGAIN)
        load_weights(self.method.network.encoder, run.encoder_weights)
        kept = read_safetensors(run.auxiliary)
        try:
            parts = self.method.kept_beside()
            for name, module in parts.items():
                prefix = f"{name}."
                own = {key.removeprefix(prefix): value for key, value in kept.items() if key.startswith(prefix)}
                module.load_state_dict(own)
        except RuntimeError as error:
            raise InputError(
                "the decoder does not fit the run's settings", path=run.auxiliary, remedy="Restore the run's own files"
            ) from error
        self.method.eval().to(self.device)

    @property
    def name(self) -> str:
        """What was learned: `L1, normalised patches`, for instance."""
        kind = "normalised patches" if self.config.normalise else "plain pixels"
        return f"{str(self.config.loss).upper()}, {kind}"

    @property
    def patches(self) -> int:
        """How many patches a face has."""
        return int(self.method.network.patch_count)

    def check(self, store: AnyStore) -> None:
        """Raise InputError when the faces of `store` are cut differently from those the run learned on."""
        if store.info.recipe_hash != self.recipe.hash:
            raise InputError(
                "its faces are cut differently from those the run learned on",
                path=store.path,
                remedy=f"Prepare it with --size {self.recipe.size}, and the --landmarks and version of the run's faces",
            )

    def reconstruct(self, store: AnyStore, rows: NDArray[np.int64], ratio: float, seed: int) -> Reconstructed:
        """Hide the share `ratio` of each face's patches and restore them.

        Which ones depends on seed and row alone: a larger share hides those of a smaller one, and more. Predictions on
        normalised patches get the true patch's mean and deviation back.
        """
        import torch

        faces, points = zip(*(store.face(int(row)) for row in rows), strict=True)
        noise = np.stack([np.random.default_rng([seed, int(row)]).random(self.patches) for row in rows])
        with torch.inference_mode():
            image, _ = network_input(np.stack(faces), np.stack(points), self.sees, self.device)
            noise_BN = torch.from_numpy(noise).to(self.device)
            predicted_BNP, mask_BN = self.method.network.reconstruct(image, noise_BN, ratio)
            masked, restored = self.method.restored(image, predicted_BNP.float(), mask_BN)
            target_BNP = self.method.network.patches(image)
            own_mean = self.method.network.faces(target_BNP.mean(dim=-1, keepdim=True).expand_as(target_BNP))
            side = self.method.network.side
            hidden_B1SS = unpatchify(mask_BN[..., None].expand(-1, -1, side**2), side)
            flat = torch.where(hidden_B1SS, own_mean.clamp(0, 1), image)
        parts = {"original": image, "masked": masked, "restored": restored, "flat": flat}
        pictures = {name: np.asarray(part.permute(0, 2, 3, 1).cpu().numpy()) for name, part in parts.items()}
        return Reconstructed(hidden=np.asarray(hidden_B1SS[:, 0].cpu().numpy()), **pictures)

    def errors(
        self, store: AnyStore, rows: NDArray[np.int64], ratio: float, seed: int
    ) -> dict[str, NDArray[np.float64]]:
        """Return the errors of many faces, `Reconstructed.errors` (M,), few faces in memory at a time."""
        found = [
            self.reconstruct(store, rows[first : first + NETWORK_BATCH], ratio, seed).errors()
            for first in range(0, len(rows), NETWORK_BATCH)
        ]
        return {name: np.concatenate([each[name] for each in found]) for name in found[0]}


def described_encoder(run: RunFolder) -> dict[str, Any]:
    """Return what a pre-training's encoder is; raises InputError when `run` is no finished pre-training."""
    file = run.require(run.encoder, "the encoder's description")
    return read_record(file, EncoderRecord, what="the encoder's description", remedy=_AGAIN)


def load_restorer(run: str | Path) -> Restorer:
    """Load the autoencoder of run folder `run`; nothing is unpickled.

    Raises InputError when a file of it is missing or does not fit, or the run is of another pre-training.
    """
    folder = RunFolder(run)
    folds = sorted(folder.path.glob("fold-*/encoder.json"))
    if folds and not folder.encoder.exists():
        raise InputError("holds several folds", path=run, remedy=f"Name one of them: {folds[0].parent}")
    return Restorer(folder)
