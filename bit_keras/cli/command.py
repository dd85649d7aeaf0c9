"""A command: its flags, its help, and the config that they make."""

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass

from absl import flags

from bit_keras.errors import UserError

EVERYWHERE = flags.FlagValues()  # of every command
flags.DEFINE_string(
    "cache_dir",
    None,
    "folder that fetched weights are kept in (default: $BIT_KERAS_HOME, else ~/.cache/bit_keras)",
    flag_values=EVERYWHERE,
)


@dataclass(frozen=True)
class Command:
    """One command.

    Args:
        usage: the command line without the flags.
        summary: what it does, in a sentence or two.
        flag_values: its flags; each command has its own, as a name may be defined once only in absl's global ones.
        configure: from (positional arguments, flags) to a frozen config.
        execute: carries the config out.
    """

    usage: str
    summary: str
    flag_values: flags.FlagValues
    configure: Callable
    execute: Callable

    def run(self, argv):
        """Parses `argv`, or prints the help; returns the exit code."""
        if any(argument in ("--help", "-h", "-help") for argument in argv):
            print(self.help())
            return 0
        try:
            values = copy.deepcopy(self.flag_values)  # so that one call's flags are not the next one's
            values.append_flag_values(copy.deepcopy(EVERYWHERE))
            positional = values(["bit-keras", *argv])[1:]
        except flags.Error as error:
            raise UserError(f"{error}. See: {self.usage.split(' ')[0]} {self.usage.split(' ')[1]} --help.") from error
        if values.cache_dir is not None:
            os.environ["BIT_KERAS_HOME"] = values.cache_dir
        values.remove_flag_values(EVERYWHERE)
        self.execute(self.configure(positional, values))
        return 0

    def help(self):
        """Returns usage, summary and one entry for each flag."""
        entries = [_entry(own[name]) for own in (self.flag_values, EVERYWHERE) for name in own if name in _own(own)]
        return "\n".join([f"usage: {self.usage} [flags]", "", self.summary, "", *entries])


def define_model_flags(flag_values):
    """Defines what the commands that take a finished model have in common."""
    flags.DEFINE_string(
        "labels", None, "file with a class name a line (default: those of the model)", flag_values=flag_values
    )
    flags.DEFINE_integer(
        "image_size",
        None,
        "side in pixels that pictures are resized to (default: the model's, else 224)",
        lower_bound=1,
        flag_values=flag_values,
    )


def expect(positional, names, *, more=False):
    """Returns the positional arguments if there are as many as `names`; with `more`, at least as many.

    Raises:
        UserError: that names what is missing or too much.
    """
    if len(positional) < len(names):
        raise UserError(f"Expected {' and '.join(names)}. Received: {positional or 'nothing'}. See --help.")
    if len(positional) > len(names) and not more:
        raise UserError(f"Expected no more than {' and '.join(names)}. Received: {positional}. See --help.")
    return positional


def _own(flag_values):
    return {flag.name for flag_list in flag_values.flags_by_module_dict().values() for flag in flag_list}


def _entry(flag):
    name = f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}"
    default = "" if flag.default is None else f" (default: {flag.default_as_str})"
    return f"  {name}\n      {flag.help}{default}"
