"""What an exported student saves and loses against its teacher: file size, images/s on one core, F1 (or ICC).

    python benchmarks/onnx_student.py STUDENT TEACHER [--store STORE] [--out FILE.onnx] [--json FILE]

STUDENT: run folder of `train distil`; TEACHER: the run it learned from. Both are scored on the same faces, of people
whom neither has seen: the student's held-out fold, or those of STORE. Speeds are of whole calls, from stored aligned
faces to codes, in batches as `predict` makes them, each engine on one core; rounds take turns, so that a busy machine
is busy for all, and the best of each is given.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from measuring import give, machine


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("student", type=Path, help="run folder of the student")
    parser.add_argument("teacher", type=Path, help="run folder of its teacher")
    parser.add_argument("--store", type=Path, help="store to score on; default: the student's held-out fold")
    parser.add_argument("--out", type=Path, help="keep the exported student there")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of timing")
    parser.add_argument("--calls", type=int, default=8, help="calls a round")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(words)
    import torch

    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        result = measured(arguments, arguments.out or Path(folder) / "student.onnx")
    tell(result)
    give(result, arguments.json)


def measured(arguments: argparse.Namespace, out: Path) -> dict[str, Any]:
    import onnxruntime
    import torch

    torch.set_num_threads(1)
    from sparsefacs import api
    from sparsefacs.engine.run import RunFolder
    from sparsefacs.inference.onnx_model import OnnxCoder

    exported = api.export(arguments.student, out)
    coders = {
        "student, onnxruntime": OnnxCoder(out, threads=1),
        "student, torch": api.load(arguments.student),
        "teacher, torch": api.load(arguments.teacher),
    }
    result: dict[str, Any] = {"benchmark": "onnx_student", **machine(), "onnxruntime": onnxruntime.__version__}
    result["max_difference"] = exported["max_difference"]
    result["size_bytes"] = {
        "student.onnx": exported["bytes"],
        "student": RunFolder(arguments.student).weights.stat().st_size,
        "teacher": RunFolder(arguments.teacher).weights.stat().st_size,
    }
    result["parameters"] = {
        name: sum(p.numel() for p in coders[f"{name}, torch"].network.parameters()) for name in ("student", "teacher")
    }
    result["backbone"] = {
        name: RunFolder(getattr(arguments, name)).read_model()["network"] for name in result["parameters"]
    }
    result["images_per_second"] = speeds(coders, arguments.repeats, arguments.calls)
    rates = result["images_per_second"]
    result["times_as_fast"] = round(rates["student, onnxruntime"] / rates["teacher, torch"], 2)
    result["scores"] = scores(coders, arguments)
    return result


def speeds(coders: dict[str, Any], repeats: int, calls: int) -> dict[str, float]:
    """Return images/s of each coder, the best of its rounds."""
    from sparsefacs.inference.batching import NETWORK_BATCH
    from sparsefacs.inference.export import sample_faces

    best = dict.fromkeys(coders, 0.0)
    given = {name: sample_faces(NETWORK_BATCH, coder.recipe.size) for name, coder in coders.items()}
    for name, coder in coders.items():
        coder(*given[name])
    for _ in range(repeats):
        for name, coder in coders.items():
            started = time.perf_counter()
            for _ in range(calls):
                coder(*given[name])
            best[name] = max(best[name], calls * NETWORK_BATCH / (time.perf_counter() - started))
    return best


def scores(coders: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """Return mean scores on faces that neither has seen, with intervals over subjects, and paired differences."""
    from sparsefacs.data.joined import open_stores
    from sparsefacs.engine.selection import MAIN_METRIC
    from sparsefacs.inference.evaluation import code_store
    from sparsefacs.inference.unseen import unseen_faces
    from sparsefacs.metrics.scores import paired_difference, score

    unseen = unseen_faces(arguments.student, None if arguments.store is None else open_stores(arguments.store))
    store, rows = unseen.store, unseen.rows
    student, teacher = coders["student, torch"], coders["teacher, torch"]
    truth = store.intensity(student.aus) if student.task == "intensity" else store.occurrence(student.aus)
    truth_MA, subject_M = truth[rows], store.strings("subject")[rows]
    columns = [teacher.aus.index(au) for au in student.aus]
    coded = {name: code_store(coder, store, rows) for name, coder in coders.items()}
    coded["teacher, torch"] = coded["teacher, torch"][:, columns]
    teachers = np.array([teacher.limits])[:, columns]
    metric, found = MAIN_METRIC[student.task], {}
    for name, coded_MA in coded.items():
        at = np.array([coders[name].limits])
        mean = score(student.task, student.aus, truth_MA, coded_MA, subject_M, threshold=at)["pooled"]["mean"][metric]
        less = paired_difference(
            student.task, student.aus, truth_MA, coded_MA, coded["teacher, torch"], subject_M, at, teachers
        )[metric]
        found[name] = {
            metric: {key: mean[key] for key in ("value", "low", "high")},
            "less_teacher": {key: less[key] for key in ("value", "low", "high")},
        }
    agreed = np.abs(coded["student, onnxruntime"] - coded["student, torch"]).max()
    return found | {"faces": len(rows), "subjects": len(np.unique(subject_M)), "largest_difference": float(agreed)}


def tell(result: dict[str, Any]) -> None:
    for name, size in result["size_bytes"].items():
        print(f"{name:22s} {size / 1e6:8.2f} MB", file=sys.stderr)
    for name, rate in result["images_per_second"].items():
        mean, less = (result["scores"][name][key] for key in list(result["scores"][name]))
        told = f"{mean['value']:.3f} [{mean['low']:.3f}, {mean['high']:.3f}]"
        lost = f"{less['value']:+.3f} [{less['low']:+.3f}, {less['high']:+.3f}] against the teacher"
        print(f"{name:22s} {rate:8.1f} images/s on one core   {told}   {lost}", file=sys.stderr)
    print(f"the exported student is {result['times_as_fast']} times as fast as its teacher", file=sys.stderr)


if __name__ == "__main__":
    main()
