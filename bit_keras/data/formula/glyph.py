"""Glyphs: a class is two to four curved strokes, a picture is one hand's way of writing them."""

import tensorflow as tf

STROKES = (2, 3, 4)
PIECES = 8  # straight ones that a curve is drawn with
# Chosen by what transfers to real handwriting (benchmarks/shipped.md): less, or thinner strokes, transfers worse.
SHAKE = 0.14  # standard deviation of the control points from picture to picture; the glyph is 2 wide
THICKNESS = (0.04, 0.25)  # half of a stroke


def classes(rng, count):
    """Returns {"controls": (count, 4, 3, 2)}: control points of quadratic Bezier curves in [-0.8, 0.8].

    A stroke may begin where the last one ended, as hands write; one that is not there repeats the first.
    """
    controls = rng.uniform(-0.8, 0.8, (count, max(STROKES), 3, 2)).astype("float32")
    for glyph in controls:
        for stroke in range(1, max(STROKES)):
            if rng.random() < 0.5:
                glyph[stroke, 0] = glyph[stroke - 1, 2]
        glyph[rng.choice(STROKES) :] = glyph[0]
    return {"controls": controls}


def drawn(formula, grid, seed):
    """Returns float32 (side, side) in [0, 1]: 1 in the strokes, with an edge a pixel wide."""
    seeds = tf.random.split(seed, 2)
    controls = formula["controls"] + tf.random.stateless_normal([max(STROKES), 3, 2], seeds[0], 0.0, SHAKE)
    start, middle, end = (controls[:, None, point] for point in range(3))
    share = tf.linspace(0.0, 1.0, PIECES + 1)[None, :, None]
    curve = (1 - share) ** 2 * start + 2 * share * (1 - share) * middle + share**2 * end
    pieces = tf.reshape(tf.stack([curve[:, :-1], curve[:, 1:]], 2), [-1, 2, 2])
    thickness = tf.random.stateless_uniform([], seeds[1], *THICKNESS)
    return tf.clip_by_value((thickness - _distances(grid.points, pieces)) / grid.pixel + 0.5, 0, 1)


def _distances(points, pieces):
    """Returns (side, side): how far (side, side, 2) points are from the nearest of (count, 2, 2) straight pieces."""
    start, along = pieces[:, 0], pieces[:, 1] - pieces[:, 0]
    x, y = points[..., 0, None] - start[:, 0], points[..., 1, None] - start[:, 1]
    length = tf.reduce_sum(along**2, 1) + 1e-9
    share = tf.clip_by_value((x * along[:, 0] + y * along[:, 1]) / length, 0, 1)
    squared = (x - share * along[:, 0]) ** 2 + (y - share * along[:, 1]) ** 2
    return tf.sqrt(tf.reduce_min(squared, -1))
