"""A linear model of evidence: AU logits of a face, and of how it differs from its person's reference.

The same few operations on NumPy arrays and on torch tensors, so that a network, an exported file and a program without
torch give the same answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

TRUST = 4.0
"""Other moments of a person at which their reference counts half."""


@dataclass(frozen=True)
class LinearEvidence:
    """Weights on E numbers of evidence for A AUs.

    mean_E, scale_E: what evidence is measured in; changed_E: what its difference to the person's reference is. face_EA,
    face_A: of a face alone. own_EA, change_EA, person_A: of a face, of that difference, and the constant, where there
    is a reference. All float32.
    """

    mean_E: F32  # noqa: N815 -- a shape suffix
    scale_E: F32  # noqa: N815
    changed_E: F32  # noqa: N815
    face_EA: F32  # noqa: N815
    face_A: F32  # noqa: N815
    own_EA: F32  # noqa: N815
    change_EA: F32  # noqa: N815
    person_A: F32  # noqa: N815

    @classmethod
    def blank(cls, width: int, aus: int) -> "LinearEvidence":
        """Return weights that answer 0 to everything."""
        blank = {each.name: np.zeros((width, aus)[: 1 + each.name.endswith("EA")], np.float32) for each in fields(cls)}
        for name in ("face_A", "person_A"):
            blank[name] = np.zeros(aus, np.float32)
        return cls(**(blank | {name: np.ones(width, np.float32) for name in ("scale_E", "changed_E")}))

    def of_answers(self, places: Sequence[int | None]) -> "LinearEvidence":
        """Return the weights of the answers at `places` alone, in that order; those of None answer 0."""
        chosen = LinearEvidence.blank(len(self.mean_E), len(places)).arrays()
        for name, values in self.arrays().items():
            if name.endswith("_E"):
                chosen[name] = values
                continue
            for a, place in enumerate(places):
                if place is not None:
                    chosen[name][..., a] = values[..., place]
        return LinearEvidence(**chosen)

    def arrays(self) -> dict[str, F32]:
        """Return the weights by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def evidence_of(vectors_BE: F32, references_BR: F32) -> F32:
    """Return what the model looks at, (B, 2E + 1): evidence, then its person's reference (B, E + 1)."""
    return np.concatenate([vectors_BE, references_BR], axis=1)


def standardised(evidence: Any, weights: Any, xp: Any) -> tuple[Any, Any, Any]:
    """Return a face's numbers in their measure (B, E), their difference to the reference (B, E), and its trust (B, 1).

    What is not known is as the population's mean; what has no reference does not differ from one. weights: anything
    with the attributes of `LinearEvidence`; xp: numpy, or torch for tensors.
    """
    width = (evidence.shape[1] - 1) // 2
    vector, reference, moments = evidence[:, :width], evidence[:, width : 2 * width], evidence[:, 2 * width :]
    own = (vector - weights.mean_E) / weights.scale_E
    change = (vector - reference) / weights.changed_E
    own = xp.where(xp.isfinite(own), own, xp.zeros_like(own))
    change = xp.where(xp.isfinite(change), change, xp.zeros_like(change))
    return own, change, moments / (moments + TRUST)


def evidence_logits(evidence: Any, weights: Any, xp: Any) -> Any:
    """Return AU logits (B, A) of evidence (B, 2E + 1) as `evidence_of` gives it.

    The answer moves from the face's alone to the person's with the number m of other moments that the reference rests
    on: m / (m + TRUST). So a single photo is coded exactly as without the person.
    """
    own, change, trust = standardised(evidence, weights, xp)
    alone = own @ weights.face_EA + weights.face_A
    beside = own @ weights.own_EA + change @ weights.change_EA + weights.person_A
    return (1 - trust) * alone + trust * beside
