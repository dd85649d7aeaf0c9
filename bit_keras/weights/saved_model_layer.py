"""`SavedModelLayer`: somebody's SavedModel inside a Keras 3 model as it is, trainable."""

import keras
import tensorflow as tf

from bit_keras.errors import WeightsError


@keras.saving.register_keras_serializable(package="bit_keras")
class SavedModelLayer(keras.layers.Layer):
    """Calls a reusable SavedModel, such as those of TF-Hub, and trains its variables with any optimizer.

    `hub.KerasLayer` is for Keras 2 alone, and frozen without a word inside a Keras 3 layer; `keras.layers.TFSMLayer`
    fails with every optimizer that keeps state of a variable. This runs the graph, so give it only folders that you
    trust; `bit.load` reads the weights of a BiT without that.

    Args:
        handle: the folder.
        trainable: whether its trainable variables train here.
        **options: of `keras.layers.Layer`.

    Call arguments:
        inputs: what the SavedModel takes, as float32; TF-Hub's pictures are (batch, height, width, 3) in [0, 1].
        training: whether to call it in training mode.

    Raises:
        WeightsError: if the folder is no SavedModel that can be called.
    """

    def __init__(self, handle, trainable=True, **options):
        super().__init__(trainable=trainable, dtype=options.pop("dtype", "float32"), **options)
        self.handle = str(handle)
        loaded = _loaded(self.handle)
        self._call_loaded = lambda *args, **kwargs: loaded(*args, **kwargs)  # a closure: Keras must not track it too
        self._losses_of_loaded = list(getattr(loaded, "regularization_losses", []))
        trainables = {id(variable) for variable in loaded.trainable_variables}
        for variable in loaded.variables:
            self._add(variable, id(variable) in trainables)
        self.built = True

    def call(self, inputs, training=False):
        """Returns what the SavedModel makes of `inputs`, and adds its regularization to the losses while it trains."""
        if self.trainable:
            for loss in self._losses_of_loaded:
                self.add_loss(loss())
        return self._call_loaded(tf.cast(inputs, tf.float32), training=bool(training and self.trainable))

    def compute_output_spec(self, inputs, training=False):
        """Returns the shape that the graph gives for the shape of `inputs`."""
        graph = tf.function(self._call_loaded).get_concrete_function(tf.TensorSpec(list(inputs.shape), tf.float32))
        return keras.KerasTensor(graph.output_shapes.as_list(), dtype=self.compute_dtype)

    def get_config(self):
        """Returns the arguments; the folder itself is not stored."""
        return {**super().get_config(), "handle": self.handle}

    def _add(self, variable, trainable):
        """Tracks the SavedModel's own variable under a name without the slashes that Keras forbids."""
        name = variable.name.split(":")[0].replace("/", "_")
        tracked = keras.Variable(variable, shape=variable.shape, dtype=variable.dtype, trainable=trainable, name=name)
        # Private, but what Keras's own layer for SavedModels uses.
        self._track_variable(tracked)


def _loaded(handle):
    try:
        loaded = tf.saved_model.load(handle)
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise WeightsError(f"{handle} is no SavedModel folder ({str(error).splitlines()[0]}).") from error
    if not callable(loaded) or not hasattr(loaded, "variables"):
        raise WeightsError(
            f"Expected a reusable SavedModel, with a call and variables. Received: {handle}, with signatures alone: "
            f"{sorted(loaded.signatures)}. For a BiT, bit.load reads its weights all the same."
        )
    return loaded
