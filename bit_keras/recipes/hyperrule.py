"""The BiT-HyperRule: every fine-tuning setting from the number of examples and their size.

Two sources, which differ. "code" is the released `bit_hyperrule.py` of google-research/big_transfer (140de6e); "paper"
is arXiv 1912.11370v3, section 3.3 and appendix.

| setting | code | paper |
|---|---|---|
| warm-up | linear from 0, over 100 (small) or 500 steps | none is mentioned |
| tenfold decays, small task | after steps 200, 300, 400 of 500 | at 30, 60 and 90 % of the steps |
| tenfold decays, medium and large | 30, 60, 90 % of 10,000 or 20,000 steps | the same |
| resize and crop, pictures under 96 x 96 | 160, 128 | the same |
| resize and crop, others | 512, 480 for every model | 448, 384; 512, 480 for R152x4 alone |
"""

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import NamedTuple

from bit_keras.errors import UserError

SOURCES = ("code", "paper")
DECAY = 0.1  # factor of the rate at each boundary; both sources
SMALL_PICTURE = 96 * 96  # pixels; pictures with fewer are enlarged less; both sources


class Regime(NamedTuple):
    """The schedule of one range of data set sizes."""

    below: float  # this regime holds for fewer examples than this
    steps: int
    warmup_steps: dict
    boundaries: dict
    mixup_alpha: float


REGIMES = (
    Regime(20_000, 500, {"code": 100, "paper": 0}, {"code": (200, 300, 400), "paper": (150, 300, 450)}, 0.0),
    Regime(500_000, 10_000, {"code": 500, "paper": 0}, dict.fromkeys(SOURCES, (3000, 6000, 9000)), 0.1),
    Regime(math.inf, 20_000, {"code": 500, "paper": 0}, dict.fromkeys(SOURCES, (6000, 12000, 18000)), 0.1),
)


@dataclass(frozen=True)
class HyperRule:
    """Fine-tuning settings as one value.

    The first four fields are what the rule is computed from; each other field that is left None takes the rule's own
    number. `override` gives the rule with some numbers changed, `departures` lists what was changed.

    Args:
        num_examples: pictures in the training set, at least 1.
        image_size: (height, width) of the pictures in pixels, before any resizing.
        source: "code" or "paper" (see the module).
        variant: the model's variant, "R50x1" or a `Variant`; the paper's rule needs it, the code's ignores it.
        steps: optimizer steps.
        warmup_steps: steps over which the rate rises linearly from 0; fewer than `steps`.
        boundaries: steps after which the rate is a tenth of what it was; rising.
        base_learning_rate: the rate after the warm-up, for `batch_size` pictures.
        batch_size: pictures a step, over all replicas.
        resize: side of the square in pixels that a training picture is resized to.
        crop: side of the square in pixels that is cut out of it; the size that evaluation resizes to. At least 1, at
            most `resize`.
        mixup_alpha: of the Beta distribution of mixup, 0 for none.
        flip: whether training pictures are mirrored at random.
        scaled_decoding: whether large JPEGs are decoded at a half, a quarter or an eighth of their size for training,
            where no side falls under `resize` then: in less time, into other pixels than the released code's.

    Raises:
        UserError: for a value outside its range.
    """

    num_examples: int
    image_size: tuple[int, int]
    source: str = "code"
    variant: str | None = None
    steps: int = None  # type: ignore[assignment]
    warmup_steps: int = None  # type: ignore[assignment]
    boundaries: tuple[int, ...] = None  # type: ignore[assignment]
    base_learning_rate: float = None  # type: ignore[assignment]
    batch_size: int = None  # type: ignore[assignment]
    resize: int = None  # type: ignore[assignment]
    crop: int = None  # type: ignore[assignment]
    mixup_alpha: float = None  # type: ignore[assignment]
    flip: bool = None  # type: ignore[assignment]
    scaled_decoding: bool = None  # type: ignore[assignment]

    def __post_init__(self):
        _normalize(self)
        _check_subject(self)
        for name, value in _settings(self).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        _check_settings(self)

    def learning_rate(self, step):
        """Returns the rate at the 0-based `step`, or None from the end on.

        A decay at boundary b is in force from step b + 1, as in the released code.
        """
        if step >= self.steps:
            return None
        if step < self.warmup_steps:
            return self.base_learning_rate * step / self.warmup_steps
        rate = self.base_learning_rate
        for boundary in self.boundaries:
            if boundary < step:
                rate *= DECAY
        return rate

    def override(self, **changes):
        """Returns the rule with `changes`; None leaves a setting as it is.

        A new number of `steps` moves the warm-up and the boundaries in proportion, unless they are given too.
        """
        changes = {name: value for name, value in changes.items() if value is not None}
        unknown = sorted(changes.keys() - SETTINGS)
        if unknown:
            raise UserError(f"Expected settings among {sorted(SETTINGS)}. Received: {unknown}.")
        if "steps" in changes:
            share = changes["steps"] / self.steps
            changes.setdefault("warmup_steps", round(self.warmup_steps * share))
            changes.setdefault("boundaries", tuple(round(b * share) for b in self.boundaries))
        return HyperRule(**{f.name: getattr(self, f.name) for f in fields(self)} | changes)

    def departures(self):
        """Returns {setting: (this value, the rule's own value)} for each setting that is not the rule's own."""
        own = HyperRule(self.num_examples, self.image_size, self.source, self.variant)
        pairs = {name: (getattr(self, name), getattr(own, name)) for name in sorted(SETTINGS)}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


_SUBJECT = ("num_examples", "image_size", "source", "variant")
SETTINGS = {field.name for field in fields(HyperRule)} - set(_SUBJECT)


# What values are turned into, so that NumPy's numbers, lists and a `Variant` are taken and anything else is told.
_KINDS: dict[str, tuple[Callable, tuple[str, ...]]] = {
    "a whole number": (operator.index, ("num_examples", "steps", "warmup_steps", "batch_size", "resize", "crop")),
    "whole numbers": (lambda values: tuple(map(operator.index, values)), ("image_size", "boundaries")),
    "a number": (float, ("base_learning_rate", "mixup_alpha")),
    "a name": (str, ("source", "variant")),
    "True or False": (lambda value: {True: True, False: False}[value], ("flip", "scaled_decoding")),
}


def _normalize(rule):
    for kind, (convert, names) in _KINDS.items():
        for name in names:
            value = getattr(rule, name)
            try:
                object.__setattr__(rule, name, value if value is None else convert(value))
            except (TypeError, ValueError, KeyError) as error:
                raise UserError(f"Expected `{name}` as {kind}. Received: {name}={value!r}.") from error


def _settings(rule):
    """Returns the rule's own numbers."""
    regime = next(regime for regime in REGIMES if rule.num_examples < regime.below)
    resize, crop = _sizes(rule)
    return {
        "steps": regime.steps,
        "warmup_steps": regime.warmup_steps[rule.source],
        "boundaries": regime.boundaries[rule.source],
        "base_learning_rate": 0.003,  # both sources
        "batch_size": 512,  # both sources
        "resize": resize,
        "crop": crop,
        "mixup_alpha": regime.mixup_alpha,
        "flip": True,  # both sources; the paper lists the tasks that go without in its appendix F
        "scaled_decoding": False,  # code: whole pictures are decoded; the paper does not say
    }


def _sizes(rule):
    height, width = rule.image_size
    if height * width < SMALL_PICTURE:
        return 160, 128
    if rule.source == "paper" and rule.variant != "R152x4":
        return 448, 384
    return 512, 480


def _check_subject(rule):
    if rule.source not in SOURCES:
        raise UserError(f"Expected `source` 'code' or 'paper'. Received: source={rule.source!r}.")
    if rule.source == "paper" and rule.variant is None:
        raise UserError(
            "Expected `variant`, for instance 'R50x1', with source='paper': the paper's picture size depends on it. "
            "Received: variant=None."
        )
    if rule.variant is not None and not re.fullmatch(r"R\d+(-\d+)*x\d+(\.\d+)?", rule.variant):
        raise UserError(f"Expected a variant such as 'R50x1'. Received: variant={rule.variant!r}.")
    if rule.num_examples < 1:
        raise UserError(f"Expected at least 1 training example. Received: num_examples={rule.num_examples}.")
    if len(rule.image_size) != 2 or min(rule.image_size) < 1:
        raise UserError(f"Expected `image_size` as (height, width) in pixels. Received: {rule.image_size}.")


def _check_settings(rule):
    checks = {
        "`steps` of at least 1": rule.steps >= 1,
        "`warmup_steps` from 0 to under `steps`": 0 <= rule.warmup_steps < rule.steps,
        "`boundaries` that rise": list(rule.boundaries) == sorted(rule.boundaries),
        "`base_learning_rate` over 0": 0 < rule.base_learning_rate < math.inf,
        "`batch_size` of at least 1": rule.batch_size >= 1,
        "`crop` from 1 to `resize`": 1 <= rule.crop <= rule.resize,
        "`mixup_alpha` of at least 0": 0 <= rule.mixup_alpha < math.inf,
    }
    for expected, holds in checks.items():
        if not holds:
            received = ", ".join(f"{name}={getattr(rule, name)}" for name in re.findall(r"`(\w+)`", expected))
            raise UserError(f"Expected {expected}. Received: {received}. What is not given is the rule's own.")
