"""What faces that nobody labelled are worth to the packaged coder: F1 at limits and AUC with and without them.

    python benchmarks/unlabelled.py STORE... [--labels 0,8,32,160] [--draws 3]

STORE: labelled stores, such as the benchmark's (`sparsefacs reproduce benchmark occurrence` makes them). Each draw
tests on other people, and shows so many labelled frames of the others, drawn at random. Three ways, the last two beside
the first, with intervals over people and draws: "labels": limits by how often the shown labels say that an AU is
present; "limits": by how often the model expects it on all frames of the training people; "references": the same, and
each person's reference is moved by how active they are (`evidence.activity`). Minutes of one processor; what pixels say
is kept in the stores.
"""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from measuring import give, machine
from sparsefacs.coders import coder_names
from sparsefacs.data.store import Store
from sparsefacs.experiments.active import People
from sparsefacs.experiments.scores import Scored, draw, over_seeds, paired
from sparsefacs.labelling.features import Features
from sparsefacs.labelling.learner import Beliefs
from sparsefacs.metrics.limits import base_rate_limits, base_rates
from sparsefacs.metrics.occurrence import OccurrenceSums

WAYS = ("labels", "limits", "references")


def main(argv: Sequence[str]) -> None:
    """Measure what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", type=Path, nargs="+")
    parser.add_argument("--labels", default="0,8,32,160")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--protocol", default="holdout:33%")
    parser.add_argument("--resamples", type=int, default=1000)
    given = parser.parse_args(argv)
    result: dict[str, Any] = {"benchmark": "unlabelled", **machine(), "stores": {}}
    for folder in given.stores:
        store = Store(folder)
        drawn = [People.of(store, given.protocol, seed) for seed in range(given.draws)]
        known = [(people, people.features(coder_names()[-1])) for people in drawn]
        rows = result["stores"][folder.name] = []
        for labels in map(int, given.labels.split(",")):
            found = [_scored(*each, labels, seed, given.resamples) for seed, each in enumerate(known)]
            rows.append(_told(found, labels, given.resamples))
            for way, each in rows[-1]["ways"].items():
                print(f"{folder.name}, {labels} labels, {way}: {each}", file=sys.stderr, flush=True)
    give(result)


def _scored(people: People, features: Features, labels: int, seed: int, resamples: int) -> dict[str, Scored]:
    """Return each way's sums on the people tested on, after `labels` labelled frames of the others."""
    aus, pool = people.store.aus, people.pool.train
    shown = np.sort(np.random.default_rng([seed, 5]).choice(pool, min(labels, len(pool)), replace=False))
    beliefs = Beliefs.of_labels(features, aus, shown, people.labels_MA[shown])
    rates, sums = base_rates(people.labels_MA[shown]), {}
    for way in WAYS:
        seen = beliefs.settled if way == "references" else beliefs
        expected = seen.probabilities(features.free)
        limits = base_rate_limits(expected, rates if way == "labels" else expected.mean(axis=0))
        sums[way] = _sums(people, seen.probabilities(people.test), limits, resamples)
    return sums


def _sums(people: People, codes_TA: Any, limits_A: Any, resamples: int) -> Scored:
    truth = people.labels_MA[people.test]
    sums = OccurrenceSums(
        truth, codes_TA, np.isfinite(truth), people.subject_T, np.tile(limits_A, (len(truth), 1)), resamples
    )
    names = np.unique(people.store.strings("subject")[people.test]).tolist()
    return Scored(people.store.aus, sums, tuple(names), hashlib.sha256(people.test.tobytes()).hexdigest(), len(truth))


def _told(found: Sequence[dict[str, Scored]], labels: int, resamples: int) -> dict[str, Any]:
    """Return each way's F1 and AUC over the draws, and how they differ from the first's, with intervals."""
    ways: dict[str, Any] = {}
    first = draw([each[WAYS[0]] for each in found], resamples)
    for way in WAYS:
        own = draw([each[way] for each in found], resamples)
        means, less = over_seeds(own), paired(own, first)
        assert less is not None
        ways[way] = {metric: round(means[metric]["value"], 4) for metric in ("f1", "auc")}
        ways[way] |= {
            f"{metric}_difference": [less[metric][edge] for edge in ("value", "low", "high")]
            for metric in ("f1", "auc")
        }
    return {"labels": labels, "ways": ways}


if __name__ == "__main__":
    main(sys.argv[1:])
