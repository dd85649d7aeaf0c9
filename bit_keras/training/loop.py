"""Steps until the end, with a progress bar, a log, and pauses for saving and looking at validation."""

import contextlib
import signal
import threading
import time

import numpy as np
from tqdm import tqdm

from bit_keras.data.telling import told
from bit_keras.errors import RunError

MORE_PARTS = "Run it again with twice the micro_batches."
CALL_SECONDS = 1.0  # how long a call into the graph should take, so that the bar moves and Ctrl-C is heard
MAX_CALL_STEPS = 50


def train(step_function, iterator, *, rule, start, pauses, log, save):
    """Runs `step_function` from step `start` to `rule.steps`.

    Args:
        step_function: a `TrainStep`.
        iterator: of distributed batches, the first of which is that of step `start`.
        rule: a `HyperRule`; gives `steps`, and `learning_rate` for the log.
        start: number of steps taken already.
        pauses: [(interval, function)]: `function(step)` is called after each `interval` steps and at the end, in order.
        log: a `MetricsLog`.
        save: called when the user interrupts, before `KeyboardInterrupt` goes on.

    Raises:
        RunError: if the loss is no longer finite; it names the step. Nothing is saved after it.
    """
    pace = _Pace()
    step = start
    bar = tqdm(total=rule.steps, initial=start, desc="training", unit="step", dynamic_ncols=True)
    with bar, _interrupts() as interrupted:
        while step < rule.steps:
            count = min(pace.steps, min(_next(step, interval, rule.steps) for interval, _ in pauses) - step)
            with told(MORE_PARTS):
                losses = pace.timed(step_function.run, iterator, np.int32(count)).numpy()
            _check_finite(losses, step)
            log.add(_entries(losses, step, rule))
            step += count
            bar.update(count)
            bar.set_postfix_str(f"loss {losses[-1]:.3f}, {pace.rate * step_function.batch_size:.1f} pictures/s")
            for interval, function in pauses:
                if step % interval == 0 or step == rule.steps:
                    function(step)
            if interrupted.is_set():  # after the pauses: none of this step's comes again
                save()
                raise KeyboardInterrupt


class _Pace:
    """How many steps make a call of about `CALL_SECONDS`."""

    def __init__(self):
        self.steps = 1
        self.rate = 0.0
        self._is_traced = False

    def timed(self, function, iterator, count):
        begin = time.perf_counter()
        result = function(iterator, count)
        result.numpy()  # waits for the device
        self.rate = int(count) / (time.perf_counter() - begin)
        if self._is_traced:  # the first call builds the graph, so its time says nothing
            self.steps = int(np.clip(self.rate * CALL_SECONDS, 1, MAX_CALL_STEPS))
        self._is_traced = True
        return result


def _next(step, interval, steps):
    return min(steps, (step // interval + 1) * interval)


def _entries(losses, step, rule):
    return [
        {"step": step + i + 1, "loss": float(loss), "learning_rate": rule.learning_rate(step + i)}
        for i, loss in enumerate(losses)
    ]


def _check_finite(losses, step):
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        raise RunError(
            f"The loss is {losses[bad[0]]} at step {step + bad[0] + 1}, so the weights are lost. Lower "
            "base_learning_rate, or look for broken labels, and start a new run."
        )


@contextlib.contextmanager
def _interrupts():
    """Yields an event that the first Ctrl-C sets, so that a step ends before the run does; a second one is usual."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handle(signum, frame):
        event.set()
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, previous)
