"""A command's process begins and ends fast, and leaves nothing undone."""

import subprocess
import sys


def python(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


def test_the_import_says_nothing_and_leaves_the_collector_on_with_nothing_of_tensorflow_to_look_through():
    done = python(
        "import gc; from bit_keras.cli.process import import_tensorflow; import_tensorflow(); "
        "print(gc.isenabled(), gc.get_freeze_count() > 10 * len(gc.get_objects()))"
    )
    assert (done.stdout, done.stderr) == ("True True\n", "")


def test_the_end_gives_the_exit_code_and_what_is_to_be_done_at_exit_is_done():
    done = python(
        "import atexit; from bit_keras.cli.process import end; atexit.register(print, 'last'); print(1); end(2)"
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "1\nlast\n", "")
