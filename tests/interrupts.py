"""Ctrl-C in tests, whatever started them."""

import signal


def heed_interrupts() -> None:
    """Let Ctrl-C mean what it means in a terminal: under `nohup … &` it is ignored, here and in all that is started."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
