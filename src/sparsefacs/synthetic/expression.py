"""From AU weights to a moved face: face units, eyeballs, head pose."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from .identity import Subject
from .mesh import face_mesh
from .raster import add_units

F32 = NDArray[np.float32]
PIVOT = np.array([0.0, 6.35, 0.15], np.float32)  # where the head turns on the neck, dm
SOFT_LIMIT = 0.8  # unit weights above are pressed together, to 1.2 at most
GAZE_DEGREES = 30.0  # of eye rotation at full weight of the eyeLook units


@dataclass(frozen=True)
class Pose:
    """Where the head and eyes point, in degrees, and where the head is.

    yaw: positive turns the nose to the image's right; pitch: positive looks up; roll: positive tilts the crown to
    the image's right; gaze: (right, up) relative to the head; shift: (right, up, towards the camera) in dm.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def rotation(self) -> NDArray[np.float64]:
        """The head's rotation matrix (3, 3): roll after pitch after yaw, about the camera's axes."""
        yaw, pitch, roll = np.radians([self.yaw, -self.pitch, -self.roll])
        about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        return np.asarray(about_z @ about_x @ about_y)


@dataclass(frozen=True)
class Expression:
    """AU → weight 0–1 (1 is the strongest the unit goes); sides: AU → its share on the person's left and right."""

    weights: dict[int, float] = field(default_factory=dict)
    sides: Mapping[int, tuple[float, float]] = field(default_factory=dict)


@lru_cache(maxsize=1)
def au_to_units() -> dict[int, tuple[tuple[str, float], ...]]:
    """Return, for every AU the generator can make, its face units and their weights at full intensity."""
    table: dict[int, list[tuple[str, float]]] = {}
    with (resources.files(__package__) / "tables" / "au_to_units.csv").open(encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            table.setdefault(int(row["au"]), []).append((row["unit"], float(row["weight"])))
    return {au: tuple(units) for au, units in table.items()}


def unit_weights(subject: Subject, expression: Expression, gaze: tuple[float, float]) -> F32:
    """Return the weight of every face unit, (U,), for this subject's own way of making the expression."""
    number = face_mesh().head.units.number
    out = np.zeros(len(number), np.float32)
    for au, weight in expression.weights.items():
        if weight <= 0:
            continue
        for unit, gain in au_to_units()[au]:
            strong = weight * gain * (subject.amplitude[au] if au != 45 else 1.0)
            if unit in number:
                out[number[unit]] += strong
            else:
                lean = 0.5 * subject.lean[au] if au != 45 else 0.0
                left, right = expression.sides.get(au, (1.0, 1.0))
                out[number[f"{unit}Left"]] += strong * (1 + lean) * left
                out[number[f"{unit}Right"]] += strong * (1 - lean) * right
    right, up = gaze[0] / GAZE_DEGREES, gaze[1] / GAZE_DEGREES
    for side, outward in (("Left", right), ("Right", -right)):
        out[number[f"eyeLook{'Out' if outward > 0 else 'In'}{side}"]] += abs(outward)
        out[number[f"eyeLook{'Up' if up > 0 else 'Down'}{side}"]] += abs(up)
        closed, squint = number[f"eyeBlink{side}"], number[f"eyeSquint{side}"]
        out[squint] *= 1 - 0.8 * min(1.0, float(out[closed]))  # a closed lid cannot close further
        smile, raised = number[f"mouthSmile{side}"], number[f"mouthUpperUp{side}"]
        out[raised] *= 1 - 0.35 * min(1.0, float(out[smile]))  # a smile has raised the lip already
    # units that several AUs share do not add up without end
    return np.where(out > SOFT_LIMIT, SOFT_LIMIT + 0.4 * np.tanh((out - SOFT_LIMIT) / 0.4), out).astype(np.float32)


def move_face(subject: Subject, expression: Expression, pose: Pose) -> F32:
    """Return the vertices (V, 3), dm, in the camera's axes: expression, gaze and head pose applied."""
    mesh = face_mesh()
    units = mesh.head.units
    vertices = subject.vertices.copy()
    add_units(vertices, unit_weights(subject, expression, pose.gaze), units.start, units.index, units.delta)
    turn = Pose(yaw=pose.gaze[0], pitch=pose.gaze[1]).rotation.astype(np.float32)
    for eye in mesh.eyes:
        ball = subject.vertices[eye]
        centre = (ball.max(axis=0) + ball.min(axis=0)) / 2
        vertices[eye] = _rotated(ball - centre, turn) + centre  # a ball turns, it does not change shape
    bend = np.clip((vertices[:, 1] - 5.4) / 0.8, 0, 1)[:, None]  # the neck follows gradually
    arm = vertices - PIVOT
    vertices += bend * (_rotated(arm, pose.rotation.astype(np.float32)) - arm)
    return np.asarray(vertices + np.array(pose.shift, np.float32), np.float32)


def _rotated(points: F32, rotation: F32) -> F32:
    """Return points (N, 3) rotated; not by a matrix product, whose last bits depend on the number of threads."""
    return np.asarray(
        points[:, :1] * rotation[:, 0] + points[:, 1:2] * rotation[:, 1] + points[:, 2:] * rotation[:, 2], np.float32
    )
