"""`formula:` as a data set: every picture a function of (seed, index), splits that never meet, settings checked."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import bit_keras as bit
from bit_keras.data.batches import training_batches
from bit_keras.data.opening import open_data
from bit_keras.recipes.hyperrule import HyperRule


def picture(data, index, split="train"):
    encoded, label = data.splits[split].read(tf.constant(index, tf.int64))
    return tf.io.decode_png(encoded).numpy(), int(label)


def test_classes_families_and_sizes_are_those_asked_for():
    data = open_data("formula:10,fractal=1,glyph=3,side=24,pictures=20")
    families = [name.split("-")[0] for name in data.class_names]
    assert (families.count("fractal"), families.count("glyph")) in ((2, 8), (3, 7))
    assert {split: len(examples) for split, examples in data.splits.items()} == {
        "train": 200,
        "validation": 20,
        "test": 20,
    }
    pixels, label = picture(data, 13)
    assert pixels.shape == (24, 24, 3) and pixels.dtype == np.uint8 and label == 3
    assert data.image_size == (24, 24)


def test_without_shares_all_families_have_as_many_classes():
    families = [name.split("-")[0] for name in open_data("formula:9").class_names]
    assert {family: families.count(family) for family in families} == {"fractal": 3, "glyph": 3, "shape": 3}


def test_picture_is_the_same_in_another_process():
    code = (
        "import tensorflow as tf; from bit_keras.data.opening import open_data; import hashlib; "
        "read = open_data('formula:6,side=16', seed=5).splits['train'].read; "
        "print(hashlib.sha256(b''.join(read(tf.constant(i, tf.int64))[0].numpy() for i in range(12))).hexdigest())"
    )
    here = open_data("formula:6,side=16", seed=5).splits["train"].read
    expected = hashlib.sha256(b"".join(here(tf.constant(i, tf.int64))[0].numpy() for i in range(12))).hexdigest()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == expected


def test_seeds_splits_and_indices_give_other_pictures():
    data, other = open_data("formula:3,side=16", seed=0), open_data("formula:3,side=16", seed=1)
    shown = [picture(data, 0), picture(other, 0), picture(data, 3), picture(data, 0, "validation")]
    shown.append(picture(data, 0, "test"))
    assert len({pixels.tobytes() for pixels, _ in shown}) == 5 and {label for _, label in shown} == {0}
    assert data.fingerprint != other.fingerprint


def test_batches_of_it_train():
    rule = HyperRule(100, (16, 16), batch_size=4, resize=16, crop=16)
    images, labels = next(
        iter(training_batches(open_data("formula:5,side=16").splits["train"], rule, num_classes=5, seed=0))
    )
    assert images.shape == (4, 16, 16, 3) and labels.shape == (4, 5)
    assert float(tf.reduce_max(tf.abs(images))) <= 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "ten",
        "10,dragon=1",
        "10,fractal",
        "10,side=4",
        "10,fractal=0",
        "10,glyph=-1",
        "10,pictures=0",
        "10,side=nan",
        "10,side=8.7",
        "10,side=5000",
        "10,glyph=1,glyph=2",
        "2000000",
    ],
)
def test_anything_else_is_told(text):
    with pytest.raises(
        bit.DataError, match=rf"Expected formula:CLASSES with 2 to 1,000,000 classes.*Received: 'formula:{text}'"
    ):
        open_data(f"formula:{text}")
