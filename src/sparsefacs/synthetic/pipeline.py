"""`synth`: a store of synthetic faces, made by several processes, the same bytes however many there are."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..data.sides import SIDES
from ..data.store import FaceRow, Reject, Store, StoreInfo, vector
from ..data.store_writer import StoreWriter
from ..errors import InputError
from ..faces.alignment import FaceRecipe
from ..faces.cutting import NO_FACE
from ..faces.detection import FaceFinder
from ..faces.models import LANDMARKER, YUNET
from ..progress import progress
from ..workers import in_parallel
from .appearance import load_appearance
from .dynamics import DEFAULT_AUS
from .expression import Expression, au_to_units
from .flow import in_earlier_alignment, pack_flow, true_flow
from .identity import make_subject
from .motion import Clip, Resting, make_clip, resting_face
from .obstacles import cover, draw_obstacles
from .profiles import load_profile
from .render import FaceRenderer, Picture
from .scene import Scene, encode_jpeg, make_scene, photograph

if TYPE_CHECKING:
    import pyarrow as pa

GENERATOR_VERSION = 2  # raised whenever the same seed gives other bytes
_CHANGED_SINCE = {"wild": 1}  # how often an appearance changed alone since then; empty it when the version is raised
Points = Literal["found", "true"]
FlowTarget = Literal["later", "rest"]
FRAMES_A_PART = 200  # a kill loses at most about ten seconds of work a process


def generator_version(appearance: str) -> int:
    """Return the version of the generator that makes faces of an appearance: one version, one seed, the same bytes."""
    return GENERATOR_VERSION + _CHANGED_SINCE.get(appearance, 0)


@dataclass(frozen=True)
class Job:
    """Everything that decides the bytes of a synthetic store."""

    subjects: int
    clips: int
    frames: int
    size: int
    seed: int
    profile: str
    flow: bool
    supersample: int
    aus: tuple[int, ...]
    flow_step: int = 1
    frame_step: int = 1
    appearance: str = "usual"
    resting: Resting = "plain"
    points: Points = "found"
    flow_to: FlowTarget = "later"
    version: int = 0  # as of the appearance

    def __post_init__(self) -> None:
        object.__setattr__(self, "version", self.version or generator_version(self.appearance))
        for name in ("subjects", "clips", "frames", "flow_step", "frame_step"):
            if getattr(self, name) < 1:
                option = name.replace("_", "-")
                raise InputError(
                    f"{name} must be at least 1, not {getattr(self, name)}", remedy=f"Give --{option} 1 or more"
                )
        if self.flow_step > 1 and not self.flow:
            raise InputError("a step of the flow is given, but no flow asked for", remedy="Add --flow")
        if self.flow_to != "later" and (self.flow_step > 1 or not self.flow):
            raise InputError(
                f"flow to {self.flow_to} has no step, and is true flow", remedy="Give --flow without a step"
            )
        if self.seed < 0:
            raise InputError(f"seed must not be negative, as {self.seed} is", remedy="Give --seed 0 or more")
        if not 1 <= self.supersample <= 4:
            raise InputError(f"supersample {self.supersample} is not possible", remedy="Choose 1 to 4")
        known = au_to_units()
        if not self.aus:
            raise InputError("no AU is asked for", remedy="Name at least one AU")
        for au in self.aus:
            if au not in known:
                raise InputError(
                    f"the generator cannot make AU{au}", remedy=f"AUs it makes: {','.join(map(str, known))}"
                )
            if self.aus.count(au) > 1:
                raise InputError(f"AU{au} is named twice", remedy="Name every AU once")
        load_profile(self.profile)
        load_appearance(self.appearance)
        choices = {"resting": ("plain", "varied"), "points": ("found", "true"), "flow_to": ("later", "rest")}
        for name, possible in choices.items():
            if (chosen := getattr(self, name)) not in possible:
                raise InputError(f"{name} {chosen!r} is not possible", remedy=f"Choose {' or '.join(possible)}")

    @property
    def recipe(self) -> FaceRecipe:
        """How faces are cut: as `prepare` cuts them."""
        return FaceRecipe(size=self.size)

    @property
    def kept_frames(self) -> range:
        """The numbers of a clip's frames that are rendered."""
        return range(0, self.frames * self.frame_step, self.frame_step)

    @property
    def frames_acted(self) -> int:
        """How many frames of a clip are acted, rendered or not."""
        return self.kept_frames[-1] + 1 + (self.flow_step if self.flow else 0)

    def parts(self) -> list[tuple[int, tuple[int, ...]]]:
        """Return (subject, its clips) of every part of the store."""
        together = max(1, FRAMES_A_PART // self.frames)
        return [
            (subject, tuple(range(first, min(first + together, self.clips))))
            for subject in range(self.subjects)
            for first in range(0, self.clips, together)
        ]


def synth(
    out: Path,
    *,
    subjects: int = 8,
    clips: int = 2,
    frames: int = 50,
    size: int = 112,
    seed: int = 0,
    workers: int = 2,
    profile: Literal["bp4d", "disfa"] = "bp4d",
    flow: bool = False,
    flow_step: int = 1,
    fps: float | None = None,
    appearance: Literal["usual", "shifted", "wild"] = "usual",
    resting: Resting = "plain",
    points: Points = "found",
    flow_to: FlowTarget = "later",
    supersample: int = 2,
    aus: tuple[int, ...] = DEFAULT_AUS,
) -> Store:
    """Make a store of synthetic faces: `clips` clips of `frames` frames of each of `subjects` people.

    Faces are `size` pixels wide, aligned as `prepare` aligns; labels follow the statistics of `profile`. Landmarks,
    blendshapes and pose are those that `prepare`'s finder sees in the picture, and a face it misses is rejected; points
    `true` keeps the generator's own landmarks and pose instead, without blendshapes. Columns beyond the store's own:
    `true_landmarks` and `true_pose` (the generator's), `light` (key direction x right, y up, z to the camera; key, fill
    and ambient strength), of wild faces `sides` (intensity on the person's left, then right), and with `flow` `flow`,
    to the frame `flow_step` later (see `flow.unpack_flow`) or, flow_to `rest`, to the person's resting face in the same
    pose and alignment. resting: `varied` gives people resting faces that may resemble an AU (`motion.resting_face`).
    fps: frames a second that are kept of the profile's own, see `frame_step_of`; frames keep their own numbers, and
    `frames` counts those kept. appearance: `shifted` draws light, pose, skin, hair and camera otherwise, `wild` in
    every way real faces may be, see `appearance`. The same arguments give the same bytes whatever `workers` is; a
    killed call goes on where it was. Raises InputError for impossible arguments or an `out` that exists.
    """
    step = frame_step_of(profile, fps)
    job = Job(
        subjects, clips, frames, size, seed, profile, flow, supersample, tuple(aus), flow_step, step, appearance,
        resting, points, flow_to,
    )  # fmt: skip
    if workers < 1:
        raise InputError(f"workers must be at least 1, not {workers}", remedy="Give --workers 1 or more")
    recipe = job.recipe
    info = StoreInfo(aus=job.aus, recipe=recipe.as_json(), source=job_source(job))
    writer = StoreWriter(Path(out), info, _described(job), extra_columns(job))
    parts = job.parts()
    todo = [part for part in range(len(parts)) if not writer.is_done(part)]
    with progress("synth", total=sum(len(parts[part][1]) for part in todo) * frames) as shown:
        jobs = ((writer, job, part) for part in todo)
        for made in in_parallel(make_part, jobs, min(workers, len(todo) or 1)):
            shown.advance(made)
    return writer.finish(len(parts))


def frame_step_of(profile: str, fps: float | None) -> int:
    """Return how every many-th frame of a profile is kept for `fps` frames a second (None: every one).

    Raises InputError where the profile's frames cannot be thinned evenly to within a hundredth of `fps`.
    """
    own = load_profile(profile).fps
    if fps is None:
        return 1
    step = max(1, round(own / fps)) if fps > 0 else 1
    if not abs(own / step - fps) <= 0.01 * fps:
        possible = ", ".join(f"{own / n:.4g}" for n in range(1, 6))
        raise InputError(
            f"{fps:g} frames a second cannot be taken of the {own:g} of {profile}", remedy=f"Give --fps {possible} …"
        )
    return step


def _described(job: Job) -> dict[str, Any]:
    return {"command": "synth", **asdict(job), "aus": list(job.aus)}


def job_source(job: Job) -> dict[str, Any]:
    """Return what `store.json` says of where the faces come from."""
    return {
        "kind": "synthetic",
        "generator_version": job.version,
        "seed": job.seed,
        "people": f"synthetic, seed {job.seed}",  # another seed's S0000 is somebody else
        "profile": job.profile,
        "fps": load_profile(job.profile).fps,
        "subjects": job.subjects,
        "clips": job.clips,
        "frames": job.frames,
        "supersample": job.supersample,
        "appearance": job.appearance,
        "resting": job.resting,
        "points": job.points,
        "models": {model.name: model.sha256 for model in (YUNET, LANDMARKER)} if job.points == "found" else {},
        **({} if job.flow_step == 1 else {"flow_step": job.flow_step}),
        **({} if job.flow_to == "later" else {"flow_to": job.flow_to}),
        **({} if job.frame_step == 1 else {"frame_step": job.frame_step}),
        "note": "synthetic faces: scores on them say nothing about real faces",
    }


def row_names(subject: int, clip: int) -> tuple[str, str]:
    """Return the names of a subject and of one of their clips."""
    return f"S{subject:04d}", f"C{clip:02d}"


def row_source(seed: int, subject: int, clip: int) -> str:
    """Return what the faces of a clip have as their source, and rejects too."""
    return "/".join(("synthetic", str(seed), *row_names(subject, clip)))


def extra_columns(job: Job) -> "dict[str, pa.DataType]":
    """Return the columns that synthetic stores add."""
    import pyarrow as pa

    columns = {"true_landmarks": vector(136), "true_pose": vector(3), "light": vector(6)}
    if load_appearance(job.appearance).one_sided:
        columns[SIDES] = vector(2 * len(job.aus))
    if job.flow:
        columns["flow"] = pa.binary()
    return columns


def make_part(writer: StoreWriter, job: Job, part: int) -> int:
    """Render and write part number `part` of a store; return how many frames it has, rejected ones too."""
    import cv2

    cv2.setNumThreads(1)  # the processes share the cores already
    subject, clips = job.parts()[part]
    rejected: list[Reject] = []
    rows = (row for clip in clips for row in clip_rows(job, subject, clip))
    finder = FaceFinder() if job.points == "found" else None
    seen = rows if finder is None else (s for row in rows if (s := seen_by(finder, row, rejected)) is not None)
    writer.write_part(part, seen, rejected)
    return len(clips) * job.frames


@lru_cache(maxsize=1)
def _renderer(seed: int, subject: int, scale: int, appearance: str) -> FaceRenderer:
    return FaceRenderer(make_subject(seed, subject, load_appearance(appearance)), scale)


def texture_scale(size: int, supersample: int) -> int:
    """Return the atlas scale for faces of `size` pixels: doubled where 512 texels would blur."""
    return 1 if size * supersample <= 360 else 2


def clip_rows(job: Job, subject: int, clip: int) -> Iterator[FaceRow]:
    """Yield the faces of one clip in order, with the generator's own landmarks and pose."""
    drawn = load_appearance(job.appearance)
    renderer = _renderer(job.seed, subject, texture_scale(job.size, job.supersample), job.appearance)
    acted = make_clip(job.profile, job.aus, job.seed, subject, clip, job.frames_acted, drawn, job.resting)
    rng = np.random.default_rng(np.random.SeedSequence([job.seed, subject, 13, clip]))
    colours = renderer.subject.colours
    scene = make_scene(rng, colours.skin, drawn)
    recipe, worn = job.recipe, None
    if drawn.obstacles:
        own = np.random.default_rng(np.random.SeedSequence([job.seed, subject, 16, clip]))
        worn = draw_obstacles(own, colours.skin, colours.hair, renderer.subject.female)
    rest = Expression(resting_face(job.seed, subject) if job.resting == "varied" else {})
    for t in job.kept_frames:
        picture = renderer.render(acted.expressions[t], acted.poses[t], scene, recipe, job.supersample)
        if worn is not None:
            picture = replace(picture, colours=cover(picture.colours, picture.landmarks, worn, t / acted.fps))
        extras: dict[str, Any] = {"light": np.array(scene.light_column, np.float32)}
        if drawn.one_sided:
            extras[SIDES] = acted.sides[t].ravel()
        if job.flow:
            extras["flow"] = _flow(job, renderer, acted, rest, t, scene, picture)
        yield _row(job, subject, clip, t, acted, scene, picture, rng, extras)


def _flow(
    job: Job, renderer: FaceRenderer, acted: Clip, rest: Expression, t: int, scene: Scene, picture: Picture
) -> bytes:
    """Return the true flow of frame `t`, to a later frame in its own alignment or to rest in this one's."""
    resting, later = job.flow_to == "rest", t + job.flow_step
    shown, posed = (rest, t) if resting else (acted.expressions[later], later)
    after = renderer.place(shown, acted.poses[posed], scene, job.recipe)[1]
    flow, hidden = true_flow(renderer, picture, after, job.size)
    return pack_flow(in_earlier_alignment(flow, picture.matrix, after.matrix) if resting else flow, hidden)


def _row(
    job: Job, subject: int, clip: int, t: int, acted: Clip, scene: Scene, picture: Picture,
    rng: np.random.Generator, extras: dict[str, Any],
) -> FaceRow:  # fmt: skip
    pose = acted.poses[t]
    turned = np.array([pose.yaw, pose.pitch, pose.roll], np.float32)
    who, where = row_names(subject, clip)
    return FaceRow(
        image=encode_jpeg(photograph(picture.colours, scene, rng, picture.matrix), job.recipe.quality),
        subject=who,
        clip=where,
        frame=t,
        time=t / acted.fps,
        face=0,
        landmarks=picture.landmarks,
        matrix=picture.matrix,
        occurrence=acted.occurrence[t],
        intensity=acted.intensity[t],
        score=1.0,
        source=row_source(job.seed, subject, clip),
        pose=turned,
        extras={"true_landmarks": picture.landmarks.ravel(), "true_pose": turned, **extras},
    )


def seen_by(finder: FaceFinder, row: FaceRow, rejected: list[Reject]) -> FaceRow | None:
    """Return a face with the landmarks, blendshapes and pose that `finder` sees in its picture.

    None for a face that it misses, which is noted in `rejected`. The picture is given a border, its last pixels
    repeated, since finders want air round a face.
    """
    import cv2

    image = cv2.cvtColor(cv2.imdecode(np.frombuffer(row.image, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    border = image.shape[0] // 2
    wide = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_REPLICATE)
    found = finder.find(np.asarray(wide, np.uint8))
    if not found:
        rejected.append(Reject(row.source, row.frame, NO_FACE))
        return None
    face = found[0]
    pose = face.traits.pose.copy()
    pose[2] -= np.degrees(
        np.arctan2(row.matrix[1, 0], row.matrix[0, 0])
    )  # of the camera's picture, not the aligned one
    return replace(
        row,
        landmarks=face.landmarks - np.float32(border),
        score=face.score,
        blendshapes=face.traits.blendshapes,
        pose=pose,
    )
