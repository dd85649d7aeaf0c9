"""Where the computation runs."""

import contextlib
import re

import tensorflow as tf

from bit_keras.errors import UserError

PATTERN = re.compile(r"auto|one|mirrored(?::([1-9]\d*))?")


def make_strategy(name):
    """Returns the `tf.distribute.Strategy` called `name`; a strategy is returned as it is.

    Args:
        name: "one" for one device; "mirrored" for all GPUs, or the CPU where there is none; "mirrored:N" for the first
            N GPUs or, where there is none, N logical CPU devices that share the processor (for trying things out);
            "auto" for mirrored with several GPUs, else one.

    Raises:
        UserError: for another name, a strategy of several machines, or more devices than there are.
    """
    if isinstance(name, tf.distribute.Strategy):
        return _checked(name)
    match = PATTERN.fullmatch(str(name))
    if not match:
        raise UserError(f"Expected `strategy` 'auto', 'one', 'mirrored' or 'mirrored:N'. Received: strategy={name!r}.")
    gpus = tf.config.list_physical_devices("GPU")
    _let_memory_grow(gpus)
    if name == "one" or (name == "auto" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    count = int(match[1]) if match[1] else max(1, len(gpus))
    if gpus:
        return tf.distribute.MirroredStrategy(_gpus(gpus, count))
    # The default reduction of CPUs gives one process one group size for ever: two replicas, later four, would fail.
    return tf.distribute.MirroredStrategy(_logical_cpus(count), tf.distribute.ReductionToOneDevice())


def _checked(strategy):
    single = (tf.distribute.MirroredStrategy, tf.distribute.OneDeviceStrategy, type(tf.distribute.get_strategy()))
    if not isinstance(strategy, single):
        raise UserError(
            f"Expected a strategy of one machine, such as MirroredStrategy. Received: {type(strategy).__name__}, under "
            "which several processes would write one run folder."
        )
    return strategy


def _let_memory_grow(gpus):
    """Without this TensorFlow takes nearly all of a GPU's memory, and none seems to be free."""
    with contextlib.suppress(RuntimeError):  # TensorFlow was used already; then it stays as it is
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)


def _gpus(gpus, count):
    if count > len(gpus):
        raise UserError(f"Expected at most {len(gpus)} replicas, one for each GPU. Received: {count}.")
    return [f"GPU:{index}" for index in range(count)]


def _logical_cpus(count):
    """Divides the CPU, which TensorFlow allows only before its first operation."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    if count > 1 and tf.config.get_logical_device_configuration(cpu) is None:
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
        except RuntimeError as error:
            raise UserError(
                "Expected strategy='mirrored:N' before TensorFlow was used. Start a new process."
            ) from error
    if count > len(tf.config.list_logical_devices("CPU")):
        raise UserError(
            f"Expected at most {len(tf.config.list_logical_devices('CPU'))} logical CPUs. Received: {count}."
        )
    return [f"CPU:{index}" for index in range(count)]
