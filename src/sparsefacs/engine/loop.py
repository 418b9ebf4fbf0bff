"""The training loop over `Method.updates`: it alone does backward, steps, clips, synchronises, logs and saves."""

import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import torch

from ..data.batches import Batches, Views
from ..errors import InputError
from ..losses.reduction import global_sum
from ..methods.contract import Algorithm, Method, Update
from ..progress import progress
from .checkpoint import save_checkpoint
from .config import RunConfig
from .devices import share_gradients
from .held_out import HeldOut
from .optimisers import rate_factor, set_rates
from .run import CsvLog, RunFolder
from .saving import Savings, StopRequest
from .selection import Selector
from .words import in_words

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass
class Training:
    """All that one training holds while it runs.

    checked: after which steps `selector`, which the first process alone holds, or `held_out` looks at the network.
    Every process must know them, since what is logged is summed over all.
    """

    fabric: "Fabric"
    method: Algorithm
    optimisers: dict[str, torch.optim.Optimizer]
    batches: Batches | Views
    config: RunConfig
    run: RunFolder
    steps: int
    steps_per_epoch: float
    selector: Selector | None = None
    checked: frozenset[int] = frozenset()
    held_out: HeldOut | None = None


def fit(training: Training, start: int, seconds_before: float) -> float:
    """Train from step `start` to the end, or to where the score no longer gains; return the seconds spent in all.

    Raises InputError naming the loss term if a loss stops being a number, and when the user stops it; of one process
    the state is then saved after the step under way.
    """
    t = training
    started = time.monotonic() - seconds_before
    log = CsvLog(t.run.log)
    log.cut(start)
    board = _board(t) if t.fabric.is_global_zero else None
    t.method.train()
    if t.config.training.compile:
        for network in t.method.children():
            network.compile()
    step, ended, savings = start, _ends(t, start), Savings()
    with progress(f"train {t.config.name}", t.steps, "steps") as bar, StopRequest(t.fabric.world_size == 1) as stop:
        bar.advance(start)
        try:
            while not ended:
                terms = _step(t, step)
                done, asked = step + 1, stop.asked
                scores = _check(t, done)
                ended = _ends(t, done)
                if done % t.config.training.log_every == 0 or done == 1 or ended or done in t.checked:
                    _log(t, log, board, done, terms, scores, time.monotonic() - started)
                if ended or asked or _worth_saving(t, done, savings):
                    with savings:
                        _save(t, log, board, done, time.monotonic() - started)
                bar.advance(1, _note(terms))
                step = done
                if asked and not ended:
                    raise _stopped(t, f"after step {done}", "from there")
        except KeyboardInterrupt:
            # the step under way is lost: its parts may have been applied, so the state saved is the last whole one
            raise _stopped(t, f"in step {step + 1}", "from the last checkpoint") from None
    if board is not None:
        board.close()
    return time.monotonic() - started


def _stopped(t: Training, when: str, whence: str) -> InputError:
    remedy = f"Give the same command with --resume to go on {whence}"
    return InputError(f"stopped by the user {when} of {t.steps}", path=t.run.path, remedy=remedy)


def _worth_saving(t: Training, done: int, savings: Savings) -> bool:
    """Say, alike on every process, whether the state after `done` steps is to be saved: so often, or after so long."""
    training = t.config.training
    if done % training.checkpoint_every == 0:
        return True
    if t.fabric.world_size == 1:
        return savings.due()
    if done % training.log_every:  # processes ask the first one only where they wait for each other anyway
        return False
    due = t.fabric.is_global_zero and savings.due()
    return bool(global_sum(torch.tensor(float(due), device=t.fabric.device)) > 0)


def _ends(t: Training, done: int) -> bool:
    """Say, alike on every process, whether `done` steps are all: the length is reached, or the score gains no more.

    It depends on `done` and the scores so far alone, so that a stopped training that is resumed stays stopped.
    """
    patience = t.config.selection.patience
    if done >= t.steps or patience is None or done not in t.checked:
        return done >= t.steps
    stalled = t.selector is not None and t.selector.stalled(patience)  # only the first process has a selector
    return bool(global_sum(torch.tensor(float(stalled), device=t.fabric.device)) > 0)


def _step(t: Training, step: int) -> dict[str, torch.Tensor]:
    """Run all updates of one step; return every loss term (its last value if a term comes several times).

    With `training.accumulate` the step is of so many parts, each with a number of its own for the method; terms are
    means over them. Raises InputError where the method then has several updates, which cannot be added up.
    """
    set_rates(t.optimisers, rate_factor(step, t.steps, t.config.optimiser))
    terms: dict[str, torch.Tensor] = {}
    parts = t.config.training.accumulate
    for part in range(parts):
        found: dict[str, torch.Tensor] = {}
        updates = t.method.updates(t.batches, step * parts + part)
        for number in count():
            with t.fabric.autocast():
                update = next(updates, None)
            if update is None:
                break
            if parts > 1 and number > 0:
                raise InputError(
                    f"{t.config.name} has several updates a step, so its gradients cannot be accumulated",
                    remedy="Leave training.accumulate at 1 and lower data.unlabelled_batch",
                )
            _apply(t, update, step, part)
            found |= {name: term.detach() for name, term in update.terms.items()}
        for name, term in found.items():
            terms[name] = terms[name] + term / parts if name in terms else term / parts
    t.method.after_step(step)
    return terms


def _apply(t: Training, update: Update, step: int, part: int) -> None:
    """Add the gradients of `update`; with the last part of a step, share them and step."""
    total = global_sum(update.loss)
    if not torch.isfinite(total):
        bad = [name for name, term in update.terms.items() if not torch.isfinite(global_sum(term))]
        raise InputError(
            f"training stopped: loss term {', '.join(bad) or update.optimiser!r} is not a number in step {step + 1}",
            path=t.run.path,
            remedy="Lower optimiser.lr, set optimiser.clip=1, or use training.precision=32; "
            "the last checkpoint is kept",
        )
    optimisers = [t.optimisers[name] for name in (update.optimiser, *update.also)]
    parts = t.config.training.accumulate
    for optimiser in optimisers if part == 0 else ():
        optimiser.zero_grad(set_to_none=True)
    t.fabric.backward(update.loss if parts == 1 else update.loss / parts)
    for optimiser in optimisers if part == parts - 1 else ():
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        share_gradients(parameters)
        if t.config.optimiser.clip > 0:
            torch.nn.utils.clip_grad_norm_(parameters, t.config.optimiser.clip)
        optimiser.step()


def _board(t: Training) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(t.run.tensorboard))


def _check(t: Training, done: int) -> dict[str, float]:
    """Score the state after `done` steps where the epoch is chosen or people are held out; return what is to log."""
    if t.held_out is not None:
        with t.fabric.autocast():
            return t.held_out.check(done, t.method)
    if t.selector is None or not isinstance(t.method, Method):
        return {}
    return t.selector.check(done, t.method.predictor())


def _log(
    t: Training,
    log: CsvLog,
    board: Any,
    done: int,
    terms: dict[str, torch.Tensor],
    scores: dict[str, float],
    seconds: float,
) -> None:
    values = {name: float(global_sum(term)) for name, term in terms.items()} | scores
    if not t.fabric.is_global_zero:
        return
    log.add(
        {"step": done, "epoch": done / t.steps_per_epoch, "seconds": round(seconds, 3), "images": t.batches.images()}
        | values
    )
    for name, value in values.items():
        board.add_scalar(name, value, done)


def _save(t: Training, log: CsvLog, board: Any, done: int, seconds: float) -> None:
    if t.fabric.is_global_zero:
        for name, picture in t.method.pictures().items():
            board.add_image(name, picture.float().cpu(), done)
        save_checkpoint(t.run.checkpoint, done, t.method, t.optimisers, t.batches, seconds, t.selector)
        log.write()
    t.fabric.barrier()


def _note(terms: dict[str, torch.Tensor]) -> str:
    return " ".join(f"{in_words(name)} {float(term):.3f}" for name, term in terms.items())
