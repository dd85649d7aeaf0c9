"""What `finetune` and `pretrain` have in common: flags, and the report at the end."""

from absl import flags

from bit_keras.errors import UserError

SHARED = (
    "workdir",
    "seed",
    "strategy",
    "precision",
    "micro_batches",
    "xla",
    "remat",
    "strict",
    "resume",
    "save_every",
    "eval_every",
)


def define_training_flags(flag_values, strategies):
    """Defines the flags named in `SHARED`, and dry_run; `strategies` says which there are."""
    whole = {"lower_bound": 1, "flag_values": flag_values}
    flags.DEFINE_string(
        "workdir", None, "the run folder: a new one, or one to go on with (required)", flag_values=flag_values
    )
    flags.DEFINE_integer("seed", 0, "of split, order, augmentation and random weights", flag_values=flag_values)
    flags.DEFINE_string("strategy", "auto", strategies, flag_values=flag_values)
    flags.DEFINE_enum(
        "precision",
        "float32",
        ["float32", "mixed_bfloat16", "mixed_float16"],
        "of the computation; weights are float32",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "micro_batches", None, "equal parts to compute a batch in; saves memory (default: as memory needs)", **whole
    )
    flags.DEFINE_boolean(
        "xla",
        None,
        "compile normalizations and optimizer: faster steps, a slower start (default: if it pays)",
        flag_values=flag_values,
    )
    flags.DEFINE_boolean(
        "remat", False, "compute the units' interiors twice: less memory, more time", flag_values=flag_values
    )
    flags.DEFINE_boolean(
        "strict",
        False,
        "stop with exit code 2 if a picture is broken, instead of leaving it out",
        flag_values=flag_values,
    )
    flags.DEFINE_boolean("resume", True, "go on with the run in the workdir, if there is one", flag_values=flag_values)
    flags.DEFINE_integer("save_every", None, "steps between snapshots (default: a twentieth of the run)", **whole)
    flags.DEFINE_integer(
        "eval_every", None, "steps between looks at the validation pictures (default: a fifth of the run)", **whole
    )
    flags.DEFINE_boolean("dry_run", False, "print the plan and stop", flag_values=flag_values)


def given(flag_values, names):
    """Returns {name: value} of the flags that are not None.

    Raises:
        UserError: without a workdir.
    """
    if flag_values.workdir is None:
        raise UserError("Expected --workdir, the folder that the run is written to. Received: none.")
    return {name: flag_values[name].value for name in names if flag_values[name].value is not None}


def report(run):
    """Prints the accuracies of a `Run`, and where it is."""
    for split in ("validation", "test"):
        if f"{split}_accuracy" in run.metrics:
            accuracy, count = run.metrics[f"{split}_accuracy"], run.metrics[f"{split}_num_examples"]
            print(
                f"{split:<10} accuracy {accuracy:.2%} ({round(accuracy * count)} of {count} right), "
                f"loss {run.metrics[f'{split}_loss']:.4f}"
            )
    for count, accuracy in run.metrics.get("probe", {}).items():
        print(f"probe      accuracy {accuracy:.2%} from {count} of each class")
    print(f"run        {run.workdir}\nSavedModel {run.export_dir}")
