"""Pairs, against scipy's two functions for them."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from sparsefacs.pairing import cheapest_pairs, most_pairs


def test_the_cheapest_pairs_are_scipys_ties_and_all() -> None:
    rng = np.random.default_rng(0)
    for draw in range(120):
        shape = rng.integers(1, 9, 2)
        whole = draw % 2  # many ties, and costs that stand for what is not allowed
        cost = rng.integers(0, 4, shape).astype(float) if whole else rng.normal(size=shape)
        cost = np.where(rng.random(shape) < 0.3, 1e6, cost)
        rows, columns = linear_sum_assignment(cost)
        assert cheapest_pairs(cost) == list(zip(rows.tolist(), columns.tolist(), strict=True))
    assert cheapest_pairs(np.zeros((0, 3))) == cheapest_pairs(np.zeros((3, 0))) == []


def test_as_many_pairs_as_scipy_finds() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        near = rng.random(rng.integers(1, 14, 2)) < rng.choice([0.1, 0.3, 0.7])
        pairs = most_pairs([np.flatnonzero(row).tolist() for row in near], near.shape[1])
        assert near[pairs[:, 0], pairs[:, 1]].all()
        assert len(np.unique(pairs[:, 0])) == len(np.unique(pairs[:, 1])) == len(pairs)
        assert len(pairs) == (maximum_bipartite_matching(csr_array(near.astype(int)), "column") >= 0).sum()


def test_earlier_rows_choose_first() -> None:
    assert most_pairs([[1, 0], [1], [], [0]], 2).tolist() == [[0, 0], [1, 1]]
    assert most_pairs([], 0).shape == (0, 2)
