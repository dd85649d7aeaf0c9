"""The published files by the paper's own names.

Locations: google-research/big_transfer, README (140de6e); google-research/big_vision, `models/bit_paper.py` and the
README of its distillation project. BiT-F is our own and lies beside this file. Classes of VTAB's tasks:
google-research/task_adaptation. Names elsewhere: timm 1.0.31, `models/resnetv2.py`; tfhub.dev, collection google/bit.
None of the files could be fetched where this was made.
"""

import difflib
import fnmatch
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bit_keras.errors import UserError
from bit_keras.models.variant import Architecture, Variant
from bit_keras.weights.names import parameter_count, shapes_of

BUCKET = "https://storage.googleapis.com/bit_models"
SHIPPED = Path(__file__).parent / "shipped"
SIZES = ("R50x1", "R50x3", "R101x1", "R101x3", "R152x2", "R152x4")
SIZES_OF_M = tuple(f"BiT-M-{size}" for size in SIZES)
ON_HUB = ("R50x1", "R50x3", "R101x1", "R101x3", "R152x4")  # sizes at TF-Hub, and those tuned on VTAB
RUNS = 3  # of each VTAB model


class Accuracy(NamedTuple):
    """Share of a test set that is named rightly, in %, with pictures of `image_size` pixels; None where not told."""

    percent: float
    data: str
    image_size: int | None
    source: str


# Top-1 on the ILSVRC-2012 validation pictures, measured by timm (results-imagenet.csv): percent, size.
TUNED = {
    "R50x1": (80.386, 448),
    "R101x1": (82.332, 448),
    "R50x3": (83.982, 448),
    "R101x3": (84.430, 448),
    "R152x2": (84.468, 448),
    "R152x4": (84.936, 480),
}
# Made from timm's resnetv2_50x1_bitm (transformers, convert_bit_to_pytorch.py), which is now called ..._ft_in1k.
TRANSFORMERS = {"R50x1": ("google/bit-50",)}
# Of these models at TF-Hub, by S. Paul.
PORTS = {
    "R50x1": (
        "sayakpaul/distill_bit_resnet50x1_{}_classification/1",
        "sayakpaul/distill_bit_r50x1_{}_feature_extraction/1",
    ),
    "R152x2": (
        "sayakpaul/bit_resnet152x2_{}_classification/1",
        "sayakpaul/bit_r152x2_{}_feature_extraction/1",
    ),
}
VTAB_CLASSES = {
    "caltech101": 102,
    "cifar100": 100,
    "clevr-count": 8,
    "clevr-distance": 6,
    "diabetic_retinopathy": 5,
    "dmlab": 6,
    "dsprites-orientation": 16,
    "dsprites-xpos": 16,
    "dtd": 47,
    "eurosat": 10,
    "kitti-distance": 4,
    "oxford_flowers102": 102,
    "oxford_iiit_pet": 37,
    "patch_camelyon": 2,
    "resisc45": 45,
    "smallnorb-azimuth": 18,
    "smallnorb-elevation": 9,
    "sun397": 397,
    "svhn": 10,
}
# FunMatch, table 4 (arXiv 2106.05237): teachers on small sets, classes and percent of their test pictures at 128 px.
SMALL_TEACHERS = {"flowers": (102, 97.82), "pet": (37, 91.03), "food": (101, 86.24), "sun": (397, 74.22)}


@dataclass(frozen=True)
class Preset:
    """A published file: what it holds and where it is.

    A file that `is_shipped` lies in this package. `upstream` names the data it was trained on, in order; `aliases` are
    names of the same weights elsewhere; `train_size` and `test_size` are the sides of training and test pictures in
    pixels, None where not published.
    """

    name: str
    variant: Variant
    num_classes: int
    upstream: str
    file: str
    aliases: tuple[str, ...] = ()
    licence: str = "Apache-2.0"
    train_size: int | None = None
    test_size: int | None = None
    accuracy: Accuracy | None = None
    input_range: tuple[float, float] = (-1.0, 1.0)
    is_shipped: bool = False

    @property
    def url(self):
        """Where the file is published."""
        return (SHIPPED / self.file).as_uri() if self.is_shipped else f"{BUCKET}/{self.file}"

    @property
    def num_parameters(self):
        """Parameters, head included; the file takes 4 bytes for each."""
        return parameter_count(shapes_of(Architecture(self.variant, self.num_classes)))


def _pretrained():
    for size in SIZES:
        variant = Variant.parse(size)
        s_names = _hub_names("s", size, "")  # the classifier there is said to be trained further
        m_names = (f"timm/{_timm(size)}.goog_in21k", *_hub_names("m", size, "", "imagenet21k_classification"))
        tuned = f"BiT-M-{size}-ILSVRC2012"
        tuned_names = (f"timm/{_timm(size)}.goog_in21k_ft_in1k", *TRANSFORMERS.get(size, ()))
        yield Preset(f"BiT-S-{size}", variant, 1000, "ILSVRC-2012", f"BiT-S-{size}.npz", s_names, train_size=224)
        yield Preset(f"BiT-M-{size}", variant, 21843, "ImageNet-21k", f"BiT-M-{size}.npz", m_names, train_size=224)
        yield Preset(
            tuned,
            variant,
            1000,
            "ImageNet-21k, then ILSVRC-2012",
            f"{tuned}.npz",
            (*tuned_names, *_hub_names("m", size, "ilsvrc2012_classification")),
            test_size=TUNED[size][1],
            accuracy=Accuracy(TUNED[size][0], "ILSVRC-2012", TUNED[size][1], "timm, results-imagenet.csv"),
        )


def _downstream():
    r50x1 = Variant.parse("R50x1")
    yield Preset(
        "BiT-M-R50x1-CIFAR10",
        r50x1,
        10,
        "ImageNet-21k, then CIFAR-10",
        "BiT-M-R50x1-CIFAR10.npz",
        test_size=128,
        accuracy=Accuracy(97.61, "CIFAR-10", 128, "google-research/big_transfer, colabs/big_transfer_jax.ipynb"),
    )
    for size in ON_HUB:
        for run in range(RUNS):
            for task, num_classes in VTAB_CLASSES.items():
                name = f"BiT-M-{size}-run{run}-{task}"
                upstream = f"ImageNet-21k, then 1,000 pictures of {task}"
                yield Preset(name, Variant.parse(size), num_classes, upstream, f"vtab/{name}.npz")


def _distilled():
    """Students and teachers of FunMatch (arXiv 2106.05237)."""
    timm = "timm, results-imagenet.csv"
    student, teacher = "ILSVRC-2012, taught by R152x2", "ImageNet-21k, then ILSVRC-2012"
    for name, upstream, size, percent, source, alias in (
        ("R50x1_224", student, 224, 82.820, timm, "50x1_bit.goog_distilled_in1k"),
        ("R50x1_160", student, 160, 80.5, "google-research/big_transfer, README", None),
        ("R152x2_T_224", teacher, 224, 82.918, timm, "152x2_bit.goog_teacher_in21k_ft_in1k"),
        ("R152x2_T_384", teacher, 384, 83.858, timm, "152x2_bit.goog_teacher_in21k_ft_in1k_384"),
    ):
        ports = [port.format(size) for port in PORTS[name.split("_")[0]]]
        aliases = (*([f"timm/resnetv2_{alias}"] if alias else []), *ports)
        yield _distilled_preset(name, 1000, upstream, size, Accuracy(percent, "ILSVRC-2012", size, source), aliases)
    for task, (num_classes, percent) in SMALL_TEACHERS.items():
        accuracy = Accuracy(percent, task, 128, "arXiv 2106.05237, table 4")
        yield _distilled_preset(f"R152x2_T_{task}128", num_classes, f"ImageNet-21k, then {task}", 128, accuracy, ())


def _distilled_preset(name, num_classes, upstream, size, accuracy, aliases):
    variant, file = Variant.parse(name.split("_")[0]), f"distill/{name}.npz"
    return Preset(name, variant, num_classes, upstream, file, aliases, test_size=size, accuracy=accuracy)


def _timm(size):
    return f"resnetv2_{size[1:].lower()}_bit"


def _hub_names(upstream, size, *heads):
    """Returns the handles at TF-Hub, and at Kaggle where these went; "" is the model without its head."""
    if size not in ON_HUB:
        return ()
    model = f"{upstream}-{size.lower()}"
    hub = [f"google/bit/{model}/{head}/1".replace("//", "/") for head in heads]
    # Kaggle's name of the ImageNet-21k classifiers has not been seen.
    seen = [head.replace("_", "-") for head in heads if "imagenet21k" not in head]
    kaggle = [f"google/bit/TensorFlow2/{'-'.join(filter(None, (model, head)))}/1" for head in seen]
    return (*hub, *kaggle)


def _shipped():
    """Ours: small, on formula-driven pictures; made by benchmarks/shipped.py, which says how."""
    upstream = "formula:1000,glyph=1,side=16"
    file = "BiT-F-R14x0.5/weights.npz"
    yield Preset("BiT-F-R14x0.5", Variant.parse("R14x0.5"), 1000, upstream, file, train_size=32, is_shipped=True)


PRESETS = {entry.name: entry for entry in (*_pretrained(), *_downstream(), *_distilled(), *_shipped())}


def list_presets(pattern: str = "*") -> list[str]:
    """Returns the names of the presets that match `pattern`, in which `*` and `?` are wildcards.

    >>> list_presets("BiT-M-R50x?")
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
        raise UserError(f"There is no preset {name!r}. {nearest(name)}")
    return found


def nearest(name):
    """Returns a sentence with the presets whose names come nearest to `name`."""
    lower = {known.lower(): known for known in PRESETS}
    near = [lower[match] for match in difflib.get_close_matches(str(name).lower(), lower, n=3, cutoff=0.4)]
    return f"The nearest presets: {', '.join(near or SIZES_OF_M)}. `bit-keras presets` lists all."
