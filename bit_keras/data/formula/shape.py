"""Shapes: a class is a wavy outline filled with stripes, a picture another phase and depth of these."""

import numpy as np
import tensorflow as tf

WAVES = 6  # harmonics of the outline: radius = size * (1 + sum of a_k cos(k angle + p_k))
SIZE = 0.6  # mean radius; the picture is 2 wide
STRIPES = 2  # gratings in the filling
SHAKE = 0.03  # standard deviation of the outline's amplitudes from picture to picture


def classes(rng, count):
    """Returns {"waves": (count, 6, 2) amplitude and phase, "stripes": (count, 2, 2) waves across 1 in x and y}."""
    amplitude = rng.uniform(0, 0.35, (count, WAVES, 1)) / np.sqrt(np.arange(1, WAVES + 1))[:, None]
    phase = rng.uniform(-np.pi, np.pi, (count, WAVES, 1))
    angle, waves = rng.uniform(0, np.pi, (count, STRIPES)), rng.uniform(1, 6, (count, STRIPES))
    stripes = waves[..., None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    return {"waves": np.concatenate([amplitude, phase], -1).astype("float32"), "stripes": stripes.astype("float32")}


def drawn(formula, grid, seed):
    """Returns float32 (side, side) in [0, 1]: 0 outside, the stripes inside."""
    seeds = tf.random.split(seed, 2)
    amplitude = formula["waves"][:, 0] + tf.random.stateless_normal([WAVES], seeds[0], 0.0, SHAKE)
    x, y = grid.points[..., 0], grid.points[..., 1]
    angles = tf.math.atan2(y, x)[..., None] * tf.range(1.0, WAVES + 1)
    outline = SIZE * (1 + tf.reduce_sum(amplitude * tf.cos(angles + formula["waves"][:, 1]), -1))
    inside = tf.clip_by_value((outline - tf.sqrt(x**2 + y**2)) / grid.pixel + 0.5, 0, 1)
    phases = tf.random.stateless_uniform([STRIPES], seeds[1], 0.0, 2 * np.pi)
    waves = tf.cos(2 * np.pi * tf.tensordot(grid.points, formula["stripes"], [[2], [1]]) + phases)
    return inside * (0.65 + 0.35 * tf.reduce_mean(waves, -1))
