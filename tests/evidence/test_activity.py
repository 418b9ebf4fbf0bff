"""How active people are: what moves within them, what is usual, and how it moves their references."""

import numpy as np
import pytest

from sparsefacs.evidence.activity import LABELLED, SHARE, Activity, found_activity
from sparsefacs.evidence.reference import PersonSample

WIDTH, AUS = 5, 3


def shown_by(vectors_KE: np.ndarray, references_KR: np.ndarray) -> np.ndarray:
    """A coder that finds AU a where number a is above its reference, and tells a further answer behind them."""
    change = np.nan_to_num(vectors_KE - references_KR[:, :-1])[:, :AUS]
    return np.concatenate([1 / (1 + np.exp(-4 * change)), np.full((len(change), 1), 5.0)], axis=1).astype(np.float32)


def people(count: int = 6, faces: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Faces (N, 5), whose they are, and how likely AUs are: AU a moves number a by a + 1, and number 4 by its half."""
    rng = np.random.default_rng(0)
    person = rng.permutation(np.repeat(np.arange(count) * 3, faces))
    shown = rng.random((count * faces, AUS)) ** 2
    vectors = rng.normal(0, 3, (count * 3, WIDTH))[person]  # people look unlike each other
    vectors[:, :AUS] += shown * np.arange(1, AUS + 1)
    vectors[:, 4] += shown @ np.arange(1, AUS + 1) / 2
    return vectors.astype(np.float32), person, shown


def test_what_moves_within_people_is_found_whoever_they_are() -> None:
    vectors, person, shown = people()
    found = found_activity(vectors, person, shown, labelled=0)
    wanted = np.zeros((AUS, WIDTH))
    wanted[range(AUS), range(AUS)] = SHARE * np.arange(1, AUS + 1)
    wanted[:, 4] = SHARE * np.arange(1, AUS + 1) / 2
    np.testing.assert_allclose(found.moves_AE, wanted, atol=0.02)  # its smoothing takes a hundredth
    np.testing.assert_allclose(found.usual_A, shown.mean(axis=0), rtol=1e-6)
    order = np.random.default_rng(1).permutation(len(person))
    np.testing.assert_allclose(
        found_activity(vectors[order], person[order], shown[order], 0).moves_AE, found.moves_AE, atol=1e-5
    )
    taught = found_activity(vectors, person, shown, labelled=round(LABELLED))
    np.testing.assert_allclose(taught.moves_AE, found.moves_AE / 2, rtol=1e-5)


def test_what_is_not_known_has_no_part() -> None:
    vectors, person, shown = people()
    whole = found_activity(vectors[:, :4], person, shown, 0)
    vectors[:, 4] = np.nan  # such as blendshapes of a store without
    shown[:, 1] = np.nan  # an AU that the coder does not know
    found = found_activity(vectors, person, shown, 0)
    assert np.isfinite(found.moves_AE).all() and not found.moves_AE[1].any() and not found.moves_AE[:, 4].any()
    np.testing.assert_allclose(found.moves_AE[[0, 2], :4], whole.moves_AE[[0, 2]], atol=0.2)
    nothing = found_activity(vectors[:1], person[:1], shown[:1], 0)
    assert not nothing.moves_AE.any(), "one face of one person moves nothing"


def test_a_reference_is_moved_by_what_the_person_shows_more_than_people_do() -> None:
    rng = np.random.default_rng(2)
    usual, moves = np.array([0.2, 0.5, 0.5], np.float32), rng.normal(size=(AUS, WIDTH)).astype(np.float32)
    sample, reference = (
        rng.normal(1, 1, (9, WIDTH)).astype(np.float32),
        np.append(np.zeros(WIDTH), 7).astype(np.float32),
    )
    reference[3] = np.nan
    settle = Activity(usual, moves).settling(shown_by)
    assert settle is not None
    moved = settle(sample, reference)
    shown = shown_by(sample, np.stack([reference] * 9))[:, :AUS].mean(axis=0)
    np.testing.assert_allclose(moved[:-1], reference[:-1] + (usual - shown) @ moves, rtol=1e-5)
    assert moved[-1] == 7 and np.isnan(moved[3])
    assert Activity.blank(WIDTH, AUS).settling(shown_by) is None


@pytest.mark.parametrize("count", [30, 400])
def test_a_sample_moves_its_reference_in_whatever_order_its_faces_come(count: int) -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(1, 1, (count, WIDTH)).astype(np.float32)
    found = Activity(np.full(AUS, 0.3, np.float32), rng.normal(size=(AUS, WIDTH)).astype(np.float32))

    def asked(order: np.ndarray, *, at_each: bool = False) -> PersonSample:
        made = PersonSample(found.settling(shown_by))
        for row in order.tolist():
            made.add("clip", row, row / 25, rows[row])
            if at_each:
                made.reference(WIDTH)
        return made

    straight, shuffled, causal = (
        asked(np.arange(count)), asked(rng.permutation(count)), asked(np.arange(count), at_each=True)
    )  # fmt: skip
    np.testing.assert_array_equal(straight.reference(WIDTH), shuffled.reference(WIDTH))
    np.testing.assert_array_equal(straight.reference(WIDTH), causal.reference(WIDTH))
    plain = PersonSample()
    for row in range(count):
        plain.add("clip", row, row / 25, rows[row])
    assert np.abs(plain.reference(WIDTH) - straight.reference(WIDTH)).max() > 0.1
