"""The dynamic loss scale of `mixed_float16`, decided after the gradients of all replicas are added up.

`keras.optimizers.LossScaleOptimizer` decides by the first replica's gradients before they are; an overflow on another
replica then reaches the weights. Its constants, which are those of NVIDIA's "Mixed Precision Training" guide:
"""

import tensorflow as tf

INITIAL = 2.0**15
GROWTH_STEPS = 2000  # steps without an overflow after which the scale doubles
LARGEST = 2.0**24  # as PyTorch's GradScaler in effect has it: beyond, nothing is gained and float32 sums overflow


class LossScale:
    """Multiplies the loss, so that small gradients do not vanish in float16, and divides the gradients again.

    Made under the strategy's scope.
    """

    def __init__(self):
        shared = {"trainable": False, "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA}
        self.scale = tf.Variable(INITIAL, **shared)
        self.good_steps = tf.Variable(0.0, **shared)

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
        self.scale.assign(tf.clip_by_value(self.scale * change, 1.0, LARGEST))
        self.good_steps.assign(tf.where(grows, 0.0, good))
        return gradients
