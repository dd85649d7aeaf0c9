"""Published and own weights, from files into native Keras models and back, exactly."""
