"""From what a formula draws to a picture: where it lies on the canvas, and in which colours."""

from dataclasses import dataclass

import tensorflow as tf

ROTATION, SHEAR, SHIFT = 0.25, 0.25, 0.15  # at most, in radians, as a share, and of half the canvas
SCALE = (0.75, 1.1)
CONTRAST = 0.35  # least difference of brightness between colour and ground, of 1
NOISE = 0.02  # standard deviation of what is added to each pixel, of 1
BRIGHTNESS = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)


@dataclass(frozen=True)
class Grid:
    """A canvas of `side` pixels over [-1, 1], turned, sheared, scaled and moved by `matrix` (2, 2) and `shift` (2,)."""

    side: int
    matrix: tf.Tensor
    shift: tf.Tensor

    @property
    def pixel(self):
        """The width of a pixel."""
        return 2 / self.side

    @property
    def points(self):
        """(side, side, 2): x and y of the pixels, in the formula's own coordinates."""
        ticks = (tf.range(self.side, dtype=tf.float32) + 0.5) * self.pixel - 1
        places = tf.stack(tf.meshgrid(ticks, ticks), -1)
        return tf.tensordot(places - self.shift, tf.linalg.inv(self.matrix), [[2], [1]])

    def pixels(self, points):
        """Returns int32 (count, 2) row and column of (count, 2) points x and y of the formula."""
        placed = tf.matmul(points, self.matrix, transpose_b=True) + self.shift
        return tf.cast(tf.floor((tf.reverse(placed, [1]) + 1) / self.pixel), tf.int32)


def random_grid(side, seed):
    """Returns the `Grid` of one picture."""
    turn, shear, size, *shift = tf.unstack(tf.random.stateless_uniform([5], seed, -1.0, 1.0))
    angle, low, high = ROTATION * turn, *SCALE
    scale = (low + high) / 2 + size * (high - low) / 2
    cos, sin = tf.cos(angle), tf.sin(angle)
    rotation = tf.stack([[cos, -sin], [sin, cos]])
    sheared = tf.linalg.matmul(rotation, [[1.0, SHEAR], [0.0, 1.0]] * tf.stack([[1.0, shear], [1.0, 1.0]]))
    return Grid(side, scale * sheared, SHIFT * tf.stack(shift))


def painted(drawing, seed):
    """Returns uint8 (side, side, 3): the drawing, from 0 to 1, from a random ground to a random colour."""
    seeds = tf.random.split(seed, 2)
    ground, colour = tf.unstack(tf.random.stateless_uniform([2, 3], seeds[0]))
    colour = _set_off(colour, tf.tensordot(ground, BRIGHTNESS, 1))
    pixels = ground + drawing[..., None] * (colour - ground)
    pixels += tf.random.stateless_normal(tf.shape(pixels), seeds[1], 0.0, NOISE)
    return tf.cast(tf.clip_by_value(pixels, 0, 1) * 255 + 0.5, tf.uint8)


def _set_off(colour, ground):
    """Returns the colour, mixed with white or black until its brightness is far enough from that of the ground."""
    brightness = tf.tensordot(colour, BRIGHTNESS, 1)
    goal = tf.where(ground < 0.5, 1.0, 0.0)
    wanted = ground + tf.where(ground < 0.5, CONTRAST, -CONTRAST)
    share = (wanted - brightness) / (goal - brightness)
    return tf.where(tf.abs(brightness - ground) < CONTRAST, colour + share * (goal - colour), colour)
