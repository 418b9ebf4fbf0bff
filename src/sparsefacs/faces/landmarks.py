"""68 landmarks, blendshapes and pose of one face, found in a box or followed from the frame before."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..evidence.blendshapes import BLENDSHAPES
from ..facs import MEDIAPIPE_TO_68, MIRROR_68
from .head_pose import HeadPose
from .mesh_models import MeshNetwork, ShapeNetwork, SquareDetector, padded
from .models import LANDMARKER, find_model

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
CROP_SCALE = 2.0  # crop side over face size: the detector inside the crop wants air round the face
CROP_MAX = 448  # pixels; the mesh network sees 256 × 256, so more would only cost time
CROP_MIN = 192  # pixels; smaller crops are enlarged, since the detector misses faces in tiny pictures
CONFIDENCE = 0.4  # MediaPipe's default of 0.5 drops some half-covered faces that YuNet is sure of
CONFIDENCE_FOLLOWED = 0.7  # where no detector looked: below, one has to
NEIGHBOURS = 3  # faces looked for in a crop, since a neighbour may stand in it
# A mesh that says that its face is not where it was looked for is laid again there: the network is exact only for
# faces that fill their square as the detector's faces do.
SETTLED = 0.06  # of the square's side: how far off it may lie, be too large or too small (or so many radians turned)
_TRIES = 3
_STEADY = np.array([33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 70, 300, 105, 334])
"""Points of the mesh that expressions move least: eye corners, nose, outer brows."""


@dataclass(frozen=True)
class Traits:
    """What the landmarker tells of a face beside its points: blendshapes (52,) 0–1 in the order of `BLENDSHAPES`, and
    pose (3,): yaw, pitch, roll in degrees (see `evidence.pose`). NaN where it was not asked, as for delivered points.
    """

    blendshapes: F32
    pose: F32


UNKNOWN_TRAITS = Traits(np.full(len(BLENDSHAPES), np.nan, np.float32), np.full(3, np.nan, np.float32))


@dataclass(frozen=True)
class _View:
    """A square part of a picture: its corner (2,) in pixel edges, how many pixels it has a side, and scaled by what."""

    corner: F64
    side: int
    scale: float

    def inward(self, points: F64) -> F64:
        """Return points (N, 2 or 3) of the picture in pixels of the part."""
        moved = points * self.scale
        moved[:, :2] += (0.5 - self.corner) * self.scale
        return moved

    def outward(self, points: F64) -> F64:
        """Return points (N, 2 or 3) of the part in pixels of the picture; the mesh's count from edges."""
        moved = points / self.scale
        moved[:, :2] += self.corner - 0.5
        return moved


@dataclass(frozen=True)
class _Looked:
    """How a detector saw a face: the steady points (18, 2) of its mesh, the square (5,) and YuNet's box (4,)."""

    steady: F64
    square: F64
    box: F64

    def on(self, mesh: F64) -> tuple[F64, F64]:
        """Return where square and box lie on another mesh (478, 3) of the face, moved and turned as it is.

        Raises ValueError for a mesh that has fallen together or is not of numbers.
        """
        before, now = (points[:, 0] + 1j * points[:, 1] for points in (self.steady, mesh[_STEADY]))
        middle = before.mean()
        apart = before - middle
        turned = complex(np.vdot(apart, now)) / float(np.vdot(apart, apart).real)  # scaled and turned, least squares
        growth = abs(turned)
        if not 1e-3 < growth < 1e3:
            raise ValueError("the mesh has fallen together")

        def moved(x: float, y: float) -> tuple[float, float]:
            point = turned * (complex(x, y) - middle) + now.mean()
            return point.real, point.imag

        x, y, width, height, turn = self.square.tolist()
        x0, y0, x1, y1 = self.box.tolist()
        square = np.array([*moved(x, y), width * growth, height * growth, turn + np.angle(turned)])
        (x, y), half, tall = moved((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0) / 2 * growth, (y1 - y0) / 2 * growth
        return square, np.array([x - half, y - tall, x + half, y + tall])


@dataclass(frozen=True)
class FaceMesh:
    """MediaPipe's mesh on a face: points (478, 3) in pixels of the picture, and what it takes to follow the face.

    square and box: where the detectors' ones lie on it (5,) and (4,).
    """

    points: F64
    view: _View
    looked: _Looked
    square: F64
    box: F64

    @property
    def landmarks(self) -> F32:
        """The 68 landmarks (68, 2)."""
        return self.points[MEDIAPIPE_TO_68, :2].astype(np.float32)


class Landmarker:
    """Lays a mesh over faces; one instance a thread. Raises InputError when the model file is missing."""

    def __init__(self) -> None:
        path = find_model(LANDMARKER)
        self._squares, self._meshes = SquareDetector(path), MeshNetwork(path)

    def locate(self, image: NDArray[np.uint8], box: NDArray[np.floating]) -> FaceMesh | None:
        """Return the mesh of the face in `box` (x0, y0, x1, y1), pixels of `image` (H, W, 3 RGB); None for none.

        The result depends on picture and box only, and is what MediaPipe's own landmarker sees in that part.
        """
        view = _view(box)
        crop = _crop(image, view)
        squares = self._squares.squares(crop, CONFIDENCE)[:NEIGHBOURS]
        middle, size = (box[:2] + box[2:]) / 2, float(max(box[2:] - box[:2]))
        for square in sorted(squares, key=lambda one: float(np.hypot(*(one[:2] - view.side / 2)))):
            inside, sure = self._meshes.mesh(crop, square)
            points = view.outward(inside)
            extent = points[MEDIAPIPE_TO_68, :2]
            away = float(np.hypot(*((extent.min(axis=0) + extent.max(axis=0)) / 2 - middle)))
            if sure >= CONFIDENCE and away < 0.5 * size and np.isfinite(points).all():
                seen = np.concatenate([view.outward(square[None, :2])[0], square[2:4] / view.scale, square[4:]])
                looked = _Looked(points[_STEADY, :2], seen, np.asarray(box, np.float64))
                return FaceMesh(points, view, looked, looked.square, looked.box)
        return None

    def points(self, image: NDArray[np.uint8], box: NDArray[np.floating]) -> F32 | None:
        """Return the landmarks (68, 2) of the face in `box`, as `locate` finds it; None if there is none."""
        mesh = self.locate(image, box)
        return None if mesh is None else mesh.landmarks

    def follow(self, image: NDArray[np.uint8], before: FaceMesh) -> FaceMesh | None:
        """Return the mesh of a face that was at `before` a frame ago, without a detector; None where one has to look.

        The network sees the face in the square in which the detector last saw it, moved as the mesh moved since.
        """
        square, box = before.square, before.box
        for _ in range(_TRIES):
            middle = (box[:2] + box[2:]) / 2
            if not (box[3] - box[1] >= 8 and (middle >= 0).all() and (middle < image.shape[1::-1]).all()):
                return None
            view = _view(box)
            mesh, sure = self._laid(image, view, square)
            if sure < CONFIDENCE_FOLLOWED:
                return None
            laid = square
            try:
                square, box = before.looked.on(mesh)
            except ValueError:
                return None
            if _apart(laid, square) <= SETTLED:
                return FaceMesh(mesh, view, before.looked, square, box)
        return None

    def mirrored(self, image: NDArray[np.uint8], mesh: FaceMesh) -> F32 | None:
        """Return the landmarks (68, 2) of a face as the network sees them in its mirror picture; None for no face."""
        points, sure = self._laid(image, mesh.view, mesh.square, mirrored=True)
        if sure < CONFIDENCE or not np.isfinite(points).all():
            return None
        return points[MEDIAPIPE_TO_68, :2][MIRROR_68].astype(np.float32)

    def _laid(self, image: NDArray[np.uint8], view: _View, square: F64, *, mirrored: bool = False) -> tuple[F64, float]:
        """Return the mesh (478, 3) of the face in a square, both in pixels of `image`, and how sure it is.

        mirrored: the network sees the mirror picture.
        """
        import cv2

        inner = np.concatenate([view.inward(square[None, :2])[0], square[2:4] * view.scale, square[4:]])
        area = _covered(inner, view.side)
        inner[:2] -= area[:2]
        part = _part(image, view, area)
        if mirrored:
            part = np.asarray(cv2.flip(part, 1), np.uint8)
            inner[[0, 4]] = part.shape[1] - inner[0], -inner[4]
        inside, sure = self._meshes.mesh(part, inner)
        if mirrored:
            inside[:, 0] = part.shape[1] - inside[:, 0]
        inside[:, :2] += area[:2]
        return view.outward(inside), sure


class TraitReader:
    """Reads blendshapes and pose off meshes; one instance a thread."""

    def __init__(self) -> None:
        path = find_model(LANDMARKER)
        self._shapes, self._pose = ShapeNetwork(path), HeadPose(path)

    def read(self, mesh: FaceMesh) -> Traits:
        """Return the traits of the face."""
        return self.read_all([mesh])[0]

    def read_all(self, meshes: Sequence[FaceMesh]) -> list[Traits]:
        """Return the traits of faces, which do not depend on each other; many at once cost less a face."""
        if not meshes:
            return []
        inside = [mesh.view.inward(mesh.points) for mesh in meshes]
        poses = self._pose.poses(np.stack(inside), np.array([mesh.view.side for mesh in meshes]))
        return [Traits(self._shapes.blendshapes(each), pose) for each, pose in zip(inside, poses, strict=True)]


def _apart(laid: F64, asked: F64) -> float:
    """Return how far the square in which a mesh was laid is from the one that the mesh asks for, share of its side."""
    moved = np.hypot(*(asked[:2] - laid[:2])) / laid[2]
    turned = abs((asked[4] - laid[4] + np.pi) % (2 * np.pi) - np.pi)
    return float(max(moved, abs(np.log(asked[2] / laid[2])), turned))


def _view(box: NDArray[np.floating]) -> _View:
    """Return the square part round `box` in which landmarks are looked for."""
    wide = max(8, round(CROP_SCALE * float(max(box[2:] - box[:2]))))
    corner = np.array([round(float(middle - wide / 2)) for middle in (box[:2] + box[2:]) / 2], np.float64)
    side = min(max(wide, CROP_MIN), CROP_MAX)
    return _View(corner, side, side / wide)


def _covered(square: F64, side: int) -> NDArray[np.int64]:
    """Return the pixels (x0, y0, x1, y1) of a part `side` wide that a turned square needs, one at least."""
    reach = (abs(np.cos(square[4])) + abs(np.sin(square[4]))) * square[2:4] / 2 + 2
    low = np.clip(np.floor(square[:2] - reach), 0, side - 1)
    return np.concatenate([low, np.clip(np.ceil(square[:2] + reach), low + 1, side)]).astype(np.int64)


def _crop(image: NDArray[np.uint8], view: _View) -> NDArray[np.uint8]:
    """Return what a view shows of the picture; black beyond the picture."""
    import cv2

    wide = round(view.side / view.scale)
    left, top = (int(value) for value in view.corner)
    crop = _with_border(image, left, top, wide, wide)
    if wide == view.side:
        return crop
    # a slight shrink does not alias, and area averaging costs five times as much
    way = cv2.INTER_AREA if wide > 1.5 * view.side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop, (view.side, view.side), interpolation=way), np.uint8)


def _part(image: NDArray[np.uint8], view: _View, area: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return pixels `area` (x0, y0, x1, y1) of what a view shows of the picture, `padded`."""
    import cv2

    wide = round(view.side / view.scale)
    if wide == view.side or wide > 1.5 * view.side:
        return padded(_crop(image, view)[area[1] : area[3], area[0] : area[2]])
    step = 1 / view.scale
    shift = (area[:2] + 0.5) * step - 0.5 + view.corner
    width, height = (int(value) for value in area[2:] - area[:2])
    last = np.array(image.shape[1::-1]) - 1
    low = np.clip(np.floor(shift).astype(np.int64) - 1, 0, last)
    high = np.clip(np.ceil(shift + step * (area[2:] - area[:2])).astype(np.int64) + 1, low, last) + 1
    shift -= low
    near = padded(image[low[1] : high[1], low[0] : high[0]])
    matrix, flags = np.array([[step, 0, shift[0]], [0, step, shift[1]]]), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(near, matrix, (width, height), flags=flags), np.uint8)


def _with_border(image: NDArray[np.uint8], x0: int, y0: int, width: int, height: int) -> NDArray[np.uint8]:
    """Return a part of the picture, black where it reaches beyond."""
    rows, columns = image.shape[:2]
    inside = image[max(0, y0) : max(0, min(rows, y0 + height)), max(0, x0) : max(0, min(columns, x0 + width))]
    if inside.shape[:2] == (height, width):
        return inside
    part = np.zeros((height, width, 3), np.uint8)
    top, left = max(0, -y0), max(0, -x0)
    part[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return part
