"""Fractals: a class is an iterated function system, a picture its attractor.

Kataoka et al., "Pre-training without Natural Images" (ACCV 2020, arXiv 2101.08515), with the systems of Anderson and
Farrell, "Improving Fractal Pre-training" (WACV 2022, arXiv 2110.03091), section 3.1: singular values drawn so that no
system has to be thrown away because it degenerates to a dot.
"""

import numpy as np
import tensorflow as tf

MAPS = (2, 3, 4)  # affine maps of a system; of the 2 to 8 there
WALKERS, STEPS, DISCARDED = 512, 22, 8  # points that walk at once, how far, and how many steps until they are near
SHRUNK = 0.85  # at most so much a map of one picture is smaller than its class's; larger it could diverge


def classes(rng, count):
    """Returns {"maps": (count, 4, 6) as a to f, "logits": (count, 4)}: x' = a x + b y + e, y' = c x + d y + f."""
    maps = np.zeros((count, max(MAPS), 6), "float32")
    chances = np.zeros((count, max(MAPS)), "float32")
    for system in range(count):
        size = rng.choice(MAPS)
        matrices = [_matrix(rng, *values) for values in _singular_values(rng, size)]
        maps[system, :size, :4] = np.reshape(matrices, (size, 4))
        maps[system, :size, 4:] = rng.uniform(-1, 1, (size, 2))
        chances[system, :size] = np.abs(np.linalg.det(matrices)) + 0.01  # as there; even a thin map is seen
    with np.errstate(divide="ignore"):
        return {"maps": maps, "logits": np.log(chances / chances.sum(1, keepdims=True)).clip(-1e4)}


def _singular_values(rng, size):
    """Returns `size` pairs, larger first, whose weighted sum makes a good geometry (algorithm 1 there)."""
    total = rng.uniform(0.5 * (5 + size), 0.5 * (6 + size))
    low, high, pairs = total - 3 * size + 3, total, []
    for _ in range(size - 1):
        first = rng.uniform(max(0, low / 3), min(1, high))
        low, high = low - first, high - first
        second = rng.uniform(max(0, low / 2), min(first, high / 2))
        low, high = low - 2 * second + 3, high - 2 * second
        pairs.append((first, second))
    second = rng.uniform(max(0, (high - 1) / 2), high / 3)
    return [*pairs, (high - 2 * second, second)]


def _matrix(rng, first, second):
    left, right = (_rotation(rng.uniform(-np.pi, np.pi)) for _ in range(2))
    return left @ np.diag([first, second]) @ right @ np.diag(rng.choice([-1, 1], 2))


def _rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def drawn(formula, grid, seed):
    """Returns float32 (side, side) in [0, 1]: how dense the attractor is. `grid` maps points to pixels."""
    seeds = tf.random.split(seed, 2)
    shrink = tf.random.stateless_uniform([max(MAPS), 1], seeds[0], SHRUNK, 1.0)
    maps = tf.concat([formula["maps"][:, :4] * shrink, formula["maps"][:, 4:]], 1)
    return _density(_centred(attractor(maps, formula["logits"], seeds[1])), grid)


def attractor(maps, logits, seed):
    """Returns float32 (points, 2) of the system's attractor, by walking from random places."""
    seeds = tf.random.split(seed, 2)
    chosen = tf.random.stateless_categorical(logits[None], STEPS * WALKERS, seeds[0], tf.int32)[0]
    x, y = tf.unstack(tf.random.stateless_uniform([2, WALKERS], seeds[1], -1.0, 1.0))
    places = []
    for step in tf.unstack(tf.reshape(tf.gather(maps, chosen), [STEPS, WALKERS, 6])):
        a, b, c, d, e, f = tf.unstack(step, axis=1)
        x, y = a * x + b * y + e, c * x + d * y + f
        places.append(tf.stack([x, y], 1))
    return tf.concat(places[DISCARDED:], 0)


def _centred(points):
    """Returns the points such that most lie in [-1, 1]."""
    points -= tf.reduce_mean(points, 0)
    spread = tf.reduce_max(tf.math.reduce_std(points, 0))
    return points / (2 * spread + 1e-6)


def _density(points, grid):
    row, column = tf.unstack(grid.pixels(points), axis=1)
    is_inside = (row >= 0) & (row < grid.side) & (column >= 0) & (column < grid.side)
    hits = tf.cast(is_inside, tf.float32)
    counts = tf.math.unsorted_segment_sum(hits, tf.where(is_inside, row * grid.side + column, 0), grid.side**2)
    return tf.minimum(tf.math.log1p(tf.reshape(counts, [grid.side] * 2)) / np.log(4), 1)
