"""Models for others to serve."""
