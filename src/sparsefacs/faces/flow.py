"""`flow`: TV-L1 optical flow from each stored face to the face a few frames later, kept in the store (WSRTL, III-D).

Head motion is reduced as the paper reduces it: the later frame is seen through the earlier frame's alignment matrix.
How a face will move is not in its picture; how far it is from rest is: target `rest` is flow to the same person's face
nearest to the person's median landmarks, each face in its own alignment, and where `synth` rendered flow to rest, that.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..data.flow import DESCRIPTION, JOB, StoredFlow, cells_across, flow_folder, part_path, read_flow, store_hash
from ..data.store import Store
from ..errors import InputError
from ..files import SoleWriter, refuse_existing, write_with
from ..progress import progress
from ..records import Record, read_record, write_record
from ..workers import in_parallel

_CHUNK = 32  # rows a worker does at a time, about a second


@dataclass(frozen=True)
class FlowSettings:
    """Everything that decides the flow of a store.

    step: frames from a face to the later one (paper: 3). target: `later`, or `rest`, for which step says nothing. cell:
    pixels of the stored face that are averaged, each way. part_rows: rows a file; a kill loses at most so many. The
    rest is TV-L1 (Zach, Pock, Bischof 2007): smoothness `weight` λ on grey values 0–255, coupling `theta`, time step
    `tau`; a pyramid of `scales` halvings suffices for what three frames move a face of 96 to 224 pixels. Measured on
    synthetic faces of 112 and 200 pixels against true flow, λ = 0.3 came nearer than the customary 0.15, and OpenCV's
    ten times as many iterations cost ten times as long and came no nearer: 0.49 pixels off against 0.63 (112), 0.71
    against 0.99 (200).
    """

    step: int = 3
    cell: int = 4
    part_rows: int = 512
    target: Literal["later", "rest"] = "later"
    weight: float = 0.3
    theta: float = 0.3
    tau: float = 0.25
    scales: int = 3
    scale_step: float = 0.5
    warps: int = 2
    outer_iterations: int = 1
    inner_iterations: int = 10
    median: int = 5
    epsilon: float = 0.01

    def __post_init__(self) -> None:
        for name in ("step", "cell", "part_rows"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}", remedy="Choose 1 or more")

    def as_json(self) -> dict[str, Any]:
        """Return the settings as they stand in `flow.json`."""
        algorithm = {
            name: value for name, value in vars(self).items() if name not in ("step", "cell", "part_rows", "target")
        }
        return {
            "step": self.step,
            "target": self.target,
            "cell": self.cell,
            "part_rows": self.part_rows,
            "algorithm": {"name": "TV-L1", "source": "OpenCV DualTVL1OpticalFlow", **algorithm},
        }


@dataclass(frozen=True)
class FlowSummary:
    """What `flow` left: its folder, the store's rows, how many of them have a later frame, and if it was there before.

    step: frames to the later one.
    """

    folder: Path
    rows: int
    known: int
    step: int
    already: bool


def flow(
    store: Path, *, step: int = 3, target: Literal["later", "rest"] = "later", cell: int = 4, workers: int = 2,
    part_rows: int = FlowSettings.part_rows,
) -> FlowSummary:  # fmt: skip
    """Compute the optical flow of every face of the store to the same face `step` frames later, into STORE/flow.

    step, target, cell, part_rows: see `FlowSettings`. Faces without one have NaN. A killed call goes on where it was,
    to the same bytes for any number of workers; flow that is there already with the same settings is left alone. Raises
    InputError for impossible settings, flow of other settings, and a store without two frames so far apart.
    """
    settings = FlowSettings(step, cell, part_rows, target)
    if workers < 1:
        raise InputError("workers must be at least 1", remedy="Choose 1 or more")
    opened = Store(store)
    folder = flow_folder(opened)
    job = {**settings.as_json(), "rows": len(opened), "store": store_hash(opened)}
    whole = _is_whole(folder, job)
    later = target_rows(opened, target, step)
    known = int((later >= 0).sum())
    if not known and target == "rest":
        raise InputError("no person has two faces", path=store, remedy="Flow to rest needs several faces of a person")
    if not known:
        raise InputError(
            f"no two frames {step} apart of one face were found, so there is no optical flow",
            path=store,
            remedy="It needs clips of which no frames were left out, or a smaller --step; photos have none: train on "
            "them without it, wsrtl with --set 'method.auxiliary=[inpainting]'",
        )
    if not whole:
        sole = _begin(folder, job)
        _write_parts(opened, later, settings, folder, workers)
        write_record(folder / DESCRIPTION, {**job, "known": known})
        sole.release()
    for stale in (folder / JOB, *folder.glob(".*.tmp*")):  # what a killed call left
        stale.unlink(missing_ok=True)
    StoredFlow(opened)  # told now if a part has gone meanwhile
    return FlowSummary(folder, len(opened), known, step, whole)


def _is_whole(folder: Path, job: dict[str, Any]) -> bool:
    """Say whether this flow is there already; raises InputError if another is."""
    if not (folder / DESCRIPTION).exists():
        return False
    remedy = "Delete this folder to compute optical flow anew"
    found = read_flow(folder, remedy=remedy)
    if found.get("store") != job["store"]:
        raise InputError("holds the optical flow of another store", path=folder, remedy=remedy)
    for name, value in job.items():
        if found.get(name) != value:
            raise InputError(f"holds optical flow with another {name}: {found.get(name)}", path=folder, remedy=remedy)
    return True


def _begin(folder: Path, job: dict[str, Any]) -> SoleWriter:
    """Note what is being computed, or check that it is what was begun; return what keeps other runs out."""
    if not (folder / JOB).exists():
        refuse_existing(folder, what="folder of optical flow")
        sole = SoleWriter(folder)
        write_record(folder / JOB, job)
        return sole
    sole = SoleWriter(folder)
    remedy = "Give the same --step and --target as before to go on, or delete this folder"
    begun = read_record(folder / JOB, Record, what="the record of unfinished optical flow", remedy="Delete this folder")
    if begun != json.loads(json.dumps(job)):
        raise InputError(
            "holds unfinished optical flow that was begun with other settings or faces", path=folder, remedy=remedy
        )
    return sole


def target_rows(store: Store, target: str, step: int) -> NDArray[np.int64]:
    """Return for every row (M,) the row that its flow leads to, or −1: see `later_rows` and `rest_rows`."""
    return rest_rows(store) if target == "rest" else later_rows(store, step)


def rest_rows(store: Store) -> NDArray[np.int64]:
    """Return for every row (M,) the row of the same subject whose landmarks are nearest to the subject's median.

    −1 for somebody of whom there is one face.
    """
    person, found = _codes(store, "subject"), np.full(len(store), -1, np.int64)
    points = store.vectors("landmarks").reshape(len(store), -1)
    for number in np.unique(person):
        rows = np.flatnonzero(person == number)
        if len(rows) > 1:
            away = np.linalg.norm(points[rows] - np.median(points[rows], axis=0), axis=1)
            found[rows] = rows[np.argmin(away)]
    return found


def later_rows(store: Store, step: int) -> NDArray[np.int64]:
    """Return for every row (M,) the row of the same subject, clip and face whose frame number is `step` higher, or −1.

    Of two rows with one frame number the first counts. It holds a few numbers a row, never texts or pictures.
    """
    tracks = np.zeros(len(store), np.int64)
    for column in (_codes(store, "subject"), _codes(store, "clip"), store.numbers("face")):
        values, places = np.unique(column, return_inverse=True)
        tracks = np.unique(tracks * len(values) + places, return_inverse=True)[1]
    frames = store.numbers("frame").astype(np.int64)
    frames -= frames.min()
    keys = tracks * (frames.max() + step + 1) + frames
    order = np.argsort(keys, kind="stable")
    places = np.minimum(np.searchsorted(keys[order], keys + step), len(keys) - 1)
    found = order[places]
    return np.where(keys[found] == keys + step, found, -1)


def _codes(store: Store, name: str) -> NDArray[np.int64]:
    """Return a number for every text of column `name`, the same for the same text."""
    chunks = store.texts(name).dictionary_encode().unify_dictionaries().chunks
    return np.concatenate([chunk.indices.to_numpy() for chunk in chunks]).astype(np.int64)


def _write_parts(store: Store, later: NDArray[np.int64], settings: FlowSettings, folder: Path, workers: int) -> None:
    """Write the parts that are not there yet, in order; workers compute, and only this process writes."""
    rows, part_rows = len(store), settings.part_rows
    waiting = [part for part in range(-(-rows // part_rows)) if not part_path(folder, part).exists()]
    chunks = [
        (part, range(first, min(first + _CHUNK, part * part_rows + part_rows, rows)))
        for part in waiting
        for first in range(part * part_rows, min((part + 1) * part_rows, rows), _CHUNK)
    ]
    jobs = ((store.path, chunk.start, later[chunk.start : chunk.stop], settings) for _, chunk in chunks)
    made_chunks = in_parallel(chunk_flow, jobs, min(workers, len(chunks) or 1), ordered=True)
    with progress("flow", sum(len(chunk) for _, chunk in chunks), unit="faces") as bar:
        made: list[NDArray[np.float16]] = []
        for (part, chunk), flows in zip(chunks, made_chunks, strict=True):
            made.append(flows)
            bar.advance(len(chunk))
            if chunk.stop == min((part + 1) * part_rows, rows):
                whole = np.concatenate(made)
                write_with(part_path(folder, part), lambda handle, whole=whole: np.save(handle, whole))  # type: ignore[misc]
                made.clear()


@lru_cache(maxsize=1)
def _opened(path: Path, written: int) -> Store:
    """Return the store; `written`, a time, tells it from one made at the same place before."""
    del written
    return Store(path)


def chunk_flow(path: Path, first: int, later: NDArray[np.int64], settings: FlowSettings) -> NDArray[np.float16]:
    """Return the flow (N, h, h, 2) of rows `first` … of the store at `path` to rows `later` (N,); −1: NaN."""
    import cv2

    cv2.setNumThreads(1)  # the processes share the cores already
    store = _opened(path, (path / "store.json").stat().st_mtime_ns)
    side = cells_across(store.info.size, settings.cell)
    flows = np.full((len(later), side, side, 2), np.nan, np.float16)
    for place, after in enumerate(later.tolist()):
        if after < 0:
            continue
        row = first + place
        if settings.target == "rest":
            flows[place] = _to_rest(store, row, after, settings)
            continue
        across = to_earlier(*(np.reshape(store.value("matrix", each), (2, 3)) for each in (row, after)))
        flows[place] = face_flow(store.image(row), store.image(after), across, settings)
    return flows


def _to_rest(store: Store, row: int, resting: int, settings: FlowSettings) -> NDArray[np.float32]:
    """Return the flow (h, h, 2) of a row to its person at rest: as rendered, else to row `resting`."""
    if store.info.source.get("flow_to") == "rest":
        from ..synthetic.flow import unpack_flow

        flow, hidden = unpack_flow(store.value("flow", row))
        return cell_means(flow, ~hidden, settings.cell)
    return face_flow(store.image(row), store.image(resting), np.eye(2, 3), settings)


def to_earlier(matrix: NDArray[np.floating], matrix_later: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return M · M_later⁻¹ (2, 3): pixels of the later stored face → pixels of the earlier face's alignment.

    matrix, matrix_later: (2, 3), source pixels → stored pixels.
    """
    earlier, later = (np.vstack([np.asarray(each, np.float64), [0, 0, 1]]) for each in (matrix, matrix_later))
    return np.asarray((earlier @ np.linalg.inv(later))[:2], np.float64)


def seen_from_earlier(
    later: NDArray[np.uint8], across: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the later stored face (S, S, …) in the earlier one's alignment, and which pixels (S, S) it covers.

    across: (2, 3), of `to_earlier`. Pixels beyond its edge repeat the edge.
    """
    import cv2

    size = later.shape[0]
    back = np.linalg.inv(np.vstack([across, [0, 0, 1]]))[:2]
    way = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(later, back, (size, size), flags=way, borderMode=cv2.BORDER_REPLICATE)
    pixels = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1)
    origin = pixels @ back[:, :2].T + back[:, 2]
    covered = ((origin > -0.5 - 1e-3) & (origin < size - 0.5 + 1e-3)).all(axis=-1)  # a pixel reaches half a pixel out
    return np.asarray(warped, np.uint8), covered


def face_flow(
    face: NDArray[np.uint8], later: NDArray[np.uint8], across: NDArray[np.float64], settings: FlowSettings
) -> NDArray[np.float32]:
    """Return the optical flow (h, h, 2) from stored face (S, S, 3) RGB to the later one in its alignment.

    Pixels of the stored face, x then y, a mean a cell; NaN in cells that the later face does not cover whole. across:
    (2, 3), of `to_earlier`.
    """
    import cv2

    grey, grey_later = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (face, later))
    warped, covered = seen_from_earlier(np.asarray(grey_later, np.uint8), across)
    contrib: Any = cv2.optflow  # the stubs leave it out
    solver = contrib.DualTVL1OpticalFlow_create()
    solver.setLambda(settings.weight)
    solver.setTheta(settings.theta)
    solver.setTau(settings.tau)
    solver.setScalesNumber(settings.scales)
    solver.setScaleStep(settings.scale_step)
    solver.setWarpingsNumber(settings.warps)
    solver.setOuterIterations(settings.outer_iterations)
    solver.setInnerIterations(settings.inner_iterations)
    solver.setMedianFiltering(settings.median)
    solver.setEpsilon(settings.epsilon)
    return cell_means(solver.calc(grey, warped, None), covered, settings.cell)


def cell_means(flow: NDArray[np.float32], covered: NDArray[np.bool_], cell: int) -> NDArray[np.float32]:
    """Return the mean (h, h, 2) in each cell of a flow (S, S, 2); NaN where a pixel of the cell is not `covered`."""
    import cv2

    side = cells_across(flow.shape[0], cell)
    small = cv2.resize(np.where(covered[..., None], flow, 0), (side, side), interpolation=cv2.INTER_AREA)
    share = cv2.resize(covered.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    return np.where(share[..., None] > 1 - 1e-4, small, np.nan).astype(np.float32)
