"""`finetune`: from pictures to a served classifier."""

from typing import TypedDict, Unpack

from bit_keras.recipes.hyperrule import HyperRule
from bit_keras.training.downstream import Settings, prepare
from bit_keras.training.running import Run, execute


class Overrides(TypedDict, total=False):
    """The settings of the HyperRule that a call may change by name; see `HyperRule`."""

    warmup_steps: int | None
    boundaries: tuple[int, ...] | None
    resize: int | None
    crop: int | None
    batch_size: int | None
    steps: int | None
    base_learning_rate: float | None
    flip: bool | None
    scaled_decoding: bool | None
    mixup_alpha: float | None


def finetune(
    data,
    *,
    model,
    workdir,
    rule: HyperRule | str | None = None,
    seed: int = 0,
    strategy="auto",
    precision: str = "float32",
    micro_batches: int | None = None,
    xla: bool | None = None,
    remat: bool = False,
    strict: bool = False,
    resume: bool = True,
    save_every: int | None = None,
    eval_every: int | None = None,
    **overrides: Unpack[Overrides],
) -> Run:
    """Fine-tunes a BiT on pictures by the HyperRule, tests it once, exports it, and returns the `Run`.

    Prints the plan first and shows a progress bar. Killed at any moment, the same call goes on from the last snapshot;
    on one device the weights at the end are the same to the last bit.

    Args:
        data: a folder with one folder of pictures for each class, or with `train`, `val`, `test` on top; a `.csv` with
            path, label and perhaps split; "tfds:NAME"; or "digits".
        model: a preset, a path (`.npz`, SavedModel, run folder), a variant such as "R50x1" for random weights, or a
            `keras.Model`, which is not changed itself.
        workdir: the run folder: new, or one to go on with.
        rule: a `HyperRule`; or "code" or "paper", whose rule to make from the training pictures' number and median
            size. None is "code".
        seed: of the split, the order, the augmentation and random weights.
        strategy: "auto", "one", "mirrored", "mirrored:N" or a `tf.distribute.Strategy` of one machine.
        precision: "float32", "mixed_bfloat16" or "mixed_float16".
        micro_batches: equal parts that each device's batch is computed in; None for the smallest power of two whose
            activations fit half the free memory.
        xla: whether XLA compiles the normalizations and the optimizer's steps of kernels, which makes a step on CPUs
            faster and the first one slower; None decides by the arithmetic of the whole run.
        remat: whether the gradient computes the interiors of the units again instead of keeping them, for large
            pictures and networks: less memory, more time. Not with batch normalization.
        strict: whether a broken picture stops the run; otherwise it is named and left out.
        resume: whether a run in `workdir` may go on.
        save_every: steps between snapshots; None for a twentieth of the run.
        eval_every: steps between looks at the validation pictures; None for a fifth of the run.
        **overrides: settings of the `HyperRule` where they should depart from it; the plan says so.

    Raises:
        DataError: for data that cannot be used; `BrokenPicturesError` for broken pictures if `strict`.
        WeightsError: for a model that cannot be read.
        RunError: for a folder that holds another run or in which another process works, a frozen backbone, or a loss
            that is no longer finite.
        SaveError: if something cannot be written; the last snapshot stays.
        UserError: for a setting outside its range.
    """
    session = prepare(
        Settings(
            data=data,
            model=model,
            workdir=workdir,
            rule=rule,
            seed=seed,
            strategy=strategy,
            precision=precision,
            micro_batches=micro_batches,
            xla=xla,
            remat=remat,
            strict=strict,
            resume=resume,
            save_every=save_every,
            eval_every=eval_every,
            overrides=dict(overrides),
        )
    )
    print(session.plan)
    return execute(session)
