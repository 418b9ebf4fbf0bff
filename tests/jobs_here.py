"""Jobs of `sparsefacs reproduce` run in this process, on made faces and tiny networks."""

import threading
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from made_stores import build_store
from sparsefacs.cli import app
from sparsefacs.experiments import execute

TINY = (
    *("network.backbone=test_resnet", "network.input_size=32", "training.steps=2", "training.precision='32'"),
    *("data.labelled_batch=4", "data.unlabelled_batch=4", "data.workers=1"),
)


def made_store(path: Path, people: int = 6) -> Path:
    return build_store(path, subjects=people, frames=8, source={"kind": "synthetic"}).path


def in_this_process(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Let jobs run here, one after the other, rather than in processes of their own; return those that were run."""
    ran, alone = [], threading.Lock()

    def run(_: Any, job: Any) -> str:
        with alone:
            return run_here(job)

    def run_here(job: Any) -> str:
        execute.clear(job)
        ran.append(job.words)
        result = CliRunner().invoke(app, list(job.words))
        if job.to is not None:
            job.to.parent.mkdir(parents=True, exist_ok=True)
            job.to.write_text(result.stdout)
        return "" if result.exit_code == 0 else str(result.exception)

    monkeypatch.setattr(execute._Crew, "run", run)
    return ran
