"""`bit-keras finetune DATA`."""

from dataclasses import dataclass

from absl import flags

from bit_keras.cli.command import Command, expect
from bit_keras.cli.training import SHARED, define_training_flags, given, report

FLAGS = flags.FlagValues()
flags.DEFINE_string(
    "model",
    "BiT-M-R50x1",
    "preset, .npz, SavedModel or run folder; or R50x1 and the like for random weights",
    flag_values=FLAGS,
)
flags.DEFINE_enum(
    "rule",
    "code",
    ["code", "paper"],
    "whose HyperRule: that of the released code or the paper's own",
    flag_values=FLAGS,
)
define_training_flags(FLAGS, "auto, one, mirrored, or mirrored:N for N devices")
flags.DEFINE_integer(
    "resize",
    None,
    "departs from the rule: side in pixels that training pictures are resized to",
    lower_bound=1,
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "crop", None, "departs from the rule: side in pixels that the network sees", lower_bound=1, flag_values=FLAGS
)
flags.DEFINE_integer(
    "batch_size", None, "departs from the rule: pictures a step, over all devices", lower_bound=1, flag_values=FLAGS
)
flags.DEFINE_integer(
    "steps",
    None,
    "departs from the rule: steps; warm-up and decays move in proportion",
    lower_bound=1,
    flag_values=FLAGS,
)
flags.DEFINE_float("base_learning_rate", None, "departs from the rule: rate after the warm-up", flag_values=FLAGS)
flags.DEFINE_boolean(
    "flip", None, "departs from the rule: whether training pictures are mirrored at random", flag_values=FLAGS
)
flags.DEFINE_float(
    "mixup_alpha", None, "departs from the rule: of mixup's Beta distribution, 0 for none", flag_values=FLAGS
)
flags.DEFINE_boolean(
    "scaled_decoding",
    None,
    "departs from the rule: decode large JPEGs at a half, a quarter or an eighth for training; faster, other pixels",
    flag_values=FLAGS,
)

OVERRIDES = (
    "resize",
    "crop",
    "batch_size",
    "steps",
    "base_learning_rate",
    "flip",
    "mixup_alpha",
    "scaled_decoding",
)


@dataclass(frozen=True)
class Config:
    """The arguments of `Settings`, and whether to stop after the plan."""

    data: str
    arguments: dict
    dry_run: bool


def configure(positional, flag_values):
    """Returns the `Config`."""
    (data,) = expect(positional, ["DATA"])
    arguments = given(flag_values, (*SHARED, "model", "rule"))
    return Config(data, arguments | {"overrides": given(flag_values, OVERRIDES)}, flag_values.dry_run)


def execute(config):
    """Prints the plan and, unless it is a dry run, trains and says what came out."""
    from bit_keras.cli.process import import_tensorflow

    import_tensorflow()
    from bit_keras.training.downstream import Settings, prepare
    from bit_keras.training.running import execute as carry_out

    prepared = prepare(Settings(config.data, **config.arguments))
    print(prepared.plan)
    if config.dry_run:
        return
    report(carry_out(prepared))


COMMAND = Command(
    "bit-keras finetune DATA --workdir=RUN",
    "Fine-tunes a BiT by the HyperRule, tests it once and exports it. DATA is a folder with one folder of pictures\n"
    "for each class (or with train, val and test on top), a .csv with path and label, tfds:NAME, digits, or\n"
    "formula:CLASSES (pictures that random formulas draw).",
    FLAGS,
    configure,
    execute,
)
