"""How much of each AU a person shows, and what it changes in the reference that their faces are compared with.

Who smiles most of the time has a median that smiles, and a smile that equals it is no change. So once it is known how
often a coder finds each AU on a person's faces, or how strong, their reference is moved by what they show more, or
less, than people usually do: half of it (`docs/methods/coder.md`). No label is read, neither for that nor for how AUs
move a face.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .threads import on_one_thread

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

SHARE = 0.5
"""How far a reference is moved, of what the person shows more than people usually do."""
LABELLED = 640.0
"""Labelled faces at which it is moved half as far: weights that many labels taught know most of it themselves."""
_SMOOTHING = 0.01  # share of the codes' mean square within people


@dataclass(frozen=True)
class Activity:
    """usual_A: the mean code of each AU on people's faces, probability or intensity; moves_AE: how far a reference is
    moved by a mean code that is 1 above it, in the numbers of evidence. All float32.
    """

    usual_A: F32  # noqa: N815 -- a shape suffix
    moves_AE: F32  # noqa: N815

    @classmethod
    def blank(cls, width: int, aus: int) -> "Activity":
        """Return what moves no reference."""
        return cls(np.zeros(aus, np.float32), np.zeros((aus, width), np.float32))

    def arrays(self) -> dict[str, F32]:
        """Return the numbers by name."""
        return {"usual_A": self.usual_A, "moves_AE": self.moves_AE}

    def settling(self, codes: Callable[[F32, F32], F32]) -> "Settle | None":
        """Return what moves references, None where none is moved; codes: as of `settled`."""
        if not self.moves_AE.any():
            return None
        return lambda sample_KE, reference_R: self.settled(codes, sample_KE, reference_R)

    def settled(self, codes: Callable[[F32, F32], F32], sample_KE: F32, reference_R: F32) -> F32:
        """Return a person's reference (E + 1,), moved by what a sample (K, E) of their faces shows.

        codes: faces (K, E) and references (K, E + 1) → codes (K, A or more), those of the AUs first.
        """
        aus = len(self.usual_A)
        shown_A = codes(sample_KE, np.tile(reference_R, (len(sample_KE), 1)))[:, :aus].mean(axis=0, dtype=np.float64)
        moved = reference_R.astype(np.float64)
        moved[:-1] += (self.usual_A - shown_A) @ self.moves_AE.astype(np.float64)
        return moved.astype(np.float32)


Settle = Callable[[F32, F32], F32]
"""A sample (K, E) of a person's faces and the reference (E + 1,) made of it → the reference that is used."""


def found_activity(vectors_NE: F32, person_N: NDArray[np.int64], shown_NA: F64, labelled: int) -> Activity:
    """Return how AUs move faces within people, and how much of them people show, from N faces of several people.

    shown_NA: a coder's codes; NaN where it does not know an AU, which then moves nothing. labelled: how many labelled
    faces it has learned from beside. By least squares within people, on one thread.
    """
    told_A = np.asarray(np.isfinite(shown_NA).all(axis=0), bool)
    whose_N = np.unique(person_N, return_inverse=True)[1]
    shown = _within(shown_NA[:, told_A].astype(np.float64), whose_N)
    seen = _within(vectors_NE.astype(np.float64), whose_N)
    found = Activity.blank(vectors_NE.shape[1], len(told_A))
    found.usual_A[told_A] = shown_NA[:, told_A].mean(axis=0)
    with on_one_thread():
        square = shown.T @ shown
        square[np.diag_indices(len(square))] += _SMOOTHING * len(shown) * float((shown**2).mean()) + 1e-9
        moves = np.linalg.solve(square, shown.T @ seen)
    found.moves_AE[told_A] = SHARE * LABELLED / (LABELLED + labelled) * moves
    return found


def _within(values_ND: F64, whose_N: NDArray[np.int64]) -> F64:
    """Return how values differ from their person's mean over those known, 0 where they are not known."""
    known = np.isfinite(values_ND)
    filled, people = np.where(known, values_ND, 0.0), int(whose_N.max(initial=-1)) + 1

    def by_person(columns_ND: NDArray[np.generic]) -> F64:
        parts = [np.bincount(whose_N, weights=each, minlength=people) for each in columns_ND.T.astype(np.float64)]
        return np.stack(parts, axis=1) if parts else np.zeros((people, 0))

    means = by_person(filled) / np.maximum(by_person(known), 1)
    return np.asarray(np.where(known, values_ND - means[whose_N], 0.0))
