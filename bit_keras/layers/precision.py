"""The precision that BiT's statistics need."""

import keras


def at_least_float32(dtype):
    """Returns float32, or `dtype` where that is wider: half-precision statistics overflow and lose digits."""
    return keras.backend.result_type(dtype, "float32")
