"""Models that take no memory for their weights, so that the largest networks can be looked at."""

import threading

import keras


def weightless(build, *args, **options):
    """Returns the model that `build` makes; its variables have names and shapes and no values."""
    made = []

    def make():
        with keras.StatelessScope(initialize_variables=False):
            made.append(build(*args, **options))

    # Keras gives the variables their values, gigabytes, at the next chance in the thread that made them.
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]
