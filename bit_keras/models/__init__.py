"""The functional ResNet-v2 of BiT. Knows no files; runs on every Keras backend."""
