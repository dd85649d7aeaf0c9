"""How much memory a file may ask for."""

from bit_keras.errors import WeightsError

MAX_EXPANSION = 2  # numbers may take this many times the file's size; weights hardly compress, zeros a thousandfold


def check_expansion(claimed, available, path):
    """Raises a `WeightsError` if the numbers in `path` would take much more memory than it has bytes."""
    if claimed > MAX_EXPANSION * available:
        raise WeightsError(
            f"{path} has {available} bytes but claims {claimed} bytes of numbers, and weights do not compress so. "
            "Fetch it again, or save it without compression (numpy.savez)."
        )
