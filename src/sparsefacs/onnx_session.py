"""How onnxruntime is asked to run a network: on how many cores, and quietly."""

import os
from typing import Any


def all_but_one() -> int:
    """Return how many cores a network takes where nothing else is said: landmarks need one meanwhile."""
    return max(1, (os.cpu_count() or 1) - 1)


def session_of(model: bytes | str, threads: int | None = None, *, any_size: bool = False) -> Any:
    """Return onnxruntime's session of a model's content or path; raises its own kinds of error.

    threads: None: all cores but one. The threads sleep while there is nothing to do: other stages want the cores.
    any_size: pictures come in many sizes.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or all_but_one()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = not any_size
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
