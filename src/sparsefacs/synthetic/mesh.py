"""The head as the renderer wants it: triangles with materials, places in one texture atlas, landmarks, areas.

The atlas is 512 × 704 texels (times a scale). Its upper 512 rows hold the skin, unrolled about the vertical axis
with most room for the front of the face; the strip below holds eyes, ears, teeth, mouth, lashes and hair.
Ears have a patch of their own because an unrolled head puts them over the scalp: hair would be painted on them.
"""

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from .geometry import GROUPS, Head, load_head
from .raster import buffers, draw

SKIN, EYE, TEETH, MOUTH, LASH, HAIR = range(6)
ATLAS_WIDTH, ATLAS_HEIGHT, SKIN_SIDE = 512, 704, 512
# name: (left, top, width, height) in the atlas
PATCHES: dict[str, tuple[int, int, int, int]] = {
    "eye": (0, 514, 128, 128),
    "ear": (130, 514, 128, 128),
    "teeth": (260, 514, 128, 64),
    "lower-teeth": (260, 580, 128, 64),
    "mouth": (390, 514, 60, 60),
    "lash": (390, 580, 120, 48),
    "hair": (2, 646, 250, 56),
    "socket": (260, 646, 60, 50),
    "tongue": (452, 514, 58, 60),
}
AXIS_Z, FRONT_TURN = 0.45, 1.1
MIDDLE_Y, HALF_Y, FRONT_RISE = 7.0, 1.55, 1.2

NECK_LINE = 5.6  # hair below is out of the picture

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class FaceMesh:
    """Everything about the mesh that is the same for all subjects.

    triangles, uv_of: (T, 3) numbers of vertices and of `uv` places (texels at scale 1); material: (T,);
    solid: triangles [0, solid) are opaque, [solid, lashes) hair sheets, the rest lashes; landmarks: (68,) vertices;
    eyes: vertices of the left and right eye; ear, scalp: (V,) 0–1; cavity: (V,) bool inside of mouth and sockets;
    strands: (V, 3) offsets, dm, that widen the hair.
    """

    head: Head
    triangles: NDArray[np.int32]
    uv_of: NDArray[np.int32]
    uv: F32
    material: NDArray[np.int32]
    solid: int
    landmarks: NDArray[np.int64]
    eyes: tuple[NDArray[np.int64], NDArray[np.int64]]
    ear: F32
    scalp: F32
    cavity: NDArray[np.bool_]
    strands: F32


def unrolled(points: F32) -> F32:
    """Return the atlas places (..., 2), texels at scale 1, of points (..., 3) of the base head's skin."""
    turn = np.arctan2(points[..., 0], points[..., 2] - AXIS_Z)
    across = np.arctan(FRONT_TURN * turn) / np.arctan(FRONT_TURN * np.pi)
    rise = np.clip((points[..., 1] - MIDDLE_Y) / HALF_Y, -1, 1)
    up = np.arctan(FRONT_RISE * rise) / np.arctan(FRONT_RISE)
    return np.stack([(0.5 + 0.5 * across) * (SKIN_SIDE - 1), (0.5 - 0.5 * up) * (SKIN_SIDE - 1)], -1).astype(np.float32)


def patch_places(name: str, fractions: F32) -> F32:
    """Return atlas places (texels at scale 1) of fractions (..., 2) of the patch `name`, kept off its edge."""
    left, top, width, height = PATCHES[name]
    inside = np.clip(fractions, 0.02, 0.98)
    return np.asarray(np.array([left, top]) + inside * np.array([width - 1, height - 1]), np.float32)


def _box(points: F32, axes: tuple[int, int]) -> F32:
    chosen = points[:, axes]
    low, high = chosen.min(axis=0), chosen.max(axis=0)
    return np.asarray((chosen - low) / (high - low), np.float32)


def _landmark_vertices(head: Head) -> NDArray[np.int64]:
    table = resources.files(__package__) / "tables" / "landmarks.csv"
    with table.open(encoding="utf-8") as handle:
        return head.local(np.array([int(row["vertex"]) for row in csv.DictReader(handle)]))


def _ear_weight(head: Head) -> F32:
    """How much a vertex belongs to an ear, 0–1: shapes that shift an ear move all of it alike."""
    weight = np.zeros(len(head.vertices), np.float32)
    for side in "lr":
        index, delta = head.shapes.moved(f"{side}-ear-trans-forward")
        moved = np.linalg.norm(delta, axis=1)
        weight[index] = np.maximum(weight[index], np.clip((moved / moved.max() - 0.3) / 0.4, 0, 1))
    return weight


def _scalp_weight(vertices: F32, ear: F32) -> F32:
    """How much hair grows at a vertex, 0–1: above the hairline, before and behind the ears, not on them."""
    x, y, z = np.abs(vertices[:, 0]), vertices[:, 1], vertices[:, 2]
    return np.asarray(np.clip(hairline(x, y, z) / 0.12, 0, 1) * (1 - ear), np.float32)


def hairline(x: F32, y: F32, z: F32) -> F32:
    """Return the height (dm) above the hairline, positive where hair grows, at points of the base head (x ≥ 0)."""
    front = 7.98 - 0.30 * np.clip((x - 0.28) / 0.34, 0, 1) ** 2  # lower at the temples
    side = np.interp(z, [-0.2, 0.15, 0.42, 0.5, 0.62, 0.78, 0.95], [6.75, 6.95, 7.05, 6.98, 7.05, 7.42, 7.72])
    return np.asarray(y - np.where(z > 0.95, np.maximum(front, 7.6), np.minimum(side, front)), np.float32)


def _quad_charts(head: Head, ear: F32) -> NDArray[np.str_]:
    """Return which patch each quad is painted from; "" means the unrolled skin."""
    chart = np.full(len(head.quads), "", dtype="U12")
    u, v = head.quad_uv[..., 0].mean(axis=1), head.quad_uv[..., 1].mean(axis=1)
    body = head.group == GROUPS["body"]
    chart[body & (ear[head.quads].min(axis=1) > 0.5)] = "ear"
    chart[body & (u > 0.7) & (v < 0.14)] = "mouth"
    chart[body & (u < 0.16) & (v > 0.54) & (v < 0.64)] = "socket"
    for number, name in (
        ("helper-l-eye", "eye"),
        ("helper-r-eye", "eye"),
        ("helper-upper-teeth", "teeth"),
        ("helper-lower-teeth", "lower-teeth"),
        ("helper-tongue", "tongue"),
        ("helper-hair", "hair"),
    ):
        chart[head.group == GROUPS[number]] = name
    lashes = (head.group >= GROUPS["helper-l-eyelashes-1"]) & (head.group <= GROUPS["helper-r-eyelashes-2"])
    chart[lashes] = "lash"
    return chart


def _near(skin: F32, corners: F32) -> NDArray[np.int64]:
    """Return the numbers of the 4 skin vertices nearest to each corner, (..., 4)."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(skin).query(corners, k=4)[1], np.int64)


def _chart_fractions(head: Head, name: str, quads: NDArray[np.bool_]) -> F32:
    """Return, (Q', 4, 2), where in its patch each corner of the chosen quads lies."""
    corners = head.vertices[head.quads[quads]]
    if name == "eye":
        places = np.zeros(corners.shape[:2] + (2,), np.float32)
        for group in ("helper-l-eye", "helper-r-eye"):
            ball = head.vertices[head.group_vertices(group)]
            centre, radius = (ball.max(axis=0) + ball.min(axis=0)) / 2, np.ptp(ball[:, 1]) / 2
            mine = head.group[quads] == GROUPS[group]
            places[mine] = 0.5 + 0.47 * ((corners[mine] - centre) / radius)[..., :2] * np.array([1, -1])
        return places
    if name == "ear":
        span = np.array([[-0.15, 0.75], [6.6, 7.7]])
        return np.asarray(
            (corners[..., [2, 1]] - span[:, 0]) / (span[:, 1] - span[:, 0]) * [1, -1] + [0, 1], np.float32
        )
    if name == "lash":
        skin = head.vertices[head.group_vertices("body")]
        height = np.sqrt(((corners[:, :, None] - skin[_near(skin, corners)]) ** 2).sum(-1).min(-1))
        places = np.zeros(corners.shape[:2] + (2,), np.float32)
        for number in range(GROUPS["helper-l-eyelashes-1"], GROUPS["helper-r-eyelashes-2"] + 1):
            own = head.group[quads] == number
            x = corners[own][..., 0]
            places[own, :, 0] = (x - x.min()) / np.ptp(x)
            tall = height[own] / height[own].max()
            upper = number in (GROUPS["helper-l-eyelashes-2"], GROUPS["helper-r-eyelashes-2"])
            places[own, :, 1] = 0.5 * tall + (0.0 if upper else 0.5)
        return places
    if name == "hair":
        turn = np.arctan2(corners[..., 0], corners[..., 2] - AXIS_Z) / (2 * np.pi) + 0.5
        return np.stack([turn, np.clip((8.5 - corners[..., 1]) / 4.0, 0, 1)], -1).astype(np.float32)
    flat = corners.reshape(-1, 3)
    axes = (2, 1) if name in ("mouth", "socket", "tongue") else (0, 1)
    return _box(flat, axes).reshape(corners.shape[:2] + (2,)) * np.array([1, -1], np.float32) + np.array(
        [0, 1], np.float32
    )


def _hair_strands(head: Head) -> list[NDArray[np.int64]]:
    """Return the vertices of each separate strand of the helper hair."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(head.vertices)
    quads = head.quads[head.group == GROUPS["helper-hair"]]
    links = (np.ones(3 * len(quads)), (np.repeat(quads[:, 0], 3), quads[:, 1:].ravel()))
    strand = connected_components(coo_matrix(links, shape=(count, count)), directed=False)[1]
    return [np.flatnonzero(strand == number) for number in np.unique(strand[quads])]


def _widened(head: Head, strands: list[NDArray[np.int64]]) -> F32:
    """Return offsets (V, 3) that widen the hair strands, which otherwise leave slits between each other."""
    offsets = np.zeros_like(head.vertices)
    for own in strands:
        x, y, z = head.vertices[own].T
        turn, reach = np.arctan2(x, z - AXIS_Z), np.hypot(x, z - AXIS_Z)
        wide = (y < 7.9) & (np.abs(x) > 0.05)  # the crown, where all strands meet, stays
        if wide.sum() < 6:
            continue
        middle = np.polyval(np.polyfit(y[wide], turn[wide], 2), y)
        wider = np.where(wide, middle + 1.45 * (turn - middle), turn)
        offsets[own, 0], offsets[own, 2] = reach * np.sin(wider) - x, reach * np.cos(wider) + AXIS_Z - z
    return offsets


@lru_cache(maxsize=1)
def face_mesh() -> FaceMesh:
    """Return the mesh, made once a process."""
    head = load_head()
    ear = _ear_weight(head)
    chart = _quad_charts(head, ear)
    cavity = np.zeros(len(head.vertices), bool)
    inner = np.isin(chart, ["mouth", "socket", "tongue", "teeth", "lower-teeth"])
    outer = np.zeros(len(head.vertices), bool)
    outer[head.quads[chart == ""]] = True
    cavity[head.quads[inner]] = True
    cavity &= ~outer
    middle = head.vertices[head.quads].mean(axis=1)
    strands = _hair_strands(head)
    before_face = np.concatenate([own for own in strands if head.vertices[own, 2].mean() > 0.9])
    curtain = (chart == "hair") & (np.isin(head.quads[:, 0], before_face) | (middle[:, 1] < NECK_LINE))
    quads = np.nonzero(~curtain)[0]
    rank = np.where(chart == "lash", 2, np.where(chart == "hair", 1, 0))
    quads = quads[np.argsort(rank[quads], kind="stable")]
    corner_uv = np.zeros((len(head.quads), 4, 2), np.float32)
    corner_uv[chart == ""] = unrolled(head.vertices)[head.quads[chart == ""]]
    for name in PATCHES:
        mine = chart == name
        if mine.any():
            corner_uv[mine] = patch_places(name, _chart_fractions(head, name, mine))
    kinds = {"eye": EYE, "teeth": TEETH, "lower-teeth": TEETH, "tongue": MOUTH, "mouth": MOUTH, "socket": MOUTH,
             "lash": LASH, "hair": HAIR}  # fmt: skip
    uv_number = np.arange(4 * len(head.quads), dtype=np.int32).reshape(-1, 4)
    halves = np.array([[0, 1, 2], [0, 2, 3]])
    triangles = head.quads[quads][:, halves].reshape(-1, 3)
    triangle_rank = np.repeat(rank[quads], 2)
    return FaceMesh(
        head=head,
        triangles=np.ascontiguousarray(triangles, np.int32),
        uv_of=np.ascontiguousarray(uv_number[quads][:, halves].reshape(-1, 3), np.int32),
        uv=corner_uv.reshape(-1, 2),
        material=np.repeat(np.array([kinds.get(str(name), SKIN) for name in chart[quads]], np.int32), 2),
        solid=int((triangle_rank == 0).sum()),
        landmarks=_landmark_vertices(head),
        eyes=(head.group_vertices("helper-l-eye"), head.group_vertices("helper-r-eye")),
        ear=ear,
        scalp=_scalp_weight(head.vertices, ear),
        cavity=cavity,
        strands=_widened(head, strands),
    )


@lru_cache(maxsize=2)
def skin_maps(scale: int) -> tuple[F32, F32]:
    """Return where on the base head each texel of the unrolled skin lies, (S, S, 3) dm, and its lip redness (S, S)."""
    mesh = face_mesh()
    head = mesh.head
    skin = (mesh.material[: mesh.solid] == SKIN) & (mesh.ear[mesh.triangles[: mesh.solid]].min(axis=1) <= 0.5)
    triangles = np.ascontiguousarray(mesh.triangles[: mesh.solid][skin])
    place = (unrolled(head.vertices) + 0.5) * scale - 0.5
    radius = np.hypot(head.vertices[:, 0], head.vertices[:, 2] - AXIS_Z)
    turns = place[triangles][:, :, 0]
    triangles = triangles[np.ptp(turns, axis=1) < 100 * scale]  # not the seam at the back of the head
    side = SKIN_SIDE * scale
    depth, seen, bary = buffers(side, side)
    points = np.concatenate([place, -radius[:, None]], axis=1).astype(np.float32)
    draw(points, triangles, 0, False, depth, seen, bary)
    weights = np.concatenate([1 - bary.sum(axis=-1, keepdims=True), bary], axis=-1)
    corner = triangles[np.maximum(seen, 0)]
    values = np.concatenate([head.vertices, head.lips[:, None]], axis=1)
    found = np.einsum("hwk,hwkc->hwc", weights, values[corner]).astype(np.float32)
    found[seen < 0] = (0, 9, -1, 0)
    return np.ascontiguousarray(found[..., :3]), np.ascontiguousarray(found[..., 3])
