"""The dynamic loss scale of `mixed_float16`, decided after the gradients of all replicas are added up.

`keras.optimizers.LossScaleOptimizer` decides by the first replica's gradients before they are; an overflow on another
replica then reaches the weights. The first two constants are its own.
"""

import tensorflow as tf

INITIAL = 2.0**15
GROWTH_STEPS = 2000  # steps without an overflow after which the scale doubles
LEAST, LARGEST = 1.0, 2.0**24  # chosen: below, the loss itself overflows; above, nothing is gained


class LossScale:
    """Multiplies the loss, so that small gradients do not vanish in float16, and divides the gradients again.

    Made under the strategy's scope.
    """

    def __init__(self):
        shared = {"trainable": False, "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA}
        self.scale = tf.Variable(INITIAL, **shared)
        self.good_steps = tf.Variable(0.0, **shared)

    @property
    def is_exhausted(self):
        """Whether gradients have overflowed at the least scale too."""
        return float(self.scale.numpy()) < LEAST

    @property
    def variables(self):
        """{name: variable}, for a snapshot."""
        return {"loss_scale/scale": self.scale, "loss_scale/good_steps": self.good_steps}

    def unscaled(self, gradients):
        """Returns the gradients of the loss itself; all of them NaN if any is not finite, and the scale halved then."""
        is_finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients])
        factor = tf.where(is_finite, 1 / self.scale, float("nan"))
        gradients = [tf.cast(factor, gradient.dtype) * gradient for gradient in gradients]
        good = tf.where(is_finite, self.good_steps + 1, 0.0)
        grows = good >= GROWTH_STEPS
        change = tf.where(is_finite, tf.where(grows, 2.0, 1.0), 0.5)
        self.scale.assign(tf.clip_by_value(self.scale * change, LEAST / 2, LARGEST))
        self.good_steps.assign(tf.where(grows, 0.0, good))
        return gradients
