"""Weights files of others and our own: one module a format, which yields the arrays as the file names them."""
