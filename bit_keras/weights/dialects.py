"""How others name the arrays of a BiT, as templates that translate both ways.

Each place in the network has one canonical name (`names`); here are the names that timm, Hugging Face and big_vision
give it. Their sources: timm 1.0.31 `models/resnetv2.py`, transformers 5.24 `models/bit/modeling_bit.py`, big_vision
`models/bit.py`.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from bit_keras.weights.names import HEAD

FIELDS = {"block": r"(?P<block>\d{1,2})", "unit": r"(?P<unit>\d{1,4})", "letter": r"(?P<letter>[abc123])"}
LETTERS = "abc"


class Place(NamedTuple):
    """A place in the network: what it is and, inside a unit, which; all numbers from 1."""

    kind: str
    block: int = 0
    unit: int = 0
    letter: int = 0


@dataclass(frozen=True)
class Dialect:
    """One manner of naming.

    Args:
        name: whose it is.
        templates: {kind: name with the fields block, unit and letter}.
        first: the number of the first block and unit.
        digits: of a unit's number.
        letters: the three convolutions of a unit.
        is_torch: whether kernels have their output channels first (OIHW, and (classes, features) in the head).
    """

    name: str
    templates: dict[str, str]
    first: int = 0
    digits: int = 1
    letters: str = "123"
    is_torch: bool = True

    def name_of(self, place):
        """Returns the name of the array at `place`."""
        return self.templates[place.kind].format(
            block=place.block - 1 + self.first,
            unit=f"{place.unit - 1 + self.first:0{self.digits}d}",
            letter=self.letters[place.letter - 1],
        )

    def place_of(self, name):
        """Returns the `Place` of the array called `name`, or None if the dialect has no such name."""
        for kind, pattern in self._patterns.items():
            if match := pattern.fullmatch(name):
                found = match.groupdict()
                numbers = {key: int(found[key]) + 1 - self.first for key in ("block", "unit") if key in found}
                letter = {"letter": self.letters.index(found["letter"]) + 1} if "letter" in found else {}
                return Place(kind, **numbers, **letter)
        return None

    @cached_property
    def _patterns(self):
        escaped = {kind: re.escape(template) for kind, template in self.templates.items()}
        for field, pattern in FIELDS.items():
            escaped = {kind: text.replace(rf"\{{{field}\}}", pattern) for kind, text in escaped.items()}
        return {kind: re.compile(text) for kind, text in escaped.items()}


OFFICIAL = Dialect(
    "official",
    {
        "root": "resnet/root_block/standardized_conv2d/kernel",
        "projection": "resnet/block{block}/unit{unit}/a/proj/standardized_conv2d/kernel",
        "kernel": "resnet/block{block}/unit{unit}/{letter}/standardized_conv2d/kernel",
        "gamma": "resnet/block{block}/unit{unit}/{letter}/group_norm/gamma",
        "beta": "resnet/block{block}/unit{unit}/{letter}/group_norm/beta",
        "last_gamma": "resnet/group_norm/gamma",
        "last_beta": "resnet/group_norm/beta",
        "head_kernel": HEAD[0],
        "head_bias": HEAD[1],
    },
    first=1,
    digits=2,
    letters=LETTERS,
    is_torch=False,
)
TIMM = Dialect(
    "timm",
    {
        "root": "stem.conv.weight",
        "projection": "stages.{block}.blocks.{unit}.downsample.conv.weight",
        "kernel": "stages.{block}.blocks.{unit}.conv{letter}.weight",
        "gamma": "stages.{block}.blocks.{unit}.norm{letter}.weight",
        "beta": "stages.{block}.blocks.{unit}.norm{letter}.bias",
        "last_gamma": "norm.weight",
        "last_beta": "norm.bias",
        "head_kernel": "head.fc.weight",
        "head_bias": "head.fc.bias",
    },
)
HUGGING_FACE = Dialect(
    "Hugging Face",
    {
        "root": "bit.embedder.convolution.weight",
        "projection": "bit.encoder.stages.{block}.layers.{unit}.downsample.conv.weight",
        "kernel": "bit.encoder.stages.{block}.layers.{unit}.conv{letter}.weight",
        "gamma": "bit.encoder.stages.{block}.layers.{unit}.norm{letter}.weight",
        "beta": "bit.encoder.stages.{block}.layers.{unit}.norm{letter}.bias",
        "last_gamma": "bit.norm.weight",
        "last_beta": "bit.norm.bias",
        "head_kernel": "classifier.1.weight",
        "head_bias": "classifier.1.bias",
    },
)
BIG_VISION = Dialect(
    "big_vision",
    {
        "root": "root_block/conv_root/kernel",
        "projection": "block{block}/unit{unit}/conv_proj/kernel",
        "kernel": "block{block}/unit{unit}/conv{letter}/kernel",
        "gamma": "block{block}/unit{unit}/gn{letter}/scale",
        "beta": "block{block}/unit{unit}/gn{letter}/bias",
        "last_gamma": "norm-pre-head/scale",
        "last_beta": "norm-pre-head/bias",
        "head_kernel": "head/kernel",
        "head_bias": "head/bias",
    },
    first=1,
    digits=2,
    is_torch=False,
)
FOREIGN = (TIMM, HUGGING_FACE, BIG_VISION)
