"""TFDS data sets small enough to be prepared in a test."""

import numpy as np
import tensorflow_datasets as tfds

NAMES = ["zebra", "ant", "moth"]


def picture(number):
    """Returns uint8 (5 to 7, 9, 3)."""
    return np.random.default_rng(number).integers(0, 256, (5 + number % 3, 9, 3), dtype=np.uint8)


class _Tiny(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    code_path = None  # no checksums beside this file; looking for them takes importlib_resources
    SIZES = {}  # noqa: RUF012

    def _info(self):
        features = {
            "label": tfds.features.ClassLabel(names=NAMES),
            "image": tfds.features.Image(shape=(None, None, 3)),
            "note": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, _):
        return {split: self._generate_examples(split, size) for split, size in self.SIZES.items()}

    def _generate_examples(self, split, size):
        for number in range(size):
            yield number, {"image": picture(number), "label": number % 3, "note": f"{split} {number}"}


class TinyTrainTest(_Tiny):
    """As CIFAR has it: no validation."""

    SIZES = {"train": 100, "test": 11}  # noqa: RUF012


class TinyTrainValidation(_Tiny):
    """As ImageNet has it: no test."""

    SIZES = {"train": 100, "validation": 11}  # noqa: RUF012


class TinyThree(_Tiny):
    """All three splits."""

    SIZES = {"train": 30, "validation": 5, "test": 7}  # noqa: RUF012


class TinyTest(_Tiny):
    """As ImageNet-V2 has it: nothing but test."""

    SIZES = {"test": 7}  # noqa: RUF012


class TinyWithoutLabel(_Tiny):
    """No classes."""

    SIZES = {"train": 4}  # noqa: RUF012

    def _info(self):
        features = {"image": tfds.features.Image(), "note": tfds.features.Text()}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _generate_examples(self, split, size):
        for number in range(size):
            yield number, {"image": picture(number), "note": ""}


class TinyUnlabelledTest(_Tiny):
    """As ImageNet-2012 has it: the labels of test are kept back."""

    SIZES = {"train": 50, "validation": 5, "test": 4}  # noqa: RUF012

    def _generate_examples(self, split, size):
        for number in range(size):
            yield number, {"image": picture(number), "label": -1 if split == "test" else number % 3, "note": ""}


class TinyMultiLabel(_Tiny):
    """Several labels a picture."""

    SIZES = {"train": 4}  # noqa: RUF012

    def _info(self):
        labels = tfds.features.Sequence(tfds.features.ClassLabel(names=NAMES))
        features = {"image": tfds.features.Image(shape=(None, None, 3)), "labels": labels}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _generate_examples(self, split, size):
        for number in range(size):
            yield number, {"image": picture(number), "labels": list(range(number % 4))}
