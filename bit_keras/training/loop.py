"""Steps until the end, with a progress bar, a log, and pauses for saving and looking at validation."""

import contextlib
import signal
import time

import numpy as np
from tqdm import tqdm

from bit_keras.data.telling import told
from bit_keras.errors import DivergedError, RunError
from bit_keras.training.ending import AGAIN, interrupts

MORE_PARTS = "Run it again with twice the micro_batches."
CALL_SECONDS = 1.0  # how long a call into the graph should take, so that the bar moves and Ctrl-C is heard
MAX_CALL_STEPS = 50


def train(step_function, iterator, *, rule, start, pauses, log, save, cluster, waits=contextlib.nullcontext):
    """Runs `step_function` from step `start` to `rule.steps`.

    Args:
        step_function: a `TrainStep`.
        iterator: of distributed batches, the first of which is that of step `start`.
        rule: a `HyperRule` or `UpstreamRecipe`; gives `steps`, and `learning_rate` for the log.
        start: number of steps taken already.
        pauses: [(interval, function)]: `function(step)` is called after each `interval` steps and at the end, in order.
        log: a `MetricsLog`.
        save: called after Ctrl-C or SIGTERM on any host, before the exception goes on.
        cluster: the `Cluster` of hosts, which take the same steps in each call and stop at the same one.
        waits: from the seconds that a call into the graph should take, 0 where nobody knows, to a context for it.

    Raises:
        RunError: if the loss is no longer finite; it names the step. Nothing is saved after it.
        KeyboardInterrupt: after Ctrl-C.
        SystemExit: with 0, after SIGTERM: all is saved, and the same call goes on.
    """
    pace = _Pace()
    step = start
    bar = tqdm(
        total=rule.steps,
        initial=start,
        desc="training",
        unit="step",
        dynamic_ncols=True,
        disable=not cluster.is_chief,
    )
    with bar, interrupts() as interrupted:
        while step < rule.steps:
            count = min(pace.steps, min(_next(step, interval, rule.steps) for interval, _ in pauses) - step)
            with told(MORE_PARTS), waits(pace.expected(count)):
                losses = pace.timed(step_function.run, iterator, np.int32(count)).numpy()
            pace.steps = int(cluster.gather(pace.steps).min())
            _check_finite(losses, step)
            _check_scale(step_function, step + count)
            log.add(_entries(losses, step, rule))
            step += count
            bar.update(count)
            bar.set_postfix_str(f"loss {losses[-1]:.3f}, {pace.rate * step_function.batch_size:.1f} pictures/s")
            for interval, function in pauses:
                if step % interval == 0 or step == rule.steps:
                    function(step)
            if cluster.gather(bool(interrupted)).any():  # after the pauses: none of this step's comes again
                save()
                cluster.barrier()  # the others stay until the first has written
                raise _ending(interrupted, step)


def _check_scale(step_function, step):
    scale = getattr(step_function, "loss_scale", None)
    if scale and scale.is_exhausted:
        raise RunError(
            f"The gradients overflow float16 at any loss scale (step {step}), so nothing is learned. "
            "Lower the learning rate, or train in mixed_bfloat16 or float32."
        )


def _ending(signals, step):
    """Returns the exception that ends an interrupted run; where only another host has had a signal, SIGTERM's."""
    if signal.SIGINT in signals:
        return KeyboardInterrupt()
    tqdm.write(f"Asked to end, so the run was saved after step {step}. {AGAIN}")  # not behind the bar
    return SystemExit(0)


class _Pace:
    """How many steps make a call of about `CALL_SECONDS`."""

    def __init__(self):
        self.steps = 1
        self.rate = 0.0
        self._is_traced = False

    def expected(self, count):
        """Returns the seconds that so many steps should take; 0 before the first."""
        return count / self.rate if self.rate else 0.0

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
        raise DivergedError(f"The loss is {losses[bad[0]]} at step {step + bad[0] + 1}")
