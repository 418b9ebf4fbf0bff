"""RoI geometry against pixel loops, slices and mirror images."""

import numpy as np
import pytest
import torch

from sparsefacs import InputError
from sparsefacs.facs import au_centres, centre_aus, facial_areas, flip_landmarks, mirrored_centres
from sparsefacs.networks.rois import (
    au_centres_of,
    blanked,
    crop_cells,
    crop_patches,
    facial_areas_of,
    hidden_aus,
    pasted,
    roi_corners,
)

AUS = centre_aus()


def faces_on_a_grid(count: int, side: int, seed: int = 0) -> torch.Tensor:
    """Landmarks (count, 68, 2) at quarter pixels, so that flips are exact and ties happen."""
    places = np.random.default_rng(seed).integers(0, 4 * (side - 1) + 1, (count, 68, 2)) / 4
    return torch.from_numpy(places.astype(np.float32))


def test_centres_are_those_of_facs() -> None:
    landmarks = faces_on_a_grid(3, 192)
    assert np.allclose(au_centres_of(landmarks, AUS).numpy(), au_centres(landmarks.numpy(), AUS), atol=1e-12, rtol=0)
    with pytest.raises(InputError, match="AU45 has no centre"):
        au_centres_of(landmarks, (1, 45))


def test_areas_are_those_of_facs() -> None:
    landmarks = faces_on_a_grid(20, 192, seed=4)
    assert np.allclose(facial_areas_of(landmarks).numpy(), facial_areas(landmarks.numpy()), atol=1e-12, rtol=0)


def test_boxes_lie_round_their_centres_and_inside_the_image() -> None:
    side, roi = 192, 48
    landmarks = faces_on_a_grid(40, side) * 1.5 - 40  # some centres lie outside
    corners = roi_corners(landmarks, AUS, side, roi)
    assert corners.dtype == torch.int64 and corners.shape == (40, len(AUS), 2, 2)
    assert corners.min() == 0 and corners.max() == side - roi
    off = (corners + (roi - 1) / 2 - au_centres_of(landmarks, AUS)).abs()
    inside = (corners > 0) & (corners < side - roi)
    assert inside.float().mean() > 0.3
    assert off[inside].max() <= 0.5


@pytest.mark.parametrize(("side", "roi"), [(192, 48), (96, 24), (193, 48), (192, 25)])
def test_boxes_of_a_flipped_face_are_mirrored_exactly(side: int, roi: int) -> None:
    landmarks = faces_on_a_grid(200, side, seed=side + roi)
    corners = roi_corners(landmarks, AUS, side, roi)
    flipped = roi_corners(torch.from_numpy(flip_landmarks(landmarks.numpy(), side)), AUS, side, roi)
    expected = corners.clone()
    expected[..., 0] = side - roi - corners[..., 0]
    swap = torch.from_numpy(mirrored_centres(AUS))
    expected = torch.take_along_dim(expected, swap[None, :, :, None], dim=2)
    middle = au_centres_of(landmarks, AUS)[..., 0] == (side - 1) / 2
    middle = torch.take_along_dim(middle, swap[None], dim=2) & ((side - roi) % 2 == 1)  # no whole pixel is possible
    ties = ((au_centres_of(landmarks, AUS) - (roi - 1) / 2) % 1 == 0.5).float().mean()
    assert ties > 0.1  # the rule for half pixels was needed
    assert middle.float().mean() < 0.02
    assert torch.equal(flipped[~middle], expected[~middle])


def test_48_pixels_are_cropped_exactly() -> None:
    torch.manual_seed(0)
    image = torch.rand(3, 3, 192, 192)
    corners = roi_corners(faces_on_a_grid(3, 192), (4,), 192, 48)[:, 0]
    patches = crop_patches(image, corners, 48)
    assert patches.shape == (3, 2, 3, 48, 48)
    for face in range(3):
        for side in range(2):
            x, y = corners[face, side].tolist()
            assert torch.equal(patches[face, side], image[face, :, y : y + 48, x : x + 48])


def test_a_box_on_the_grid_gives_the_slice_of_the_map() -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 5, 24, 24, requires_grad=True)
    cells = torch.randint(0, 19, (2, 4, 2, 2))
    cells[0, 0], cells[0, 1] = torch.tensor([[0, 0], [18, 18]]), torch.tensor([[18, 0], [0, 18]])
    cropped = crop_cells(maps, cells * 8, 48, 192, 6)
    assert cropped.shape == (2, 4, 2, 5, 6, 6)
    expected = torch.zeros_like(cropped)
    for face, au, side in np.ndindex(2, 4, 2):
        x, y = cells[face, au, side].tolist()
        expected[face, au, side] = maps[face, :, y : y + 6, x : x + 6]
    assert torch.equal(cropped, expected)
    weights = torch.randn_like(cropped)
    given, wanted = (torch.autograd.grad((c * weights).sum(), maps, retain_graph=True)[0] for c in (cropped, expected))
    assert torch.allclose(given, wanted, atol=1e-6)


def test_a_box_between_cells_gives_the_bilinear_mean_in_float32() -> None:
    maps = torch.randn(1, 2, 24, 24, generator=torch.Generator().manual_seed(0)).bfloat16()
    cropped = crop_cells(maps, torch.tensor([[[[20, 40], [64, 6]]]]), 48, 192, 6)
    assert cropped.dtype == torch.float32
    wide = maps.float()[0]
    half = (wide[:, 5:11, 2:8] + wide[:, 5:11, 3:9]) / 2  # x = 20 is cell 2.5
    assert torch.allclose(cropped[0, 0, 0], half, atol=1e-6)
    quarter = 0.25 * wide[:, 0:6, 8:14] + 0.75 * wide[:, 1:7, 8:14]  # y = 6 is cell 0.75
    assert torch.allclose(cropped[0, 0, 1], quarter, atol=1e-6)


def test_blanked_pixels_are_white_and_the_image_stays() -> None:
    image = torch.rand(2, 3, 20, 20, generator=torch.Generator().manual_seed(0)) * 0.9
    before = image.clone()
    corners = torch.tensor([[[0, 3], [14, 12]], [[5, 5], [7, 8]]])  # the second face's boxes overlap
    expected = image.clone()
    for face in range(2):
        for x, y in corners[face].tolist():
            expected[face, :, y : y + 6, x : x + 6] = 1
    assert torch.equal(blanked(image, corners, 6), expected)
    assert torch.equal(image, before)


def test_patches_are_pasted_where_they_were_cropped() -> None:
    generator = torch.Generator().manual_seed(0)
    image, other = torch.rand(2, 3, 20, 20, generator=generator), torch.rand(2, 3, 20, 20, generator=generator)
    corners = torch.tensor([[[0, 3], [14, 12]], [[5, 5], [7, 8]]])
    assert torch.equal(pasted(image, crop_patches(image, corners, 6), corners, 6), image)
    before = image.clone()
    mixed = pasted(image, crop_patches(other, corners, 6), corners, 6)
    inside = blanked(torch.zeros_like(image), corners, 6) == 1
    assert torch.equal(mixed, torch.where(inside, other, image))
    assert torch.equal(image, before)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_hidden_aus_are_those_of_a_loop_over_pixels(share: float) -> None:
    side, roi, count = 40, 12, 6
    landmarks = faces_on_a_grid(count, side, seed=3)
    corners = roi_corners(landmarks, AUS, side, roi)
    chosen = corners[torch.arange(count), torch.arange(count) * 2]
    found = hidden_aus(corners, chosen, roi, side, share)
    for face in range(count):
        white = {(x, y) for a, b in chosen[face].tolist() for x in range(a, a + roi) for y in range(b, b + roi)}
        for place in range(len(AUS)):
            own = {
                (x, y) for a, b in corners[face, place].tolist() for x in range(a, a + roi) for y in range(b, b + roi)
            }
            assert bool(found[face, place]) == (len(own & white) >= max(1, share * len(own))), (face, AUS[place])
    assert 0 < found.float().mean() < 1


def test_aus_with_the_same_regions_hide_each_other_wholly() -> None:
    aus = (1, 12, 15)
    landmarks = faces_on_a_grid(5, 192)
    landmarks[:, [21, 22, 48, 54]] = torch.tensor([[80.0, 40.0], [110.0, 40.0], [70.0, 150.0], [120.0, 150.0]])
    landmarks[:, [39, 42]] = torch.tensor([[80.0, 70.0], [110.0, 70.0]])
    corners = roi_corners(landmarks, aus, 192, 48)
    for hidden in (1, 2):
        found = hidden_aus(corners, corners[:, hidden], 48, 192, share=1.0)
        assert found.tolist() == [[False, True, True]] * 5
