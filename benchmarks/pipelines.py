"""What `input.py` measures ours against: pictures that cost what photographs cost, decoding alone, plain pipelines."""

import os
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_sample_images

PHOTOS, WIDTH, HEIGHT, QUALITY = 200, 500, 375, 90
BATCH = 32
ASPECT, LEAST_AREA = (3 / 4, 4 / 3), 0.05  # of the part that pre-training takes
BOUND, PLAIN = "decoding alone", "plain pipeline"


def write_photos(folder):
    """Writes JPEGs of two classes: parts of two photographs, of different sizes and places, half of them mirrored."""
    rng = np.random.default_rng(0)
    for number in range(PHOTOS):
        photo = Image.fromarray(load_sample_images().images[number % 2])
        height = int(photo.height * rng.uniform(0.6, 1))
        width = height * WIDTH // HEIGHT
        left, top = rng.integers(photo.width - width + 1), rng.integers(photo.height - height + 1)
        picture = photo.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, (left, top, left + width, top + height))
        if rng.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        path = Path(folder) / str(number % 2) / f"{number:03d}.jpg"
        path.parent.mkdir(exist_ok=True)
        picture.save(path, quality=QUALITY)


def mapped(function):
    """Returns batches of what `function` makes of 0, 1, 2, ..., as many at a time as there are processors."""
    numbers = tf.data.Dataset.range(tf.int64.max)
    options = tf.data.Options()
    options.autotune.enabled = False  # as the package has it
    made = numbers.map(function, os.cpu_count(), deterministic=True).batch(BATCH, drop_remainder=True)
    return made.prefetch(1).with_options(options)


def decoded(encoded):
    """The bound: a pixel of each picture, so that nothing but decoding is done."""
    return mapped(lambda number: tf.io.decode_jpeg(encoded[number % PHOTOS], channels=3)[0, 0])


def plain_finetuning(files, resize, crop):
    def example(number):
        picture = tf.io.decode_jpeg(tf.io.read_file(files[number % PHOTOS]), channels=3)
        picture = tf.image.resize(picture, (resize, resize))
        picture = tf.image.random_flip_left_right(tf.image.random_crop(picture, (crop, crop, 3)))
        return picture / 127.5 - 1, tf.one_hot(number % 2, 2)

    return mapped(example)


def plain_pretraining(files, crop):
    def example(number):
        picture = tf.io.decode_jpeg(tf.io.read_file(files[number % PHOTOS]), channels=3)
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            tf.shape(picture),
            tf.zeros((1, 0, 4)),
            min_object_covered=0.0,
            aspect_ratio_range=ASPECT,
            area_range=(LEAST_AREA, 1.0),
            use_image_if_no_bounding_boxes=True,
        )
        picture = tf.image.resize(tf.slice(picture, begin, size), (crop, crop))
        return tf.image.random_flip_left_right(picture) / 127.5 - 1, tf.one_hot(number % 2, 2)

    return mapped(example)


def plain_evaluation(files, crop):
    def example(number):
        picture = tf.io.decode_jpeg(tf.io.read_file(files[number % PHOTOS]), channels=3)
        return tf.image.resize(picture, (crop, crop)) / 127.5 - 1, number % 2

    return mapped(example)
