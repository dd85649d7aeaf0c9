"""When it pays to have XLA compile the normalizations and the optimizer."""

import tensorflow as tf

# Multiply-adds, forward, of a run from which on it pays to compile. Compiling takes an R50 14 s of a core; its step of
# 32 pictures of 128 px takes 0.86 s instead of 1.05, so 70 steps or 3e12 multiply-adds make up for it
# (benchmarks/NOTES.md). Three times as many, as not every processor is like the one measured.
WORTH = 1e13


def pays(cost, rule):
    """Returns whether a run with this `Cost` of a picture is long enough for XLA; on CPUs only.

    It follows from the whole run and not from what is left of it, so that a resumed run computes as it did.
    """
    return not accelerated() and cost.multiply_adds * rule.batch_size * rule.steps >= WORTH


def accelerated():
    """Returns whether there is another device than CPUs."""
    return any(device.device_type != "CPU" for device in tf.config.list_logical_devices())
