"""Where the computation runs."""

import contextlib
import os
import re

import tensorflow as tf

from bit_keras.errors import UserError
from bit_keras.training.cluster import members_of_environment
from bit_keras.training.rendezvous import meet
from bit_keras.training.watching import ended_after

PATTERN = re.compile(r"auto|one|multi_worker|tpu|mirrored(?::([1-9]\d*))?")
JOIN_SECONDS = 300.0  # how long a worker waits for the others; clusters start their machines one after the other
CONNECT_SECONDS = 60  # for TensorFlow to connect workers that have met; 2 to 5 s on one machine


def make_strategy(name, *, join_seconds=JOIN_SECONDS):
    """Returns the `tf.distribute.Strategy` called `name`; a strategy is returned as it is.

    Args:
        name: "one" for one device; "mirrored" for all GPUs, or the CPU where there is none; "mirrored:N" for the first
            N GPUs or, where there is none, N logical CPU devices that share the processor (for trying things out);
            "multi_worker" for the machines in TF_CONFIG; "tpu" for the TPU of this machine, or the one in TPU_NAME;
            "auto" for multi_worker where TF_CONFIG names several machines, mirrored with several GPUs, else one.
        join_seconds: how long "multi_worker" waits for all of them.

    Raises:
        UserError: for another name, a broken TF_CONFIG, no TPU, or more devices than there are.
        RunError: if a worker does not come.
    """
    if isinstance(name, tf.distribute.Strategy):
        return name
    match = PATTERN.fullmatch(str(name))
    if not match:
        raise UserError(
            "Expected `strategy` 'auto', 'one', 'mirrored', 'mirrored:N', 'multi_worker' or 'tpu'. Received: "
            f"strategy={name!r}."
        )
    if name == "tpu":
        return connect_tpu()
    gpus = tf.config.list_physical_devices("GPU")
    _let_memory_grow(gpus)
    if name == "multi_worker" or (name == "auto" and len(_workers()) > 1):
        return _multi_worker(join_seconds)
    if name == "one" or (name == "auto" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    count = int(match[1]) if match[1] else max(1, len(gpus))
    if gpus:
        return tf.distribute.MirroredStrategy(_gpus(gpus, count))
    # The default reduction of CPUs gives one process one group size for ever: two replicas, later four, would fail.
    return tf.distribute.MirroredStrategy(_logical_cpus(count), tf.distribute.ReductionToOneDevice())


def require_one_host(strategy):
    """Raises a `UserError` for a strategy, or the name of one, that spans several machines."""
    single = (tf.distribute.MirroredStrategy, tf.distribute.OneDeviceStrategy, type(tf.distribute.get_strategy()))
    is_several = strategy in ("multi_worker", "tpu") or (strategy == "auto" and len(_workers()) > 1)
    if is_several or (isinstance(strategy, tf.distribute.Strategy) and not isinstance(strategy, single)):
        name = strategy if isinstance(strategy, str) else type(strategy).__name__
        raise UserError(
            f"Expected a strategy of one machine, such as MirroredStrategy, to fine-tune. Received: {name}. "
            "Fine-tuning is short; use one machine, or bit.pretrain for more."
        )


def connect_tpu():
    """Returns the `TPUStrategy` of this machine's TPU, or of the one in the variable TPU_NAME.

    Raises:
        UserError: if there is none, or TensorFlow is not built for it.
    """
    try:
        name = os.environ.get("TPU_NAME", "local")
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        if name != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    # What TensorFlow raises without a TPU, or without its operations, differs from version to version.
    except Exception as error:
        raise UserError(
            "Expected a TPU, and a TensorFlow that is built for it (the package tensorflow-tpu, whose newest "
            f"version is 2.20), for strategy='tpu'. TensorFlow {tf.__version__} says: "
            f"{(str(error).splitlines() or ['nothing'])[0].split('. ')[0]}. Choose another strategy here."
        ) from error


def _workers():
    """Returns the addresses in TF_CONFIG; none where it is not set."""
    return members_of_environment().addresses if os.environ.get("TF_CONFIG") else ()


def _multi_worker(join_seconds):
    members = members_of_environment()
    meet(members, seconds=join_seconds)
    gone = (
        f"The workers had met, but one went before TensorFlow had connected them within {CONNECT_SECONDS} seconds. "
        "Look which, mend it and start all of them again."
    )
    try:
        with ended_after(CONNECT_SECONDS, gone):
            return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise UserError("Expected strategy='multi_worker' before TensorFlow was used. Start a new process.") from error


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
