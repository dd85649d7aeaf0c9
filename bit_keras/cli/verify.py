"""`bit-keras verify FILE [--against=FILE]`."""

import math
from dataclasses import dataclass

from absl import flags

from bit_keras.cli.command import Command, expect
from bit_keras.errors import UserError, WeightsError

FLAGS = flags.FlagValues()
flags.DEFINE_string("against", None, "the file to compare with (default: the record beside FILE)", flag_values=FLAGS)
# Of float32 logits; those of one network in two formats differ by less than 1e-5.
flags.DEFINE_float("tolerance", 1e-4, "largest difference of two logits that is good", 0, flag_values=FLAGS)
flags.DEFINE_boolean("record", False, "record what FILE computes, beside it, for later", flag_values=FLAGS)
TOP = 5  # logits of a picture that are printed


@dataclass(frozen=True)
class Config:
    """The arguments of `verify`."""

    source: str
    against: str | None
    tolerance: float
    record: bool


def configure(positional, flag_values):
    """Returns the `Config`."""
    config = Config(*expect(positional, ["FILE"]), **flag_values.flag_values_dict())
    if config.record and config.against is not None:
        raise UserError("Expected --against or --record. Received: both. See --help.")
    if math.isnan(config.tolerance):
        raise UserError("Expected --tolerance as a number. Received: nan. See --help.")
    return config


def execute(config):
    """Prints the likeliest logits side by side, and their largest difference."""
    from bit_keras.cli.process import import_tensorflow

    import_tensorflow()
    from bit_keras.evaluation.verifying import record, verify

    if config.record:
        print(f"recorded    {record(config.source)}")
        return
    found = verify(config.source, config.against)
    if found.digest:
        print(f"SHA-256     {found.digest}, as recorded{f' from {found.origin}' if found.origin else ''}")
    _print_logits(found)
    if found.expected is None:
        print("difference  unknown: no logits are recorded; --record does it")
        return
    print(f"difference  {found.max_difference:.2g} at most, of {found.outputs.size:,} logits")
    if not found.max_difference <= config.tolerance:  # NaN is no agreement
        raise WeightsError(
            f"{config.source} computes something else than {config.against or 'its record'}: expected differences of "
            f"at most {config.tolerance:g}, received {found.max_difference:.2g}."
        )


def _print_logits(found):
    for row, name in enumerate(found.pictures):
        print(f"{name:<11} output      FILE{'' if found.expected is None else '   expected  difference'}")
        for column in found.outputs[row].argsort()[::-1][:TOP]:
            mine = found.outputs[row, column]
            cells = f"{column:>18}{mine:>10.4f}"
            if found.expected is not None:
                cells += f"{found.expected[row, column]:>11.4f}{abs(mine - found.expected[row, column]):>12.2g}"
            print(cells)


COMMAND = Command(
    "bit-keras verify FILE",
    "Computes the logits of two sample photos and compares them with those of another file, or with the record\n"
    "beside FILE, together with its SHA-256. FILE is whatever convert takes. Exit code 1 if they differ by more\n"
    "than the tolerance, or if there is nothing to compare with.",
    FLAGS,
    configure,
    execute,
)
