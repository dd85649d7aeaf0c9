"""Classes of pictures that random formulas draw: nothing on disk, no licence, as many as one asks for."""
