"""Which network: units per block and width, and the choices that the paper's ablation varies."""

import re
from dataclasses import dataclass
from numbers import Integral
from typing import Literal

from bit_keras.errors import UserError

# Units in blocks 1 to 4 by depth. 50, 101 and 152: google-research/big_transfer, bit_tf2/models.py; 14 and 26 are the
# usual names of one and two bottleneck units a block (3 convolutions each, root and head).
UNITS = {14: (1, 1, 1, 1), 26: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}

Normalization = Literal["group", "batch"]


@dataclass(frozen=True)
class Variant:
    """`units` per block, four of them, and `width`, a multiple of 0.5: `width` times 64 channels leave the root.

    Raises:
        UserError: for units under 1, another number of blocks, or another width.
    """

    units: tuple[int, ...]
    width: float

    def __post_init__(self):
        object.__setattr__(self, "units", tuple(self.units))
        if len(self.units) != 4 or any(not isinstance(count, int) or count < 1 for count in self.units):
            raise UserError(f"Expected `units` of four blocks, each at least 1. Received: units={self.units}.")
        if not isinstance(self.width, (int, float)) or self.width <= 0 or self.width * 2 % 1:
            raise UserError(
                f"Expected `width` as a multiple of 0.5 (32 groups must divide the channels). "
                f"Received: width={self.width!r}."
            )

    @classmethod
    def parse(cls, name):
        """Returns the variant that `name` ("R50x1", "R14x0.5") stands for; a `Variant` is returned as it is."""
        if isinstance(name, cls):
            return name
        match = re.fullmatch(r"R(\d+)x(\d+(?:\.\d+)?)", str(name))
        if not match or int(match[1]) not in UNITS:
            depths = ", ".join(f"R{depth}" for depth in UNITS)
            raise UserError(
                f"Expected a variant such as 'R50x1': one of {depths}, then 'x' and a width in steps of 0.5. "
                f"Received: {name!r}."
            )
        return cls(UNITS[int(match[1])], float(match[2]))

    @property
    def root_filters(self):
        """Channels that leave the root block."""
        return int(64 * self.width)

    @property
    def feature_size(self):
        """Channels that leave block 4: 2048 times the width."""
        return int(2048 * self.width)

    def __str__(self):
        depth = next((depth for depth, units in UNITS.items() if units == self.units), None)
        units = f"R{depth}" if depth else "R" + "-".join(map(str, self.units))
        return f"{units}x{self.width:g}"


@dataclass(frozen=True)
class Architecture:
    """All that decides a network's arrays: `num_classes` 0 means headless."""

    variant: Variant
    num_classes: int
    normalization: Normalization = "group"
    weight_standardization: bool = True

    def __post_init__(self):
        if not isinstance(self.num_classes, Integral) or self.num_classes < 0:
            raise UserError(
                f"Expected `num_classes` as a whole number of at least 0. Received: num_classes={self.num_classes!r}."
            )
        if self.normalization not in ("group", "batch"):
            raise UserError(
                f"Expected `normalization` 'group' or 'batch'. Received: normalization={self.normalization!r}."
            )
