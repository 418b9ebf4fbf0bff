"""Shifted faces: the same labels, another look; thinned clips: the same dynamics, fewer frames."""

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sparsefacs.cli import main
from sparsefacs.data.store import Store
from sparsefacs.errors import InputError
from sparsefacs.synthetic import DEFAULT_AUS, synth
from sparsefacs.synthetic.appearance import APPEARANCES, SHIFTED, USUAL, WILD, load_appearance
from sparsefacs.synthetic.identity import make_subject
from sparsefacs.synthetic.motion import make_clip
from sparsefacs.synthetic.pipeline import GENERATOR_VERSION, frame_step_of, generator_version
from sparsefacs.synthetic.scene import Scene, _toned, make_scene, photograph

TINY = {"subjects": 1, "clips": 2, "frames": 3, "size": 48, "seed": 4, "workers": 1, "points": "true"}
SKIN = np.full(3, 0.3, np.float32)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Store]:
    folder = tmp_path_factory.mktemp("appearances")
    return synth(folder / "usual", **TINY), synth(folder / "shifted", appearance="shifted", **TINY)


@cache
def scenes(drawn: str) -> list[Scene]:
    return [make_scene(np.random.default_rng(number), SKIN, APPEARANCES[drawn]) for number in range(24)]


def test_the_store_says_its_appearance(pair: tuple[Store, Store]) -> None:
    assert [store.info.source["appearance"] for store in pair] == ["usual", "shifted"]
    assert {store.info.source["generator_version"] for store in pair} == {GENERATOR_VERSION}


def test_an_appearance_that_changed_has_a_version_of_its_own() -> None:
    assert generator_version("usual") == generator_version("shifted") == GENERATOR_VERSION < generator_version("wild")


def test_labels_are_the_same_and_pictures_are_not(pair: tuple[Store, Store]) -> None:
    usual, shifted = pair
    np.testing.assert_array_equal(usual.occurrence(), shifted.occurrence())
    np.testing.assert_array_equal(usual.intensity(), shifted.intensity())
    assert np.abs(usual.image(0).astype(int) - shifted.image(0)).mean() > 10
    assert np.abs(usual.vectors("pose") - shifted.vectors("pose")).max() > 1


def test_shifted_bytes_do_not_depend_on_workers(pair: tuple[Store, Store], tmp_path: Path) -> None:
    settings = {**TINY, "workers": 2}
    again = synth(tmp_path / "again", appearance="shifted", **settings)
    first, second = (
        [hashlib.sha256(path.read_bytes()).digest() for path in sorted(store.path.glob("*.arrow"))]
        for store in (pair[1], again)
    )
    assert first == second


def test_shifted_heads_turn_further() -> None:
    def spread(drawn: str) -> np.ndarray:
        poses = [make_clip("bp4d", (12,), 3, person, 0, 2, APPEARANCES[drawn]).poses[0] for person in range(60)]
        return np.std([(pose.yaw, pose.pitch, pose.roll) for pose in poses], axis=0)

    assert (spread("shifted") > 1.5 * spread("usual")).all()


def test_shifted_light_is_harder_darker_and_coloured() -> None:
    usual, shifted = scenes("usual"), scenes("shifted")

    def of(made: list[Scene], what) -> np.ndarray:
        return np.array([what(scene) for scene in made])

    for what, more in (
        (lambda scene: scene.lights[1, 4] / scene.lights[0, 4], False),  # fill beside key
        (lambda scene: scene.sky.mean(), False),
        (lambda scene: abs(np.arctan2(scene.lights[0, 0], scene.lights[0, 2])), True),  # from the side
        (lambda scene: np.ptp(np.log(scene.lights[0, 3:])), True),  # colour
        (lambda scene: scene.noise, True),
        (lambda scene: scene.blur, True),
    ):
        assert (of(shifted, what).mean() > 1.2 * of(usual, what).mean()) == more
    assert of(shifted, lambda scene: scene.lights[0, 1]).min() < 0 < of(usual, lambda scene: scene.lights[0, 1]).min()
    assert all(28 <= scene.jpeg < 65 and scene.whole_frame for scene in shifted)
    assert not any(scene.whole_frame for scene in usual)


def test_shifted_people_have_skin_and_hair_that_nobody_usually_has() -> None:
    usual = [make_subject(3, number, USUAL).colours for number in range(30)]
    shifted = [make_subject(3, number, SHIFTED) for number in range(30)]
    natural = max(colours.hair[2] / colours.hair[0] for colours in usual)
    dyed = sum(subject.colours.hair[2] > 1.5 * natural * subject.colours.hair[0] for subject in shifted)
    assert dyed >= 4  # blue, violet
    tone = np.array([np.log(colours.skin[1] / colours.skin[2]) for colours in usual])
    odd = [not tone.min() < np.log(s.colours.skin[1] / s.colours.skin[2]) < tone.max() for s in shifted]
    assert np.mean(odd) > 0.3
    assert {subject.hair for subject in shifted if subject.female > 0.5} >= {"bald", "long"}
    for number in (0, 7):  # whose face it is stays
        assert make_subject(3, number, USUAL).amplitude == make_subject(3, number, SHIFTED).amplitude


@pytest.mark.parametrize("turn", [0.0, 20.0])
@pytest.mark.parametrize("scale", [0.4, 1.3])
def test_a_picture_spoilt_in_the_cameras_frame_comes_back_in_place(turn: float, scale: float) -> None:
    import cv2

    scene = replace(scenes("shifted")[0], blur=0.0, noise=0.0, jpeg=95)
    picture = cv2.resize(np.random.default_rng(0).uniform(40, 220, (7, 7, 3)).astype(np.float32), (96, 96))
    matrix = cv2.getRotationMatrix2D((320, 240), turn, 1 / scale)
    matrix[:, 2] += (48 - 320, 48 - 240)
    seen = photograph(picture, scene, np.random.default_rng(1), matrix.astype(np.float32)).astype(np.float32)
    assert seen.shape == picture.shape
    inside = seen[8:-8, 8:-8]
    error = {
        (down, across): float(np.abs(inside - picture[8 + down : 88 + down, 8 + across : 88 + across]).mean())
        for down, across in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
    }
    assert error[0, 0] < 6
    assert error[0, 0] < 0.8 * min(value for moved, value in error.items() if moved != (0, 0))


def test_coarser_cameras_and_stronger_compression_lose_detail() -> None:
    picture = np.random.default_rng(0).uniform(40, 220, (96, 96, 3)).astype(np.float32)
    scene = replace(scenes("shifted")[0], blur=0.0, noise=0.0, jpeg=95)

    def kept(scene: Scene, scale: float) -> float:
        matrix = np.array([[1 / scale, 0, 0], [0, 1 / scale, 0]], np.float32)
        return float(photograph(picture, scene, np.random.default_rng(1), matrix).astype(float).std())

    assert kept(scene, 0.5) < 0.7 * kept(scene, 2.0)
    assert kept(replace(scene, blur=0.9), 2.0) < 0.9 * kept(scene, 2.0)
    assert kept(replace(scene, jpeg=10), 2.0) != kept(scene, 2.0)


def test_wild_cameras_have_a_tone_curve_of_their_own_and_other_scenes_are_as_they_were() -> None:
    drawn = [make_scene(np.random.default_rng(seed), SKIN, WILD) for seed in range(60)]
    contrast, colour = (np.array([getattr(scene, name) for scene in drawn]) for name in ("contrast", "colour"))
    assert contrast.min() < 1 and contrast.max() > 2 and colour.min() < 0.5 and colour.max() > 1.5
    behind = np.array([float((scene.background * scene.exposure).mean()) for scene in drawn])
    assert behind.min() < 0.03 and behind.max() > 0.6, "rooms from dark to glaring"
    usual = make_scene(np.random.default_rng(0), SKIN, USUAL)
    picture = np.random.default_rng(1).uniform(0, 255, (8, 8, 3)).astype(np.float32)
    assert (usual.contrast, usual.colour) == (1, 1) and _toned(picture, usual) is picture
    hard = replace(usual, contrast=2.0, colour=1.0)
    grey = np.array([[[0.0] * 3, [63.75] * 3, [127.5] * 3, [255.0] * 3]], np.float32)
    assert _toned(grey, hard)[0, :, 0] == pytest.approx([0, 31.875, 127.5, 510], rel=1e-5), "clipped when taken"
    faded = _toned(picture, replace(usual, colour=0.0))
    assert np.ptp(faded, axis=2).max() < 1e-3, "no colour is left"
    assert faded[..., 0] == pytest.approx(picture @ [0.299, 0.587, 0.114], rel=1e-4)


def test_a_whole_frame_needs_its_matrix() -> None:
    with pytest.raises(ValueError, match="needs the matrix"):
        photograph(np.zeros((32, 32, 3), np.float32), scenes("shifted")[0], np.random.default_rng(0))


def test_thinned_clips_are_the_same_dynamics(tmp_path: Path) -> None:
    settings = {**TINY, "clips": 1}
    whole = synth(tmp_path / "whole", **{**settings, "frames": 7})
    thin = synth(tmp_path / "thin", fps=8.33, **settings)
    assert thin.info.source["frame_step"] == 3 and thin.info.source["fps"] == 25
    assert thin.numbers("frame").tolist() == [0, 3, 6]
    np.testing.assert_allclose(thin.numbers("time"), [0, 0.12, 0.24])
    for name in ("occurrence", "intensity", "landmarks", "pose"):
        np.testing.assert_array_equal(thin.vectors(name), whole.vectors(name)[::3])


@pytest.mark.parametrize(
    ("profile", "fps", "step"), [("bp4d", 25, 1), ("bp4d", 5, 5), ("bp4d", None, 1), ("disfa", 10, 2)]
)
def test_frames_a_second(profile: str, fps: float | None, step: int) -> None:
    assert frame_step_of(profile, fps) == step


@pytest.mark.parametrize("fps", [9, 0, -5, 50, float("nan")])
def test_impossible_frames_a_second_are_told(fps: float) -> None:
    with pytest.raises(InputError, match=r"25, 12\.5, 8\.333"):
        frame_step_of("bp4d", fps)


def test_unknown_appearance_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="usual, shifted or wild"):
        load_appearance("odd")
    with pytest.raises(InputError, match="usual, shifted or wild"):
        synth(tmp_path / "store", appearance="odd", **TINY)
    assert not (tmp_path / "store").exists()


def test_the_command_line_makes_shifted_thinned_faces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(name: str, words: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["sparsefacs", "synth", str(tmp_path / name), *words.split()])
        with pytest.raises(SystemExit) as stopped:
            main()
        return int(stopped.value.code or 0), capsys.readouterr().err

    small = "--subjects 1 --clips 1 --frames 2 --size 32 --workers 1 --points true"
    assert run("store", f"{small} --fps 12.5 --appearance shifted --resting varied")[0] == 0
    source = Store(tmp_path / "store").info.source
    assert (source["appearance"], source["frame_step"]) == ("shifted", 2)
    assert (source["resting"], source["points"], source["models"]) == ("varied", "true", {})
    for words, told in (
        ("--appearance odd", "usual, shifted or wild"),
        ("--layout bp4d --appearance shifted", "--appearance does not go with --layout"),
        ("--resting odd", "plain or varied"),
        ("--points odd", "found or true"),
        ("--layout bp4d --resting varied", "--resting does not go with --layout"),
        ("--layout bp4d --points true", "--points does not go with --layout"),
        ("--fps 9", "Give --fps 25, 12.5"),
    ):
        code, err = run("none", words)
        assert code == 2 and told in err
    assert not (tmp_path / "none").exists()


def test_default_aus_are_what_the_labels_signs_are_kept_for() -> None:
    from sparsefacs.synthetic.profiles import load_profile

    for profile in ("bp4d", "disfa"):
        assert len(load_profile(profile).root_signs) == len(DEFAULT_AUS)
