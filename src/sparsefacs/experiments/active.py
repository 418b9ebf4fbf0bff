"""Simulated coding: what a store's own labels teach, asked for frame by frame in the order of a strategy.

People are those of the benchmark's protocol. Every strategy has the same learner and the same rule for limits, and is
scored on the same people, none of whose faces is looked at or asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.store import Store
from ..files import write_with
from ..labelling.choosing import choose
from ..labelling.features import NO_CODER, Features, store_features, with_pixels
from ..labelling.learner import Beliefs
from ..labelling.pool import Pool
from ..metrics.bootstrap import interval, mean_over_aus, subject_weights
from ..metrics.limits import HALF, base_rate_limits, base_rates, rates_of_chosen
from ..metrics.occurrence import OccurrenceSums, f1
from ..protocols.folds import make_protocol

F64 = NDArray[np.float64]

BUDGETS = (8, 16, 32, 64, 80, 160, 320, 640)
MOST_AT_ONCE = 64
"""Faces asked before the model learns again, at most."""
RULES = ("f1", "f1_expected", "f1_labels", "auc")
"""f1: at limits by the rates of a training by `chosen-frames`, not drawn to a coder's; f1_expected, f1_labels: by
the expected rates, and by those of the labels, alone."""


@dataclass(frozen=True)
class People:
    """A store, its pool of people to learn from, and the faces of those tested on."""

    store: Store
    pool: Pool
    test: NDArray[np.int64]
    labels_MA: F64  # noqa: N815 -- a shape suffix
    subject_T: NDArray[np.int64]  # noqa: N815

    @classmethod
    def of(cls, store: Store, protocol: str, split_seed: int) -> "People":
        """Return the first fold of `protocol` on the store's people."""
        subjects = store.strings("subject")
        fold = make_protocol(protocol, subjects.tolist(), split_seed).folds[0]
        pool = Pool.made(subjects, store.strings("clip"), store.numbers("time"), seed=0, test_share=0.0)
        tested_M = np.isin(subjects, fold.test)
        held = Pool(
            pool.person_M, pool.clip_M, pool.time_M, pool.still_M, tested_M, ~np.isin(subjects, fold.train) & ~tested_M,
            people_tested=True,
        )  # fmt: skip
        labels = np.where(store.occurrence() >= 0, store.occurrence(), np.nan).astype(np.float64)
        test = np.flatnonzero(tested_M)
        return cls(store, held, test, labels, np.unique(subjects[test], return_inverse=True)[1].astype(np.int64))

    def features(self, coder: str) -> Features:
        """Return what is known of the faces, the coder's pass done."""
        found = store_features(self.store, self.store.aus, coder, self.pool.train)
        return found if coder == NO_CODER or found.whole else with_pixels(self.store, found, coder)


def curve(
    people: People, features: Features, strategy: str, seed: int, budgets: Sequence[int], weights_BS: F64
) -> NDArray[np.float64]:
    """Return scores (budgets, RULES, B) of one simulated coding, when test people count weights_BS[b, s] times."""
    rng, asked, found = np.random.default_rng([seed, 7]), np.empty(0, np.int64), []
    beliefs = Beliefs.of_labels(features, people.store.aus, asked, people.labels_MA[asked])
    for budget in budgets:
        while len(asked) < budget:
            count = min(budget - len(asked), budget if strategy == "random" else MOST_AT_ONCE)
            rows = [row for row, _ in choose(strategy, beliefs, people.pool, asked, count, rng)]
            if not rows:
                break
            asked = np.concatenate([asked, np.array(rows, np.int64)])
            beliefs = Beliefs.of_labels(features, people.store.aus, asked, people.labels_MA[asked])
        found.append(_scores(people, beliefs, base_rates(people.labels_MA[asked]), weights_BS))
    return np.stack(found)


def _scores(people: People, beliefs: Beliefs, rates_A: F64, weights_BS: F64) -> F64:
    known = beliefs.probabilities(beliefs.features.free)
    predicted, truth = beliefs.probabilities(people.test), people.labels_MA[people.test]
    expected_A = beliefs.rates()
    used = np.isfinite(truth)
    rows = []
    chosen_A = expected_A if beliefs.features.begin is not None else rates_of_chosen(rates_A, expected_A)
    for rates in (chosen_A, expected_A, rates_A):
        called = predicted >= base_rate_limits(known, rates)
        there, positive = (_sums(each, people.subject_T) for each in (used & called, used & (truth > 0.5)))
        hit = weights_BS @ _sums(used & called & (truth > 0.5), people.subject_T)
        rows.append(mean_over_aus(f1(hit, weights_BS @ there - hit, weights_BS @ positive - hit)))
    sums = OccurrenceSums(truth, predicted, used, people.subject_T, HALF, len(weights_BS))
    return np.stack([*rows, mean_over_aus(sums.values(weights_BS)["auc"])])


def _sums(flags_TA: NDArray[np.bool_], subject_T: NDArray[np.int64]) -> F64:
    """Return how many flags each subject has, (S, A)."""
    return np.stack([np.bincount(subject_T, weights=flags) for flags in flags_TA.T], axis=1)


def compare(
    people: People,
    coder: str,
    strategies: Sequence[str],
    seeds: int,
    budgets: Sequence[int],
    resamples: int = 200,
    kept: Path | None = None,
) -> list[dict[str, Any]]:
    """Return a row a strategy, `random` first: its scores at each budget with intervals, and less `random`'s, paired.

    Intervals are over people and seeds, both resampled, the same for all strategies. kept: a folder of finished curves,
    which are taken from there.
    """
    tested = int(people.subject_T.max()) + 1
    weights = np.concatenate([np.ones((1, tested)), *subject_weights(tested, resamples, 0)])
    drawn = np.random.default_rng(1).integers(seeds, size=(resamples, seeds))
    features = people.features(coder)

    def done(name: str, seed: int) -> F64:
        if kept is None:
            return curve(people, features, name, seed, budgets, weights)
        path = kept / f"{name}-{seed}-{'-'.join(map(str, budgets))}-{resamples}.npy"
        if not path.exists():
            found = curve(people, features, name, seed, budgets, weights)
            write_with(path, lambda handle: np.save(handle, found))
        return np.asarray(np.load(path, allow_pickle=False), np.float64)

    names = tuple(dict.fromkeys(("random", *strategies)))
    by_seed = [{name: done(name, seed) for name in names} for seed in range(seeds)]
    every = {name: np.stack([each[name] for each in by_seed]) for name in names}
    means = {name: _over_seeds(values, drawn) for name, values in every.items()}
    return [
        {
            "strategy": name,
            "coder": coder,
            "scores": [
                {
                    "frames": budget,
                    **{rule: _told(found[n, r], tested) for r, rule in enumerate(RULES)},
                    **{f"{rule}_less": _told((found - means["random"])[n, r], tested) for r, rule in enumerate(RULES)},
                }
                for n, budget in enumerate(budgets)
            ],
        }
        for name, found in means.items()
    ]


def _over_seeds(values: F64, drawn: NDArray[np.int64]) -> F64:
    """Return means over seeds (budgets, RULES, B) of values (seeds, budgets, RULES, B), seeds resampled as people."""
    first = values[..., 0].mean(axis=0)
    others = [values[:, :, :, b + 1][places].mean(axis=0) for b, places in enumerate(drawn)]
    return np.stack([first, *others], axis=-1)


def _told(values_B: F64, people: int) -> dict[str, float]:
    low, high = interval(values_B[1:], people)
    return {"value": round(float(values_B[0]), 4), "low": round(low, 4), "high": round(high, 4)}


def frames_for(scores: Sequence[dict[str, Any]], rule: str, wanted: float) -> float | None:
    """Return how many frames a strategy needs to reach `wanted`, between budgets by logarithm; None: more than any."""
    before = None
    for each in scores:
        here = (np.log(each["frames"]), each[rule]["value"])
        if here[1] >= wanted:
            if before is None:
                return float(each["frames"])
            share = (wanted - before[1]) / max(here[1] - before[1], 1e-12)
            return float(np.exp(before[0] + share * (here[0] - before[0])))
        before = here
    return None
