"""Which micro-batches, recomputation and precision make a run fit into a given memory."""

from dataclasses import dataclass
from numbers import Integral, Real

import keras
import tensorflow as tf

from bit_keras.errors import UserError
from bit_keras.models.variant import Architecture, Variant
from bit_keras.recipes.hyperrule import HyperRule
from bit_keras.recipes.upstream import UpstreamRecipe
from bit_keras.training.memory import batches_bytes, cost_of, machine_bytes, pictures_to_keep
from bit_keras.training.xla import pays
from bit_keras.weights.assigning import arrays_of
from bit_keras.weights.catalogue import find_preset
from bit_keras.weights.names import architecture_of

# From what changes nothing but time to what changes rounding.
FORMS = (("float32", False), ("float32", True), ("mixed_bfloat16", True))


@dataclass(frozen=True)
class Shares:
    """What the peak of a step beyond TensorFlow's import is made of.

    Args:
        start: bytes, whatever the network.
        of_layer: bytes for each layer: its graphs.
        of_weights: times their bytes: they, velocity, gradient, standardized kernels and what their gradients need.
        of_weights_in_parts: more of it where the gradients of parts are added up.
        of_activations: times their bytes, by precision.
        of_unit: the same of the largest unit, where units are recomputed.
    """

    start: float
    of_layer: float
    of_weights: float
    of_weights_in_parts: float
    of_activations: dict[str, float]
    of_unit: dict[str, float]


# Fitted to what benchmarks/memory.py measures on a CPU; README.md says to which of its rows. Without XLA, half
# precision saves little, as normalization is in float32. XLA compiles one form for all layers of a shape.
PLAIN = Shares(0, 4.2e6, 8, 1, {"float32": 1.1, "mixed_bfloat16": 2.4}, {"float32": 1.05, "mixed_bfloat16": 1.8})
BY_XLA = Shares(0.8e9, 0, 5, 2.25, {"float32": 0.78, "mixed_bfloat16": 0.78}, {"float32": 1.4, "mixed_bfloat16": 1.4})


@dataclass(frozen=True)
class Fit:
    """How a run fits.

    Args:
        micro_batches: equal parts that a device computes its batch in.
        remat: whether the units are recomputed.
        precision: "float32" or "mixed_bfloat16".
        xla: whether XLA compiles the normalizations.
        peak_bytes: what a step is expected to need at most, beyond the imported libraries.
    """

    micro_batches: int
    remat: bool
    precision: str
    xla: bool
    peak_bytes: int

    @property
    def options(self):
        """Arguments of `finetune` and `pretrain`: `bit.finetune(..., **fit.options)`."""
        return {name: getattr(self, name) for name in ("micro_batches", "remat", "precision", "xla")}


def fit_to(
    rule: HyperRule | UpstreamRecipe, model, memory: float, *, replicas: int = 1, xla: bool | None = None
) -> Fit:
    """Returns the `Fit` of a run into `memory`, of the first form of these of which some number of parts fits.

    In float32 with all activations kept; in float32 with units recomputed; in mixed_bfloat16 with units recomputed. Of
    each, the fewest parts that fit. The model of memory was measured on CPUs, where predictions lay within 15 % of the
    peaks (benchmarks/memory.py, 1.5 GB and more), batches that are made ahead included, and the resized pictures that
    `finetune` keeps where they fit a quarter of the machine's free memory. It looks at the machine, not at `memory`:
    where more is free than that, it may keep more than is counted here (its plan says how much). Of a GPU's memory two
    batches are counted, as all else is in the machine's.

    Args:
        rule: the run's `HyperRule` or `UpstreamRecipe`.
        model: a variant such as "R50x1", or a preset, with 1,000 classes; or a `keras.Model` made by this package.
        memory: bytes that each device may use, beyond the imported libraries (about 0.5 GB).
        replicas: devices that share a batch.
        xla: as for `finetune` and `pretrain`: whether XLA compiles the normalizations; None if that is worth it.

    Raises:
        UserError: if nothing fits, for another rule or model, a batch that the replicas do not divide, a memory that is
            no number over 0, an `xla` that is no answer, or batch normalization, whose results change with the parts.
    """
    if not isinstance(rule, (HyperRule, UpstreamRecipe)):
        raise UserError(f"Expected `rule` as a HyperRule or an UpstreamRecipe. Received: rule={rule!r}.")
    if not isinstance(replicas, Integral) or isinstance(replicas, bool) or replicas < 1:
        raise UserError(f"Expected `replicas` as a whole number of at least 1. Received: replicas={replicas!r}.")
    if rule.batch_size % replicas:
        raise UserError(f"Expected a batch that {replicas} replicas divide. Received: batch_size={rule.batch_size}.")
    if not isinstance(memory, Real) or isinstance(memory, bool) or not memory > 0:
        raise UserError(f"Expected `memory` in bytes, a number over 0. Received: memory={memory!r}.")
    if xla not in (None, True, False):
        raise UserError(f"Expected `xla` as None, True or False. Received: xla={xla!r}.")
    architecture, fits = _architecture(model), []
    if architecture.normalization == "batch":
        raise UserError("Expected a model with group normalization. Received: one with batch normalization.")
    pictures = rule.batch_size // replicas
    always = batches_bytes(pictures, rule.crop) + _kept_bytes(rule, memory, replicas)
    for precision, remat in FORMS:
        cost = cost_of(architecture, crop=rule.crop, dtype=precision)
        form = {"precision": precision, "remat": remat, "xla": pays(cost, rule) if xla is None else bool(xla)}
        for parts in (count for count in range(1, pictures + 1) if pictures % count == 0):
            peak = always + peak_bytes(cost, pictures=pictures // parts, is_divided=parts > 1, **form)
            if peak <= memory:
                return Fit(parts, peak_bytes=peak, **form)
            fits.append(peak)
    raise UserError(
        f"Expected at least {min(fits) / 1e9:.2f} GB for {architecture.variant} at {rule.crop} px. "
        f"Received: memory={memory:g} bytes. Choose smaller pictures (crop), a smaller batch or a smaller network."
    )


def peak_bytes(cost, *, pictures, precision, remat, xla, is_divided):
    """Returns the peak of a step beyond the imported libraries and the batches.

    Args:
        cost: the `Cost` of a picture under the precision.
        pictures: computed at a time.
        precision: a dtype policy.
        remat: whether the units are recomputed.
        xla: whether XLA compiles the normalizations.
        is_divided: whether there are several parts, whose gradients are added up.
    """
    shares = BY_XLA if xla else PLAIN
    of_picture = shares.of_activations[precision] * cost.activation_bytes
    if remat:
        of_picture = cost.kept_bytes + shares.of_unit[precision] * cost.unit_bytes
    weights = shares.of_weights + shares.of_weights_in_parts * is_divided
    return round(shares.start + shares.of_layer * cost.layers + weights * cost.weight_bytes + of_picture * pictures)


def _kept_bytes(rule, memory, replicas):
    """Returns the memory of a replica that kept pictures take; those of GPUs are in the machine's."""
    if isinstance(rule, UpstreamRecipe) or tf.config.list_physical_devices("GPU"):
        return 0
    free = min(machine_bytes(), replicas * memory)
    return pictures_to_keep(rule.num_examples, rule, start=0, free=free) // replicas


def _architecture(model):
    if not isinstance(model, keras.Model):
        known = find_preset(model) if isinstance(model, str) else None
        return Architecture(known.variant if known else Variant.parse(model), 1000)
    return architecture_of({name: array.shape for name, array in arrays_of(model).items()}, f"the model {model.name}")
