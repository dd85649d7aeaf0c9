"""`python -m bit_keras COMMAND`."""

from bit_keras.cli.main import run

run()
