"""The person's reference: order, bounds, few faces, whose faces."""

import numpy as np
import pytest

from sparsefacs.evidence.reference import SAMPLE, PersonSample, no_reference, person_samples


def vectors(count: int, width: int = 7, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def sample_of(rows: np.ndarray, order: np.ndarray, fps: float = 25.0) -> PersonSample:
    made = PersonSample()
    for row in order.tolist():
        made.add("clip", row, row / fps, rows[row])
    return made


def test_the_reference_is_the_median_of_the_persons_faces() -> None:
    rows = vectors(31)
    found = sample_of(rows, np.arange(31)).reference(7)
    np.testing.assert_array_equal(found[:-1], np.median(rows, axis=0))
    assert found[-1] == 2  # 31 frames at 25 a second are three half seconds: two beside a face's own


@pytest.mark.parametrize("count", [40, 10 * SAMPLE])
def test_the_reference_of_a_shuffled_video_is_the_same_and_bounded(count: int) -> None:
    rows = vectors(count)
    straight, shuffled = (
        sample_of(rows, order) for order in (np.arange(count), np.random.default_rng(1).permutation(count))
    )
    np.testing.assert_array_equal(straight.reference(7), shuffled.reference(7))
    assert len(straight._kept) == min(count, SAMPLE)


def test_seen_so_far_equals_seen_at_the_end() -> None:
    rows = vectors(600)
    causal = PersonSample()
    for number, row in enumerate(rows):
        causal.add("clip", number, number / 25, row)
        causal.reference(7)  # asked for at every frame, as live use does
    np.testing.assert_array_equal(causal.reference(7), sample_of(rows, np.arange(600)).reference(7))


def test_someone_unknown_has_the_populations_reference() -> None:
    nobody = PersonSample().reference(3)
    assert np.isnan(nobody[:3]).all() and nobody[3] == 0
    np.testing.assert_array_equal(no_reference(2, 3), np.stack([nobody, nobody]))


def test_a_single_photo_rests_on_no_other_moment() -> None:
    one = PersonSample()
    one.add("photo.jpg", 0, None, vectors(1)[0])
    assert one.reference(7)[-1] == 0


def test_photos_are_a_moment_each_and_standing_still_is_one() -> None:
    photos, still = PersonSample(), PersonSample()
    for number, row in enumerate(vectors(6)):
        photos.add(f"{number}.jpg", 0, None, row)
        still.add("clip", number, 0.01 * number, row)
    assert (photos.moments, still.moments) == (6, 1)


def test_numbers_that_are_not_known_do_not_count() -> None:
    rows = vectors(5, 2)
    rows[:2, 0] = np.nan
    rows[:, 1] = np.nan
    found = sample_of(rows, np.arange(5)).reference(2)
    assert found[0] == np.median(rows[2:, 0]) and np.isnan(found[1])
    silent = PersonSample()
    silent.add("clip", 0, 0.0, np.full(2, np.nan, np.float32))
    assert silent.moments == 0


def test_references_are_each_persons_own() -> None:
    rows = vectors(40)
    person = np.arange(40) % 2
    found, other = person_samples(rows, person, ["clip"] * 40, np.arange(40), np.arange(40) / 2)
    for who, sample in enumerate((found, other)):
        np.testing.assert_array_equal(sample.reference(7)[:-1], np.median(rows[person == who], axis=0))
    changed = rows.copy()
    changed[person == 1] += 5
    again, _ = person_samples(changed, person, ["clip"] * 40, np.arange(40), np.arange(40) / 2)
    np.testing.assert_array_equal(again.reference(7), found.reference(7))
