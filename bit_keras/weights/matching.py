"""From the arrays of any file to canonical ones: by their names where these tell, else by order and shape."""

from bit_keras.errors import WeightsError
from bit_keras.models.variant import Architecture, Variant
from bit_keras.weights.dialects import FOREIGN, OFFICIAL
from bit_keras.weights.names import HEAD, repaired, shapes_of

LAST_GAMMA = "resnet/group_norm/gamma"
# What some trainers put before every name.
PREFIXES = ("params/", "params.", "model.", "module.")


def canonical(arrays, source):
    """Returns {canonical name: `Array`}, kernels as HWIO, the head's too; what is no part of a BiT keeps its name.

    Raises:
        WeightsError: if two arrays have one name.
    """
    arrays = list(arrays)
    named = _named(arrays, source)
    is_known = any(name.startswith("resnet/root_block/") for name in named)
    named = _with_head(named) if is_known else _by_order(arrays) or named
    if HEAD[0] in named and len(named[HEAD[0]].shape) == 2:  # dense, as most others have it
        named[HEAD[0]] = named[HEAD[0]].reshaped((1, 1, *named[HEAD[0]].shape))
    return named


def _named(arrays, source):
    translated = _translated(arrays)
    named = {array.name: array for array in translated}
    if len(named) < len(translated) and (ordered := _by_order(arrays)):
        return ordered
    for array in translated:
        if named[array.name] is not array:
            raise WeightsError(f"{source} holds the array {array.name} twice. Give a file that holds each array once.")
    return named


def _translated(arrays):
    """Returns the arrays by canonical names, in the dialect that knows most of theirs."""
    stripped = _without_prefix(arrays)
    dialect = max(FOREIGN, key=lambda known: sum(known.place_of(array.name) is not None for array in stripped))
    if not any((place := dialect.place_of(array.name)) and place.kind == "root" for array in stripped):
        return [array.renamed(repaired(array.name)) for array in arrays]
    return [_converted(array, dialect.place_of(array.name), dialect) for array in stripped]


def _without_prefix(arrays):
    for prefix in PREFIXES:
        if arrays and all(array.name.startswith(prefix) for array in arrays):
            return [array.renamed(array.name.removeprefix(prefix)) for array in arrays]
    if any(array.name.startswith("embedder.") for array in arrays):  # Hugging Face's `BitModel`, which has no head
        return [array.renamed(f"bit.{array.name}") for array in arrays]
    return arrays


def _converted(array, place, dialect):
    if place is None:
        return array
    array = array.renamed(OFFICIAL.name_of(place))
    if dialect.is_torch and len(array.shape) == 4:
        return array.transposed((2, 3, 1, 0))
    if dialect.is_torch and len(array.shape) == 2:
        return array.transposed((1, 0))
    if place.kind.endswith(("gamma", "beta")) and array.shape[:-1] == (1, 1, 1):  # as big_vision has them
        return array.reshaped(array.shape[-1:])
    return array


def _with_head(named):
    """A head of another name is known by its shape: what is left over is one kernel of features, and its bias."""
    features = named[LAST_GAMMA].shape if LAST_GAMMA in named else ()
    others = [array for name, array in named.items() if not name.startswith("resnet/")]
    kernels = [array for array in others if array.shape[:-1] in (features, (1, 1, *features))]
    biases = [array for array in others if len(array.shape) == 1]
    if HEAD[0] in named or len(kernels) != 1 or len(biases) != 1 or len(others) != 2:
        return named
    rest = {name: array for name, array in named.items() if array not in others}
    return rest | {HEAD[0]: kernels[0].renamed(HEAD[0]), HEAD[1]: biases[0].renamed(HEAD[1])}


def _by_order(arrays):
    """Returns the arrays by canonical names if their shapes follow one another as in a BiT; else None.

    Keras 2 has a unit's projection last, this package first.
    """
    architecture = _architecture(arrays)
    if architecture is None:
        return None
    shapes = shapes_of(architecture)
    found = [_head_shape(array.shape) for array in arrays]
    for names in (_projection_last(shapes), list(shapes)):
        if [_head_shape(shapes[name]) for name in names] == found:
            return {name: array.renamed(name) for name, array in zip(names, arrays, strict=True)}
    return None


def _architecture(arrays):
    """Returns the architecture that as many kernels of these shapes make, or None."""
    shapes = [array.shape for array in arrays]
    roots = [shape for shape in shapes if len(shape) == 4 and shape[:3] == (7, 7, 3)]
    if len(roots) != 1 or roots[0][3] % 32 or not roots[0][3]:
        return None
    channels = roots[0][3]
    units = tuple(sum(shape == (3, 3, channels << b, channels << b) for shape in shapes) for b in range(4))
    has_head = [shape for shape in shapes[-2:-1] if _head_shape(shape)[:-1] == (channels * 32,)]
    return Architecture(Variant(units, channels / 64), shapes[-1][-1] if has_head else 0) if all(units) else None


def _projection_last(shapes):
    names = [name for name in shapes if "/proj/" not in name]
    for projection in (name for name in shapes if "/proj/" in name):
        unit = projection.split("/a/proj/")[0]
        last = max(index for index, name in enumerate(names) if name.startswith(f"{unit}/"))
        names.insert(last + 1, projection)
    return names


def _head_shape(shape):
    """Heads are dense in some files and 1x1 convolutions in others."""
    return tuple(shape[2:]) if shape[:2] == (1, 1) and len(shape) == 4 else tuple(shape)
