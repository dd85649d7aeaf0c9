"""Imports TensorFlow without the lines that it prints about itself."""

import os


def quiet_tensorflow():
    """Imports TensorFlow with the error stream closed; its own log levels do not silence these lines.

    For commands only: a library must not touch the streams of the program it is in.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow as tf

        # Physical, not logical: looking at logical devices would fix their number.
        tf.config.list_physical_devices()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
