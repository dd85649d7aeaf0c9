"""`python -m bit_keras COMMAND`."""

import sys

from bit_keras.cli.main import main

sys.exit(main())
