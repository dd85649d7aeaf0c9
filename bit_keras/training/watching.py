"""Watches those for whom a run would wait without end, or end in words of TensorFlow's, and says it in ours."""

import contextlib
import os
import socket
import subprocess
import sys
import threading

PAUSE = 2.0  # seconds between two looks
PATIENCE = 5.0  # seconds for an answer
LOST_AFTER = 2  # looks in a row without one
SILENCE, TIMES = 300.0, 10  # so many seconds, and times what it should take, make a call into the graph long
# Waits on its input, which ends with the process that is watched.
KILLS = """
import os, select, signal, sys
seconds, sentence, process = sys.argv[1:]
if not select.select([sys.stdin], [], [], float(seconds))[0]:
    print(f"\\nbit-keras: {sentence}", file=sys.stderr, flush=True)
    os.kill(int(process), signal.SIGKILL)
"""


def chief_watched(cluster):
    """Watches the chief of a `Cluster` from its other hosts; nothing is done on the chief, or on a single host."""
    address = cluster.addresses[0] if not cluster.is_chief else None

    def lost():
        end_at_once(
            f"The first worker of the cluster, at {address}, has gone, so this one ends too. "
            "Look there why, mend it and start all of them again; the run goes on from the last snapshot."
        )

    return _watched(address, lost)


def service_watched(address):
    """Says when the dispatcher of a tf.data service, grpc://HOST:PORT, has gone; TensorFlow waits for it in silence."""

    def lost():
        _say(
            f"The tf.data service at {address} does not answer, and the run waits for it. Start it again, or end the "
            "run (Ctrl-C; that may take five minutes); the same command then goes on from the last snapshot."
        )

    return _watched(address and address.removeprefix("grpc://"), lost, lambda: _say(f"{address} answers again."))


def silence_told(address):
    """Returns a function from the seconds that a call into the graph should take to a context for it.

    In that it is said, once, if the call takes very long: a dispatcher whose workers have gone answers all the same,
    and TensorFlow waits for others. Without the address of a tf.data service nothing is done.
    """
    if not address:
        return contextlib.nullcontext

    @contextlib.contextmanager
    def watched(expected):
        seconds = max(SILENCE, TIMES * expected)
        sentence = (
            f"The steps under way have not ended for {seconds:.0f} seconds. If the workers of the tf.data service at "
            f"{address} have gone, start them again; the run waits for them."
        )
        timer = threading.Timer(seconds, _say, [sentence])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    return watched


@contextlib.contextmanager
def ended_after(seconds, sentence):
    """Kills this process, with the sentence, if what is within takes longer.

    Another process does it: while TensorFlow connects workers it holds Python's lock, so no thread of this one runs.
    """
    arguments = [str(seconds), sentence, str(os.getpid())]
    with subprocess.Popen([sys.executable, "-c", KILLS, *arguments], stdin=subprocess.PIPE) as watcher:
        try:
            yield
        finally:
            watcher.kill()


@contextlib.contextmanager
def _watched(address, lost, found=lambda: None):
    """Calls `lost` when the address no longer answers, and `found` when it does again; for None nothing is done."""
    stopped = threading.Event()
    if address:
        threading.Thread(target=_watch, args=(address, stopped, lost, found), daemon=True).start()
    try:
        yield
    finally:
        stopped.set()


def _watch(address, stopped, lost, found):
    missed = 0
    while not stopped.wait(PAUSE):
        is_there = _is_there(address)
        if is_there and missed >= LOST_AFTER:
            found()
        missed = 0 if is_there else missed + 1
        if missed == LOST_AFTER and not stopped.is_set():
            lost()


def end_at_once(sentence):
    """Ends the process with 1 and the sentence, from any thread."""
    _say(sentence)
    os._exit(1)  # the main thread waits inside TensorFlow, where no exception reaches it


def _say(sentence):
    print(f"\nbit-keras: {sentence}", file=sys.stderr, flush=True)


def _is_there(address):
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except OSError:
        return False
    return True
