"""`bit-keras export MODEL OUT`."""

from dataclasses import dataclass

from absl import flags

from bit_keras.cli.command import Command, define_model_flags, expect

FLAGS = flags.FlagValues()
define_model_flags(FLAGS)
flags.DEFINE_boolean("fold", False, "standardize the kernels once: faster, and no longer trainable", flag_values=FLAGS)
flags.DEFINE_boolean("xla", False, "with --fold: compile it at the first call, for few sizes", flag_values=FLAGS)
flags.DEFINE_boolean("overwrite", False, "replace OUT if it is a SavedModel", flag_values=FLAGS)


@dataclass(frozen=True)
class Config:
    """The arguments of `bit.export`."""

    model: str
    out: str
    labels: str | None
    image_size: int | None
    fold: bool
    xla: bool
    overwrite: bool


def configure(positional, flag_values):
    """Returns the `Config`."""
    return Config(*expect(positional, ["MODEL", "OUT"]), **flag_values.flag_values_dict())


def execute(config):
    """Exports, and prints where to."""
    from bit_keras.cli.quiet import quiet_tensorflow

    quiet_tensorflow()
    from bit_keras.exporting.saved_model import export

    out = export(
        config.model,
        config.out,
        class_names=config.labels,
        image_size=config.image_size,
        fold=config.fold,
        xla=config.xla,
        overwrite=config.overwrite,
    )
    print(f"SavedModel {out}")


COMMAND = Command(
    "bit-keras export MODEL OUT",
    "Writes a SavedModel folder that TensorFlow Serving, TF-Hub and bit-keras itself load. MODEL is a run folder, a\n"
    "SavedModel, a weights file or a preset.",
    FLAGS,
    configure,
    execute,
)
