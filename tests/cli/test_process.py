"""A command's process begins and ends fast, and leaves nothing undone."""

import gc
import subprocess
import sys

from bit_keras.cli.process import import_tensorflow


def test_garbage_is_collected_after_the_import():
    import_tensorflow()
    assert gc.isenabled()


def test_the_end_gives_the_exit_code_and_what_is_to_be_done_at_exit_is_done():
    script = "import atexit, bit_keras.cli.process as p; atexit.register(print, 'done'); print('first'); p.end(2)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "first\ndone\n", "")
