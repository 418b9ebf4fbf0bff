"""`synth`: the store it writes, its bytes, its resuming, its refusals."""

import hashlib
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from sparsefacs.data.store import Store, StoreInfo
from sparsefacs.data.store_writer import StoreWriter
from sparsefacs.errors import InputError
from sparsefacs.faces.alignment import FaceRecipe, anchor_points, transform_points
from sparsefacs.synthetic import DEFAULT_AUS, label_sequences, pipeline, synth, unpack_flow
from sparsefacs.synthetic.appearance import load_appearance
from sparsefacs.synthetic.expression import Expression
from sparsefacs.synthetic.flow import in_earlier_alignment
from sparsefacs.synthetic.identity import make_subject
from sparsefacs.synthetic.motion import make_clip, resting_face
from sparsefacs.synthetic.render import FaceRenderer
from sparsefacs.synthetic.scene import make_scene

SMALL = {"subjects": 2, "clips": 2, "frames": 3, "size": 48, "seed": 4, "points": "true"}


def digest(store):
    files = sorted(path for path in store.path.iterdir() if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return synth(tmp_path_factory.mktemp("synth") / "one", workers=1, flow=True, **SMALL)


def test_store_holds_what_was_asked_for(made):
    assert len(made) == 12
    assert (made.info.subjects, made.info.clips, made.aus) == (2, 4, DEFAULT_AUS)
    assert made.info.recipe == FaceRecipe(size=48).as_json()
    assert made.info.source["kind"] == "synthetic"
    assert made.image(0).shape == (48, 48, 3)
    names = ("true_landmarks", "landmarks", "true_pose", "pose", "light", "blendshapes", "flow")
    row = {name: made.value(name, 3) for name in names}
    assert row["true_landmarks"] == row["landmarks"] and row["true_pose"] == row["pose"]  # as points are the true ones
    assert len(row["light"]) == 6 and np.isnan(row["blendshapes"]).all()
    flow, occluded = unpack_flow(row["flow"])
    assert flow.shape == (48, 48, 2) and occluded.shape == (48, 48)
    np.testing.assert_allclose(made.numbers("time")[:3], [0, 0.04, 0.08])


def test_flow_to_rest_leads_to_the_resting_face_in_the_same_pose_and_alignment(tmp_path):
    store = synth(
        tmp_path / "s", subjects=1, clips=1, frames=2, size=96, seed=3, workers=1, points="true", resting="varied",
        flow=True, flow_to="rest",
    )  # fmt: skip
    assert store.info.source["flow_to"] == "rest"
    drawn, recipe = load_appearance("usual"), FaceRecipe(size=96)
    subject = make_subject(3, 0, drawn)
    acted = make_clip("bp4d", store.aus, 3, 0, 0, 3, drawn, "varied")
    scene = make_scene(np.random.default_rng(np.random.SeedSequence([3, 0, 13, 0])), subject.colours.skin, drawn)
    for row in range(2):
        after = FaceRenderer(subject, 1).place(Expression(resting_face(3, 0)), acted.poses[row], scene, recipe)[1]
        to_source = np.linalg.inv(np.vstack([after.matrix, [0, 0, 1]]))[:2]
        matrix = np.reshape(store.value("matrix", row), (2, 3))
        seen = slice(17, 60)  # brows, nose, eyes, outer lips; pressed lips hide the inner ones
        resting = transform_points(transform_points(after.landmarks[seen], to_source), matrix)
        points = np.reshape(store.value("landmarks", row), (68, 2))[seen]
        flow, hidden = unpack_flow(store.value("flow", row))
        x, y = np.rint(points).astype(int).T
        assert not hidden[y, x].any()
        assert np.median(np.linalg.norm(points + flow[y, x] - resting, axis=-1)) < 0.06  # not where an edge is near
        assert np.median(np.linalg.norm(points - resting, axis=-1)) > 0.3


def test_flow_reaches_over_a_step_of_frames(tmp_path):
    """The landmarks of a frame, carried by its flow, are those three frames later, in the alignment asked for."""
    settings = {
        "subjects": 1,
        "clips": 1,
        "frames": 5,
        "size": 96,
        "seed": 3,
        "workers": 1,
        "flow": True,
        "points": "true",
    }
    store = synth(tmp_path / "three", flow_step=3, **settings)
    assert store.info.source["flow_step"] == 3
    points = store.vectors("landmarks").reshape(-1, 68, 2)
    matrices = store.vectors("matrix").reshape(-1, 2, 3)
    for row in range(2):
        flow, hidden = unpack_flow(store.value("flow", row))
        earlier = in_earlier_alignment(flow, matrices[row], matrices[row + 3])
        x, y = np.rint(points[row, 27:]).astype(int).T  # nose, eyes, mouth
        shown = ~hidden[y, x]
        assert shown.sum() > 25
        away = [np.linalg.norm(points[row, 27:] + flow[y, x] - points[row + step, 27:], axis=-1) for step in (1, 2, 3)]
        near = [each[shown].mean() for each in away]
        assert near[2] < 0.06
        assert near[2] < 0.6 * near[1] < 0.6 * near[0]
        to_source = np.linalg.inv(np.vstack([matrices[row + 3], [0, 0, 1]]))[:2]
        later = transform_points(transform_points(points[row + 3, 27:], to_source), matrices[row])
        assert np.linalg.norm(points[row, 27:] + earlier[y, x] - later, axis=-1)[shown].mean() < 0.06
        assert np.linalg.norm(later - points[row + 3, 27:], axis=-1).mean() > 0.5


def test_labels_are_those_of_the_label_sequences(made):
    expected = label_sequences("bp4d", DEFAULT_AUS, 2, 2, 4, seed=4)[:, :, :3]
    np.testing.assert_array_equal(made.occurrence().reshape(2, 2, 3, -1), expected)
    np.testing.assert_array_equal(made.occurrence() == 1, made.intensity() >= 1)


def test_faces_lie_where_the_recipe_puts_them(made):
    landmarks = made.vectors("landmarks").reshape(-1, 68, 2)
    away = np.linalg.norm(anchor_points(landmarks) - FaceRecipe(size=48).template(), axis=-1)
    assert away.mean() < 0.05 * 48
    assert landmarks.min() > -10 and landmarks.max() < 58


def test_faces_of_different_subjects_and_frames_differ(made):
    images = [made.image(row).astype(int) for row in (0, 2, 6)]
    assert np.abs(images[0] - images[2]).mean() > 5
    assert np.abs(images[0] - images[1]).mean() > 0.2


def test_bytes_do_not_depend_on_workers(made, tmp_path):
    assert digest(synth(tmp_path / "two", workers=2, flow=True, **SMALL)) == digest(made)


def test_seed_changes_the_faces(made, tmp_path):
    other = synth(tmp_path / "other", workers=1, **{**SMALL, "seed": 5})
    assert (other.image(0) != made.image(0)).mean() > 0.5


def test_a_killed_run_goes_on_to_the_same_bytes(made, tmp_path):
    job = pipeline.Job(2, 2, 3, 48, 4, "bp4d", True, 2, DEFAULT_AUS, points="true")
    out = tmp_path / "killed"
    info = StoreInfo(aus=job.aus, recipe=job.recipe.as_json(), source=pipeline.job_source(job))
    pipeline.make_part(StoreWriter(out, info, pipeline._described(job), pipeline.extra_columns(job)), job, 1)
    (out / ".data-00000.abc.tmp.arrow").write_bytes(b"half")  # what a kill leaves behind
    with pytest.raises(InputError, match="unfinished"):
        Store(out)
    with pytest.raises(InputError, match="other settings"):
        synth(out, workers=1, flow=True, **{**SMALL, "frames": 4})
    written = (out / "data-00001.arrow").stat().st_mtime_ns
    resumed = synth(out, workers=1, flow=True, **SMALL)
    assert (out / "data-00001.arrow").stat().st_mtime_ns == written
    (out / ".data-00000.abc.tmp.arrow").unlink(missing_ok=True)
    assert digest(resumed) == digest(made)


def test_disfa_profile_and_chosen_aus(tmp_path):
    few = {"subjects": 1, "clips": 1, "frames": 2, "size": 32, "workers": 1, "points": "true"}
    store = synth(tmp_path / "disfa", profile="disfa", aus=(12, 45), **few)
    assert store.aus == (12, 45)
    assert store.info.source["fps"] == 20
    np.testing.assert_array_equal(store.occurrence((12,)) == 1, store.intensity((12,)) >= 2)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"subjects": 0}, "subjects must be at least 1"),
        ({"frames": -1}, "frames must be at least 1"),
        ({"size": 20}, "32 to 1024"),
        ({"size": 2000}, "32 to 1024"),
        ({"seed": -1}, "seed must not be negative"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"supersample": 9}, "Choose 1 to 4"),
        ({"flow": True, "flow_step": 0}, "flow_step must be at least 1"),
        ({"flow_step": 3}, "Add --flow"),
        ({"flow_to": "rest"}, "Give --flow without a step"),
        ({"profile": "ck"}, "bp4d or disfa"),
        ({"resting": "odd"}, "plain or varied"),
        ({"points": "odd"}, "found or true"),
        ({"aus": (1, 99)}, "cannot make AU99"),
        ({"aus": (1, 1)}, "named twice"),
        ({"aus": ()}, "at least one AU"),
    ],
)
def test_impossible_arguments_are_told_and_leave_nothing(tmp_path, change, told):
    with pytest.raises(InputError, match=told) as caught:
        synth(tmp_path / "store", **{**SMALL, "workers": 1, **change})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "store").exists()


def test_existing_store_is_not_overwritten(made, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(made.path, copy)
    before = (copy / "store.json").read_bytes()
    with pytest.raises(InputError, match="already exists"):
        synth(copy, workers=1, flow=True, **SMALL)
    assert (copy / "store.json").read_bytes() == before
    assert json.loads(before)["faces"] == 12


def test_images_are_jpegs_of_the_recipes_size(made):
    with Image.open(io.BytesIO(made.value("image", 0)["bytes"])) as image:
        assert image.format == "JPEG" and image.size == (48, 48)
