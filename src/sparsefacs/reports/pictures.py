"""Pictures of what a training taught a network, from a run of any method that has the parts for them.

Flow, restored faces and similarity of AU queries: figures 7, 8 and 9 of Yan, Wang, Li, Wang, Pu (WSRTL). Curves of
intensity: `intensity_curves`. Reconstructed faces of a masked autoencoder: `reconstructions`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.flow import Flows
from ..data.joined import AnyStore
from ..engine.run import RunFolder
from ..errors import InputError
from ..facs.units import UNITS
from ..files import refuse_existing, without_nan, write_json, write_text
from ..inference.training_parts import TrainingParts, load_training_parts
from ..inference.unseen import unseen_faces
from .embedding import evenly
from .flow_errors import LaterFaces, SeenFlows, endpoint_errors, seen_flows
from .grids import draw_grid, similarities
from .intensity_curves import draw_curves, figures_of, intensity_curves, is_of_intensity
from .pseudo_clips import PSEUDO, draw_pseudo_labels
from .reconstructions import is_of_pretraining, reconstructions

FACES = 6
MOST_MEASURED = 500
FLOW, INPAINTING, QUERIES, INTENSITY = "flow.png", "inpainting.png", "queries.svg", "intensity.svg"
NUMBERS = "pictures.json"
_MOVING = 0.25  # share of the frames with the most motion, of which faces are shown
_SHOWN_TRULY = 0.99  # of cells; TV-L1 has outliers at edges
_UNKNOWN = (0.93, 0.86, 0.72)
_REMEDY = (
    "Pictures are made of runs of wsrtl, of methods trained with --set 'method.auxiliary=[flow]' or [inpainting], of "
    "those with --set method.recogniser.kind=roi, of knowledge-spreader, of any trained with --task intensity, and of "
    "pretrain mae-face"
)


def pictures(
    run: Path,
    out: Path,
    store: AnyStore | None = None,
    *,
    beside: Path | None = None,
    faces: int = FACES,
    seed: int = 0,
) -> dict[str, Any]:
    """Write flow.png, inpainting.png, queries.svg, pseudo-labels.svg, intensity.svg, as the training allows, to `out`.

    Beside them pictures.json. store: faces of people the run has not seen; default: the test people of its own. faces:
    how many are shown. Of a run of `pretrain mae-face`: reconstructions.png, and with a second one `beside` beside.png.
    The same arguments give the same files. Returns the content of pictures.json: `written`, file → what it shows;
    `not_written`, file → why; `flow`, `inpainting`, `queries`, `intensity`, `reconstructions`, `beside`: numbers and
    faces shown. Raises InputError when the run has nothing to make a picture of, OUT exists, or no face is unseen.
    """
    run, out = Path(run), Path(out)
    if is_of_pretraining(run):
        return reconstructions(run, out, NUMBERS, store, beside=beside, faces=faces, seed=seed)
    if beside is not None:
        raise InputError(
            "is no run of pretrain mae-face: nothing can be shown beside it", path=run, remedy="Leave --beside out"
        )
    refuse_existing(out, what="folder of pictures")
    told: dict[str, Any] = {"run": str(run), "seed": seed, "written": {}, "not_written": {}}
    of_intensity = is_of_intensity(run)
    if of_intensity:
        _intensity(told, out / INTENSITY, run, store)
    if not of_intensity or RunFolder(run).model.exists():  # scores of several folds together have no model
        _of_training(told, out, run, store, faces, seed, alone=not of_intensity)
    told = without_nan(told)
    write_json(out / NUMBERS, told)
    return told


def _intensity(told: dict[str, Any], path: Path, run: Path, store: AnyStore | None) -> None:
    """Draw MAE-Face's Fig. 6."""
    curves = intensity_curves(run, store)
    if curves is None:
        told["not_written"][INTENSITY] = "the people not trained on have no intensity labels that vary"
        return
    write_text(path, draw_curves(curves))
    told["intensity"] = figures_of(curves)
    named = ", ".join(f"AU{au}" for au in curves.aus)
    told["written"][INTENSITY] = f"intensity of {named} beside its labels, {curves.subject}, clip {curves.clip}"


def _of_training(
    told: dict[str, Any], out: Path, run: Path, store: AnyStore | None, faces: int, seed: int, *, alone: bool
) -> None:
    """Draw what the modules of the training show; with nothing to show and nothing else drawn, raise InputError."""
    parts = load_training_parts(run)
    if hasattr(parts.coder.network, "pseudo_labels"):
        _pseudo_labels(told, out / PSEUDO, run, parts, store, seed)
        return
    similarity = parts.query_similarity()
    if alone and parts.flow_head is None and parts.generator is None and similarity is None:
        raise InputError("its training left nothing to make pictures of", path=run, remedy=_REMEDY)
    if parts.flow_head is None:
        told["not_written"][FLOW] = "the run did not learn optical flow (method.auxiliary has no flow)"
    if parts.generator is None:
        told["not_written"][INPAINTING] = "the run did not learn to restore faces (method.auxiliary has no inpainting)"
    if parts.flow_head is not None or parts.generator is not None:
        found = unseen_faces(run, store)
        unseen, rows = found.store, found.rows
        told["store"] = str(unseen.path)
        if parts.flow_head is not None:
            _flow(told, out / FLOW, parts, unseen, rows, faces, seed)
        if parts.generator is not None:
            _inpainting(told, out / INPAINTING, parts, unseen, rows, faces, seed)
    if similarity is None:
        told["not_written"][QUERIES] = "the run has no AU queries (recogniser kind roi, relation transformer)"
    else:
        _queries(told, out / QUERIES, parts.coder.aus, similarity)


def _pseudo_labels(
    told: dict[str, Any], path: Path, run: Path, parts: TrainingParts, store: AnyStore | None, seed: int
) -> None:
    """Draw Knowledge-Spreader's Fig. 6, of the training people of the run's own store."""
    found = unseen_faces(run, store)
    shown = (
        {} if not found.own else draw_pseudo_labels(path, RunFolder(run), parts.coder, found.store, found.plan, seed)
    )
    if not shown:
        told["not_written"][PSEUDO] = "pseudo labels are of the run's own training people whose labels were hidden"
        return
    told["pseudo_labels"] = shown
    words = ["taught" if each["taught"] else "dropped" for each in shown["clips"]]
    told["written"][PSEUDO] = f"pseudo labels of clips that were {' and '.join(words)}, beside their true labels"


def _varied(store: AnyStore, rows: NDArray[np.int64], faces: int, seed: int) -> NDArray[np.int64]:
    """Return places among `rows` of up to `faces` faces, evenly over subjects and their clips, drawn by `seed`."""
    subjects, clips = (store.strings(name)[rows] for name in ("subject", "clip"))
    clips = np.char.add(np.char.add(subjects, "/"), clips)
    from_each = evenly(clips, max(faces, len(np.unique(clips))), seed)
    return from_each[evenly(subjects[from_each], faces, seed)]


def _shown(store: AnyStore, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return what faces these are."""
    columns = {name: store.strings(name)[rows].tolist() for name in ("subject", "clip")}
    frames = store.numbers("frame")[rows].tolist()
    return [
        {"row": row, "subject": subject, "clip": clip, "frame": int(frame)}
        for row, subject, clip, frame in zip(rows.tolist(), *columns.values(), frames, strict=True)
    ]


def _title(face: Mapping[str, Any]) -> str:
    return f"{face['subject']}\n{face['clip']} · frame {face['frame']}"


def _flow(
    told: dict[str, Any],
    path: Path,
    parts: TrainingParts,
    store: AnyStore,
    rows: NDArray[np.int64],
    faces: int,
    seed: int,
) -> None:
    """Draw Fig. 7, and measure how far off the flow is."""
    try:
        Flows(store.parts)
    except InputError as error:
        told["not_written"][FLOW] = str(error)
        return
    later = LaterFaces(store)
    moving = rows[later.known()[rows]]
    if not len(moving):
        told["not_written"][FLOW] = f"no unseen face of {store.path} has optical flow {later.in_words()}"
        return
    measured = moving[evenly(store.strings("subject")[moving], MOST_MEASURED, seed)]
    flows = seen_flows(parts, store, later, measured)
    errors = endpoint_errors(flows, store.strings("subject")[measured])
    clear = _clearly_moving(flows.tv_l1, faces)
    chosen = flows.at(clear[_varied(store, measured[clear], faces, seed)])
    shown, scales = _shown(store, chosen.rows), _scales(chosen)
    image, _ = parts.seen(store, chosen.rows)
    tiles = [image.permute(0, 2, 3, 1).cpu().numpy()]
    names = ["face"]
    kinds = {"TV-L1": chosen.tv_l1, "predicted": chosen.predicted, "true": chosen.true}
    for name, flow in kinds.items():
        for axis, way in enumerate(("horizontal", "vertical")):
            if flow is not None:
                tiles.append(_grey(flow[:, axis], scales))
                names.append(f"{name}\n{way}")
    side = parts.coder.sees.input_size
    titles = [f"{_title(face)}\n±{scale:.1f} px" for face, scale in zip(shown, scales.tolist(), strict=True)]
    notes = [
        f"Optical flow {later.in_words()}, seen in one face of a person the run was not trained on; "
        f"network's image: {side} px.",
        "White: rightwards, downwards; black: leftwards, upwards; mid-grey: still; sand: unknown. ± px: black and "
        "white of a column.",
        *([] if errors is None else [_errors_told(errors)]),
    ]
    draw_grid(path, tiles, names, titles, notes)
    words = [f"flow in {len(shown)} faces", *([] if errors is None else [_errors_told(errors)])]
    told["written"][FLOW] = ". ".join(words).replace("\u00a0", " ")  # these keep lines of the picture together
    told["flow"] = {"step": later.step, "endpoint_error": errors, "faces": shown, "scales": scales.tolist()}


def _clearly_moving(tv_l1: NDArray[np.float32], faces: int) -> NDArray[np.int64]:
    """Return places of the quarter of the faces that moves most, or of three times as many as are shown."""
    speed_N = np.nan_to_num(np.linalg.norm(tv_l1, axis=1)).mean(axis=(1, 2))
    most = max(3 * faces, round(_MOVING * len(speed_N)))
    return np.sort(np.argsort(-speed_N, kind="stable")[:most])


def _scales(flows: SeenFlows) -> NDArray[np.float64]:
    """Return the displacement that is black or white in each face's pictures: the largest in any but a cell in 100."""
    kinds = [flow for flow in (flows.tv_l1, flows.predicted, flows.true) if flow is not None]
    size_NC = np.abs(np.stack(kinds, axis=1)).reshape(len(flows.rows), -1)
    return np.asarray(np.maximum(np.nanquantile(size_NC, _SHOWN_TRULY, axis=1), 0.1), np.float64)


def _grey(flow_NHW: NDArray[np.float32], scales_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one component of flow as pictures (N, h, h, 3): mid-grey 0, white `scales_N`, black minus that."""
    grey = np.clip(0.5 + 0.5 * flow_NHW / scales_N[:, None, None], 0, 1)[..., None].repeat(3, axis=-1)
    return np.where(np.isnan(grey), _UNKNOWN, grey)


def _errors_told(errors: Mapping[str, Any]) -> str:
    def told(name: str) -> str:
        return "{value:.2f}\u00a0[{low:.2f},\u00a0{high:.2f}]".format(**errors[name])

    kinds = {"predicted": "predicted", "no flow": "zero", "TV-L1": "tv_l1"}
    each = ", ".join(f"{word}\u00a0{told(name)}" for word, name in kinds.items() if name in errors)
    about = f"{errors['against']} over {errors['faces']} faces, px [95 % interval over {errors['subjects']} subjects]"
    return f"Mean distance from {about}: {each}; predicted less no flow\u00a0{told('predicted_minus_zero')}"


def _inpainting(
    told: dict[str, Any],
    path: Path,
    parts: TrainingParts,
    store: AnyStore,
    rows: NDArray[np.int64],
    faces: int,
    seed: int,
) -> None:
    """Draw Fig. 8."""
    chosen = rows[_varied(store, rows, faces, seed)]
    aus = parts.coder.aus
    places = np.random.default_rng([seed, len(aus)]).integers(len(aus), size=len(chosen))
    made = parts.inpainted(store, chosen, places)
    shown = [face | {"au": aus[place]} for face, place in zip(_shown(store, chosen), places.tolist(), strict=True)]
    titles = [f"AU{face['au']}\n{UNITS[face['au']].name}\n{_title(face)}" for face in shown]
    notes = ["Both regions of an AU hidden, and restored from its attended features; people not trained on."]
    draw_grid(path, [made.hidden, made.original, made.restored], ["hidden", "original", "restored"], titles, notes)
    told["written"][INPAINTING] = f"{len(shown)} faces, hidden, original and restored"
    told["inpainting"] = {"faces": shown}


def _queries(told: dict[str, Any], path: Path, aus: Sequence[int], similarity: NDArray[np.float64]) -> None:
    """Draw Fig. 9."""
    write_text(path, similarities([(f"AU{au}", UNITS[au].name) for au in aus], similarity))
    told["written"][QUERIES] = f"cosine similarity of the queries of {len(aus)} AUs"
    told["queries"] = {"aus": list(aus), "cosine": similarity.tolist()}
