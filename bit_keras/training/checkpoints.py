"""Training snapshots: weights, velocities and step in one `.npz`, written atomically.

Canonical names for the weights; `velocity/` before the name for the optimizer's; `loss_scale/`; `step`.
"""

from pathlib import Path

import numpy as np

from bit_keras.errors import DivergedError, RunError, WeightsError
from bit_keras.weights.assigning import by_name
from bit_keras.weights.formats.npz import read_npz, write_npz
from bit_keras.weights.names import check_shapes

KEPT = 2  # the newest, and one more in case a disk loses it


def save(folder, step_function):
    """Writes the state of a `TrainStep` after `optimizer.iterations` steps and removes old snapshots.

    Raises:
        RunError: if a weight is no longer finite; the older snapshots stay.
        SaveError: if it cannot be written; the older snapshots stay.
    """
    step = int(step_function.optimizer.iterations.numpy())
    state = ((name, _finite(name, variable.numpy(), step)) for name, variable in step_function.state.items())
    write_npz(Path(folder) / f"{step:08d}.npz", [("step", np.float64(step)), *state])
    for path in _newest_first(folder)[KEPT:]:
        path.unlink(missing_ok=True)


def _finite(name, numbers, step):
    if not np.isfinite(numbers).all():  # the last update did it: the loss before it was finite
        raise DivergedError(f"{name} is no longer finite after step {step}")
    return numbers


def exist(folder):
    """Whether there are snapshots."""
    return bool(_newest_first(folder))


def restore(folder, step_function):
    """Gives a `TrainStep` the newest snapshot that can be read; returns its step, 0 if there is none.

    Raises:
        RunError: if there are snapshots but none can be read.
        WeightsError: if a snapshot is of another model.
    """
    paths = _newest_first(folder)
    for path in paths:
        try:
            return _restore(path, step_function)
        except DamagedError as error:
            print(f"{error} Trying the snapshot before it.")
    if paths:
        raise RunError(f"No snapshot in {folder} can be read. Remove the folder to begin anew.")
    return 0


class DamagedError(WeightsError):
    """A snapshot that the disk has damaged."""


def _restore(path, step_function):
    variables = step_function.state
    try:
        arrays = by_name(read_npz(path), path)
        step = int(arrays.pop("step").read())
    except KeyError as error:
        raise DamagedError(f"{path} is no snapshot: it has no step.") from error
    except WeightsError as error:
        raise DamagedError(str(error)) from error
    expected = {name: tuple(variable.shape) for name, variable in variables.items()}
    check_shapes({name: array.shape for name, array in arrays.items()}, expected, path, "the state of this run")
    for name, variable in variables.items():
        try:
            variable.assign(arrays[name].read())
        except WeightsError as error:
            raise DamagedError(str(error)) from error
    step_function.optimizer.iterations.assign(step)
    return step


def _newest_first(folder):
    return sorted(Path(folder).glob("[0-9]*.npz"), reverse=True)
