"""`bit-keras export MODEL OUT`."""

from dataclasses import dataclass

from absl import flags

from bit_keras.cli.command import Command, define_model_flags, expect

TITLES = {"saved_model": "SavedModel", "onnx": "ONNX"}
FLAGS = flags.FlagValues()
flags.DEFINE_enum("format", "saved_model", list(TITLES), "a SavedModel folder, or an ONNX file", flag_values=FLAGS)
define_model_flags(FLAGS)
flags.DEFINE_boolean("fold", False, "standardize the kernels once: faster, and no longer trainable", flag_values=FLAGS)
flags.DEFINE_boolean(
    "xla", False, "with --fold: compiled at the first call, for few sizes; takes more memory", flag_values=FLAGS
)
flags.DEFINE_boolean("overwrite", False, "replace OUT if it is of that format", flag_values=FLAGS)


@dataclass(frozen=True)
class Config:
    """The arguments of `bit.export`."""

    model: str
    out: str
    format: str
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
    from bit_keras.cli.process import import_tensorflow

    import_tensorflow()
    from bit_keras.exporting.exporting import export

    out = export(
        config.model,
        config.out,
        format=config.format,
        class_names=config.labels,
        image_size=config.image_size,
        fold=config.fold,
        xla=config.xla,
        overwrite=config.overwrite,
    )
    print(f"{TITLES[config.format]} {out}")


COMMAND = Command(
    "bit-keras export MODEL OUT",
    "Writes a SavedModel folder that TensorFlow Serving, TF-Hub and bit-keras itself load, or with --format=onnx a\n"
    "file for ONNX Runtime and its like. MODEL is a run folder, a SavedModel, a weights file or a preset.",
    FLAGS,
    configure,
    execute,
)
