"""`bit-keras convert FILE [TARGET]`."""

from dataclasses import dataclass

from absl import flags

from bit_keras.cli.command import Command, expect
from bit_keras.errors import UserError

FLAGS = flags.FlagValues()
flags.DEFINE_boolean("describe", False, "print what FILE holds, and write nothing", flag_values=FLAGS)
flags.DEFINE_boolean("overwrite", False, "replace TARGET if it exists", flag_values=FLAGS)


@dataclass(frozen=True)
class Config:
    """The arguments of `convert`; no target to describe alone."""

    source: str
    target: str | None
    overwrite: bool


def configure(positional, flag_values):
    """Returns the `Config`."""
    if flag_values.describe:
        (source,) = expect(positional, ["FILE"])
        return Config(source, None, flag_values.overwrite)
    if len(positional) == 1:
        raise UserError("Expected FILE and TARGET, or FILE and --describe. Received: FILE alone. See --help.")
    source, target = expect(positional, ["FILE", "TARGET"])
    return Config(source, target, flag_values.overwrite)


def execute(config):
    """Converts, or describes."""
    from bit_keras.cli.process import import_tensorflow

    import_tensorflow()
    from bit_keras.weights.converting import convert, describe

    if config.target is None:
        for what, text in describe(config.source).items():
            print(f"{what:<11} {text}")
        return
    print(f"written     {convert(config.source, config.target, overwrite=config.overwrite)}")


COMMAND = Command(
    "bit-keras convert FILE [TARGET]",
    "Writes the weights in FILE in another format, or describes them. FILE is an .npz, .h5, .safetensors or .keras\n"
    "file, a SavedModel, TF-Hub, Hugging Face or run folder, or a preset. TARGET ends with .npz (the official layout,\n"
    "for the 2020 code, timm and big_vision), .keras, or is called model.safetensors (Hugging Face, with\n"
    "a config.json beside).",
    FLAGS,
    configure,
    execute,
)
