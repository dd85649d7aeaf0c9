"""SIGTERM before and after the steps of a run; tests/training/test_loop.py has it while they go on."""

import os
import signal
import threading

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
