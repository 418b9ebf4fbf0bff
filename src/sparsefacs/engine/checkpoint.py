"""The whole state of a training, saved atomically; loading it and going on equals never having stopped."""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..data.batches import Batches, Views
from ..errors import InputError
from ..files import write_bytes
from .selection import Selector

_MARK = b"\nsparsefacs sha256 "
_REMEDY = "Delete the run folder and train again"


def _sum(content: bytes) -> bytes:
    return _MARK + hashlib.sha256(content).hexdigest().encode()


def _read(path: Path) -> bytes:
    """Return a checkpoint as torch wrote it, its sum checked; one of an older version has none."""
    written = path.read_bytes()
    content, mark, _ = written.rpartition(_MARK)
    if not mark or len(written) - len(content) != len(_sum(b"")):
        return written
    if written != content + _sum(content):
        raise InputError("this checkpoint is damaged (SHA-256)", path=path, remedy=_REMEDY)
    return content


def save_checkpoint(
    path: Path,
    step: int,
    method: nn.Module,
    optimisers: dict[str, torch.optim.Optimizer],
    batches: Batches | Views,
    seconds: float,
    selector: Selector | None,
) -> None:
    """Save the state after `step` finished steps: weights, optimisers, streams, random generators, the best so far."""
    state: dict[str, Any] = {
        "step": step,
        "seconds": seconds,
        "method": method.state_dict(),
        "optimisers": {name: optimiser.state_dict() for name, optimiser in optimisers.items()},
        "positions": batches.positions(),
        "selection": None if selector is None else selector.state(),
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    content = io.BytesIO()  # torch's own file writer hides a full disk behind a RuntimeError
    torch.save(state, content)
    written = content.getvalue()
    # at the file's end, which torch does not look at: in a file of its own it would be of another saving after a kill
    write_bytes(path, written + _sum(written))


def load_checkpoint(
    path: Path,
    method: nn.Module,
    optimisers: dict[str, torch.optim.Optimizer],
    batches: Batches | Views,
    selector: Selector | None,
) -> tuple[int, float]:
    """Restore everything that `save_checkpoint` saved; return finished steps and seconds spent.

    Only tensors and plain values are read (weights_only), never arbitrary pickled objects.
    """
    try:
        state = torch.load(io.BytesIO(_read(path)), map_location="cpu", weights_only=True)
        method.load_state_dict(state["method"])
        for name, optimiser in optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        batches.seek(state["positions"])
        if selector is not None:
            selector.load(state["selection"])
        torch.set_rng_state(state["random"])
        if torch.cuda.is_available() and state["random_cuda"]:
            torch.cuda.set_rng_state_all(state["random_cuda"])
        return int(state["step"]), float(state["seconds"])
    except InputError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError) as error:
        raise InputError(
            f"this checkpoint cannot be resumed ({type(error).__name__})",
            path=path,
            remedy=_REMEDY,
        ) from error
    except Exception as error:  # torch raises pickle.UnpicklingError on anything that is not plain data
        raise InputError("is not a checkpoint of this program", path=path, remedy=_REMEDY) from error
