"""Training snapshots: weights, velocities and step in one `.npz`, written atomically.

Canonical names for the weights; `velocity/` before the name for the optimizer's; `step`.
"""

from pathlib import Path

import numpy as np

from bit_keras.errors import RunError, WeightsError
from bit_keras.weights.assigning import by_name, named_variables
from bit_keras.weights.formats.npz import read_npz, write_npz
from bit_keras.weights.names import canonical_name, check_shapes

KEPT = 2  # the newest, and one more in case a disk loses it


def save(folder, model, optimizer):
    """Writes the state after `optimizer.iterations` steps and removes old snapshots.

    Raises:
        SaveError: if it cannot be written; the older snapshots stay.
    """
    step = int(optimizer.iterations.numpy())
    state = ((name, variable.numpy()) for name, variable in _state(model, optimizer).items())
    write_npz(Path(folder) / f"{step:08d}.npz", [("step", np.float64(step)), *state])
    for path in _newest_first(folder)[KEPT:]:
        path.unlink(missing_ok=True)


def exist(folder):
    """Whether there are snapshots."""
    return bool(_newest_first(folder))


def restore(folder, model, optimizer):
    """Gives `model` and `optimizer` the newest snapshot that can be read; returns its step, 0 if there is none.

    Raises:
        RunError: if there are snapshots but none can be read.
        WeightsError: if a snapshot is of another model.
    """
    paths = _newest_first(folder)
    for path in paths:
        try:
            return _restore(path, model, optimizer)
        except DamagedError as error:
            print(f"{error} Trying the snapshot before it.")
    if paths:
        raise RunError(f"No snapshot in {folder} can be read. Remove the folder to begin anew.")
    return 0


class DamagedError(WeightsError):
    """A snapshot that the disk has damaged."""


def _restore(path, model, optimizer):
    variables = _state(model, optimizer)
    try:
        arrays = by_name(read_npz(path), path)
        step = int(arrays.pop("step").read())
    except (WeightsError, KeyError) as error:
        raise DamagedError(str(error)) from error
    expected = {name: tuple(variable.shape) for name, variable in variables.items()}
    check_shapes({name: array.shape for name, array in arrays.items()}, expected, path, "the state of this run")
    for name, variable in variables.items():
        try:
            variable.assign(arrays[name].read())
        except WeightsError as error:
            raise DamagedError(str(error)) from error
    optimizer.iterations.assign(step)
    return step


def _state(model, optimizer):
    """Returns {name: variable} of all that a step changes."""
    velocities = zip(model.trainable_variables, optimizer.velocities, strict=True)
    return named_variables(model.variables) | {f"velocity/{canonical_name(v)}": velocity for v, velocity in velocities}


def _newest_first(folder):
    return sorted(Path(folder).glob("[0-9]*.npz"), reverse=True)
