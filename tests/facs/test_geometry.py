import numpy as np
import pytest

from sparsefacs.errors import InputError
from sparsefacs.facs import (
    AREA_MIRROR,
    AREA_NAMES,
    AREAS,
    EDGES,
    MEDIAPIPE_TO_68,
    MIRROR_68,
    UNITS,
    au_centres,
    centre_aus,
    column,
    facial_areas,
    flip_landmarks,
    mirrored_centres,
    parse_aus,
)
from sparsefacs.facs.landmarks import GROUPS, POINTS_49_TO_68

WIDTH = 200


@pytest.fixture
def face() -> np.ndarray:
    """Landmarks of a lopsided face: nothing in it is symmetric by chance."""
    rng = np.random.default_rng(1)
    points = rng.uniform(20, 180, (68, 2))
    points[39], points[42] = (80, 100), (120, 106)
    return points


def test_mirror_is_an_involution_that_keeps_every_group() -> None:
    assert (MIRROR_68[MIRROR_68] == np.arange(68)).all()
    for name, group in GROUPS.items():
        other = name.replace("right", "?").replace("left", "right").replace("?", "left")
        assert sorted(MIRROR_68[list(group)]) == sorted(GROUPS[other]), name
    assert (AREA_MIRROR[AREA_MIRROR] == np.arange(8)).all()


def test_the_478_map_names_68_different_points_of_the_mesh() -> None:
    assert len(set(MEDIAPIPE_TO_68.tolist())) == 68
    assert MEDIAPIPE_TO_68.min() >= 0 and MEDIAPIPE_TO_68.max() < 468
    assert len(set(POINTS_49_TO_68.tolist())) == 49


def test_flipping_a_face_flips_its_centres(face) -> None:
    aus = centre_aus()
    expected = au_centres(face, aus)
    expected[..., 0] = WIDTH - 1 - expected[..., 0]
    swapped = np.take_along_axis(expected, mirrored_centres(aus)[:, :, None], axis=1)
    assert np.allclose(au_centres(flip_landmarks(face, WIDTH), aus), swapped)


def test_flipping_a_face_flips_its_areas(face) -> None:
    face[:, 1] = np.linspace(30, 170, 68)  # the rectangles' corners must stay the right way round
    areas = facial_areas(face)
    expected = areas[AREA_MIRROR][:, [2, 1, 0, 3]]
    expected[:, [0, 2]] = WIDTH - 1 - expected[:, [0, 2]]
    face_mirrored = flip_landmarks(face, WIDTH)
    assert np.allclose(facial_areas(face_mirrored), expected)


def test_areas_of_one_face_computed_by_hand(face) -> None:
    """Inner eye corners 60 apart and level; brows at 70 to 79; lids at 100 and 110; nose base 140, upper lip 150."""
    face[:] = (100, 100)
    face[39], face[42] = (70, 100), (130, 100)
    face[17:27] = [(20 + 15 * i, 70 + i) for i in range(10)]
    face[[40, 41, 46, 47], 1] = 110
    face[21], face[22], face[29] = (80, 74), (95, 75), (100, 120)
    face[36], face[45], face[32], face[34] = (30, 100), (170, 100), (90, 140), (110, 140)
    face[33], face[51], face[57], face[8] = (100, 140), (100, 150), (100, 170), (100, 200)
    face[48], face[54] = (75, 160), (125, 162)
    assert facial_areas(face).tolist() == [
        [20, 4, 155, 79],
        [14, 64, 70, 125],
        [130, 69, 161, 125],
        [80, 68, 95, 120],
        [30, 110, 90, 166],
        [110, 110, 170, 168],
        [57, 145, 143, 179],
        [75, 170, 125, 200],
    ]


def test_centres_of_one_face_computed_by_hand(face) -> None:
    """Inner eye corners 60 apart and level: r = 60, so AU1 lies 30 above 21, AU4 20 below 19, AU6 60 below 41."""
    face[39], face[42] = (70, 100), (130, 100)
    for point, place in {
        21: (75, 60),
        22: (125, 62),
        19: (50, 55),
        24: (150, 57),
        41: (60, 104),
        46: (140, 105),
    }.items():
        face[point] = place
    centres = au_centres(face, (1, 4, 6))
    assert np.allclose(centres[0], [[75, 30], [125, 32]])
    assert np.allclose(centres[1], [[50, 75], [150, 77]], atol=1e-3)
    assert np.allclose(centres[2], [[60, 164], [140, 165]])


def test_a_tilted_and_enlarged_face_tilts_and_enlarges_its_centres(face) -> None:
    angle = np.deg2rad(25)
    turn = 1.7 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    aus = centre_aus()
    assert np.allclose(au_centres(face @ turn.T + 9, aus), au_centres(face, aus) @ turn.T + 9)


def test_centres_and_areas_take_batches(face) -> None:
    batch = np.stack([face, face + 5])
    assert np.allclose(au_centres(batch, (1, 12))[1], au_centres(face + 5, (1, 12)))
    assert np.allclose(facial_areas(batch)[1], facial_areas(face + 5))


def test_the_graph_has_26_edges_both_ways_round_and_is_its_own_mirror() -> None:
    assert len(EDGES) == len(set(EDGES)) == 26
    assert {(b, a) for a, b in EDGES} == set(EDGES)
    mirrored = {(int(AREA_MIRROR[a - 1]) + 1, int(AREA_MIRROR[b - 1]) + 1) for a, b in EDGES}
    assert mirrored == set(EDGES)
    assert {a for edge in EDGES for a in edge} == set(AREAS)
    assert len(AREA_NAMES) == 8


def test_units_are_named_and_columns_are_openfaces() -> None:
    assert UNITS[12].name == "Lip Corner Puller"
    assert {1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26} <= set(UNITS)
    assert column(4, "c") == "AU04_c"
    assert set(centre_aus()) <= set(UNITS)


def test_au_lists_are_read_and_bad_ones_refused() -> None:
    assert parse_aus("1, AU02,au4") == (1, 2, 4)
    for text, words in (("1,99", "AU99 is not a known"), ("1,1", "named twice"), ("smile", "not an action unit")):
        with pytest.raises(InputError, match=words):
            parse_aus(text)
    with pytest.raises(InputError, match="AU45 has no centre"):
        au_centres(np.zeros((68, 2)), (45,))
