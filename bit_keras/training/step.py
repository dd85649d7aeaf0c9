"""One optimizer step, the same on every strategy.

The losses of single examples are summed and divided by the global batch; kernels are standardized once, and
micro-batches add up gradients in a loop; the sum over the replicas is taken once, before whatever needs the whole
gradient: the check of the loss scale, then clipping, then the optimizer.
"""

from functools import partial

import tensorflow as tf
from keras import ops

from bit_keras.errors import UserError
from bit_keras.exporting.xla import layers_by_xla
from bit_keras.optimizers import Momentum
from bit_keras.training.forward import applied_weights, called
from bit_keras.training.loss_scale import LossScale
from bit_keras.training.losses import softmax_cross_entropy
from bit_keras.training.recomputing import recomputing
from bit_keras.weights.assigning import named_variables
from bit_keras.weights.names import canonical_name


class ReducedMomentum(Momentum):
    """`Momentum` for gradients that are already the same on all replicas.

    Where it `skips`, NaN means: leave all as it is. Not by a condition around the step, which tf.distribute does not
    allow to hold an update.
    """

    skips = False
    xla = False  # whether XLA compiles the steps of kernels, which otherwise go through memory twice as often

    def _after(self, decay, gradient, velocity, weights, rate):
        if not self.xla or len(gradient.shape) < 2:
            return self._unless_nan(self.skips, decay, gradient, velocity, weights, rate)
        tensors = map(tf.convert_to_tensor, (gradient, velocity, weights, rate))
        return self._compiled(self.skips, decay, *tensors)

    @tf.function(jit_compile=True, autograph=False)
    def _compiled(self, skips, decay, gradient, velocity, weights, rate):
        return self._unless_nan(skips, decay, gradient, velocity, weights, rate)

    def _unless_nan(self, skips, decay, gradient, velocity, weights, rate):
        """Returns velocity and weights after the step; where it skips, after that of the gradients that are numbers."""
        after = super()._after(decay, gradient, velocity, weights, rate)
        if not skips:
            return after
        is_given = ops.logical_not(ops.isnan(gradient))
        return tuple(ops.where(is_given, new, old) for new, old in zip(after, (velocity, weights), strict=True))

    def _all_reduce_sum_gradients(self, grads_and_vars):
        # Keras would add them up once more. The hook is private; tests/training/test_step.py fails if it goes.
        return list(grads_and_vars)


def check_batch(batch_size, replicas, micro_batches):
    """Raises a `UserError` unless the batch can be divided into equal parts."""
    if micro_batches < 1 or batch_size % (replicas * micro_batches):
        raise UserError(
            f"Expected a batch that {replicas} replicas times {micro_batches} micro-batches divide. Received: "
            f"batch_size={batch_size}. Choose a multiple of {replicas * max(1, micro_batches)}, or other parts."
        )


class TrainStep:
    """Steps of `optimizer` on `model`.

    Args:
        model: a `keras.Model` made under the strategy's scope; under a float16 policy the loss is scaled.
        optimizer: a `ReducedMomentum` made there.
        strategy: a `tf.distribute.Strategy`.
        batch_size: examples in a global batch, a multiple of replicas times `micro_batches`.
        micro_batches: equal parts that each replica's batch is computed in; they change memory, and
            with group normalization not the result.
        loss: from (labels, logits) to the loss of each example.
        clip_norm: largest global norm of the gradient, or None.
        xla: whether XLA compiles the normalizations and the optimizer's steps of kernels.
        remat: whether the gradient computes the interiors of the units again instead of keeping them.

    Raises:
        UserError: if `batch_size` is no such multiple.
    """

    def __init__(
        self,
        model,
        optimizer,
        strategy,
        *,
        batch_size,
        micro_batches=1,
        loss=softmax_cross_entropy,
        clip_norm=None,
        xla=False,
        remat=False,
    ):
        check_batch(batch_size, strategy.num_replicas_in_sync, micro_batches)
        self.model = model
        self.optimizer = optimizer
        self.strategy = strategy
        self.batch_size = batch_size
        self.micro_batches = micro_batches
        self.loss = loss
        self.clip_norm = clip_norm
        self.xla = xla
        self.remat = remat
        self._forward = recomputing(model) if remat else partial(called, model)
        with strategy.scope():
            optimizer.build(model.trainable_variables)
            self.loss_scale = LossScale() if any(layer.compute_dtype == "float16" for layer in model.layers) else None
        optimizer.skips, optimizer.xla = self.loss_scale is not None, xla

    @property
    def state(self):
        """{name: variable} of all that a step changes, but for `optimizer.iterations`."""
        velocities = zip(self.model.trainable_variables, self.optimizer.velocities, strict=True)
        names = {f"velocity/{canonical_name(variable)}": velocity for variable, velocity in velocities}
        return named_variables(self.model.variables) | names | (self.loss_scale.variables if self.loss_scale else {})

    @tf.function
    def run(self, iterator, count):
        """Takes `count` steps on the iterator's batches; returns the loss of each before its step, (count,)."""
        losses = tf.TensorArray(self._loss_dtype, size=count)
        for index in tf.range(count):
            replica_losses = self.strategy.run(self._replica_step, args=next(iterator))
            losses = losses.write(index, self.strategy.reduce("SUM", replica_losses, axis=None))
        return losses.stack()

    def gradients(self, images, labels):
        """Returns this replica's share of the global loss, and the gradients of that times the loss scale."""
        with layers_by_xla(self.model, self.xla), tf.GradientTape() as tape:
            weights = applied_weights(self.model)
        loss, gradients = self._accumulated(weights, images, labels)
        variables = [variable.value for variable in self.model.trainable_variables]
        return loss, tape.gradient(self._trained(weights), variables, output_gradients=gradients)

    @property
    def _loss_dtype(self):
        return self.model.output.dtype

    def _replica_step(self, images, labels):
        loss, gradients = self.gradients(images, labels)
        replicas = tf.distribute.get_replica_context()
        gradients = replicas.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        if self.loss_scale:
            gradients = self.loss_scale.unscaled(gradients)
        if self.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.clip_norm)
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return loss

    def _accumulated(self, weights, images, labels):
        """Returns the loss of all parts, and the gradients of the weights that are trained."""
        if self.micro_batches == 1:
            return self.part(weights, images, labels)
        images, labels = self._divided(images), self._divided(labels)
        loss = tf.zeros([], self._loss_dtype)
        gradients = [tf.zeros_like(weight) for weight in self._trained(weights)]
        # A loop in the graph: unrolled, the parts need not follow one another, so memory need not shrink, and the
        # order of the sums may change from process to process.
        for part in tf.range(self.micro_batches):
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)  # else parts overlap, in memory too
            part_loss, part_gradients = self.part(weights, images[part], labels[part])
            loss += part_loss
            # Not strict: AutoGraph, which rewrites this loop, has no such zip.
            gradients = [total + more for total, more in zip(gradients, part_gradients, strict=False)]
        return loss, gradients

    # Not inlined: TensorFlow 2.21 would make one sum of a gradient's terms and the total, in temporary variables that
    # are still there in the loop's next pass (AlreadyExistsError).
    @tf.function(experimental_attributes={"_noinline": True})
    def part(self, weights, images, labels):
        """Returns the share of the global loss, and the gradients of the `applied_weights` that are trained."""
        trained = self._trained(weights)
        with layers_by_xla(self.model, self.xla):
            with tf.GradientTape() as tape:
                tape.watch(trained)
                loss = tf.reduce_sum(self.loss(labels, self._forward(weights, images))) / self.batch_size
                scaled = loss * self.loss_scale.scale if self.loss_scale else loss
            return loss, tape.gradient(scaled, trained)  # where units are computed again, also by XLA

    def _trained(self, weights):
        return [weights[variable.path] for variable in self.model.trainable_variables]

    def _divided(self, x):
        return tf.reshape(x, tf.concat([[self.micro_batches, -1], tf.shape(x)[1:]], axis=0))
