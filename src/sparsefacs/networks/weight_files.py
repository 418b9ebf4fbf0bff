"""Reading .safetensors files: as tensors, or without torch as arrays. Nothing is ever unpickled."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

GIVE_WEIGHTS = "Give a run folder of `pretrain`, a .safetensors or .pth file, none or imagenet"
Kind = TypeVar("Kind")


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read a .safetensors file without torch; raises InputError if it is missing or is not one."""
    from safetensors.numpy import load_file

    return readable_weights(path, load_file)


def readable_weights(path: Path, load: Callable[[str], dict[str, Kind]]) -> dict[str, Kind]:
    """Return what `load` makes of a .safetensors file; raises InputError if it is missing or is not one."""
    from safetensors import SafetensorError

    try:
        return dict(load(str(path)))
    except FileNotFoundError as error:
        raise InputError("does not exist", path=path, remedy=GIVE_WEIGHTS) from error
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"is not a readable .safetensors file ({error})", path=path, remedy="Give a .safetensors or .pth file"
        ) from error


def as_file(weights: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays as the content of a .safetensors file."""
    from safetensors.numpy import save

    content: bytes = save({key: np.array(value, order="C") for key, value in weights.items()})
    return content
