"""Builds BiT: a ResNet-v2 of bottleneck units with group normalization and standardized kernels.

The facts are those of google-research/big_transfer (140de6e), bit_tf2/models.py. A layer has the name that its arrays
have in the published `.npz`, without `resnet/` and with `/` written as `-`.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import keras
from keras import layers

from bit_keras.errors import UserError
from bit_keras.layers import GroupNorm, StandardizedConv2D
from bit_keras.layers.precision import at_least_float32
from bit_keras.models.variant import Architecture, Normalization, Variant

# The paper does not give its batch-normalized networks' constants; these are the usual ones of ImageNet ResNets
# (flax, examples/imagenet/models.py).
BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}
MOVING = ("/moving_mean", "/moving_variance")  # how the paths of its statistics end

LAST = "channels_last"  # whatever Keras is set to: the kernels of the published files are for it
POOLS = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D, None: None}

PIXELS = "pixels"  # name of the layer that tells a graph for 0..255 from one for [-1, 1]
HEAD_LAYER = "head-conv2d"


def build(
    variant: str | Variant,
    *,
    num_classes: int,
    normalization: Normalization = "group",
    weight_standardization: bool = True,
    kernel_initializer=None,
    seed: int | None = None,
    dtype=None,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    include_preprocessing: bool = False,
    pooling: str | None = "avg",
    classifier_activation=None,
) -> keras.Model:
    """Returns a BiT with random weights as a functional `keras.Model`.

    Input: (batch, height, width, 3) float32 in [-1, 1], or 0..255 with `include_preprocessing`. Output: (batch,
    num_classes) float32 logits; without a head the (batch, 2048 * width) features. Any height and width.

    Args:
        variant: a name such as "R50x1", or a `Variant`.
        num_classes: outputs of the head, which starts at zero; 0 for no head.
        normalization: "group", as published, or "batch", for the paper's ablation (its tables 4 and 5).
        weight_standardization: False for plain convolutions, for the same.
        kernel_initializer: of the convolutions; None is glorot uniform, as in the TensorFlow 2 code.
        seed: of the glorot uniform kernels; None for other numbers each time.
        dtype: a Keras dtype policy or its name; None for the global one. Features and logits are at least float32.
        input_tensor: a Keras tensor to build on.
        input_shape: (height, width, 3) where they should be fixed.
        include_preprocessing: begins the graph with a `Rescaling` named "pixels" from 0..255 to [-1, 1].
        pooling: of a headless model: "avg", "max", or None for the (batch, h, w, 2048 * width) feature map
            in the compute dtype.
        classifier_activation: of the head, for instance "softmax"; None for logits.

    Raises:
        UserError: for an unknown variant, normalization or pooling, another `num_classes` than a whole number from 0,
            or an `input_shape` that does not end with 3.
    """
    architecture = Architecture(Variant.parse(variant), num_classes, normalization, weight_standardization)
    if pooling not in POOLS:
        raise UserError(f"Expected `pooling` 'avg', 'max' or None. Received: pooling={pooling!r}.")
    make = _LayerMaker(architecture, kernel_initializer, seed, keras.dtype_policies.get(dtype or _global_policy()))
    inputs = _input(input_tensor, input_shape)
    x = inputs
    if include_preprocessing:
        # (x - 127.5) / 127.5; bit_tf2, input_pipeline_tf2_or_jax.py
        x = layers.Rescaling(1 / 127.5, offset=-1.0, name=PIXELS, dtype="float32")(x)
    x = apply_root_block(make, x)
    for block, units in enumerate(architecture.variant.units, 1):
        x = apply_block(make, x, block, units)
    x = make.normalized(x, "")
    outputs = apply_head(make, x, pooling, classifier_activation)
    return keras.Model(
        keras.utils.get_source_inputs(input_tensor)[0] if input_tensor is not None else inputs,
        outputs,
        name=str(architecture.variant).replace(".", "_"),
    )


def apply_root_block(make, x):
    """7x7 convolution and max-pool, both of stride 2, without norm or activation."""
    x = layers.ZeroPadding2D(3, data_format=LAST, dtype=make.policy, name="root_block-conv_padding")(x)
    x = make.convolution(x, make.variant.root_filters, 7, strides=2, name="root_block")
    # Explicit zeros: the padding of a padded max-pool is -inf, which differs where the border is negative.
    x = layers.ZeroPadding2D(1, data_format=LAST, dtype=make.policy, name="root_block-pool_padding")(x)
    return layers.MaxPooling2D(3, strides=2, padding="valid", data_format=LAST, dtype=make.policy, name="root_block")(x)


def apply_block(make, x, block, units):
    """`units` units of the 1-based `block`, the first of them with stride 2, in block 1 with stride 1."""
    filters = make.variant.root_filters * 2 ** (block - 1)
    for unit in range(1, units + 1):
        strides = 2 if unit == 1 and block > 1 else 1
        x = apply_unit(make, x, filters, strides=strides, project=unit == 1, name=f"block{block}-unit{unit:02d}")
    return x


def apply_unit(make, x, filters, *, strides, project, name):
    """Pre-activated bottleneck: 1x1, 3x3 with the stride, 1x1 to four times `filters`, added to the shortcut."""
    shortcut = x
    x = make.normalized(x, f"{name}-a-")
    if project:
        # Fed by the activated input; an identity shortcut takes the raw one.
        shortcut = make.convolution(x, 4 * filters, 1, strides=strides, name=f"{name}-a-proj")
    x = make.convolution(x, filters, 1, name=f"{name}-a")
    x = make.normalized(x, f"{name}-b-")
    if strides > 1:
        # "same" would put all of an even picture's padding right and below; at stride 1 the two are equal.
        x = layers.ZeroPadding2D(1, data_format=LAST, dtype=make.policy, name=f"{name}-b-padding")(x)
    x = make.convolution(x, filters, 3, strides=strides, name=f"{name}-b")
    x = make.normalized(x, f"{name}-c-")
    x = make.convolution(x, 4 * filters, 1, name=f"{name}-c")
    return layers.Add(dtype=make.policy, name=name)([shortcut, x])


def apply_head(make, x, pooling, activation):
    """Pools to features and, unless the model is headless, adds the zero linear head."""
    precision = at_least_float32(make.policy.variable_dtype)
    pool = POOLS["avg" if make.architecture.num_classes else pooling]
    if pool:
        x = pool(data_format=LAST, dtype=precision, name="features")(x)
    if make.architecture.num_classes:
        # Zero at the start, as all three released fine-tuners have it.
        x = layers.Dense(
            make.architecture.num_classes,
            kernel_initializer="zeros",
            activation=activation,
            dtype=precision,
            name=HEAD_LAYER,
        )(x)
    return x


@dataclass(frozen=True)
class _LayerMaker:
    """Makes the two kinds of parametric layers that all units share, by the architecture's choices."""

    architecture: Architecture
    kernel_initializer: object
    seed: int | None
    policy: keras.DTypePolicy

    @property
    def variant(self):
        return self.architecture.variant

    def convolution(self, x, filters, kernel_size, *, name, strides=1):
        standardized = self.architecture.weight_standardization
        layer = StandardizedConv2D if standardized else layers.Conv2D
        name = f"{name}-{'standardized_conv2d' if standardized else 'conv2d'}"
        return layer(
            filters,
            kernel_size,
            strides=strides,
            padding="same" if strides == 1 else "valid",
            use_bias=False,
            data_format=LAST,
            kernel_initializer=self._initializer(name),
            dtype=self.policy,
            name=name,
        )(x)

    def normalized(self, x, prefix):
        """Normalizes and activates."""
        if self.architecture.normalization == "group":
            return GroupNorm(activation="relu", dtype=self.policy, name=f"{prefix}group_norm")(x)
        x = layers.BatchNormalization(**BATCH_NORM, dtype=self.policy, name=f"{prefix}batch_norm")(x)
        return layers.ReLU(dtype=self.policy, name=f"{prefix}relu")(x)

    def _initializer(self, name):
        """Each kernel has numbers of its own, whatever the order of building."""
        if self.kernel_initializer is not None:
            return self.kernel_initializer
        seed = None if self.seed is None else zlib.crc32(f"{self.seed}/{name}".encode())
        return keras.initializers.GlorotUniform(seed=seed)


def _global_policy():
    return keras.config.dtype_policy()


def _input(input_tensor, input_shape):
    if input_tensor is not None:
        return input_tensor
    shape = tuple(input_shape) if isinstance(input_shape, Sequence) else input_shape
    if shape is not None and (not isinstance(shape, tuple) or len(shape) != 3 or shape[-1] != 3):
        raise UserError(f"Expected `input_shape` (height, width, 3). Received: input_shape={input_shape!r}.")
    return keras.Input(shape or (None, None, 3), name="pictures")
