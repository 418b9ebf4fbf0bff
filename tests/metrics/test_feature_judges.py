"""Nearest neighbours and linear models on frozen features, against slow loops and scikit-learn."""

import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sparsefacs.metrics import probing
from sparsefacs.metrics.probing import (
    knn_probabilities,
    linear_intensities,
    linear_probabilities,
    neighbour_agreement,
)


def made(seed=0, train=90, test=25, width=7, aus=3, hidden=0.4):
    rng = np.random.default_rng(seed)
    labels = (rng.random((train, aus)) < 0.4).astype(np.int8)
    labels[rng.random(labels.shape) < hidden] = -1
    return rng.normal(size=(train, width)), labels, rng.normal(size=(test, width))


def literal_knn(train, labels, test, k, temperature):
    result = np.full((len(test), labels.shape[1]), np.nan)
    for m, face in enumerate(test):
        for a in range(labels.shape[1]):
            votes = []
            for other, label in zip(train, labels[:, a], strict=True):
                if label >= 0:
                    cosine = sum(face * other) / math.sqrt(sum(face**2)) / math.sqrt(sum(other**2))
                    votes.append((cosine, label))
            votes = sorted(votes, reverse=True)[:k]
            weights = [math.exp(cosine / temperature) for cosine, _ in votes]
            if votes:
                result[m, a] = sum(w * v for w, (_, v) in zip(weights, votes, strict=True)) / sum(weights)
    return result


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (5, 0.07), (20, 0.5), (1000, 0.1)])
def test_knn_equals_a_slow_loop(k, temperature):
    train, labels, test = made()
    labels[:, 2] = np.where(np.arange(90) < 4, labels[:, 2], -1)  # fewer labelled faces than k
    found = knn_probabilities(train, labels, test, k, temperature)
    assert np.allclose(found, literal_knn(train, labels, test, k, temperature), atol=1e-5)


def test_knn_of_intensities_is_their_weighted_mean():
    train, labels, test = made(1)
    intensity = np.where(labels < 0, np.nan, labels * 2.5)
    assert np.allclose(knn_probabilities(train, intensity, test), 2.5 * knn_probabilities(train, labels, test))


def test_knn_without_weights_equals_scikit_learn():
    train, labels, test = made(2, hidden=0)
    found = knn_probabilities(train, labels, test, k=9, temperature=math.inf)
    for a in range(3):
        oracle = KNeighborsClassifier(9, metric="cosine", algorithm="brute").fit(train, labels[:, a])
        assert np.allclose(found[:, a], oracle.predict_proba(test)[:, 1])


def test_chunks_change_nothing(monkeypatch):
    train, labels, test = made(3)
    whole = knn_probabilities(train, labels, test), neighbour_agreement(train, np.arange(90) % 6, labels, (1, 2, 4))
    monkeypatch.setattr(probing, "CELLS", 200)
    assert np.allclose(whole[0], knn_probabilities(train, labels, test), atol=1e-6)
    assert whole[1] == neighbour_agreement(train, np.arange(90) % 6, labels, (1, 2, 4))


JUDGES = {
    "knn": knn_probabilities,
    "linear": linear_probabilities,
    "balanced": lambda *given: linear_probabilities(*given, class_weight="balanced"),
    "ridge": linear_intensities,
}


@pytest.mark.parametrize("judge", JUDGES.values(), ids=JUDGES)
def test_unlabelled_faces_change_nothing(judge):
    """Each AU sees its own labelled faces alone: neither votes nor the scaling of features come from others."""
    train, labels, test = made(4)
    found = judge(train, labels, test)
    for a in range(3):
        known = labels[:, a] >= 0
        alone = judge(train[known], labels[known, a : a + 1], test)
        assert np.allclose(found[:, a], alone[:, 0], atol=1e-6)
    extra = np.concatenate([train, 100 + 50 * test]), np.concatenate([labels, np.full((len(test), 3), -1)])
    assert np.allclose(judge(*extra, test), found, atol=1e-6)
    assert not np.allclose(judge(train, np.where(labels < 0, 1, labels), test), found, atol=1e-2)


@pytest.mark.parametrize("judge", JUDGES.values(), ids=JUDGES)
def test_nan_is_unlabelled_too_and_no_label_gives_nan(judge):
    train, labels, test = made(5)
    labels[:, 1] = -1
    found = judge(train, labels, test)
    assert np.isnan(found[:, 1]).all() and not np.isnan(found[:, [0, 2]]).any()
    as_nan = np.where(labels < 0, np.nan, labels)
    assert np.array_equal(judge(train, as_nan, test), found, equal_nan=True)


@pytest.mark.parametrize("judge", JUDGES.values(), ids=JUDGES)
def test_the_same_again(judge):
    given = made(6)
    assert np.array_equal(judge(*given), judge(*given))


@pytest.mark.parametrize("balance", [None, "balanced"])
def test_linear_equals_scikit_learn_with_a_scaler(balance):
    train, labels, test = made(7, hidden=0)
    train[:, 3] *= 1000
    found = linear_probabilities(train, labels, test, c=0.3, class_weight=balance)
    for a in range(3):
        oracle = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, class_weight=balance, max_iter=2000))
        assert np.allclose(found[:, a], oracle.fit(train, labels[:, a]).predict_proba(test)[:, 1], atol=1e-4)
    raw = LogisticRegression(C=0.3, class_weight=balance, max_iter=2000).fit(train, labels[:, 0])
    bare = linear_probabilities(train, labels, test, c=0.3, standardise=False, class_weight=balance)
    assert np.allclose(bare[:, 0], raw.predict_proba(test)[:, 1], atol=1e-4)


def test_test_features_have_no_part_in_the_scaling():
    train, labels, test = made(8)
    far = np.concatenate([test, np.full((40, 7), 1e4)])
    assert np.allclose(linear_probabilities(train, labels, far)[: len(test)], linear_probabilities(train, labels, test))


def test_linear_separates_what_a_plane_separates():
    rng = np.random.default_rng(9)
    train, test = rng.normal(size=(200, 10)), rng.normal(size=(200, 10))
    direction = rng.normal(size=10)
    predicted = linear_probabilities(train, (train @ direction > 0)[:, None].astype(np.int8), test)[:, 0]
    assert roc_auc_score(test @ direction > 0, predicted) > 0.98
    blind = linear_probabilities(train, rng.integers(0, 2, (200, 1)), test)[:, 0]
    assert roc_auc_score(test @ direction > 0, blind) < 0.75


def test_an_au_of_one_class_is_constant_and_a_constant_feature_harmless():
    train, labels, test = made(10)
    train[:, 0] = test[:, 0] = 3.3
    labels[:, 0] = np.where(labels[:, 0] < 0, -1, 0)
    labels[:, 1] = np.where(labels[:, 1] < 0, -1, 1)
    found = linear_probabilities(train.astype(np.float32), labels, test.astype(np.float32))
    assert (found[:, 0] == 0).all() and (found[:, 1] == 1).all() and np.isfinite(found[:, 2]).all()


def test_ridge_is_clipped_and_equals_scikit_learn_within():
    rng = np.random.default_rng(11)
    train, test = rng.normal(size=(300, 4)), rng.normal(size=(300, 4))
    truth = np.clip(2.5 + train @ [1, 2, -1, 0.5], 0, 5)
    found = linear_intensities(train, truth[:, None], test, c=0.5)[:, 0]
    oracle = make_pipeline(StandardScaler(), Ridge(alpha=2)).fit(train, truth).predict(test)
    assert (oracle < 0).any() and (oracle > 5).any()
    assert np.allclose(found, np.clip(oracle, 0, 5))


def test_agreement_equals_a_slow_loop():
    features, labels, _ = made(12, train=40)
    subjects = np.array([f"s{i % 5}" for i in range(40)])
    found = neighbour_agreement(features, subjects, labels, (1, 4, 12), neighbours=3)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)

    def literal(rows, value, allowed):
        shares, chances = [], []
        for i in rows:
            others = [j for j in rows if j != i and allowed(i, j)]
            others.sort(key=lambda j: -float(unit[i] @ unit[j]))
            shares.append(np.mean([value[j] == value[i] for j in others[:3]]))
            chances.append(np.mean([value[j] == value[i] for j in others]))
        return {"share": pytest.approx(np.mean(shares)), "chance": pytest.approx(np.mean(chances))}

    assert found["same_subject"] == literal(range(40), subjects, lambda i, j: True)
    for a, au in enumerate(("1", "4", "12")):
        rows = np.flatnonzero(labels[:, a] >= 0).tolist()
        each = dict(found["per_au"][au])
        assert each.pop("entries") == len(rows)
        assert each.pop("other_subjects") == literal(rows, labels[:, a], lambda i, j: subjects[i] != subjects[j])
        assert each == literal(rows, labels[:, a], lambda i, j: True)


def test_agreement_of_clusters_and_of_nobody():
    rng = np.random.default_rng(13)
    who = np.repeat(np.arange(4), 20)
    features = np.eye(4)[who] + rng.normal(0, 0.01, (80, 4))
    labels = np.where(who < 2, 1, 0)[:, None]
    found = neighbour_agreement(features, who, labels, (12,))
    assert found["same_subject"] == {"share": 1.0, "chance": pytest.approx(19 / 79)}
    assert found["per_au"]["12"]["share"] == 1.0
    assert found["per_au"]["12"]["other_subjects"]["chance"] == pytest.approx(20 / 60)
    alone = neighbour_agreement(features[:1], who[:1], labels[:1], (12,))
    assert math.isnan(alone["same_subject"]["share"])
    unlabelled = neighbour_agreement(features, who, np.full_like(labels, -1), (12,))
    assert math.isnan(unlabelled["per_au"]["12"]["share"]) and unlabelled["per_au"]["12"]["entries"] == 0


def test_shapes_and_numbers_are_checked():
    train, labels, test = made()
    with pytest.raises(ValueError, match="shapes differ"):
        knn_probabilities(train[1:], labels, test)
    with pytest.raises(ValueError, match="shapes differ"):
        linear_probabilities(train, labels, test[:, 1:])
    with pytest.raises(ValueError, match="finite"):
        knn_probabilities(np.where(train > 2, np.nan, train), labels, test)
    with pytest.raises(ValueError, match="neighbours"):
        knn_probabilities(train, labels, test, k=0)
