"""A training that is stopped or killed loses the step under way, or half a minute, and no more."""

import os
import signal
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import torch

from interrupts import heed_interrupts
from made_runs import same_weights
from process_pair import ProcessPair, free_port, torchrun_s
from sparsefacs import api
from sparsefacs.data.store import Store
from sparsefacs.engine import loop, saving
from sparsefacs.errors import InputError
from sparsefacs.methods.registry import method_class


def fit(store: Path, out: Path, settings: tuple[str, ...], **more: Any) -> dict[str, Any]:
    return api.train("supervised", store, out, labels="50%", settings=settings, **more)


def signalled(monkeypatch: pytest.MonkeyPatch, number: signal.Signals, step: int, times: int = 1) -> None:
    """Let a signal arrive in the middle of a step of `supervised`."""
    kind, whole = method_class("supervised"), method_class("supervised").updates

    def updates(self: Any, batches: Any, at: int) -> Any:
        for _ in range(times if at == step else 0):
            os.kill(os.getpid(), number)
            time.sleep(0.01)  # Python calls a handler between two of its own instructions
        yield from whole(self, batches, at)

    monkeypatch.setattr(kind, "updates", updates)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_training_ends_its_step_saves_and_goes_on_to_the_same_end(
    number: signal.Signals,
    store: Store,
    tmp_path: Path,
    tiny_settings: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = (*tiny_settings, "training.steps=9", "network.dropout=0.3")
    whole = fit(store.path, tmp_path / "whole", settings)
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        signalled(patch, number, step=6)
        with pytest.raises(InputError, match="stopped by the user after step 7 of 9"):
            fit(store.path, tmp_path / "cut", settings)
    assert signal.getsignal(number) is before, "afterwards the signals mean what they did"
    steps: list[int] = []
    with monkeypatch.context() as patch:
        kind, kept = method_class("supervised"), method_class("supervised").after_step
        patch.setattr(kind, "after_step", lambda self, step: (steps.append(step), kept(self, step))[1])
        resumed = fit(store.path, tmp_path / "cut", settings, resume=True)
    assert steps == [7, 8], "nothing is trained again"
    assert same_weights(tmp_path / "whole", tmp_path / "cut") and resumed["pooled"] == whole["pooled"]


def test_a_second_signal_stops_at_once(
    store: Store, tmp_path: Path, tiny_settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    signalled(monkeypatch, signal.SIGINT, step=3, times=2)
    with pytest.raises(InputError, match="stopped by the user in step 4 of 9"):
        fit(store.path, tmp_path / "cut", (*tiny_settings, "training.steps=9"))


def test_a_state_worth_saving_is_saved_between(
    store: Store, tmp_path: Path, tiny_settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, whole = [], loop.save_checkpoint
    monkeypatch.setattr(loop, "save_checkpoint", lambda *given: (saved.append(given[1]), whole(*given))[1])
    fit(store.path, tmp_path / "usual", (*tiny_settings, "training.steps=4"))
    assert saved == [4], "a short training saves its end alone"
    monkeypatch.setattr(saving, "SAVED_AFTER_S", 0.0)
    monkeypatch.setattr(saving, "_SAVINGS_APART", 0)
    fit(store.path, tmp_path / "often", (*tiny_settings, "training.steps=4"))
    assert saved == [4, 1, 2, 3, 4]
    assert same_weights(tmp_path / "usual", tmp_path / "often"), "saving changes nothing"


def test_saving_takes_a_small_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(saving, "time", SimpleNamespace(monotonic=lambda: now[0]))
    savings = saving.Savings()
    now[0] += saving.SAVED_AFTER_S - 1
    assert not savings.due()
    now[0] += 1
    assert savings.due()
    with savings:
        now[0] += 3.0  # a large network on a slow disk
    now[0] += 149.0
    assert not savings.due(), "of 50 × 3 s"
    now[0] += 1.0
    assert savings.due()


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with saving.StopRequest(alone=True) as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert not stop.asked
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_tests_begun_where_ctrl_c_is_ignored_heed_it_themselves() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        heed_interrupts()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def trained_together(rank: int, world: int, port: int, store: str, out: str, settings: tuple[str, ...]) -> None:
    """Train in one of two processes, saving whenever that may be; each saving is noted in saved.txt."""
    torch.set_num_threads(1)
    whole = loop.save_checkpoint

    def noted(path: Path, step: int, *rest: Any) -> None:
        with (path.parents[1] / "saved.txt").open("a") as file:
            file.write(f"{step} ")
        whole(path, step, *rest)

    often = mock.patch.multiple(saving, SAVED_AFTER_S=0.0, _SAVINGS_APART=0) if out.endswith("often") else nullcontext()
    with torchrun_s(rank, world, port), mock.patch.object(loop, "save_checkpoint", noted), often:
        api.train("supervised", store, out, settings=settings)


def test_two_processes_save_together_where_they_log(
    store: Store, tmp_path: Path, tiny_settings: tuple[str, ...], two_processes: ProcessPair
) -> None:
    settings = (*tiny_settings, "training.steps=5", "training.log_every=2", "selection.rule=last")
    for name, saved in (("usual", ["5"]), ("often", ["2", "4", "5"])):
        two_processes(trained_together, free_port(), str(store.path), str(tmp_path / name), settings)
        assert (tmp_path / name / "saved.txt").read_text().split() == saved
    assert same_weights(tmp_path / "usual", tmp_path / "often")
