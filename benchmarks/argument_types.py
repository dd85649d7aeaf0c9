"""What the scripts' arguments may be."""

import argparse


def count(text):
    """Returns a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, received {text}")
    return int(text)


def counts(text):
    """Returns whole numbers of at least 1, which commas separate."""
    return [count(part) for part in text.split(",")]
