"""`bit-keras presets [PATTERN]`."""

from dataclasses import dataclass

from absl import flags

from bit_keras.cli.command import Command, expect
from bit_keras.errors import UserError

FLAGS = flags.FlagValues()


@dataclass(frozen=True)
class Config:
    """Which presets to list."""

    pattern: str


def configure(positional, flag_values):
    """Returns the `Config`."""
    expect(positional, ["PATTERN"][: len(positional)])
    return Config(positional[0] if positional else "*")


def execute(config):
    """Prints a row for each preset."""
    from bit_keras.weights.catalogue import list_presets, preset

    names = list_presets(config.pattern)
    if not names:
        raise UserError(f"No preset matches {config.pattern!r}. `bit-keras presets` lists them all.")
    print(f"{'preset':<40} {'parameters':>13} {'classes':>7}  {'accuracy':<22}  trained on")
    for entry in map(preset, names):
        print(
            f"{entry.name:<40} {entry.num_parameters:>13,} {entry.num_classes:>7,}  {_accuracy(entry):<22}  "
            f"{entry.upstream}"
        )


def _accuracy(entry):
    if entry.accuracy is None:
        return ""
    return f"{entry.accuracy.percent:.2f}% at {entry.accuracy.image_size} px"


COMMAND = Command(
    "bit-keras presets [PATTERN]",
    "Lists the published weights. PATTERN may have the wildcards * and ?, for instance 'BiT-M-*'.",
    FLAGS,
    configure,
    execute,
)
