"""Logits of evidence against a literal transcription, and learning them against scikit-learn's plain fit."""

import numpy as np
import pytest
import torch

from sparsefacs.evidence.fitting import FitSettings, fit_linear, meanings_of, smoothed_rates
from sparsefacs.evidence.linear import TRUST, LinearEvidence, evidence_logits, evidence_of
from sparsefacs.evidence.reference import no_reference
from sparsefacs.evidence.vectors import VECTOR_WIDTH, meaning_of

AUS = (1, 12)
RNG = np.random.default_rng(0)


def drawn(rows: int, people: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Return evidence of people who differ at rest and labels that rest on change alone."""
    person = np.arange(rows) % people
    rest = RNG.normal(0, 3, (people, VECTOR_WIDTH))[person]
    change = RNG.normal(size=(rows, VECTOR_WIDTH))
    reference = np.concatenate([rest, np.full((rows, 1), 50.0)], axis=1)
    labels = np.stack([change[:, 3] > 0, change @ meaning_of(12) > 0.5], axis=1).astype(float)
    return evidence_of((rest + change).astype(np.float32), reference.astype(np.float32)), labels


def weights(width: int = 4, aus: int = 3) -> LinearEvidence:
    blank = LinearEvidence.blank(width, aus).arrays()
    made = {name: RNG.normal(size=value.shape).astype(np.float32) for name, value in blank.items()}
    scales = {"scale_E": np.array([1, 2, 0.5, 1], np.float32), "changed_E": np.array([0.3, 1, 2, 1], np.float32)}
    return LinearEvidence(**made | scales)


def literal(row: np.ndarray, w: LinearEvidence) -> np.ndarray:
    width, aus = w.face_EA.shape
    moments = row[2 * width]
    trust = moments / (moments + TRUST)
    out = np.zeros(aus)
    for a in range(aus):
        alone, beside = float(w.face_A[a]), float(w.person_A[a])
        for e in range(width):
            known = np.isfinite(row[e])
            own = (row[e] - w.mean_E[e]) / w.scale_E[e] if known else 0.0
            change = (row[e] - row[width + e]) / w.changed_E[e] if known and np.isfinite(row[width + e]) else 0.0
            alone += own * w.face_EA[e, a]
            beside += own * w.own_EA[e, a] + change * w.change_EA[e, a]
        out[a] = (1 - trust) * alone + trust * beside
    return out


def test_logits_equal_a_literal_transcription_and_torchs() -> None:
    w = weights()
    evidence = RNG.normal(size=(6, 9)).astype(np.float32)
    evidence[:, 8] = [0, 1, 4, 100, 2, 2]
    evidence[1, 2] = evidence[2, 5] = np.nan
    evidence[4, 4:8] = np.nan
    found = evidence_logits(evidence, w, np)
    np.testing.assert_allclose(found, [literal(row, w) for row in evidence], rtol=1e-5, atol=1e-5)

    class Holder:
        pass

    holder = Holder()
    for name, value in w.arrays().items():
        setattr(holder, name, torch.from_numpy(value))
    np.testing.assert_allclose(evidence_logits(torch.from_numpy(evidence), holder, torch).numpy(), found, atol=1e-5)


def test_one_photo_is_coded_exactly_as_without_the_person() -> None:
    w = weights()
    vectors = RNG.normal(size=(5, 4)).astype(np.float32)
    own = np.concatenate([vectors, np.zeros((5, 1), np.float32)], axis=1)  # compared with itself, no other moment
    with_person = evidence_logits(evidence_of(vectors, own), w, np)
    np.testing.assert_array_equal(with_person, evidence_logits(evidence_of(vectors, no_reference(5, 4)), w, np))


def test_weights_of_an_au_without_meaning_equal_scikit_learns_own_fit() -> None:
    from sklearn.linear_model import LogisticRegression

    evidence, labels = drawn(300)
    settings = FitSettings(c=0.3, person=False, blendshapes=False)
    found = fit_linear(evidence, labels[:, :1], evidence, meanings_of((1,)), settings)
    vector = evidence[:, :VECTOR_WIDTH].astype(np.float64)
    used = np.isfinite(found.scale_E)
    scaled = (vector - found.mean_E)[:, used] / found.scale_E[used]
    other = LogisticRegression(C=0.3, tol=1e-10, max_iter=10000).fit(scaled, labels[:, 0])
    np.testing.assert_allclose(found.face_EA[used, 0], other.coef_[0], atol=2e-4)
    np.testing.assert_allclose(found.face_A[0], other.intercept_[0], atol=2e-4)
    assert not found.face_EA[~used].any()


def test_the_same_labels_give_the_same_weights_to_the_last_bit() -> None:
    evidence, labels = drawn(200)
    one, two = (fit_linear(evidence, labels, evidence, meanings_of(AUS)) for _ in range(2))
    for name, value in one.arrays().items():
        np.testing.assert_array_equal(value, two.arrays()[name])


def auc(logits: np.ndarray, truth: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, logits))


def test_the_person_tells_what_the_face_alone_cannot() -> None:
    evidence, labels = drawn(400)
    test, truth = drawn(400, people=7)
    scores = [
        auc(
            evidence_logits(
                test, fit_linear(evidence, labels, evidence, meanings_of(AUS), FitSettings(person=person)), np
            )[:, 0],
            truth[:, 0],
        )
        for person in (False, True)
    ]
    assert scores[1] > scores[0] + 0.05


def test_a_few_labels_and_none_rest_on_what_the_au_means() -> None:
    evidence, labels = drawn(400)
    test, truth = drawn(400, people=7)
    for count in (0, 6):
        found = fit_linear(evidence[:count], labels[:count], evidence, meanings_of(AUS))
        assert auc(evidence_logits(test, found, np)[:, 1], truth[:, 1]) > 0.8


def test_unlabelled_entries_change_nothing() -> None:
    evidence, labels = drawn(120)
    hidden = labels.copy()
    hidden[60:] = -1
    hidden[70:] = np.nan
    for name, value in fit_linear(evidence, hidden, evidence, meanings_of(AUS)).arrays().items():
        np.testing.assert_array_equal(
            value, fit_linear(evidence[:60], labels[:60], evidence, meanings_of(AUS)).arrays()[name]
        )


def test_an_intensity_counts_both_ways_by_its_share() -> None:
    evidence, labels = drawn(80)
    half = np.where(labels > 0, 0.75, 0.25)
    twice = np.concatenate([evidence] * 4)
    whole = np.concatenate([labels, labels, labels, 1 - labels])
    settings = FitSettings(c=1.0)
    found = fit_linear(evidence, half, evidence, meanings_of(AUS), settings)
    other = fit_linear(twice, whole, evidence, meanings_of(AUS), FitSettings(c=0.25))
    np.testing.assert_allclose(found.own_EA, other.own_EA, atol=1e-4)


def test_rates_are_drawn_towards_the_mean_of_all_aus() -> None:
    labels = np.array([[1, 0], [1, 0], [0, np.nan]])
    np.testing.assert_allclose(smoothed_rates(labels), [(2 + 2 * 0.4) / 5, (0 + 2 * 0.4) / 4])


@pytest.mark.parametrize("person", [False, True])
def test_evidence_that_nobody_has_is_left_out(person: bool) -> None:
    evidence, labels = drawn(100)
    evidence[:, :VECTOR_WIDTH][:, 80:] = np.nan
    evidence[:, VECTOR_WIDTH : 2 * VECTOR_WIDTH][:, 80:] = np.nan
    found = fit_linear(evidence, labels, evidence, meanings_of(AUS), FitSettings(person=person))
    assert all(
        np.isfinite(value).all() for name, value in found.arrays().items() if name not in ("scale_E", "changed_E")
    )
    assert np.isfinite(evidence_logits(evidence, found, np)).all()
