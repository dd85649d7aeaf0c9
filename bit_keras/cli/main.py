"""`bit-keras COMMAND ...`: finds the command, and turns errors into a sentence and an exit code.

Exit codes: 0 good; 1 an error that the user can mend; 2 broken pictures under --strict; 130 interrupted.
"""

import importlib
import io
import os
import sys

from bit_keras.cli.process import end
from bit_keras.errors import UserError

COMMANDS = {
    "presets": "lists the published weights that can be named instead of a file",
    "finetune": "trains a BiT on your pictures and exports it",
    "pretrain": "trains a BiT from random weights by a recipe of the paper",
    "evaluate": "measures accuracy and loss of a model on pictures",
    "probe": "measures how good a model's features are, from a few pictures",
    "predict": "names what is on pictures",
    "export": "writes a SavedModel that others can serve",
    "convert": "writes weights in another format, or tells what a file holds",
    "verify": "compares what two weights files compute, or one with its record",
}


def main(argv=None):
    """Runs the command line `argv` (without the program's name) and returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    _prepare_streams()
    if not argv or argv[0] in ("--help", "-h", "help"):
        print(_usage())
        return 0
    if argv[0] not in COMMANDS:
        return _fail(f"Expected a command among {', '.join(COMMANDS)}. Received: {argv[0]!r}. See bit-keras --help.", 1)
    command = importlib.import_module(f"bit_keras.cli.{argv[0]}").COMMAND
    try:
        return command.run(argv[1:])
    except UserError as error:
        return _fail(error, error.exit_code)
    except BrokenPipeError:
        # Whoever read the output has enough (`| head`); what is still in the buffer must not be an error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _fail(f"{error.filename or 'A file'}: {error.strerror or error}.", 1)
    except KeyboardInterrupt:
        return _fail(
            "Interrupted. Run the same command again to go on with a run, or to begin anew with all else.", 130
        )


def run():
    """Runs the command line of this process, and ends it."""
    end(main())


def _prepare_streams():
    """Names in any script can be printed on any terminal, and a closed error stream is no error."""
    if sys.stderr is None:
        # Never closed: it takes the place of the closed one, as long as the process lives.
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _fail(message, code):
    print(f"bit-keras: {message}", file=sys.stderr)
    return code


def _usage():
    rows = "\n".join(f"  {name:<10} {summary}" for name, summary in COMMANDS.items())
    return f"usage: bit-keras COMMAND ...\n\n{rows}\n\nbit-keras COMMAND --help tells what a command takes."
