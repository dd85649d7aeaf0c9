"""What a classifier is worth: exact metrics, and predictions with names."""
