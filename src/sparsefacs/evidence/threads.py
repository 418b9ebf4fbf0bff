"""numpy's linear algebra on one thread: several add up in another order, and numbers would change with the machine."""

from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy  # noqa: F401 -- its linear algebra must be there when it is looked for

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def on_one_thread() -> AbstractContextManager[Any]:
    """Keep the linear algebra of numpy, and of what was imported before the first call, on one thread in the block."""
    limited: AbstractContextManager[Any] = _controller().limit(limits=1)
    return limited


@cache
def _controller() -> "ThreadpoolController":
    # looking for the libraries takes longer than a small fit
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
