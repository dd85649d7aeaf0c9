"""`bit-keras finetune DATA`."""

from dataclasses import dataclass

from absl import flags

from bit_keras.cli.command import Command, expect
from bit_keras.errors import UserError

FLAGS = flags.FlagValues()
flags.DEFINE_string(
    "model",
    "BiT-M-R50x1",
    "preset, .npz, SavedModel or run folder; or R50x1 and the like for random weights",
    flag_values=FLAGS,
)
flags.DEFINE_string("workdir", None, "the run folder: a new one, or one to go on with (required)", flag_values=FLAGS)
flags.DEFINE_enum(
    "rule",
    "code",
    ["code", "paper"],
    "whose HyperRule: that of the released code or the paper's own",
    flag_values=FLAGS,
)
flags.DEFINE_integer("seed", 0, "of split, order, augmentation and random weights", flag_values=FLAGS)
flags.DEFINE_string("strategy", "auto", "auto, one, mirrored, or mirrored:N for N devices", flag_values=FLAGS)
flags.DEFINE_enum(
    "precision", "float32", ["float32", "mixed_bfloat16"], "of the computation; weights are float32", flag_values=FLAGS
)
flags.DEFINE_integer(
    "micro_batches",
    None,
    "equal parts to compute a batch in; saves memory (default: as memory needs)",
    lower_bound=1,
    flag_values=FLAGS,
)
flags.DEFINE_boolean(
    "strict", False, "stop with exit code 2 if a picture is broken, instead of leaving it out", flag_values=FLAGS
)
flags.DEFINE_boolean("resume", True, "go on with the run in the workdir, if there is one", flag_values=FLAGS)
flags.DEFINE_integer(
    "save_every", None, "steps between snapshots (default: a twentieth of the run)", lower_bound=1, flag_values=FLAGS
)
flags.DEFINE_integer(
    "eval_every",
    None,
    "steps between looks at the validation pictures (default: a fifth of the run)",
    lower_bound=1,
    flag_values=FLAGS,
)
flags.DEFINE_boolean("dry_run", False, "print the plan and stop", flag_values=FLAGS)
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

OVERRIDES = ("resize", "crop", "batch_size", "steps", "base_learning_rate", "flip", "mixup_alpha")
ARGUMENTS = (
    "model",
    "workdir",
    "rule",
    "seed",
    "strategy",
    "precision",
    "micro_batches",
    "strict",
    "resume",
    "save_every",
    "eval_every",
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
    if flag_values.workdir is None:
        raise UserError("Expected --workdir, the folder that the run is written to. Received: none.")
    arguments = {name: flag_values[name].value for name in ARGUMENTS}
    overrides = {name: flag_values[name].value for name in OVERRIDES if flag_values[name].value is not None}
    return Config(data, arguments | {"overrides": overrides}, flag_values.dry_run)


def execute(config):
    """Prints the plan and, unless it is a dry run, trains and says what came out."""
    from bit_keras.cli.quiet import quiet_tensorflow

    quiet_tensorflow()
    from bit_keras.training import finetuning, session

    settings = session.Settings(config.data, **config.arguments)
    prepared = session.prepare(settings)
    print(prepared.plan)
    if config.dry_run:
        return
    run = finetuning.execute(prepared)
    for split in ("validation", "test"):
        if f"{split}_accuracy" in run.metrics:
            accuracy, count = run.metrics[f"{split}_accuracy"], run.metrics[f"{split}_num_examples"]
            print(
                f"{split:<10} accuracy {accuracy:.2%} ({round(accuracy * count)} of {count} right), "
                f"loss {run.metrics[f'{split}_loss']:.4f}"
            )
    print(f"run        {run.workdir}\nSavedModel {run.export_dir}")


COMMAND = Command(
    "bit-keras finetune DATA --workdir=RUN",
    "Fine-tunes a BiT by the HyperRule, tests it once and exports it. DATA is a folder with one folder of pictures\n"
    "for each class (or with train, val and test on top), a .csv with path and label, tfds:NAME, digits, or\n"
    "formula:CLASSES (pictures that random formulas draw).",
    FLAGS,
    configure,
    execute,
)
