"""The loop of steps: when it pauses, and what Ctrl-C does."""

import contextlib
import signal

import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit
from bit_keras.training.cluster import Cluster
from bit_keras.training.loop import train

ALONE = Cluster(tf.distribute.get_strategy())


class Steps:
    """Steps that cost nothing; in step `interrupted` (1-based) a signal comes, Ctrl-C unless another is given."""

    batch_size = 8

    def __init__(self, interrupted=None, by=signal.SIGINT):
        self.interrupted = interrupted
        self.by = by
        self.taken = 0

    def run(self, iterator, count):
        before, self.taken = self.taken, self.taken + int(count)
        if self.interrupted and before < self.interrupted <= self.taken:
            signal.raise_signal(self.by)
        return tf.ones(int(count))


class Log:
    def add(self, entries):
        """Keeps nothing."""


def trained(steps, *, intervals, start=0):
    """Trains 10 steps; returns what happened, in order."""
    events = []

    def pause(name):
        return lambda step: events.append((name, step))

    rule = bit.HyperRule(8, (8, 8), steps=10, warmup_steps=0, boundaries=())
    steps.taken = start
    pauses = [(interval, pause(name)) for name, interval in intervals.items()]
    try:
        train(
            steps,
            None,
            rule=rule,
            start=start,
            pauses=pauses,
            log=Log(),
            save=lambda: events.append(("save", "now")),
            cluster=ALONE,
        )
    except KeyboardInterrupt:
        events.append("interrupted")
    except SystemExit as error:
        events.append(("exit", error.code))
    return events


def test_pauses_come_after_each_interval_and_at_the_end():
    events = trained(Steps(), intervals={"look": 4, "save": 5})
    assert events == [("look", 4), ("save", 5), ("look", 8), ("look", 10), ("save", 10)]


def test_a_run_that_goes_on_pauses_where_the_whole_run_would():
    assert trained(Steps(), intervals={"look": 4}, start=5) == [("look", 8), ("look", 10)]


def test_ctrl_c_saves_before_it_ends_the_run():
    *_, saved, end = trained(Steps(interrupted=6), intervals={"look": 4})
    assert (saved, end) == (("save", "now"), "interrupted")


def test_sigterm_saves_and_exits_with_0():
    *_, saved, end = trained(Steps(interrupted=6, by=signal.SIGTERM), intervals={"look": 4})
    assert (saved, end) == (("save", "now"), ("exit", 0))


@pytest.mark.parametrize("step", [4, 10])
def test_ctrl_c_loses_no_look_that_falls_on_its_step(step):
    events = trained(Steps(interrupted=step), intervals={"look": 4})
    assert events[-3:] == [("look", step), ("save", "now"), "interrupted"]


def test_losses_are_logged_by_step():
    entries = []
    log = Log()
    log.add = entries.extend
    rule = bit.HyperRule(8, (8, 8), steps=3, warmup_steps=2, boundaries=(), base_learning_rate=0.5)
    train(Steps(), None, rule=rule, start=0, pauses=[(3, lambda step: None)], log=log, save=None, cluster=ALONE)
    assert [entry["step"] for entry in entries] == [1, 2, 3]
    np.testing.assert_allclose([entry["learning_rate"] for entry in entries], [0, 0.25, 0.5])


def test_each_call_into_the_graph_is_waited_for_with_what_it_should_take():
    expected, steps = [], Steps()

    @contextlib.contextmanager
    def waits(seconds):
        expected.append((seconds, steps.taken))
        yield
        assert steps.taken > expected[-1][1]

    rule = bit.HyperRule(8, (8, 8), steps=10, warmup_steps=0, boundaries=())
    save = [(5, lambda step: None)]
    train(steps, None, rule=rule, start=0, pauses=save, log=Log(), save=None, cluster=ALONE, waits=waits)
    assert expected[0] == (0.0, 0)
    assert all(seconds > 0 for seconds, _ in expected[1:]) and len(expected) > 1
