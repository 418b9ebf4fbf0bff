"""Which of the processes of a training this one is; known without torch too."""

import os
import sys


def first_process() -> bool:
    """Say whether this process is the one that writes and prints; alone, it is."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized():
        return bool(torch.distributed.get_rank() == 0)
    return "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("RANK", "0") == "0"
