"""SIGTERM before and after the steps of a run; tests/training/test_loop.py has it while they go on."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bit_keras.training.ending import ends_on_sigterm


@ends_on_sigterm
def send(signum):
    os.kill(os.getpid(), signum)
    return "went on"


def test_sigterm_ends_with_0_and_says_how_to_go_on(capsys):
    with pytest.raises(SystemExit) as ended:
        send(signal.SIGTERM)
    assert ended.value.code == 0
    assert capsys.readouterr().out == "Asked to end. Run the same again to go on.\n"


def test_afterwards_sigterm_does_what_it_did_before():
    received = []
    before = signal.signal(signal.SIGTERM, lambda *_: received.append("ours"))
    try:
        ends_on_sigterm(lambda: None)()
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == ["ours"]


def test_other_threads_call_the_function_as_it_is():
    results = []
    thread = threading.Thread(target=lambda: results.append(ends_on_sigterm(lambda number: number + 1)(1)))
    thread.start()
    thread.join()
    assert results == [2]


# C's system() waits for its command whatever signal comes, as TensorFlow waits for pictures.
WAITS = """
import ctypes, os, signal, sys, threading
from bit_keras.training import ending, watching
ending.GRACE = 1
wait = lambda: ctypes.CDLL(None).system(b"exec sleep 20 >/dev/null 2>&1")
"""


def told_at_the_end(script):
    """Returns the exit code and what a process says that runs `script` and would wait for a minute."""
    command = [sys.executable, "-c", WAITS + script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=Path(__file__).parents[2])
    return done.returncode, done.stderr


def test_a_step_that_does_not_end_after_a_signal_is_ended_and_it_is_said():
    code, text = told_at_the_end(
        "threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()\nwith ending.interrupts(): wait()"
    )
    assert code == 1 and "the step did not end within 1 seconds" in text and "Run the same again" in text


def test_what_takes_longer_than_it_may_is_killed_with_the_sentence():
    # PyDLL holds Python's lock, as TensorFlow does.
    code, text = told_at_the_end(
        "with watching.ended_after(0.5, 'One worker went.'):"
        " ctypes.PyDLL(None).system(b'exec sleep 20 >/dev/null 2>&1')"
    )
    assert code == -signal.SIGKILL and text.endswith("bit-keras: One worker went.\n")
