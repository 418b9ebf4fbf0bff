"""Strategies against slow literal transcriptions of their papers' algorithms."""

from types import SimpleNamespace

import numpy as np
import pytest

import literal_strategies as literal
from sparsefacs.evidence.fitting import PRIOR
from sparsefacs.labelling import strategies
from sparsefacs.labelling.design import Known, best_design
from sparsefacs.labelling.pool import Allowance, Pool
from sparsefacs.labelling.strategies import View

N, L, D, A = 30, 4, 6, 3


def unit(faces: np.ndarray) -> np.ndarray:
    return faces / np.linalg.norm(faces, axis=1, keepdims=True)


@pytest.fixture
def view() -> View:
    """Faces in three loose groups, some asked before."""
    rng = np.random.default_rng(0)
    middle = rng.normal(0, 2, (3, D))
    own, asked = (middle[rng.integers(3, size=n)] + rng.normal(0, 0.6, (n, D)) for n in (N, L))
    own, asked = own.astype(np.float32), asked.astype(np.float32)
    return View(own, rng.uniform(0.02, 0.98, (N, A)), asked, own, rng.uniform(0.02, 0.98, (N, A)))


def allowance(count: int = 10) -> Allowance:
    """Nobody is passed over."""
    rows = np.arange(N)
    pool = Pool.made(np.array(["a"] * N), np.array(["c"] * N), np.zeros(N), seed=0, test_share=0)
    return Allowance(pool, rows, np.empty(0, np.int64), count, fair=False)


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_typiclust(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    clusters = np.random.default_rng(1).choice(4, N + L, p=[0.4, 0.3, 0.2, 0.1])
    asked_for = []

    def kmeans(n_clusters: int, **_: object) -> SimpleNamespace:
        asked_for.append(n_clusters)
        return SimpleNamespace(fit_predict=lambda faces: clusters)

    monkeypatch.setattr("sklearn.cluster.KMeans", kmeans)
    found = list(strategies.typiclust(view, 8, rng(), allowance()))
    assert found == literal.typiclust(unit(view.seen_ND), unit(view.asked_LD), clusters, 8)
    assert asked_for == [L + 8]


def test_maxherding(view: View) -> None:
    found = list(strategies.max_herding(view, 6, rng(), allowance()))
    own, asked = unit(view.seen_ND), unit(view.asked_LD)
    assert found == literal.herding(own, asked, own, np.ones(N), 1.0, 6)


def test_uncertainty_herding(view: View) -> None:
    found = list(strategies.uncertainty_herding(view, 6, rng(), allowance()))
    own, asked = unit(view.seen_ND), unit(view.asked_LD)
    sigma = min(float(np.linalg.norm(a - b)) for i, a in enumerate(asked) for b in asked[:i])
    weight = np.array([1 - np.mean([abs(p - (1 - p)) for p in chances]) for chances in view.all_TA])
    assert sigma < 1
    assert found == literal.herding(own, asked, own, weight, sigma, 6)


def test_margin(view: View) -> None:
    margins = [sum(abs(p - (1 - p)) for p in chances) for chances in view.chance_NA]
    assert list(strategies.margin(view, 6, rng(), allowance())) == sorted(range(N), key=margins.__getitem__)[:6]


def test_badge(view: View) -> None:
    found = list(strategies.badge(view, 6, rng(), allowance()))
    assert found == literal.badge(view.seen_ND.astype(np.float64), view.chance_NA, 6, rng())


@pytest.mark.parametrize(("begun", "rarity"), [(False, 0.0), (True, 0.0), (False, 2.0)])
def test_ours_is_the_best_design(begun: bool, rarity: float) -> None:
    draw, c = np.random.default_rng(2), 0.5
    kinds = [
        Known(
            draw.normal(size=(n, D)).astype(np.float32),
            draw.normal(size=(n, A, 2)).astype(np.float32),
            draw.uniform(0.02, 0.98, (n, A)) ** (4 * np.arange(A) + 1),  # each rarer than the one before
        )
        for n in (N, L, 25)
    ]
    found = [place for place, _ in best_design(*kinds, 5, allowance(), c=c, begun=begun, rarity=rarity)]
    constant = 1.0 if begun else 2.0

    def of_au(kind: Known, a: int) -> np.ndarray:
        ones = np.full((len(kind.seen_ND), 1), constant)
        return np.concatenate([c**0.5 * kind.seen_ND, c**0.5 * PRIOR * kind.along_NA2[:, a], ones], axis=1)

    by_au = [[of_au(kind, a) for a in range(A)] for kind in kinds]
    assert found == literal.design(*by_au, [k.chance_NA for k in kinds], 5, rarity)
    assert (found == literal.design(*by_au, [k.chance_NA for k in kinds], 5)) == (rarity == 0)
    first = best_design(*kinds, 1, allowance(), c=c, begun=begun)
    assert all(au < A for _, au in first)


def test_all_strategies_end_where_no_face_is_left(view: View) -> None:
    for rule in (
        strategies.margin, strategies.max_herding, strategies.uncertainty_herding,
        strategies.typiclust, strategies.badge,
    ):  # fmt: skip
        found = list(rule(view, N + 5, rng(), allowance(N + 5)))
        assert sorted(found) == list(range(N)), rule.__name__
