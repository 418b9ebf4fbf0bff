"""How well optical flow is seen in single faces, as WSRTL's flow task is trained: against true flow of synthetic faces.

    python benchmarks/flow_estimation.py STORE [--steps 400] [--checks 8] [--faces 500] [--json FILE]

STORE: made by `sparsefacs synth STORE --flow --flow-step 3 …` and `sparsefacs flow STORE`. WSRTL with the flow task
alone is trained on all labels of two thirds of the people. At even distances the mean end-point error of its flow is
taken on faces of people trained on and of people never seen, beside that of no flow and of TV-L1 on the very same
cells, in pixels of the network's image, with 95 % intervals over people. Prints a line a check, and JSON.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from measuring import give, machine

SETTINGS = ("method.auxiliary=[flow]", "method.semi_supervised=none", "data.labelled_batch=64", "selection.rule=last")


def main(words: Sequence[str] | None = None) -> None:
    from sparsefacs.data.store import Store
    from sparsefacs.engine.config import resolve
    from sparsefacs.engine.trainer import make_method
    from sparsefacs.engine.training_set import make_batches, training_set
    from sparsefacs.protocols.folds import make_protocol
    from sparsefacs.reports.flow_errors import LaterFaces

    given = parse(words)
    store = Store(given.store)
    settings = (*SETTINGS, f"training.steps={given.steps}", f"method.flow.weight={given.weight}", *given.settings)
    config = resolve("wsrtl", "small", settings, aus=store.aus, network__init=given.init)
    fold = make_protocol("holdout:33%", store.strings("subject").tolist(), 0).folds[0]
    data = training_set(store, None, fold, "all", config)
    method: Any = make_method(config)
    later = LaterFaces(store)
    samples = {name: sample(store, later, people, given.faces) for name, people in groups(fold).items()}
    checks = sorted({round(given.steps * n / given.checks) for n in range(given.checks + 1)})
    result: dict[str, Any] = {
        "benchmark": "flow_estimation",
        **machine(),
        "steps": given.steps,
        "checks": [],
    }
    with ThreadPoolExecutor(2) as pool:
        batches = make_batches(data, config, method.needs(), pool)
        for step, _ in enumerate(trained(method, batches, config)):
            if step in checks:
                found = {name: errors(method, store, later, config, rows) for name, rows in samples.items()}
                result["checks"].append({"step": step, "images": batches.images()} | found)
                print(f"step {step}: " + "; ".join(told(name, each) for name, each in found.items()), file=sys.stderr)
    give(result, given.json)


def trained(method: Any, batches: Any, config: Any) -> Any:
    """Train, giving way before the first step and after each."""
    from sparsefacs.engine.optimisers import make_optimisers, rate_factor, set_rates

    optimisers = make_optimisers(method.parameters_by_optimiser(), config.optimiser, config.data.labelled_batch)
    method.train()
    yield None
    for step in range(config.training.steps):
        set_rates(optimisers, rate_factor(step, config.training.steps, config.optimiser))
        take_step(method, batches, optimisers, step)
        yield None


def take_step(method: Any, batches: Any, optimisers: Any, step: int) -> None:
    """Do all updates of one step."""
    for update in method.updates(batches, step):
        used = [optimisers[name] for name in (update.optimiser, *update.also)]
        for optimiser in used:
            optimiser.zero_grad(set_to_none=True)
        update.loss.backward()
        for optimiser in used:
            optimiser.step()
    method.after_step(step)


def groups(fold: Any) -> dict[str, tuple[str, ...]]:
    return {"trained on": fold.train, "unseen": fold.test}


def sample(store: Any, later: Any, people: tuple[str, ...], faces: int) -> Any:
    rows = np.flatnonzero(np.isin(store.strings("subject"), people) & later.known())
    return np.sort(np.random.default_rng(0).permutation(rows)[:faces])


def errors(method: Any, store: Any, later: Any, config: Any, rows: Any) -> dict[str, Any]:
    import torch

    from sparsefacs.faces.alignment import FaceRecipe
    from sparsefacs.inference.training_parts import TrainingParts
    from sparsefacs.reports.flow_errors import endpoint_errors, seen_flows

    coder: Any = SimpleNamespace(
        recipe=FaceRecipe(**store.info.recipe), sees=config.network, device=torch.device("cpu")
    )
    method.eval()
    parts = TrainingParts(coder, method.recogniser, None, method.kept_beside()["flow_head"])
    found = endpoint_errors(seen_flows(parts, store, later, rows), store.strings("subject")[rows])
    method.train()
    return found or {}


def told(name: str, found: dict[str, Any]) -> str:
    values = [
        f"{key} {found[key]['value']:.3f} [{found[key]['low']:.3f}, {found[key]['high']:.3f}]"
        for key in ("predicted", "zero", "tv_l1", "predicted_minus_zero")
        if key in found  # TV-L1 has an error only where true flow is known
    ]
    return f"{name} ({found['faces']} faces of {found['subjects']} people): {', '.join(values)}"


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--checks", type=int, default=8)
    parser.add_argument("--faces", type=int, default=500)
    parser.add_argument("--weight", type=float, default=0.2, help="of the flow task, beside recognition's 1")
    parser.add_argument("--set", dest="settings", action="append", default=[], help="settings, as of `train`")
    parser.add_argument("--init", help="run of pretrain to start from")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
