"""How a command's process begins and ends.

For commands only: a library must not touch the streams and the garbage collector of the program it is in.
"""

import gc
import os
import sys


def import_tensorflow():
    """Imports TensorFlow without the lines that it prints about itself; its own log levels do not silence these."""
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    gc.disable()  # the import makes 400,000 objects that stay; looking through them takes a third of its time
    try:
        import tensorflow as tf

        # Physical, not logical: looking at logical devices would fix their number.
        tf.config.list_physical_devices()
    finally:
        gc.enable()
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
    gc.freeze()  # nor are they ever looked through later


def end(code):
    """Ends the process with an exit code; whatever is to be done at exit is done."""
    gc.freeze()  # else Python looks through all objects before it ends, which takes a second
    sys.exit(code)
