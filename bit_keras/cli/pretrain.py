"""`bit-keras pretrain DATA`."""

from dataclasses import dataclass

from absl import flags

from bit_keras.cli.command import Command, expect
from bit_keras.cli.training import SHARED, define_training_flags, given, report
from bit_keras.errors import UserError
from bit_keras.recipes.upstream import DECAYS, LOSSES, RECIPES, SCHEDULES

FLAGS = flags.FlagValues()
flags.DEFINE_string("variant", "R50x1", "the network, such as R50x1 or R14x0.5", flag_values=FLAGS)
flags.DEFINE_enum("recipe", "BiT-S", list(RECIPES), "the paper's, or big_vision's bit_i1k, bit_i21k", flag_values=FLAGS)
define_training_flags(FLAGS, "auto, one, mirrored, mirrored:N, multi_worker (the hosts of TF_CONFIG), or tpu")
flags.DEFINE_enum("normalization", "group", ["group", "batch"], "as published, or of the ablation", flag_values=FLAGS)
flags.DEFINE_boolean("weight_standardization", True, "as published, or plain convolutions", flag_values=FLAGS)
flags.DEFINE_string(
    "probe_data", None, "data whose few-shot probe each look runs, such as digits (default: none)", flag_values=FLAGS
)
flags.DEFINE_boolean(
    "shard_files",
    False,
    "each host reads record files of its own: faster where they are larger than memory; another order of pictures",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "data_service", None, "tf.data service whose workers read and decode, grpc://HOST:PORT", flag_values=FLAGS
)
flags.DEFINE_float(
    "join_seconds", None, "how long to wait for the other hosts (default: 300)", lower_bound=0, flag_values=FLAGS
)
DEPARTS = "departs from the recipe: "
for name, text in {
    "batch_size": "pictures a step, over all devices; the rate follows",
    "steps": "steps; warm-up and decays move in proportion",
    "warmup_steps": "steps over which the rate rises",
    "crop": "side in pixels that the network sees",
    "eval_resize": "shorter side in pixels that evaluation resizes to",
}.items():
    flags.DEFINE_integer(name, None, DEPARTS + text, lower_bound=0, flag_values=FLAGS)
for name, text in {
    "epochs": "passes over the pictures; warm-up and decays move in proportion",
    "rate_per_256": "learning rate for a batch of 256",
    "weight_decay": "of kernels",
    "head_bias": "what the head's biases begin with",
    "clip_norm": "largest norm of the gradient",
    "min_area": "least share of a picture that is cut out",
}.items():
    flags.DEFINE_float(name, None, DEPARTS + text, flag_values=FLAGS)
for name, choices in {"loss": LOSSES, "schedule": SCHEDULES, "decay": DECAYS}.items():
    flags.DEFINE_enum(name, None, choices, DEPARTS + " or ".join(choices), flag_values=FLAGS)
flags.DEFINE_list(
    "decay_epochs", None, DEPARTS + "epochs after which the rate is a tenth, such as 30,60", flag_values=FLAGS
)
flags.DEFINE_boolean("flip", None, DEPARTS + "whether pictures are mirrored at random", flag_values=FLAGS)
flags.DEFINE_boolean(
    "scaled_decoding",
    None,
    DEPARTS + "decode large JPEGs at a half, a quarter or an eighth; faster, other pixels",
    flag_values=FLAGS,
)

OWN = (
    *("variant", "recipe", "normalization", "weight_standardization"),
    *("probe_data", "shard_files", "data_service", "join_seconds"),
)
OVERRIDES = (
    *("batch_size", "steps", "warmup_steps", "crop", "eval_resize", "epochs", "rate_per_256", "weight_decay"),
    *("head_bias", "clip_norm", "min_area", "loss", "schedule", "decay", "decay_epochs", "flip", "scaled_decoding"),
)


@dataclass(frozen=True)
class Config:
    """The arguments of `UpstreamSettings`, and whether to stop after the plan."""

    data: str
    arguments: dict
    dry_run: bool


def configure(positional, flag_values):
    """Returns the `Config`."""
    (data,) = expect(positional, ["DATA"])
    overrides = given(flag_values, OVERRIDES)
    if "decay_epochs" in overrides:
        try:
            overrides["decay_epochs"] = tuple(map(float, overrides["decay_epochs"]))
        except ValueError as error:
            raise UserError(f"Expected --decay_epochs as numbers such as 30,60. {error}. See --help.") from error
    arguments = given(flag_values, (*SHARED, *OWN))
    return Config(data, arguments | {"overrides": overrides}, flag_values.dry_run)


def execute(config):
    """Prints the plan and, unless it is a dry run, trains and says what came out."""
    from bit_keras.cli.process import import_tensorflow

    import_tensorflow()
    from bit_keras.training.running import execute as carry_out
    from bit_keras.training.upstream import UpstreamSettings, prepare

    prepared = prepare(UpstreamSettings(config.data, **config.arguments))
    if prepared.cluster.is_chief:
        print(prepared.plan)
    if config.dry_run:
        return
    run = carry_out(prepared)
    if prepared.cluster.is_chief:
        report(run)


COMMAND = Command(
    "bit-keras pretrain DATA --workdir=RUN",
    "Trains a BiT from random weights by a recipe of the paper, scaled to the data, and exports it. DATA is "
    "tfds:NAME or\n"
    "tfds:FOLDER (prepared), tfrecord:FOLDER, a folder of pictures, a .csv, digits, or formula:CLASSES (pictures that\n"
    "random formulas draw).",
    FLAGS,
    configure,
    execute,
)
