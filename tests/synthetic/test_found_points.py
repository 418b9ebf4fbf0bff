"""What the finder sees in rendered faces: landmarks, blendshapes, pose; and a face that it misses."""

from pathlib import Path

import numpy as np
import pytest

from sparsefacs.data.store import Reject, Store
from sparsefacs.errors import InputError
from sparsefacs.faces.cutting import NO_FACE
from sparsefacs.faces.detection import FaceFinder
from sparsefacs.synthetic import synth
from sparsefacs.synthetic.motion import RESTING_AUS, make_clip, resting_face

FEW = {"subjects": 12, "clips": 2, "frames": 2, "size": 96, "seed": 6, "fps": 5, "workers": 1}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return synth(tmp_path_factory.mktemp("found") / "store", **FEW)


def test_found_landmarks_lie_near_the_true_ones(found: Store) -> None:
    away = found.vectors("landmarks") - found.vectors("true_landmarks")
    apart = np.linalg.norm(away.reshape(-1, 68, 2), axis=-1)
    assert 0.5 < apart.mean() < 2.5, "a little off, as those of photos are"
    assert np.linalg.norm(away.reshape(-1, 68, 2).mean(axis=(0, 1))) < 1, "and not all to one side"


def test_found_pose_follows_the_true_one(found: Store) -> None:
    """Roll too, though in the aligned picture nobody tilts the head: it is of the camera's picture."""
    seen, true = found.vectors("pose"), found.vectors("true_pose")
    for column, (least, most) in enumerate(((0.95, 2.5), (0.6, 12), (0.85, 2.5))):
        assert np.corrcoef(seen[:, column], true[:, column])[0, 1] > least
        assert np.abs(seen[:, column] - true[:, column]).mean() < most  # degrees
    slope = np.polyfit(true[:, 2], seen[:, 2], 1)[0]
    assert slope == pytest.approx(1, abs=0.25)


def test_blendshapes_are_kept_and_tell_faces_apart(found: Store) -> None:
    shapes = found.vectors("blendshapes")
    assert shapes.shape == (len(found), 52) and shapes.min() >= 0 and 0.3 < shapes.max() <= 1
    assert shapes.std(axis=0).max() > 0.05


def test_points_true_keeps_the_generators_own_and_the_same_pictures(found: Store, tmp_path: Path) -> None:
    true = synth(tmp_path / "true", points="true", **{**FEW, "subjects": 1})
    np.testing.assert_array_equal(true.vectors("landmarks"), true.vectors("true_landmarks"))
    np.testing.assert_array_equal(true.vectors("pose"), true.vectors("true_pose"))
    assert np.isnan(true.vectors("blendshapes")).all()
    np.testing.assert_array_equal(true.image(0), found.image(0))
    np.testing.assert_array_equal(true.vectors("true_landmarks"), found.vectors("true_landmarks")[: len(true)])


def _missing(monkeypatch: pytest.MonkeyPatch, missed: set[int]) -> None:
    find, looked = FaceFinder.find, iter(range(1000))
    monkeypatch.setattr(FaceFinder, "find", lambda self, image: [] if next(looked) in missed else find(self, image))


def test_a_missed_face_is_rejected_with_its_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _missing(monkeypatch, {1, 3, 4})
    shape = {"subjects": 1, "clips": 3, "frames": 2, "size": 96, "seed": 6, "fps": 5, "workers": 1}
    store = synth(tmp_path / "store", **shape)
    assert len(store) == 3
    assert list(zip(store.strings("clip"), store.numbers("frame"), strict=True)) == [("C00", 0), ("C01", 0), ("C02", 5)]
    assert store.info.rejected == (
        Reject("synthetic/6/S0000/C00", 5, NO_FACE),
        Reject("synthetic/6/S0000/C01", 5, NO_FACE),
        Reject("synthetic/6/S0000/C02", 0, NO_FACE),
    )
    assert "synth: 6/6 frames" in capsys.readouterr().err, "those rejected are done too"
    whole = make_clip("bp4d", store.aus, 6, 0, 2, 6)
    np.testing.assert_array_equal(store.occurrence()[2], whole.occurrence[5])


def test_no_face_at_all_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _missing(monkeypatch, set(range(10)))
    with pytest.raises(InputError, match=r"no face was found.*--size 64 or more, or --points true"):
        synth(tmp_path / "store", subjects=1, clips=1, frames=2, size=48, workers=1)
    assert not (tmp_path / "store").exists()


def test_resting_faces_resemble_aus_of_some_people_and_labels_stay() -> None:
    faces = [resting_face(3, person) for person in range(200)]
    each = np.array([[face.get(au, 0.0) for au in RESTING_AUS] for face in faces])
    assert (each > 0).mean() == pytest.approx(0.30, abs=0.03) and (each >= 0.30).mean() == pytest.approx(0.05, abs=0.02)
    assert each.min() >= 0 and each.max() <= 0.5
    person = next(number for number, face in enumerate(faces) if face.get(4, 0) > 0.3)
    plain, varied = (make_clip("bp4d", (1, 4, 12), 3, person, 0, 10, resting=kind) for kind in ("plain", "varied"))
    np.testing.assert_array_equal(plain.occurrence, varied.occurrence)
    np.testing.assert_array_equal(plain.intensity, varied.intensity)
    assert plain.poses == varied.poses
    lowest = min(one.weights.get(4, 0.0) for one in varied.expressions)
    assert lowest >= faces[person][4] - 1e-6, "the rest is always there"
    for before, after in zip(plain.expressions, varied.expressions, strict=True):
        assert after.weights.get(4, 0.0) >= before.weights.get(4, 0.0) - 1e-6
