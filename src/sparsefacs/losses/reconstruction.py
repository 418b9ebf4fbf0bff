"""How far restored patches are from the true ones: the loss of masked autoencoding (MAE-Face, 3.3 and 4.3.2)."""

from typing import Literal

from torch import Tensor

from .reduction import difference, labelled_mean, wide

Kind = Literal["l1", "l2"]
_LEAST = 1e-6  # added to a patch's variance: a patch of one colour has none (He et al. 2022)


def reconstruction_loss(predicted_BNP: Tensor, target_BNP: Tensor, mask_BN: Tensor, kind: Kind = "l1") -> Tensor:
    """Return the mean of |p − t| (`l1`) or (p − t)² (`l2`) over the hidden patches of all processes.

    predicted_BNP, target_BNP: (B, N, P), P values a patch; mask_BN: (B, N) bool, True where a patch was hidden; the
    others have no part in it. Source: MAE-Face, 3.3 (`l1`); He et al. 2022 (`l2`). Raises ValueError for shapes that
    differ.
    """
    error = difference(predicted_BNP, target_BNP)
    each_BN = (error.abs() if kind == "l1" else error.square()).mean(dim=-1)
    if each_BN.shape != mask_BN.shape:
        raise ValueError(f"shapes {tuple(each_BN.shape)} and {tuple(mask_BN.shape)} differ")
    return labelled_mean(each_BN, mask_BN)


def normalised_patches(target_BNP: Tensor) -> Tensor:
    """Return patches (B, N, P) less their own mean, over their own deviation (He et al. 2022, "w/ norm").

    Mean and variance (of P − 1) are over all pixels and channels of a patch.
    """
    mean_BN1, deviation_BN1 = patch_statistics(target_BNP)
    return (wide(target_BNP) - mean_BN1) / deviation_BN1


def patch_statistics(target_BNP: Tensor) -> tuple[Tensor, Tensor]:
    """Return each patch's mean and deviation, (B, N, 1), by which `normalised_patches` can be undone."""
    values = wide(target_BNP)
    return values.mean(dim=-1, keepdim=True), (values.var(dim=-1, keepdim=True) + _LEAST).sqrt()
