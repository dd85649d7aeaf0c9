"""What the formulas draw, against shapes whose geometry is known."""

import math

import numpy as np
import pytest
import tensorflow as tf

from bit_keras.data.formula import fractal, glyph, shape
from bit_keras.data.formula.painting import BRIGHTNESS, CONTRAST, Grid, painted, random_grid

SEED = tf.constant([0, 1], tf.int64)
PLAIN = Grid(32, tf.eye(2), tf.zeros(2))


def test_three_halving_maps_give_the_gasket_of_sierpinski():
    # In the gasket of a right triangle no binary digit is 1 in both x and y.
    maps = tf.constant([[0.5, 0, 0, 0.5, e, f] for e, f in ((0, 0), (0.5, 0), (0, 0.5))])
    points = fractal.attractor(maps, tf.zeros(3), SEED).numpy()
    assert points.shape == ((fractal.STEPS - fractal.DISCARDED) * fractal.WALKERS, 2)
    digits = np.floor(points[-fractal.WALKERS :] * 2**6 + 1e-3).astype(int)  # of the last step, exact to 2^-22
    assert digits.min() >= 0 and digits.max() < 2**6
    assert not (digits[:, 0] & digits[:, 1]).any()


def test_systems_contract_and_fill_more_than_a_dot():
    formulas = fractal.classes(np.random.default_rng(0), 50)
    matrices = formulas["maps"][..., :4].reshape(50, 4, 2, 2)
    assert np.linalg.norm(matrices, 2, (-2, -1)).max() <= 1 + 1e-6
    drawings = [
        fractal.drawn({what: tf.constant(array[row]) for what, array in formulas.items()}, PLAIN, SEED).numpy()
        for row in range(50)
    ]
    assert min((drawing > 0).mean() for drawing in drawings) > 0.01
    assert all(drawing.min() >= 0 and drawing.max() <= 1 for drawing in drawings)


@pytest.mark.parametrize(("point", "distance"), [((0, 1), 1), ((2, 0), 1), ((0.5, 0), 0), ((4, 4), 5)])
def test_distance_to_a_straight_piece(point, distance):
    piece = tf.constant([[[-1.0, 0.0], [1.0, 0.0]]])
    found = glyph._distances(tf.constant([[point]], tf.float32), piece)
    assert float(found[0, 0]) == pytest.approx(distance, abs=1e-4)


def test_glyphs_of_one_class_are_alike_and_of_two_are_not():
    formulas = glyph.classes(np.random.default_rng(0), 2)
    seeds = [tf.constant([0, number], tf.int64) for number in range(8)]

    def drawn(row):
        formula = {"controls": tf.constant(formulas["controls"][row])}
        return np.stack([glyph.drawn(formula, PLAIN, seed) for seed in seeds])

    first, second = drawn(0), drawn(1)
    within = np.abs(first - np.roll(first, 1, 0)).mean()
    assert 0 < within < np.abs(first - second).mean()


def test_shape_without_waves_or_stripes_is_a_disc(monkeypatch):
    monkeypatch.setattr(shape, "SHAKE", 0.0)
    formula = {"waves": tf.zeros([shape.WAVES, 2]), "stripes": tf.zeros([shape.STRIPES, 2])}
    drawing = shape.drawn(formula, Grid(128, tf.eye(2), tf.zeros(2)), SEED).numpy()
    assert (drawing > 0).mean() == pytest.approx(math.pi * shape.SIZE**2 / 4, rel=0.03)


def test_points_of_a_grid_lie_in_their_own_pixels():
    grid = random_grid(16, SEED)
    pixels = grid.pixels(tf.reshape(grid.points, [-1, 2])).numpy().reshape(16, 16, 2)
    np.testing.assert_array_equal(pixels, np.stack(np.meshgrid(range(16), range(16), indexing="ij"), -1))


def test_colour_and_ground_differ_in_brightness(monkeypatch):
    monkeypatch.setattr("bit_keras.data.formula.painting.NOISE", 0.0)
    for number in range(100):
        black_and_white = painted(tf.constant([[0.0, 1.0]]), tf.constant([1, number], tf.int64)).numpy()[0]
        gap = abs(np.diff(black_and_white @ np.array(BRIGHTNESS), axis=0)[0]) / 255
        assert gap > CONTRAST - 2 / 255  # rounding
