"""Ctrl-C and SIGTERM, with which a person or a scheduler asks a run to end."""

import contextlib
import functools
import signal
import socket
import threading

from bit_keras.training.watching import end_at_once

AGAIN = "Run the same again to go on."
GRACE = 300  # seconds that a step has to end after a signal: the first builds its graph, which can take a minute


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
        with _unheard_signals_end():
            yield received
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)


@contextlib.contextmanager
def _unheard_signals_end():
    """Ends the process `GRACE` seconds after a signal if what is within has not: a step may wait for pictures for ever.

    Python calls its handlers between two lines of the main thread, so not while that waits inside TensorFlow; but it
    writes the number of each signal to a socket at once.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    others = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    if others != -1:  # somebody listens already, as notebooks do
        signal.set_wakeup_fd(others)
    stopped = threading.Event()

    def watch():
        while (number := reader.recv(1)) and number[0] not in (signal.SIGINT, signal.SIGTERM):
            pass
        if number and not stopped.wait(GRACE):
            end_at_once(
                f"Asked to end, but the step did not end within {GRACE} seconds (does it wait for pictures?), so what "
                f"came after the last snapshot is lost. {AGAIN}"
            )

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        stopped.set()
        if others == -1:
            signal.set_wakeup_fd(-1)
        writer.close()  # ends the thread where no signal has come


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
