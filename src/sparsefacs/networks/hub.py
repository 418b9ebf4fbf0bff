"""The hub of timm's published weights: asked once whether it can be reached, so that nobody waits where it cannot."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

ANSWERS_WITHIN_S = 3.0
_DECIDED_WITHIN_S = 4.0  # looking up a name has no time limit of its own


def hub_answers() -> bool:
    """Return whether the hub answers within ANSWERS_WITHIN_S, asked as its own client asks: by the same proxies."""
    from huggingface_hub import constants, get_session

    answered: list[bool] = []

    def ask() -> None:
        try:
            get_session().head(constants.ENDPOINT, timeout=ANSWERS_WITHIN_S)
        except Exception:  # whatever is in the way, nothing can be fetched
            return
        answered.append(True)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_DECIDED_WITHIN_S)
    return bool(answered)


@contextmanager
def hub_without_waiting() -> Iterator[None]:
    """Let timm take weights that were fetched before, and not try again and again where the hub cannot be reached."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not hub_answers()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
