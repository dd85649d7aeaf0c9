"""How much a picture costs, and how many micro-batches make a step fit into memory."""

import itertools
import math
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import keras
import psutil
import tensorflow as tf

from bit_keras.data.keeping import kept_bytes
from bit_keras.models.cost import multiply_adds
from bit_keras.models.resnet_v2 import build

# Of the free memory that activations may take; gradients, velocities and workspace need the rest. Chosen, not measured.
SHARE = 0.5
# Of the machine's free memory that kept pictures may take: half of what activations leave, where they share it.
KEPT_SHARE = 0.25
# Batches in memory at once: the one of the step, the next, the pictures of the one being made and that itself, mixup's
# two, and what malloc keeps. Measured on a CPU (benchmarks/memory.py); of a GPU's memory the step's and the next.
BATCHES, BATCHES_ON_GPU = 7, 2
INSIDE = re.compile(r"(block\d-unit\d+)-")  # layers of a unit; the sum at its end has the bare name
CGROUP = Path("/sys/fs/cgroup")  # where Linux tells the limits of a container


@dataclass(frozen=True)
class Cost:
    """What one picture costs.

    Args:
        activation_bytes: of all layer outputs: what backpropagation keeps.
        kept_bytes: of those that it keeps where units are recomputed: the outputs of the units, and what is in none.
        unit_bytes: of the unit that has most.
        weight_bytes: of the variables, float32; the picture shares them with all others.
        layers: number of them.
        multiply_adds: of the convolutions and the head, forward.
    """

    activation_bytes: int
    kept_bytes: int
    unit_bytes: int
    weight_bytes: int
    layers: int
    multiply_adds: int

    def held_bytes(self, remat):
        """Returns what backpropagation holds at most, with units recomputed or not."""
        return self.kept_bytes + self.unit_bytes if remat else self.activation_bytes


def cost_of(architecture, *, crop, dtype):
    """Returns the `Cost` of a picture of `crop` pixels square under a dtype policy."""
    # Keras remembers, by thread, the variables that it left out here, and would make them later after all.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_counted, architecture, crop, dtype).result()


def free_bytes(replicas):
    """Returns the free memory of a replica: of its GPU, or its share of the machine's, which logical CPUs divide."""
    if not tf.config.list_physical_devices("GPU"):
        return machine_bytes() // replicas
    try:
        return _gpu_bytes()
    except (OSError, ValueError, subprocess.SubprocessError):
        return machine_bytes()  # no nvidia-smi, or it does not tell


def batches_bytes(pictures, crop):
    """Returns the memory of a replica that batches of so many pictures take, those that are made ahead included."""
    copies = BATCHES_ON_GPU if tf.config.list_physical_devices("GPU") else BATCHES
    return copies * kept_bytes(pictures, crop)


def pictures_to_keep(num_examples, rule, *, start, free):
    """Returns the bytes of all resized pictures, if it is worth keeping them and they fit; else 0.

    Args:
        num_examples: pictures in the training split.
        rule: a `HyperRule`.
        start: steps that are done.
        free: bytes of the machine.
    """
    is_seen_again = (rule.steps - start) * rule.batch_size > num_examples
    needed = kept_bytes(num_examples, rule.resize)
    return needed if is_seen_again and needed <= KEPT_SHARE * free else 0


def _gpu_bytes():
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    query = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits", f"--id={first}"]
    return int(subprocess.run(query, capture_output=True, text=True, check=True).stdout) * 2**20


def machine_bytes():
    """Returns the free memory of the machine, or of the container if that has less."""
    free = psutil.virtual_memory().available
    try:
        limit, used = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        cached = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())["inactive_file"]
    except (OSError, ValueError, KeyError):
        return free  # not in a container, or one without a limit
    return min(free, limit - used + int(cached))


def default_micro_batches(picture_bytes, *, replica_batch, free):
    """Returns the smallest power of two whose activations fit half of `free` bytes, or the largest that divides.

    Args:
        picture_bytes: activations of a picture.
        replica_batch: pictures that a replica has in a step.
        free: bytes that a replica may use.
    """
    parts = list(parts_of(replica_batch))
    return next((count for count in parts if picture_bytes * replica_batch / count <= SHARE * free), parts[-1])


def parts_of(replica_batch):
    """Returns the powers of two that divide a batch."""
    return itertools.takewhile(lambda count: replica_batch % count == 0, (2**power for power in itertools.count()))


def _counted(architecture, crop, dtype):
    with keras.StatelessScope(initialize_variables=False):
        twin = build(
            architecture.variant,
            num_classes=architecture.num_classes,
            normalization=architecture.normalization,
            weight_standardization=architecture.weight_standardization,
            dtype=dtype,
            input_shape=(crop, crop, 3),
        )
    sizes = {
        layer.name: math.prod(layer.output.shape[1:]) * tf.as_dtype(layer.compute_dtype).size for layer in twin.layers
    }
    units: dict[str, int] = {}
    for name, size in sizes.items():
        if inside := INSIDE.match(name):
            units[inside[1]] = units.get(inside[1], 0) + size
    return Cost(
        activation_bytes=sum(sizes.values()),
        kept_bytes=sum(sizes.values()) - sum(units.values()),
        unit_bytes=max(units.values()),
        weight_bytes=4 * sum(math.prod(variable.shape) for variable in twin.variables),
        layers=len(twin.layers),
        multiply_adds=multiply_adds(twin),
    )
