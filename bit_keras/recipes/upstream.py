"""The upstream recipes: how BiT-S, BiT-M and BiT-L were pre-trained, and how big_vision did it later.

Paper: arXiv 1912.11370v3, section 3.2 and appendix. big_vision: google-research/big_vision (0127fb6), configs
`bit_i1k.py` and `bit_i21k.py`; the first of them is for a ResNet-v1, of which only the numbers are taken. What the
paper leaves open and was chosen here: weight decay on kernels alone and coupled with the momentum, softmax for BiT-S
and sigmoid for BiT-L (their published heads are used so), and a head that starts at zero.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from numbers import Integral, Real

from bit_keras.errors import UserError

DECAY = 0.1  # factor of the rate at each boundary; paper
REFERENCE_BATCH = 256  # pictures that `rate_per_256` is for; paper: 0.03 x batch / 256
MOST = 2**53  # largest count, up to which float64 has all whole numbers
LOSSES = ("softmax", "sigmoid")
SCHEDULES = ("steps", "cosine")
DECAYS = ("coupled", "decoupled")


@dataclass(frozen=True)
class UpstreamRecipe:
    """Pre-training settings as one value; `scaled` gives it for other data, another batch or another length.

    Args:
        name: the recipe's name.
        num_examples: training pictures.
        epochs: passes over them, above 0.
        decay_epochs: passes after which the rate is a tenth of what it was, rising up to `epochs`; none under a cosine.
        batch_size: pictures a step, over all replicas.
        warmup_steps: steps over which the rate rises linearly from 0; fewer than `steps`.
        rate_per_256: the learning rate after the warm-up for a batch of 256; it grows in proportion to the batch.
        schedule: "steps" for the decays above, "cosine" for half a cosine from the warm-up to the end.
        weight_decay: of kernels, at least 0. Coupled: added to the gradient times the kernel. Decoupled: this part of
            the kernel is taken away in each step, times the rate's share of its highest.
        decay: "coupled" or "decoupled".
        loss: "softmax" for one label a picture; "sigmoid" for any number of them.
        head_bias: what all biases of the head begin with.
        clip_norm: largest global norm of the gradient; 0 or None for any.
        crop: side in pixels of the square that the network sees in training.
        eval_resize: side in pixels that evaluation resizes the shorter side to; then the middle square of `crop` is
            cut.
        flip: whether training pictures are mirrored at random.
        min_area: least share of a picture that a crop covers, above 0 up to 1.
        scaled_decoding: whether parts of large JPEGs are decoded at a half, a quarter or an eighth of their size, where
            no side falls under `crop` then: in less time, into other pixels. Those that EXIF data turn are not.
        origin: the recipe that this one was scaled from, against which `departures` compares.

    Raises:
        UserError: for a value outside its range.
    """

    name: str
    num_examples: int
    epochs: float
    decay_epochs: tuple[float, ...]
    loss: str
    batch_size: int = 4096  # paper, section 3.2
    warmup_steps: int = 5000  # paper, section 3.2
    rate_per_256: float = 0.03  # paper, section 3.2
    schedule: str = "steps"
    weight_decay: float = 1e-4  # paper, section 3.2
    decay: str = "coupled"
    head_bias: float = 0.0
    clip_norm: float | None = None
    crop: int = 224  # paper, appendix
    eval_resize: int = 256  # big_vision, bit_i1k.py
    flip: bool = True  # paper, appendix
    min_area: float = 0.05  # the "inception crop"; big_vision, pp/ops_image.py
    scaled_decoding: bool = False  # there, at full size; the paper does not say
    origin: "UpstreamRecipe | None" = field(default=None, repr=False, compare=False)

    def __post_init__(self):
        _normalize(self)
        _check(self)

    @property
    def steps(self):
        """Optimizer steps, at least 1."""
        return max(1, round(self.epochs * self.num_examples / self.batch_size))

    @property
    def base_learning_rate(self):
        """The rate after the warm-up."""
        return self.rate_per_256 * self.batch_size / REFERENCE_BATCH

    @property
    def boundaries(self):
        """Steps after which the rate is a tenth of what it was."""
        return tuple(round(self.steps * epoch / self.epochs) for epoch in self.decay_epochs)

    def learning_rate(self, step):
        """Returns the rate at the 0-based `step`, or None from the end on."""
        if step >= self.steps:
            return None
        if step < self.warmup_steps:
            return self.base_learning_rate * step / self.warmup_steps
        return self.base_learning_rate * self._share(step)

    def scaled(self, *, num_examples=None, batch_size=None, epochs=None, steps=None, **settings):
        """Returns the recipe for other data, another batch or another length; None leaves a setting as it is.

        The rate follows the batch in proportion. The warm-up and the decays keep their shares of the run, unless they
        are among `settings`, which are any other fields. `steps` is another way to give `epochs`.
        """
        if epochs is not None and steps is not None:
            raise UserError(f"Expected `epochs` or `steps`, not both. Received: epochs={epochs}, steps={steps}.")
        given = {"num_examples": num_examples, "batch_size": batch_size, "epochs": epochs} | settings
        given = {key: value for key, value in given.items() if value is not None}
        unknown = sorted(given.keys() - set(SETTINGS))
        if unknown:
            raise UserError(f"Expected settings of a recipe: {', '.join(SETTINGS)}. Received: {unknown}.")
        pictures, batch = given.get("num_examples", self.num_examples), given.get("batch_size", self.batch_size)
        _check_whole(num_examples=pictures, batch_size=batch)
        if steps is not None:
            _check_whole(steps=steps)
            _check_whole(**{"steps x batch_size": steps * batch})
            given["epochs"] = steps * batch / pictures
        length = given.get("epochs", self.epochs)
        _check_epochs(length, pictures)
        if given.get("schedule") == "cosine":  # which has no decays of its own
            given.setdefault("decay_epochs", ())
        given.setdefault("decay_epochs", tuple(epoch * length / self.epochs for epoch in self.decay_epochs))
        new_steps = max(1, round(length * pictures / batch))
        given.setdefault("warmup_steps", round(self.warmup_steps * new_steps / self.steps))
        if self.decay == "decoupled":  # big_vision's is (1e-4 / 256) * batch, which the rate does not multiply
            given.setdefault("weight_decay", self.weight_decay * batch / self.batch_size)
        return replace(self, origin=self.origin or self, **given)

    def departures(self):
        """Returns {setting: (this value, the unscaled recipe's)} for each that differs, and "steps" and rate."""
        own = self.origin or RECIPES.get(self.name, self)
        names = (*SETTINGS, "steps", "base_learning_rate")
        pairs = {name: (getattr(self, name), getattr(own, name)) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def _share(self, step):
        """Returns the rate's share of its highest at `step`, after the warm-up."""
        if self.schedule == "cosine":
            progress = (step - self.warmup_steps) / (self.steps - self.warmup_steps)
            return 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, progress))))
        return DECAY ** sum(boundary < step for boundary in self.boundaries)


SETTINGS = tuple(f.name for f in fields(UpstreamRecipe) if f.name not in ("name", "origin"))
# What values are turned into, so that NumPy's numbers are taken and anything else is told.
KINDS: dict[str, tuple[Callable, tuple[str, ...]]] = {
    "a whole number": (operator.index, ("batch_size", "warmup_steps", "crop", "eval_resize")),
    "a number": (float, ("epochs", "rate_per_256", "weight_decay", "head_bias", "min_area")),
    "numbers": (lambda values: tuple(map(float, values)), ("decay_epochs",)),
    "a number or None": (lambda value: None if value is None else float(value), ("clip_norm",)),
    "True or False": (lambda value: {True: True, False: False}[value], ("flip", "scaled_decoding")),
}


def _normalize(recipe):
    for kind, (convert, names) in KINDS.items():
        for name in names:
            value = getattr(recipe, name)
            try:
                if isinstance(value, str):
                    raise TypeError
                object.__setattr__(recipe, name, convert(value))
            except (TypeError, ValueError, KeyError, OverflowError) as error:
                raise UserError(f"Expected `{name}` as {kind}. Received: {name}={value!r}.") from error


def _are_right(recipe):
    """Whether the decays are in order and within the run."""
    is_rising = all(one <= other for one, other in pairwise([0.0, *recipe.decay_epochs, recipe.epochs]))
    return is_rising and not (recipe.schedule == "cosine" and recipe.decay_epochs)


def _check_whole(**counts):
    for name, value in counts.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or not 1 <= int(value) <= MOST:
            raise UserError(f"Expected `{name}` as a whole number from 1 to {MOST}. Received: {name}={value!r}.")


def _check_epochs(epochs, num_examples):
    if not isinstance(epochs, Real) or isinstance(epochs, bool) or not 0 < epochs * num_examples <= MOST:
        raise UserError(
            f"Expected `epochs` above 0, and at most {MOST} pictures in all. Received: epochs={epochs!r} of "
            f"{num_examples}."
        )


def _check(recipe):
    _check_whole(num_examples=recipe.num_examples, batch_size=recipe.batch_size)
    _check_epochs(recipe.epochs, recipe.num_examples)
    is_short = 0 <= recipe.warmup_steps < recipe.steps
    checks = {
        f"`warmup_steps` from 0 to under the {recipe.steps} steps": is_short,
        "`decay_epochs` that rise from 0 up to `epochs`, and none under a cosine": _are_right(recipe),
        f"`loss` among {LOSSES}": recipe.loss in LOSSES,
        f"`schedule` among {SCHEDULES}": recipe.schedule in SCHEDULES,
        f"`decay` among {DECAYS}": recipe.decay in DECAYS,
        "`rate_per_256` above 0": 0 < recipe.rate_per_256 < math.inf,
        "`weight_decay` of at least 0": 0 <= recipe.weight_decay < math.inf,
        "`head_bias` that is finite": math.isfinite(recipe.head_bias),
        "`clip_norm` of at least 0 or None": recipe.clip_norm is None or 0 <= recipe.clip_norm < math.inf,
        f"`crop` from 1 to `eval_resize`, {recipe.eval_resize}": 1 <= recipe.crop <= recipe.eval_resize,
        "`min_area` above 0 up to 1": 0 < recipe.min_area <= 1,
    }
    for expected, holds in checks.items():
        if not holds:
            name = expected.split("`")[1]
            raise UserError(f"Expected {expected}. Received: {name}={getattr(recipe, name)!r}.")


# Pictures: ILSVRC-2012 has 1,281,167; the paper says 14.2 M for ImageNet-21k and 300 M for JFT-300M.
RECIPES = {
    recipe.name: recipe
    for recipe in (
        UpstreamRecipe("BiT-S", 1_281_167, 90, (30, 60, 80), "softmax"),
        UpstreamRecipe("BiT-M", 14_200_000, 90, (30, 60, 80), "sigmoid"),
        UpstreamRecipe("BiT-L", 300_000_000, 40, (10, 23, 30, 37), "sigmoid"),
        UpstreamRecipe(
            "bit_i1k",
            1_268_355,  # train[:99%]
            90,
            (),
            "softmax",
            warmup_steps=1000,
            rate_per_256=0.1,
            schedule="cosine",
            weight_decay=1.6e-3,  # (1e-4 / 256) * 4096
            decay="decoupled",
            clip_norm=1.0,
        ),
        UpstreamRecipe(
            "bit_i21k",
            14_148_800,  # of 14.2 M, full[51200:]
            90,
            (),
            "sigmoid",
            schedule="cosine",
            weight_decay=4.8e-4,  # (3e-5 / 256) * 4096
            decay="decoupled",
            head_bias=-10.0,
            clip_norm=1.0,
        ),
    )
}


def upstream_recipe(recipe):
    """Returns the `UpstreamRecipe` that `recipe` names; one is returned as it is.

    Raises:
        UserError: for an unknown name.
    """
    if isinstance(recipe, UpstreamRecipe):
        return recipe
    if not isinstance(recipe, str) or recipe not in RECIPES:
        raise UserError(f"Expected `recipe` among {', '.join(RECIPES)}. Received: recipe={recipe!r}.")
    return RECIPES[recipe]
