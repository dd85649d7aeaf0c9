"""Ends a worker that would wait for others without end, or end in words of TensorFlow's, in a sentence of ours."""

import contextlib
import os
import socket
import subprocess
import sys
import threading

PAUSE = 2.0  # seconds between two looks
PATIENCE = 5.0  # seconds for an answer
LOST_AFTER = 2  # looks in a row without one
# Waits on its input, which ends with the process that is watched.
KILLS = """
import os, select, signal, sys
seconds, sentence, process = sys.argv[1:]
if not select.select([sys.stdin], [], [], float(seconds))[0]:
    print(f"\\nbit-keras: {sentence}", file=sys.stderr, flush=True)
    os.kill(int(process), signal.SIGKILL)
"""


@contextlib.contextmanager
def chief_watched(cluster):
    """Watches the chief of a `Cluster` from its other hosts; nothing is done on the chief, or on a single host."""
    if cluster.is_chief:
        yield
        return
    stopped = threading.Event()
    thread = threading.Thread(target=_watch, args=(cluster.addresses[0], stopped), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()


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


def _watch(address, stopped):
    missed = 0
    while not stopped.wait(PAUSE):
        missed = 0 if _is_there(address) else missed + 1
        if missed >= LOST_AFTER and not stopped.is_set():
            end_at_once(
                f"The first worker of the cluster, at {address}, has gone, so this one ends too. "
                "Look there why, mend it and start all of them again; the run goes on from the last snapshot."
            )


def end_at_once(sentence):
    """Ends the process with 1 and the sentence, from any thread."""
    print(f"\nbit-keras: {sentence}", file=sys.stderr, flush=True)
    os._exit(1)  # the main thread waits inside TensorFlow, where no exception reaches it


def _is_there(address):
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except OSError:
        return False
    return True
