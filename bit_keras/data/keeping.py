"""Pictures that are kept as they were made, so that later epochs need not read, decode and resize them again."""

import tensorflow as tf

PIXEL_BYTES = 3 * 4  # float32; what a resized picture holds lies between the 256 values of its bytes


def kept_bytes(size, side):
    """Returns the memory that `kept` takes."""
    return size * side * side * PIXEL_BYTES


def kept(make, size, side):
    """Returns `make` with a memory: what it has made of an index once is not made again.

    The memory is taken at once, and let go with the function.

    Args:
        make: from an int64 scalar tensor below `size` to (float32 (side, side, 3), int64 scalar), in TensorFlow ops.
        size: how many indices there are.
        side: in pixels.
    """
    with tf.device("CPU"):
        pictures = tf.Variable(tf.zeros((size, side, side, 3)), trainable=False)
        labels = tf.Variable(tf.zeros([size], tf.int64), trainable=False)
        is_made = tf.Variable(tf.zeros([size], tf.bool), trainable=False)

    def make_and_keep(index):
        picture, label = make(index)
        written = [
            pictures.scatter_update(tf.IndexedSlices(picture, index)),
            labels.scatter_update(tf.IndexedSlices(label, index)),
        ]
        # Last: another thread must not see the mark before all that it stands for is there.
        with tf.control_dependencies(written):
            marked = is_made.scatter_update(tf.IndexedSlices(True, index))
        with tf.control_dependencies([marked]):
            return tf.identity(picture), tf.identity(label)

    def recall(index):
        return tf.gather(pictures, index), tf.gather(labels, index)

    return lambda index: tf.cond(tf.gather(is_made, index), lambda: recall(index), lambda: make_and_keep(index))
