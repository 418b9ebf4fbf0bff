"""From a subject, an expression, a pose and a scene to the aligned face a store holds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..faces.alignment import FaceRecipe, alignment_matrix
from .creases import AGE, bake_creases
from .expression import Expression, Pose, move_face
from .identity import Subject
from .mesh import FaceMesh, face_mesh
from .raster import FAR, buffers, draw, draw_cutout, draw_depth, vertex_normals
from .scene import Scene
from .shading import mix_creases, resolve, shade, surface_gradients
from .texture import paint_atlas

F32 = NDArray[np.float32]
SHADOW_SIDE, SHADOW_REACH = 224, 1.9  # texels; dm from the middle of the head
OCCLUSION_VIEWS, OCCLUSION_SIDE = 40, 128
HEAD_MIDDLE = np.array([0.0, 7.1, 0.6], np.float32)
EYES = np.array([0.0, 7.28, 1.25], np.float32)


@dataclass(frozen=True)
class Picture:
    """A rendered face.

    colours: (H, W, 3) float32 sRGB 0–255 before the camera's blur and noise; landmarks: (68, 2) float32 px; matrix:
    (2, 3) float32 notional camera → face; points: (V, 3) vertices in face px and distance (dm).
    """

    colours: F32
    landmarks: F32
    matrix: F32
    points: F32


class FaceRenderer:
    """Renders one subject; paint, creases and occlusion are prepared once.

    texture_scale: 1 for faces up to about 320 rendered pixels, 2 above.
    """

    def __init__(self, subject: Subject, texture_scale: int = 1) -> None:
        self.subject, self.scale = subject, texture_scale
        self.mesh: FaceMesh = face_mesh()
        self.base = paint_atlas(subject, texture_scale)
        self.texture = self.base.copy()
        self.creases = bake_creases(subject, texture_scale)
        self.uv = np.ascontiguousarray((self.mesh.uv + 0.5) * texture_scale - 0.5, np.float32)
        self.ambient = open_sky(subject.vertices, self.mesh)
        self.skin_triangles = np.ascontiguousarray(self.mesh.triangles[: self.mesh.solid])
        self.hair_end = self.mesh.solid + int((self.mesh.material == 5).sum())
        self.has_sheets = subject.hair == "long"

    def crease_weights(self, expression: Expression) -> F32:
        """Return the strength of every crease layer, (layers,)."""
        out = np.zeros(len(self.creases.keys), np.float32)
        for k, (au, side) in enumerate(self.creases.keys):
            if au == AGE:
                out[k] = 1.0
                continue
            lean = 0.5 * self.subject.lean[au] * (1 if side == "left" else -1)
            strong = expression.weights.get(au, 0.0) * self.subject.amplitude[au] * (1 + lean)
            strong *= expression.sides.get(au, (1.0, 1.0))[side != "left"]
            out[k] = strong * (0.8 + 0.6 * self.subject.age)
        return out

    def place(self, expression: Expression, pose: Pose, scene: Scene, recipe: FaceRecipe) -> tuple[F32, Picture]:
        """Return the moved vertices (V, 3) dm and a Picture without colours: landmarks, matrix, projected points."""
        vertices = move_face(self.subject, expression, pose)
        distance = scene.distance - (vertices[:, 2] - EYES[2])
        camera_x = scene.focal * (vertices[:, 0] - EYES[0]) / distance + scene.centre[0]
        camera_y = -scene.focal * (vertices[:, 1] - EYES[1]) / distance + scene.centre[1]
        seen = np.stack([camera_x, camera_y], axis=-1).astype(np.float64)
        matrix = alignment_matrix(seen[self.mesh.landmarks], recipe)
        x = seen[:, 0] * matrix[0, 0] + seen[:, 1] * matrix[0, 1] + matrix[0, 2]
        y = seen[:, 0] * matrix[1, 0] + seen[:, 1] * matrix[1, 1] + matrix[1, 2]
        points = np.stack([x, y, distance], axis=-1).astype(np.float32)
        empty = np.zeros((0, 0, 3), np.float32)
        return vertices, Picture(empty, points[self.mesh.landmarks, :2].copy(), matrix.astype(np.float32), points)

    def render(
        self, expression: Expression, pose: Pose, scene: Scene, recipe: FaceRecipe, supersample: int = 2
    ) -> Picture:
        """Return the face cut by `recipe`, each pixel averaged from supersample² rays."""
        import cv2

        mesh, size = self.mesh, recipe.size
        vertices, placed = self.place(expression, pose, scene, recipe)
        fine_points = placed.points.copy()
        fine_points[:, :2] = (placed.points[:, :2] + np.float32(0.5)) * supersample - np.float32(0.5)
        mix_creases(
            self.texture, self.base, self.creases.touched, self.creases.start, self.creases.index,
            self.creases.values, self.crease_weights(expression), self.base.shape[1],
        )  # fmt: skip
        seen, bary = self.rasterise(fine_points, size * supersample)
        lit_points, shadow = self._shadow(vertices, scene)
        fine = np.zeros((*seen.shape, 4), np.float32)
        shade(
            seen, bary, mesh.triangles, mesh.uv_of, self.uv, mesh.material,
            surface_gradients(vertices, mesh.triangles, self.uv, mesh.uv_of),
            vertex_normals(vertices, mesh.triangles), self.ambient, lit_points, shadow,
            self.texture, scene.lights, scene.sky, scene.ground, fine,
        )  # fmt: skip
        behind = cv2.warpAffine(
            scene.background, placed.matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        colours = np.empty((size, size, 3), np.float32)
        resolve(fine, behind, supersample, np.float32(scene.exposure), colours)
        return Picture(colours, placed.landmarks, placed.matrix, placed.points)

    def rasterise(self, points: F32, side: int) -> tuple[NDArray[np.int32], F32]:
        """Return which triangle each of side × side pixels sees (−1 none) and its barycentric weights."""
        mesh = self.mesh
        depth, seen, bary = buffers(side, side)
        draw(points, self.skin_triangles, 0, True, depth, seen, bary)
        for first, last in ((mesh.solid, self.hair_end if self.has_sheets else mesh.solid),
                            (self.hair_end, len(mesh.triangles))):  # fmt: skip
            if last > first:
                draw_cutout(
                    points, mesh.triangles[first:last], first, self.uv, mesh.uv_of[first:last], self.base, depth, seen,
                    bary,
                )  # fmt: skip
        return seen, bary

    def _shadow(self, vertices: F32, scene: Scene) -> tuple[F32, F32]:
        frame = _light_frame(scene.lights[0, :3])
        points = light_points(vertices, frame, SHADOW_SIDE, SHADOW_REACH)
        depth = np.full((SHADOW_SIDE, SHADOW_SIDE), FAR, np.float32)
        draw_depth(points, self.skin_triangles, depth)
        return points, depth


def _light_frame(towards: F32) -> F32:
    up = np.array([0.0, 1.0, 0.0]) if abs(towards[1]) < 0.95 else np.array([1.0, 0.0, 0.0])
    right = np.cross(up, towards)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(towards, right), towards]).astype(np.float32)


def light_points(vertices: F32, frame: F32, side: int, reach: float) -> F32:
    """Return vertices (V, 3) as a distant light sees them: x, y in texels of its map, z = depth in dm."""
    arm = vertices - HEAD_MIDDLE
    x, y, z = (arm[:, 0] * axis[0] + arm[:, 1] * axis[1] + arm[:, 2] * axis[2] for axis in frame)
    half = np.float32(side / 2)
    return np.stack([x / reach * half + half, y / reach * half + half, -z], axis=-1).astype(np.float32)


def open_sky(vertices: F32, mesh: FaceMesh) -> F32:
    """Return the share (V,) of the surroundings that each vertex sees past the rest of the face, 0–1."""
    solid = np.ascontiguousarray(mesh.triangles[: mesh.solid])
    outside = np.ascontiguousarray(solid[~mesh.cavity[solid].any(axis=1)])
    normals = vertex_normals(vertices, solid)
    rise = np.arange(OCCLUSION_VIEWS) + 0.5
    z = 1 - 2 * rise / OCCLUSION_VIEWS
    turn = np.pi * (1 + 5**0.5) * rise
    ring = np.sqrt(1 - z**2)
    views = np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=-1)
    got, all_ = np.zeros(len(vertices), np.float32), np.full(len(vertices), 1e-6, np.float32)
    for view in views[views[:, 2] > -0.4]:
        points = light_points(vertices, _light_frame(view.astype(np.float32)), OCCLUSION_SIDE, SHADOW_REACH)
        depth = np.full((OCCLUSION_SIDE, OCCLUSION_SIDE), FAR, np.float32)
        draw_depth(points, outside, depth)
        x, y = (np.clip((points[:, k] + 0.5).astype(int), 0, OCCLUSION_SIDE - 1) for k in (0, 1))
        facing = np.clip(normals @ view, 0, None).astype(np.float32)
        all_ += facing
        got += facing * (points[:, 2] < depth[y, x] + 0.07)
    share = np.clip(0.15 + 0.9 * got / all_, 0, 1)
    head = mesh.head
    for name, low, high in (("helper-upper-teeth", 0.25, 0.95), ("helper-lower-teeth", 0.25, 0.85),
                            ("helper-tongue", 0.2, 0.6)):  # fmt: skip
        own = head.group_vertices(name)
        depth_in = vertices[own, 2].max() - vertices[own, 2]
        share[own] = high - (high - low) * np.clip(depth_in / 0.45, 0, 1)
    for eye in mesh.eyes:
        share[eye] = 0.7
    inside = mesh.cavity & ~np.isin(np.arange(len(vertices)), head.group_vertices(
        "helper-upper-teeth", "helper-lower-teeth", "helper-tongue"))  # fmt: skip
    share[inside] = 0.16
    return np.asarray(share, np.float32)
