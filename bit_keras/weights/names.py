"""The one table of canonical names: which arrays, of which shape, a BiT has, and what network a set of arrays is.

A canonical name is the name in the published `.npz`, for instance `resnet/block1/unit01/a/standardized_conv2d/kernel`.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bit_keras.errors import UserError, WeightsError
from bit_keras.models.variant import Architecture, Variant

HEAD = ("resnet/head/conv2d/kernel", "resnet/head/conv2d/bias")
NORMS = {
    "group": ("group_norm", ("gamma", "beta")),
    "batch": ("batch_norm", ("gamma", "beta", "moving_mean", "moving_variance")),
}
MAX_UNITS = 1000  # of a block; far over any BiT, and small enough that a hostile name cannot make a huge table


@dataclass(frozen=True)
class Array:
    """One array of a file: name, shape and dtype are known, `read()` fetches the numbers.

    They are new each time, so that a model may take over their memory.
    """

    name: str
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]
    dtype: str = "float32"

    def renamed(self, name):
        """Returns the same array by another name."""
        return replace(self, name=name)

    def reshaped(self, shape):
        """Returns the array in another shape of as many numbers."""
        return replace(self, shape=tuple(shape), read=lambda: self.read().reshape(shape))

    def transposed(self, axes):
        """Returns the array with its axes in another order."""
        return replace(
            self, shape=tuple(self.shape[axis] for axis in axes), read=lambda: np.transpose(self.read(), axes)
        )

    def checked(self, source):
        """Returns the same array, whose `read` raises a `WeightsError` if numbers of `source` are infinite or NaN."""
        return replace(self, read=lambda: _finite(self, source))


def _finite(array, source):
    numbers = array.read()
    with np.errstate(all="ignore"):
        total = np.sum(numbers, dtype="float32" if numbers.dtype.itemsize < 4 else None)
    # The sum is the faster look; where it overflows, the numbers themselves decide.
    # Whatever float32, which they become, cannot hold is infinite too.
    is_wide = numbers.dtype.itemsize > 4 and np.abs(numbers).max(initial=0) > np.finfo("float32").max
    if is_wide or (not np.isfinite(total) and not np.isfinite(numbers).all()):
        raise WeightsError(
            f"{array.name} in {source} has numbers that are infinite or undefined (NaN): its training diverged, or the "
            "file is damaged. Give an earlier snapshot, or fetch the file again."
        )
    return numbers


def canonical_name(variable):
    """Returns the canonical name of a model's `keras.Variable`."""
    return "resnet/" + variable.path.replace("-", "/")


def repaired(name):
    """Returns `name` as it should be.

    Some published files count the layers (`standardized_conv2d_3`) or name the projection in another way; anything
    under `.../a/proj` is the projection (big_vision, models/bit_paper.py). Keras 2 leaves out `resnet/`, calls the head
    `head/dense` and ends with the number of the output.
    """
    name = re.sub(r"^(?=(root_block|block\d|group_norm|batch_norm|head)/)", "resnet/", name.removesuffix(":0"))
    name = name.replace("resnet/head/dense/", "resnet/head/conv2d/")
    name = re.sub(r"(standardized_conv2d|conv2d|group_norm|batch_norm)_\d+(?=/)", r"\1", name)
    return re.sub(r"/a/proj(?!/conv2d/)(/.*)?/kernel$", "/a/proj/standardized_conv2d/kernel", name)


def shapes_of(architecture):
    """Returns {canonical name: shape} of all arrays of `architecture`, heads as 1x1 convolutions."""
    conv = "standardized_conv2d" if architecture.weight_standardization else "conv2d"
    norm, parameters = NORMS[architecture.normalization]
    channels = architecture.variant.root_filters
    shapes: dict[str, tuple[int, ...]] = {f"resnet/root_block/{conv}/kernel": (7, 7, 3, channels)}
    for block, units in enumerate(architecture.variant.units, 1):
        filters = architecture.variant.root_filters * 2 ** (block - 1)
        for unit in range(1, units + 1):
            prefix = f"resnet/block{block}/unit{unit:02d}"
            if unit == 1:
                shapes[f"{prefix}/a/proj/{conv}/kernel"] = (1, 1, channels, 4 * filters)
            for letter, size, out in (("a", 1, filters), ("b", 3, filters), ("c", 1, 4 * filters)):
                shapes |= {f"{prefix}/{letter}/{norm}/{parameter}": (channels,) for parameter in parameters}
                shapes[f"{prefix}/{letter}/{conv}/kernel"] = (size, size, channels, out)
                channels = out
    shapes |= {f"resnet/{norm}/{parameter}": (channels,) for parameter in parameters}
    if architecture.num_classes:
        kernel, bias = HEAD
        shapes |= {kernel: (1, 1, channels, architecture.num_classes), bias: (architecture.num_classes,)}
    return shapes


def architecture_of(shapes, source):
    """Returns the `Architecture` that arrays of these {canonical name: shape} make, to the last name and dimension.

    Raises:
        WeightsError: if they make none; it lists what lacks, what is too much and what has another shape. `source`
            says in it where the arrays are from.
    """
    found = _guess(shapes, source)
    check_shapes(shapes, shapes_of(found), source, f"a BiT-{found.variant} with {found.num_classes} classes")
    return found


def check_shapes(shapes, expected, source, network):
    """Raises a `WeightsError` with both lists unless `shapes` and `expected`, {name: shape}, are equal."""
    shapes, expected = _with_heads(shapes), _with_heads(expected)
    lacking = [f"{name} {expected[name]}" for name in expected if name not in shapes]
    surplus = [f"{name} {shapes[name]}" for name in shapes if name not in expected]
    others = [
        f"{name} {shapes[name]} instead of {shape}"
        for name, shape in expected.items()
        if name in shapes and shapes[name] != shape
    ]
    if lacking or surplus or others:
        raise WeightsError(
            f"{source} does not hold exactly {network}. Missing: {_listed(lacking)}. Not in that network: "
            f"{_listed(surplus)}. Of another shape: {_listed(others)}. Use the complete file of one network."
        )


def _guess(shapes, source):
    """Reads depth, width, head and kind of layers off the names and the root's channels."""
    roots = {name: shape for name, shape in shapes.items() if name.startswith("resnet/root_block/")}
    if len(roots) != 1 or len(next(iter(roots.values()))) != 4:
        raise WeightsError(
            f"Expected one 4-dimensional kernel under resnet/root_block/ in {source}, as every BiT has. "
            f"Received: {_listed(sorted(roots) or sorted(shapes))}. Give a file in the official BiT layout."
        )
    (root, root_shape), *_ = roots.items()
    units = [0, 0, 0, 0]
    for name in shapes:
        if match := re.match(r"resnet/block([1-4])/unit(\d{2,4})/", name):
            units[int(match[1]) - 1] = max(units[int(match[1]) - 1], int(match[2]))
    try:
        if max(units) > MAX_UNITS:
            raise UserError(f"Expected at most {MAX_UNITS} units in a block.")
        variant = Variant(tuple(units), root_shape[-1] / 64)
    except (UserError, OverflowError) as error:
        raise WeightsError(f"{source} holds no BiT; {root} has the shape {root_shape}. {error}") from error
    head = next((shapes[name][-1] for name in HEAD if shapes.get(name)), 0)
    batch = any("/batch_norm/" in name for name in shapes)
    return Architecture(variant, head, "batch" if batch else "group", "/standardized_conv2d/" in root)


def _with_heads(shapes):
    """Heads are 1x1 convolutions in some files, dense kernels in others and in the model."""
    is_dense = {name: name == HEAD[0] and len(shape) == 2 for name, shape in shapes.items()}
    return {name: (1, 1, *shape) if is_dense[name] else tuple(shape) for name, shape in shapes.items()}


def _listed(names, limit=8):
    if not names:
        return "none"
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def parameter_count(shapes):
    """Returns the number of numbers in arrays of these {name: shape}."""
    return sum(math.prod(shape) for shape in shapes.values())
