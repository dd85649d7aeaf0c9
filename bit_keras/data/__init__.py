"""Pictures from folders, tables, TFDS and scikit-learn; batches that are a pure function of (seed, step)."""
