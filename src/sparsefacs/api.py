"""The Python face of the program: one function a stage; the command line is a thin skin over these."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .coders import LATEST, coder_folder, coder_names, is_coder_name, read_card
from .errors import InputError
from .given import Aus, PathLike, Paths, listed, listed_aus
from .training import evaluate, protocol, train

if TYPE_CHECKING:
    from .data.store import Store
    from .faces.flow import FlowSummary
    from .inference.contract import Coder
    from .inference.many.folder import FolderSummary
    from .inference.many.gather import Gathered
    from .inference.origin import Origin
    from .inference.outcome import Summary
    from .shards import Shard

__all__ = [
    "coder_and_inputs", "coder_card", "coders", "evaluate", "export", "flow", "gather", "inspect", "load",
    "methods", "predict", "prepare", "prepare_shard", "protocol", "report", "synth", "synth_tree", "train",
]  # fmt: skip

DEFAULT_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)


def synth(out: PathLike, **settings: Any) -> "Store":
    """Render AU-labelled synthetic faces into store `out`; settings as of `synthetic.pipeline.synth`."""
    from .synthetic.pipeline import synth as run

    return run(Path(out), **settings)


def synth_tree(out: PathLike, layout: str, **settings: Any) -> Path:
    """Write a fake delivered tree of data set `layout`, for `prepare`; settings as of `synthetic.trees.write_tree`."""
    from .synthetic.trees import write_tree

    return write_tree(Path(out), layout, **settings)


def prepare(source: PathLike, out: PathLike, *, labels: PathLike | None = None, **settings: Any) -> "Store":
    """Turn images and videos into store `out` of aligned faces; settings as of `faces.prepare.make_store`."""
    from .faces.prepare import prepare as run

    return run(Path(source), Path(out), labels=None if labels is None else Path(labels), **settings)


def prepare_shard(
    source: PathLike, out: PathLike, shard: "Shard", *, labels: PathLike | None = None, **settings: Any
) -> "Store | None":
    """Make a shard's share of store `out`; return the store once it is whole, None while others' parts are lacking."""
    from .faces.prepare import make_store

    labels = None if labels is None else Path(labels)
    return make_store(Path(source), Path(out), shard=shard, labels=labels, **settings)


def flow(store: PathLike, **settings: Any) -> "FlowSummary":
    """Compute the optical flow of a store's clips into STORE/flow; settings as of `faces.flow.flow`."""
    from .faces.flow import flow as run

    return run(Path(store), **settings)


def inspect(store: PathLike) -> dict[str, Any]:
    """Return counts, AU base rates, label gaps and rejects of a store."""
    from .data.inspection import inspect_store
    from .data.store import Store

    return inspect_store(Store(store))


def methods(name: str, *, aus: Aus = DEFAULT_AUS, recipe: str | None = None) -> dict[str, Any]:
    """Return parameters, GFLOPs, input size and paper of a method's recipe (default: the paper's)."""
    from .engine.config import recipe_names, resolve
    from .methods.cost import method_cost, pretraining_cost
    from .methods.registry import PRETRAIN, pretraining_names

    chosen = recipe or next((r for r in recipe_names(name) if r.startswith("paper")), "small")
    config = resolve(name, chosen)
    cost = method_cost(name, config.method_config(), config.network, config.task, listed_aus(aus))
    if name in pretraining_names():
        known = recipe_names(PRETRAIN + name)
        ahead = resolve(PRETRAIN + name, next((r for r in (chosen, chosen.partition("-")[0]) if r in known), "small"))
        cost |= pretraining_cost(name, ahead.method_config(), ahead.network)
    return {"recipe": chosen} | cost


def export(run: PathLike, out: PathLike, *, batch: int | None = None) -> dict[str, Any]:
    """Write a run's network to one .onnx file that codes faces without torch or the run; return what it says of itself.

    run: a run folder, or a packaged coder's name. batch: faces a call, None for any number. See
    `inference.export.export`.
    """
    from .inference.export import export as write

    return write(coder_folder(str(run)) if is_coder_name(str(run)) else run, out, batch=batch)


def load(run: PathLike = LATEST, *, threads: int | None = None) -> "Coder":
    """Return the model of a run, an exported .onnx file or a packaged coder: call it on aligned faces.

    They are RGB, (B, S, S, 3) uint8, S being `recipe.size`; landmarks (B, 68, 2), pixels of them, are its second
    argument. So called it sees pixels alone: `predict` also gives it points, blendshapes and the person's other faces,
    and has other codes. Default: the packaged coder. threads: of an exported file; None: all cores but one. Calling it
    raises InputError for faces of another shape or kind.
    """
    if is_coder_name(str(run)):
        run = coder_folder(str(run))
    if Path(run).suffix.lower() == ".onnx":
        from .inference.onnx_model import OnnxCoder

        return OnnxCoder(run, threads)
    from .inference.model import load_coder

    return load_coder(run)


def predict(
    inputs: Paths,
    out: PathLike,
    run: PathLike = LATEST,
    *,
    overlay: PathLike | None = None,
    plot: PathLike | None = None,
    reference: Paths = (),
    causal: bool = False,
    smooth: float | None = None,
    every: int = 1,
    fps: float | None = None,
    **many: Any,
) -> "Summary | FolderSummary":
    """Code photos, folders and videos into a CSV or Parquet file `out`, with a .json beside it that says how; or, where
    `out` has no suffix or is a folder, each video into a file of its own there.

    run: a run folder, an exported .onnx file, or a packaged coder's name. reference: photos or videos of a resting face
    that all faces are compared with, for inputs of one person; causal: compare a face only with what was seen of it
    before. Both concern models that look at the person. smooth: seconds of a window over which a video's codes are
    smoothed; see `inference.pipeline.predict`. every, fps: which frames are coded, see `inference.sampling.Sampling`.
    many: codes, shard and workers, for a folder; see `inference.many.folder.predict_folder`, and `Shard.check_busy`.
    """
    from .inference.origin import origin_of
    from .inference.pipeline import Way
    from .inference.pipeline import predict as code
    from .inference.sampling import Sampling

    way = Way(tuple(map(Path, listed(reference))), causal, smooth, Sampling(every, fps))
    shown, out = [Path(path) for path in listed(inputs)], Path(out)
    if out.is_dir() or not out.suffix:
        from .inference.many.folder import predict_folder

        if overlay is not None or plot is not None:
            option = "--plot" if overlay is None else "--overlay"
            raise InputError(f"{option} goes with one table", path=out, remedy="Give --out a name ending in .csv")
        summary = predict_folder(partial(_load_with_origin, run), shown, out, way, **many)
        summary.shard.check_busy(summary.planned, out)
        return summary
    if many:
        options = ", ".join(f"--{'format' if name == 'codes' else name}" for name in many)
        raise InputError(f"{options}: for many files", path=out, remedy="Give --out a folder, a name without a suffix")
    coder = load(run)
    return code(
        coder,
        shown,
        out,
        overlay=None if overlay is None else Path(overlay),
        plot=None if plot is None else Path(plot),
        reference=way.reference,
        causal=causal,
        smooth=smooth,
        sampling=way.sampling,
        origin=origin_of(run, coder),
    )


def _load_with_origin(run: PathLike) -> "tuple[Coder, Origin]":
    from .inference.origin import origin_of

    coder = load(run, threads=1)  # as of every network of many files, see `inference.threads`
    return coder, origin_of(run, coder)


def gather(folder: PathLike, out: PathLike | None = None, **settings: Any) -> "Gathered":
    """Check a folder of codes and join its tables into one, `out`; settings as of `inference.many.gather.gather`."""
    from .inference.many.gather import gather as run

    return run(Path(folder), None if out is None else Path(out), **settings)


def coder_and_inputs(given: Sequence[Path]) -> tuple[Path, list[Path]]:
    """Return what codes, and what is coded, of what was given to `predict`: a coder may stand first.

    A coder's name alone means the folder of that name, if there is one. Raises InputError where nothing is left to
    code.
    """
    from .engine.run import RunFolder

    first = given[0]
    if len(given) == 1 and is_coder_name(str(first)) and first.exists():
        return Path(LATEST), [first]
    if not (is_coder_name(str(first)) or first.suffix.lower() == ".onnx" or RunFolder(first).begun):
        return Path(LATEST), list(given)
    if len(given) < 2:
        raise InputError("codes faces, but no photo or video was named", path=first, remedy="Name one behind it")
    return first, list(given[1:])


def coders() -> list[dict[str, Any]]:
    """Return the cards of the packaged coders, oldest first."""
    return [read_card(name) for name in coder_names()]


def coder_card(name: str = LATEST) -> dict[str, Any]:
    """Return the card of a packaged coder: what it is, how it was made, its terms, its scores, what it cannot do."""
    return read_card(coder_folder(name).name)


def report(out: PathLike, results: Paths, *, codes: Paths = (), stills: Paths = ()) -> Path:
    """Write one self-contained HTML page that compares results; codes and stills are what `predict` wrote."""
    from .reports.page import report as write

    return write(
        Path(out),
        [Path(path) for path in listed(results)],
        codes=[Path(path) for path in listed(codes)],
        stills=[Path(path) for path in listed(stills)],
    )
