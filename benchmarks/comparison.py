"""Train several methods side by side on the same faces and labels, and say which differences are clear.

    python benchmarks/comparison.py wsrtl STORE OUT [--labels 5%] [--steps 400] [--init RUN] [--together 2]

A comparison is a list of trainings in COMPARISONS below; all draw the same number of faces a step, keep the last state,
and are tested on the same people. With --labels all there are no faces without labels, and every training draws
labelled ones instead. Trainings run as processes of the command line, `--together` at a time with a core
each; one that is finished in OUT is not made again, so a stopped comparison goes on where it was. Prints a table (means
over AUs, 95 % intervals over subjects), the paired difference of each from the first, and writes OUT/comparison.json.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from measuring import give, machine
from sparsefacs.reports.comparison import difference, is_clear
from sparsefacs.reports.results import METRIC_NAMES, METRICS_OF_TASK, read_results

BOTH, ONE = ("data.labelled_batch=32", "data.unlabelled_batch=32"), ("data.labelled_batch=64",)
FACES, HALVES = ("data.labelled_batch=78",), ("data.labelled_batch=39", "data.unlabelled_batch=39")
COMPARISONS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "knowledge-spreader": {  # 78 faces a step, of which 26 clips of 3
        "counterpart": ("knowledge-spreader/supervised", ("data.labelled_batch=26",)),
        "supervised": ("supervised", FACES),
        "pseudo-label": ("pseudo-label", HALVES),
        "fixmatch": ("fixmatch", HALVES),
        "tcl": ("tcl", ("data.labelled_batch=13", "data.unlabelled_batch=13")),
        "KS": ("knowledge-spreader", ("data.labelled_batch=20", "data.unlabelled_batch=6")),
    },
    "mae-face": {
        "scratch": ("mae-face", ("network.init=none",)),
        "MAE": ("mae-face", ()),
    },
    "mae-face-intensity": {
        "scratch": ("mae-face/small-intensity", ("network.init=none",)),
        "MAE": ("mae-face/small-intensity", ()),
    },
    "wsrtl": {
        "backbone": ("wsrtl", ("method.auxiliary=[]", "method.semi_supervised=none", *ONE)),
        "OFE": ("wsrtl", ("method.auxiliary=[flow]", "method.semi_supervised=none", *BOTH)),
        "RoII": ("wsrtl", ("method.auxiliary=[inpainting]", "method.semi_supervised=none", *BOTH)),
        "OFE+RoII": ("wsrtl", ("method.semi_supervised=none", *BOTH)),
        "MixMatch": ("wsrtl", ("method.auxiliary=[]", *BOTH)),
        "WSRTL": ("wsrtl", BOTH),
    },
}


def main(words: Sequence[str] | None = None) -> None:
    given = parse(words)
    given.out.mkdir(parents=True, exist_ok=True)
    trainings = COMPARISONS[given.comparison]
    with ThreadPoolExecutor(given.together) as pool:
        list(pool.map(lambda each: train(given, each, *trainings[each]), trainings))
    result = {
        "benchmark": "comparison",
        "comparison": given.comparison,
        "labels": given.labels,
        "steps": given.steps,
        **machine(),
    }
    result["runs"] = {name: scores(given.out / name) for name in trainings}
    first, *others = trainings
    result["differences"] = {name: paired(given.out / name, given.out / first) for name in others}
    for name, run in result["runs"].items():
        beside = result["differences"].get(name)
        scored = [metric for metric in METRIC_NAMES if metric in run]
        told = "  ".join(f"{METRIC_NAMES[metric]} {run[metric]}" for metric in scored)
        print(f"{name:12} {told}  {run['images']} faces, {run['seconds']:.0f} s")
        if beside is not None:
            told = "  ".join(f"{METRIC_NAMES[metric]} {beside[metric]}" for metric in scored)
            print(f"{'':12} from {first}: {told}")
    give(result, given.out / "comparison.json")


def train(given: argparse.Namespace, training: str, method: str, settings: tuple[str, ...]) -> None:
    """Train one method, or go on with it; its messages go to OUT/TRAINING.log."""
    run = given.out / training
    if (run / "metrics.json").exists():
        return
    name, _, recipe = method.partition("/")
    words = ["train", name, str(given.store), str(run), "--labels", given.labels, "--selection", "last"]
    words += ["--recipe", recipe or "small"]
    settings = settings if given.labels != "all" else labelled_alone(settings)
    words += ["--protocol", given.protocol, "--seed", str(given.seed), "--set", f"training.steps={given.steps}"]
    words += [word for setting in (*settings, *given.settings) for word in ("--set", setting)]
    words += ["--init", str(given.init)] if given.init and "network.init=none" not in settings else []
    words += ["--resume"] if run.exists() else []
    with (given.out / f"{training}.log").open("w") as log:
        environment = os.environ | {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // given.together))}
        command = [sys.executable, "-m", "sparsefacs", *words]
        subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment, check=True)


def labelled_alone(settings: tuple[str, ...]) -> tuple[str, ...]:
    """Return the settings with all of a step's faces drawn from the labelled ones."""
    sizes = [int(value) for key, _, value in (each.partition("=") for each in settings) if key.endswith("_batch")]
    others = tuple(each for each in settings if not each.partition("=")[0].endswith("_batch"))
    return (*others, f"data.labelled_batch={sum(sizes)}") if sizes else settings


def scores(run: Path) -> dict[str, Any]:
    metrics = json.loads((run / "metrics.json").read_text())
    mean = metrics["pooled"]["mean"]
    pseudo = metrics["provenance"].get("pseudo_labels")
    log = (run / "log.csv").read_text().splitlines()
    last = dict(zip(log[0].split(","), log[-1].split(","), strict=True))
    return {
        **{metric: told(mean[metric]) for metric in METRICS_OF_TASK[metrics["task"]]},
        "images": int(last["images"]),
        "seconds": float(last["seconds"]),
        **({} if pseudo is None else {"pseudo_labels": pseudo}),
    }


def paired(run: Path, baseline: Path) -> dict[str, Any]:
    """Return the differences in every metric on the same frames, subjects resampled once for both."""
    ours, theirs = read_results([run, baseline])
    differences: dict[str, Any] = {}
    for metric in METRICS_OF_TASK[ours.task]:
        found = difference(ours, theirs, metric)
        if isinstance(found, str):
            raise SystemExit(found)
        differences[metric] = told(found.mean, sign="+")
        differences[f"{metric}_is_clear"] = is_clear(found.mean)
    return differences


def told(score: Mapping[str, Any], sign: str = "") -> str:
    if any(score[key] is None for key in ("value", "low", "high")):
        return "undefined on so few faces"
    return f"{score['value']:{sign}.3f} [{score['low']:{sign}.3f}, {score['high']:{sign}.3f}]"


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", choices=COMPARISONS)
    parser.add_argument("store", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--labels", default="5%")
    parser.add_argument("--protocol", default="holdout:33%")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--set", dest="settings", action="append", default=[], help="settings of all, as of `train`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--init", type=Path, help="run of pretrain that all start from")
    parser.add_argument("--together", type=int, default=2, help="trainings at a time")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
