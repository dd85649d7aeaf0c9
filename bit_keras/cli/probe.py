"""`bit-keras probe MODEL DATA`."""

from dataclasses import asdict, dataclass
from statistics import median

from absl import flags

from bit_keras.cli.command import Command, expect
from bit_keras.errors import UserError

FLAGS = flags.FlagValues()
flags.DEFINE_list(
    "examples_per_class",
    None,
    "numbers of pictures, such as 1,5 (default: those of 1, 5, 10, 25 that there are)",
    flag_values=FLAGS,
)
flags.DEFINE_integer("repeats", 3, "random subsets of each number", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer(
    "image_size",
    None,
    "side in pixels that pictures are resized to (default: the model's, else 224)",
    lower_bound=1,
    flag_values=FLAGS,
)
flags.DEFINE_integer("batch_size", 32, "pictures at a time", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "of the split, where one has to be made", flag_values=FLAGS)
flags.DEFINE_boolean(
    "strict", False, "stop with exit code 2 if a picture is broken, instead of leaving it out", flag_values=FLAGS
)


@dataclass(frozen=True)
class Config:
    """The arguments of `bit.probe`."""

    model: str
    data: str
    examples_per_class: tuple[int, ...] | None
    repeats: int
    image_size: int | None
    batch_size: int
    seed: int
    strict: bool


def configure(positional, flag_values):
    """Returns the `Config`."""
    values = flag_values.flag_values_dict()
    if values["examples_per_class"] is not None:
        try:
            values["examples_per_class"] = tuple(map(int, values["examples_per_class"]))
        except ValueError as error:
            raise UserError(
                f"Expected --examples_per_class as whole numbers such as 1,5. {error}. See --help."
            ) from error
    return Config(*expect(positional, ["MODEL", "DATA"]), **values)


def execute(config):
    """Prints the accuracy for each number of pictures."""
    from bit_keras.cli.process import import_tensorflow

    import_tensorflow()
    from bit_keras.evaluation.probing import probe

    for count, accuracies in probe(**asdict(config)).items():
        each = ", ".join(f"{accuracy:.1%}" for accuracy in accuracies)
        print(f"{count:>3} of each class: accuracy {median(accuracies):.1%} (median of {each})")


COMMAND = Command(
    "bit-keras probe MODEL DATA",
    "Tells how good a model's features are: trains a linear classifier (ridge regression) on those of a few pictures\n"
    "of each class, and measures it on the test pictures. MODEL as for convert, DATA as for finetune.",
    FLAGS,
    configure,
    execute,
)
