"""The published files by the paper's own names.

Locations: google-research/big_transfer, README (140de6e). Classes and parameters: its checkpoints, paper section 3.
"""

import fnmatch
from dataclasses import dataclass

from bit_keras.errors import UserError
from bit_keras.models.variant import Architecture, Variant
from bit_keras.weights.names import parameter_count, shapes_of

BUCKET = "https://storage.googleapis.com/bit_models"
SIZES = ("R50x1", "R50x3", "R101x1", "R101x3", "R152x2", "R152x4")


@dataclass(frozen=True)
class Preset:
    """A published file: what it holds and where it is.

    `upstream` names the data it was trained on, `aliases` are names of the same weights elsewhere, `train_size` is the
    side of its training pictures in pixels, None where it is not published.
    """

    name: str
    variant: Variant
    num_classes: int
    upstream: str
    file: str
    aliases: tuple[str, ...] = ()
    licence: str = "Apache-2.0"
    train_size: int | None = 224
    input_range: tuple[float, float] = (-1.0, 1.0)

    @property
    def url(self):
        """Where the file is published."""
        return f"{BUCKET}/{self.file}"

    @property
    def num_parameters(self):
        """Parameters, head included; the file takes 4 bytes for each."""
        return parameter_count(shapes_of(Architecture(self.variant, self.num_classes)))


def _presets():
    for size in SIZES:
        variant = Variant.parse(size)
        timm = f"timm/resnetv2_{size[1:].lower()}_bit.goog_in21k"
        yield Preset(f"BiT-S-{size}", variant, 1000, "ILSVRC-2012", f"BiT-S-{size}.npz")
        yield Preset(f"BiT-M-{size}", variant, 21843, "ImageNet-21k", f"BiT-M-{size}.npz", aliases=(timm,))
        tuned = f"BiT-M-{size}-ILSVRC2012"
        yield Preset(
            tuned,
            variant,
            1000,
            "ImageNet-21k, then ILSVRC-2012",
            f"{tuned}.npz",
            (f"{timm}_ft_in1k",),
            train_size=None,
        )


PRESETS = {preset.name: preset for preset in _presets()}


def list_presets(pattern: str = "*") -> list[str]:
    """Returns the names of the presets that match `pattern`, in which `*` and `?` are wildcards.

    >>> list_presets("BiT-M-R50x*")
    ['BiT-M-R50x1', 'BiT-M-R50x3']
    """
    return [name for name in PRESETS if fnmatch.fnmatchcase(name, pattern)]


def find_preset(name: str) -> Preset | None:
    """Returns the `Preset` called `name`, or known elsewhere as `name`; None if there is none."""
    return next((entry for entry in PRESETS.values() if name in (entry.name, *entry.aliases)), None)


def preset(name: str) -> Preset:
    """Returns the `Preset` called `name`, or known elsewhere as `name`.

    Raises:
        UserError: if there is none.
    """
    found = find_preset(name)
    if found is None:
        raise UserError(f"Expected a preset among {', '.join(PRESETS)}. Received: {name!r}. Choose one of these.")
    return found
