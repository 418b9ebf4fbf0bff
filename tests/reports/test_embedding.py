"""The map of features: evenly drawn faces, one file, figures that say what it shows."""

import numpy as np
import pytest
from PIL import Image
from threadpoolctl import threadpool_limits

from sparsefacs.errors import InputError
from sparsefacs.metrics.probing import neighbour_agreement
from sparsefacs.reports.embedding import draw_embedding, embed, evenly


def made(subjects=4, frames=20, apart=3.0, seed=0):
    """Features in which subjects lie apart, and AU4 of two moves every face the same way."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(subjects), frames)
    labels = (rng.random((len(who), 2)) < 0.5).astype(np.int8)
    features = rng.normal(0, 0.3, (len(who), 12))
    features[:, :subjects] += apart * np.eye(subjects)[who]
    features[:, 10] += 1.5 * (2 * labels[:, 0] - 1)
    labels[::7, 1] = -1
    return features.astype(np.float32), np.array([f"_s{number}" for number in who]), labels


def test_figures_are_of_the_faces_drawn(tmp_path):
    features, subjects, labels = made()
    found = draw_embedding(tmp_path / "map.png", features, subjects, labels, (4, 12), most=60, seed=3)
    rows = evenly(subjects, 60, 3)
    expected = neighbour_agreement(features[rows], subjects[rows], labels[rows], (4, 12))
    assert {name: found[name] for name in expected} == expected
    assert (found["points"], found["faces"], found["subjects"], found["seed"]) == (60, 80, 4, 3)
    assert found["same_subject"]["share"] > 0.7 > found["same_subject"]["chance"]
    assert found["per_au"]["4"]["share"] > found["per_au"]["4"]["chance"] + 0.1
    assert abs(found["per_au"]["12"]["share"] - found["per_au"]["12"]["chance"]) < 0.15


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_file_again_and_only_that(tmp_path, suffix):
    given = made()
    for name in ("a", "b"):
        draw_embedding(tmp_path / name / f"map.{suffix}", *given, (4, 12))
    first, second = ((tmp_path / name / f"map.{suffix}").read_bytes() for name in ("a", "b"))
    assert first == second
    assert [entry.name for entry in (tmp_path / "a").iterdir()] == [f"map.{suffix}"]
    if suffix == "svg":
        text = first.decode()
        assert "AU4" in text and "AU12" in text and "same subject" in text and "_s3" in text and "unlabelled" in text
    else:
        with Image.open(tmp_path / "a" / "map.png") as image:
            assert image.width > image.height and len(image.convert("RGB").getcolors(1_000_000)) > 10


def test_many_subjects_and_aus_fit(tmp_path):
    features, _, labels = made(subjects=10, frames=3)
    names = np.array([f"person {number}" for number in range(30)])
    drawn = draw_embedding(tmp_path / "map.svg", features, names, np.tile(labels, 3), (1, 2, 4, 6, 7, 12))
    assert drawn["same_subject"]["share"] == 0 and len(drawn["per_au"]) == 6
    assert "person 3" not in (tmp_path / "map.svg").read_text()  # no room to name thirty


def test_alone_by_subject(tmp_path):
    features, subjects, _ = made()
    assert draw_embedding(tmp_path / "map.svg", features, subjects, np.empty((80, 0)), ())["per_au"] == {}


def test_the_map_keeps_subjects_together():
    features, subjects, _ = made()
    places = embed(features, 10)
    assert places.shape == (80, 2) and np.array_equal(places, embed(features, 10))
    nearest = ((places[:, None] - places) ** 2).sum(axis=2) + np.diag(np.full(80, np.inf))
    assert np.mean(subjects[nearest.argmin(axis=1)] == subjects) > 0.9


def test_the_number_of_threads_does_not_matter():
    features, *_ = made(frames=100)
    with threadpool_limits(1):
        alone = embed(features, 10)
    with threadpool_limits(2):
        assert np.array_equal(embed(features, 10), alone)


def test_length_of_features_does_not_matter():
    features, *_ = made()
    assert np.allclose(embed(features, 10), embed(features * 8, 10))


def test_faces_are_drawn_evenly_over_subjects():
    subjects = np.array(["a"] * 50 + ["b"] * 5 + ["c"] * 30 + ["d"] * 2)
    rows = evenly(subjects, 33, 0)
    counts = dict(zip(*np.unique(subjects[rows], return_counts=True), strict=True))
    assert counts == {"a": 13, "b": 5, "c": 13, "d": 2} and rows.tolist() == sorted(set(rows.tolist()))
    assert evenly(subjects, 1000, 0).tolist() == list(range(87))
    assert np.array_equal(rows, evenly(subjects, 33, 0)) and not np.array_equal(rows, evenly(subjects, 33, 1))
    assert set(subjects[evenly(subjects, 3, 0)]) < set("abcd")


def test_what_cannot_be_drawn_is_said(tmp_path):
    features, subjects, labels = made()
    with pytest.raises(InputError, match="PNG or SVG"):
        draw_embedding(tmp_path / "map.pdf", features, subjects, labels, (4, 12))
    with pytest.raises(InputError, match="4 faces make no map"):
        draw_embedding(tmp_path / "map.png", features[:4], subjects[:4], labels[:4], (4, 12))
    with pytest.raises(ValueError, match="labels"):
        draw_embedding(tmp_path / "map.png", features, subjects, labels, (4,))
    assert not list(tmp_path.iterdir())


def test_faces_that_are_all_alike_are_drawn(tmp_path):
    found = draw_embedding(tmp_path / "map.png", np.zeros((9, 3)), np.arange(9), np.zeros((9, 1)), (1,))
    assert found["points"] == 9
