"""`bit-keras evaluate MODEL DATA`."""

from dataclasses import asdict, dataclass

from absl import flags

from bit_keras.cli.command import Command, define_model_flags, expect

FLAGS = flags.FlagValues()
flags.DEFINE_enum(
    "split", None, ["train", "validation", "test", "all"], "default: what the model has not seen", flag_values=FLAGS
)
define_model_flags(FLAGS)
flags.DEFINE_integer("batch_size", 32, "pictures at a time", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer(
    "seed", None, "of the split, where one has to be made (default: the run's, else 0)", flag_values=FLAGS
)
flags.DEFINE_boolean(
    "strict", False, "stop with exit code 2 if a picture is broken, instead of leaving it out", flag_values=FLAGS
)


@dataclass(frozen=True)
class Config:
    """The arguments of `bit.evaluate`."""

    model: str
    data: str
    split: str | None
    labels: str | None
    image_size: int | None
    batch_size: int
    seed: int | None
    strict: bool


def configure(positional, flag_values):
    """Returns the `Config`."""
    return Config(*expect(positional, ["MODEL", "DATA"]), **flag_values.flag_values_dict())


def execute(config):
    """Prints accuracy and loss."""
    from bit_keras.cli.process import import_tensorflow

    import_tensorflow()
    from bit_keras.evaluation.evaluating import evaluate

    metrics = evaluate(**asdict(config))
    count, accuracy = metrics["num_examples"], metrics["accuracy"]
    print(
        f"{metrics['split']} pictures: accuracy {accuracy:.2%} ({round(accuracy * count)} of {count} right), "
        f"loss {metrics['loss']:.4f}"
    )
    if metrics["num_skipped"]:
        print(f"{metrics['num_skipped']} broken pictures were left out.")


COMMAND = Command(
    "bit-keras evaluate MODEL DATA",
    "Measures accuracy and loss; every picture counts once. MODEL is a run folder, a SavedModel, a weights file or a\n"
    "preset; DATA as for finetune. A run on the data that it was trained on is measured on its test pictures.",
    FLAGS,
    configure,
    execute,
)
