"""Ctrl-C and SIGTERM, with which a person or a scheduler asks a run to end."""

import contextlib
import functools
import signal
import threading

AGAIN = "Run the same again to go on."


@contextlib.contextmanager
def interrupts():
    """Yields a list of the signals that have come, so that a step ends before the run does; the second one is usual."""
    received: list[int] = []
    if not _may_handle():
        yield received
        return

    def handle(signum, frame):
        received.append(signum)
        signal.signal(signum, previous[signum])

    previous = {signum: signal.signal(signum, handle) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)


def ends_on_sigterm(function):
    """Makes SIGTERM end the process with 0 and a sentence while `function` runs: before and after the steps."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        if not _may_handle():
            return function(*args, **kwargs)
        previous = signal.signal(signal.SIGTERM, _end)
        try:
            return function(*args, **kwargs)
        finally:
            signal.signal(signal.SIGTERM, previous)

    return wrapped


def _end(signum, frame):
    print(f"Asked to end. {AGAIN}", flush=True)
    raise SystemExit(0)


def _may_handle():
    """Python lets the main thread alone handle signals."""
    return threading.current_thread() is threading.main_thread()
